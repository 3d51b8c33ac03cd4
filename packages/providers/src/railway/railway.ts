import type { CallOutcome, FollowStatus } from "@neuropilot/core";
import * as z from "zod/mini";
import type { RemedyProvider } from "../port.ts";
import { ASK_AGAIN_MS, callGraphql, type GraphqlAnswer, type RailwayOptions } from "./client.ts";
import { FIND_DEPLOYMENT, FOLLOW_DEPLOYMENT, RESTART_DEPLOYMENT } from "./documents.ts";
import { restartability, type Standing, standingOf, statusText } from "./statuses.ts";

export interface RailwayWhere {
  readonly projectId: string;
  readonly environmentId: string;
  readonly serviceId: string;
}

export interface RailwayPlan {
  readonly deploymentId: string;
}

/** A swap to a new deployment that takes longer than this is stuck, and no longer a reason to leave the old one down. */
const SWAP_MS = 10 * 60_000;
const SWAP_ASK_AGAIN_MS = 30_000;
/**
 * A restart is accepted before it begins, so just after the call a deployment looks as it did before it. Until this long
 * after the call, only a deployment that was seen starting is believed to have started.
 */
const BEGINS_WITHIN_MS = 5_000;
/** Following must not use up the requests that the next restart needs (100 an hour on the smallest plan). */
const SPARE_REQUESTS = 20;
const SPARING_POLL_MS = 30_000;

const instances = z.array(z.object({ id: z.string(), status: z.string() }));
const foundData = z.object({
  serviceInstance: z.object({
    activeDeployments: z.array(z.object({ id: z.string(), projectId: z.string(), status: z.string(), instances })),
    latestDeployment: z.nullable(
      z.object({
        id: z.string(),
        projectId: z.string(),
        status: z.string(),
        createdAt: z.string(),
        statusUpdatedAt: z.nullable(z.string()),
        instances,
      }),
    ),
  }),
});
const restartData = z.object({ deploymentRestart: z.boolean() });
const followData = z.object({ deployment: z.object({ status: z.string(), instances }) });

type Found = z.infer<typeof foundData>["serviceInstance"];

interface Restart {
  readonly calledAt: number;
  begun: boolean;
}

/**
 * Restarts a service on Railway through its GraphQL API: finds the deployment that is live, restarts it with one call and
 * follows it until it stands again. The reference of an applied restart is the deployment's id.
 */
export function createRailway(options: RailwayOptions): RemedyProvider<RailwayWhere, RailwayPlan> {
  const clock = options.clock ?? Date.now;
  const restarts = new Map<string, Restart>();
  return {
    async prepare(where, limits) {
      const { environmentId, serviceId } = where;
      const answer = await callGraphql(options, FIND_DEPLOYMENT, { environmentId, serviceId }, limits);
      if (answer.kind !== "data") return notPrepared(answer);
      const parsed = foundData.safeParse(answer.data);
      if (!parsed.success)
        return {
          kind: "retry-later",
          afterMs: ASK_AGAIN_MS,
          detail: "Railway's answer is not the service instance that was asked for",
        };
      return choose(where, parsed.data.serviceInstance, clock());
    },
    async act(plan, limits) {
      const calledAt = clock();
      const outcome = called(plan, await callGraphql(options, RESTART_DEPLOYMENT, { id: plan.deploymentId }, limits));
      if (outcome.kind === "applied") restarts.set(plan.deploymentId, { calledAt, begun: false });
      return outcome;
    },
    async follow(reference, limits) {
      const answer = await callGraphql(options, FOLLOW_DEPLOYMENT, { id: reference }, limits);
      return followed(answer, restarts.get(reference), clock());
    },
  };
}

/** Reading changes nothing, so whatever went wrong on the way can be asked again. */
function notPrepared(
  answer: Exclude<GraphqlAnswer, { kind: "data" }>,
): Extract<CallOutcome, { kind: "rejected" | "retry-later" }> {
  switch (answer.kind) {
    case "refused":
      return { kind: "rejected", reason: answer.reason, detail: answer.detail };
    case "later":
      return { kind: "retry-later", afterMs: answer.afterMs, detail: answer.detail };
    case "uncertain":
      return { kind: "retry-later", afterMs: ASK_AGAIN_MS, detail: answer.detail };
  }
}

/**
 * Which deployment to restart.
 *
 * A newer one that is still being built does not count: the live one is what is ill, a restart takes seconds, a build
 * minutes. While the newer one takes over (`DEPLOYING`), the live one is about to go, so the swap is awaited. Whether a
 * fresh deploy is the cause, and calls for a rollback instead, is the cause guard's to say before it comes to this.
 */
function choose(
  where: RailwayWhere,
  found: Found,
  now: number,
): { kind: "ready"; plan: RailwayPlan } | Extract<CallOutcome, { kind: "rejected" | "retry-later" }> {
  const { activeDeployments: active, latestDeployment: latest } = found;
  const stranger = [...active, ...(latest === null ? [] : [latest])].find((one) => one.projectId !== where.projectId);
  if (stranger !== undefined)
    return {
      kind: "rejected",
      reason: "invalid-request",
      detail: `service ${where.serviceId} belongs to another Railway project than ${where.projectId}: check railway.projectId and railway.serviceId`,
    };
  if (
    latest !== null &&
    latest.status === "DEPLOYING" &&
    now - Date.parse(latest.statusUpdatedAt ?? latest.createdAt) < SWAP_MS
  )
    return {
      kind: "retry-later",
      afterMs: SWAP_ASK_AGAIN_MS,
      detail: "a newer deployment is taking over; restarting the one that goes would not help",
    };
  const live = active.find((deployment) => restartability(deployment.status) === "yes");
  if (live !== undefined) return { kind: "ready", plan: { deploymentId: live.id } };
  // A deployment whose process gave up is no longer active, and is what a restart is for:
  // https://docs.railway.com/deployments/reference#restart
  if (active.length === 0 && latest?.status === "CRASHED") return { kind: "ready", plan: { deploymentId: latest.id } };
  const changing = [...active, ...(latest === null ? [] : [latest])].find(
    (deployment) => restartability(deployment.status) === "wait",
  );
  if (changing !== undefined)
    return {
      kind: "retry-later",
      afterMs: SWAP_ASK_AGAIN_MS,
      detail: `no deployment is live, and one is on its way: ${statusText(changing.status)}`,
    };
  return {
    kind: "rejected",
    reason: "nothing-to-restart",
    detail:
      latest === null
        ? "Railway knows no deployment of this service in this environment: deploy it first"
        : `no deployment of this service is live; of the latest, ${statusText(latest.status)}`,
  };
}

function called(plan: RailwayPlan, answer: GraphqlAnswer): CallOutcome {
  switch (answer.kind) {
    case "refused":
      return { kind: "rejected", reason: answer.reason, detail: answer.detail };
    case "later":
      return { kind: "retry-later", afterMs: answer.afterMs, detail: answer.detail };
    case "uncertain":
      return { kind: "unknown", why: answer.why, detail: answer.detail };
    case "data": {
      const parsed = restartData.safeParse(answer.data);
      if (!parsed.success)
        return {
          kind: "unknown",
          why: "unreadable-answer",
          detail: "Railway's answer does not say whether it restarted",
        };
      return parsed.data.deploymentRestart
        ? { kind: "applied", reference: plan.deploymentId }
        : {
            kind: "rejected",
            reason: "nothing-to-restart",
            detail: `Railway answered false: it did not restart deployment ${plan.deploymentId}`,
          };
    }
  }
}

function followed(answer: GraphqlAnswer, restart: Restart | undefined, now: number): FollowStatus {
  switch (answer.kind) {
    case "refused":
      return answer.reason === "not-found"
        ? { kind: "failed", detail: answer.detail }
        : { kind: "unavailable", afterMs: SPARING_POLL_MS, detail: answer.detail };
    case "later":
      return { kind: "unavailable", afterMs: answer.afterMs, detail: answer.detail };
    case "uncertain":
      return { kind: "unavailable", afterMs: ASK_AGAIN_MS, detail: answer.detail };
    case "data": {
      const parsed = followData.safeParse(answer.data);
      if (!parsed.success)
        return {
          kind: "unavailable",
          afterMs: ASK_AGAIN_MS,
          detail: "Railway's answer is not the deployment that was asked for",
        };
      return sparing(begun(parsed.data.deployment, restart, now), answer.remaining);
    }
  }
}

function begun(standing: Standing, restart: Restart | undefined, now: number): FollowStatus {
  const status = standingOf(standing);
  if (restart === undefined) return status;
  if (status.kind === "in-progress") restart.begun = true;
  else if (!restart.begun && now - restart.calledAt < BEGINS_WITHIN_MS)
    return { kind: "in-progress", detail: "the restart was accepted and has not begun yet" };
  return status;
}

function sparing(status: FollowStatus, remaining: number | undefined): FollowStatus {
  if (status.kind !== "in-progress" || remaining === undefined || remaining >= SPARE_REQUESTS) return status;
  return {
    kind: "unavailable",
    afterMs: SPARING_POLL_MS,
    detail: `${status.detail}; asked less often, since Railway allows ${remaining} more requests for now`,
  };
}
