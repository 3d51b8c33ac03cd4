/**
 * The part of Railway's published GraphQL schema that the stand-in executes: names, arguments and types as the vendor has
 * them, nothing added. A contract test compares every line with the vendor's whole schema where that is at hand.
 * Vendor's page: https://docs.railway.com/integrations/api#viewing-the-schema
 */
export const RAILWAY_SCHEMA = `
scalar DateTime

interface Node {
  id: ID!
}

type Query {
  deployment(id: String!): Deployment!
  deployments(first: Int, input: DeploymentListInput!): QueryDeploymentsConnection!
  projectToken: ProjectToken!
  serviceInstance(environmentId: String!, serviceId: String!): ServiceInstance!
}

type Mutation {
  deploymentRestart(id: String!): Boolean!
  deploymentRollback(id: String!): Boolean!
}

type ProjectToken implements Node {
  environmentId: String!
  id: ID!
  projectId: String!
}

type ServiceInstance implements Node {
  activeDeployments: [Deployment!]!
  environmentId: String!
  id: ID!
  latestDeployment: Deployment
  serviceId: String!
}

type Deployment implements Node {
  canRedeploy: Boolean!
  canRollback: Boolean!
  createdAt: DateTime!
  environmentId: String!
  id: ID!
  instances: [DeploymentDeploymentInstance!]!
  projectId: String!
  serviceId: String
  status: DeploymentStatus!
  statusUpdatedAt: DateTime
  updatedAt: DateTime!
}

type DeploymentDeploymentInstance {
  id: String!
  status: DeploymentInstanceStatus!
}

enum DeploymentStatus {
  BUILDING
  CRASHED
  DEPLOYING
  FAILED
  INITIALIZING
  NEEDS_APPROVAL
  QUEUED
  REMOVED
  REMOVING
  SKIPPED
  SLEEPING
  SUCCESS
  WAITING
}

enum DeploymentInstanceStatus {
  CRASHED
  CREATED
  EXITED
  INITIALIZING
  REMOVED
  REMOVING
  RESTARTING
  RUNNING
  SKIPPED
  STOPPED
}

input DeploymentListInput {
  environmentId: String
  includeDeleted: Boolean
  projectId: String
  serviceId: String
  status: DeploymentStatusInput
}

input DeploymentStatusInput {
  in: [DeploymentStatus!]
  notIn: [DeploymentStatus!]
}

type QueryDeploymentsConnection {
  edges: [QueryDeploymentsConnectionEdge!]!
  pageInfo: PageInfo!
}

type QueryDeploymentsConnectionEdge {
  cursor: String!
  node: Deployment!
}

type PageInfo {
  endCursor: String
  hasNextPage: Boolean!
  hasPreviousPage: Boolean!
  startCursor: String
}
`;
