/**
 * Every document that is sent to Railway, and no other. Each is checked against the vendor's published schema.
 * Vendor's page: https://docs.railway.com/integrations/api
 *
 * A service is never redeployed: that runs the last build again and ignores a source that was set since.
 */

/** `activeDeployments`, since `latestDeployment` may be one that failed or is still being built. */
export const FIND_DEPLOYMENT = `query NeuroPilotFindDeployment($environmentId: String!, $serviceId: String!) {
  serviceInstance(environmentId: $environmentId, serviceId: $serviceId) {
    activeDeployments { id projectId status instances { id status } }
    latestDeployment { id projectId status createdAt statusUpdatedAt instances { id status } }
  }
}`;

/** Answers a bare Boolean. It has no idempotency key: sent twice, it restarts twice. */
export const RESTART_DEPLOYMENT = `mutation NeuroPilotRestart($id: String!) {
  deploymentRestart(id: $id)
}`;

/** A restart keeps the deployment's id, so the same deployment is asked until it stands again. */
export const FOLLOW_DEPLOYMENT = `query NeuroPilotFollow($id: String!) {
  deployment(id: $id) { status instances { id status } }
}`;

export const RAILWAY_DOCUMENTS = { FIND_DEPLOYMENT, RESTART_DEPLOYMENT, FOLLOW_DEPLOYMENT } as const;
