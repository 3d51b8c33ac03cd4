import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { RailwayDeploymentStatus, RailwayInstanceStatus } from "@neuropilot/providers";

export interface RailwayService {
  readonly serviceId: string;
  /** The id of the deployment that runs at the start; a new one if absent. */
  readonly deploymentId?: string;
  /** Restarts the real thing; settles when it is up again. */
  restart(): Promise<void>;
}

/** A deployment for `setDeployments`; what is not given is as of one that runs. */
export interface DeploymentSeed {
  readonly id?: string;
  readonly status: RailwayDeploymentStatus;
  /** Whether it is listed among the active deployments. */
  readonly active: boolean;
  readonly instances?: readonly RailwayInstanceStatus[];
  /** Milliseconds since 1970. */
  readonly createdAt?: number;
  readonly projectId?: string;
}

export interface Deployment {
  readonly id: string;
  readonly projectId: string;
  readonly environmentId: string;
  readonly serviceId: string;
  readonly createdAt: number;
  readonly instances: { readonly id: string; status: RailwayInstanceStatus }[];
  status: RailwayDeploymentStatus;
  statusUpdatedAt: number;
  active: boolean;
}

export interface RestartRecord {
  readonly serviceId: string;
  readonly deploymentId: string;
  readonly acceptedAt: number;
  overAt?: number;
  result?: "running" | "crashed";
}

export interface WorldOptions {
  readonly projectId: string;
  readonly environmentId: string;
  readonly services: readonly RailwayService[];
  readonly restartTakesMs: number;
  readonly log: (line: string) => void;
}

/** One project with one environment: its services' deployments, and the restarts that are under way. */
export interface World {
  readonly restarts: readonly RestartRecord[];
  /** Newest first; undefined if there is no such service. */
  deploymentsOf(serviceId: string): readonly Deployment[] | undefined;
  find(deploymentId: string): Deployment | undefined;
  all(): readonly Deployment[];
  setDeployments(serviceId: string, seeds: readonly DeploymentSeed[]): readonly string[];
  /** Accepts a restart, which happens after this returns. Every acceptance is one more restart. */
  acceptRestart(deployment: Deployment, ending: "running" | "crashed"): void;
  /** Starts no further restart and waits for those that run. */
  close(): Promise<void>;
}

export function createWorld(options: WorldOptions): World {
  const { projectId, environmentId, log } = options;
  const services = new Map(options.services.map((service) => [service.serviceId, service]));
  const deployments = new Map<string, Deployment[]>();
  const queues = new Map<string, Promise<void>>();
  const restarts: RestartRecord[] = [];
  const closing = new AbortController();

  const make = (serviceId: string, seed: DeploymentSeed): Deployment => ({
    id: seed.id ?? randomUUID(),
    projectId: seed.projectId ?? projectId,
    environmentId,
    serviceId,
    createdAt: seed.createdAt ?? Date.now(),
    statusUpdatedAt: seed.createdAt ?? Date.now(),
    status: seed.status,
    active: seed.active,
    instances: (seed.instances ?? (seed.active ? ["RUNNING"] : [])).map((status) => ({ id: randomUUID(), status })),
  });
  for (const { serviceId, deploymentId } of options.services) {
    const id = deploymentId === undefined ? {} : { id: deploymentId };
    deployments.set(serviceId, [make(serviceId, { ...id, status: "SUCCESS", active: true })]);
  }

  const stand = (deployment: Deployment, status: RailwayDeploymentStatus, instance: RailwayInstanceStatus) => {
    if (deployment.status !== status) {
      deployment.status = status;
      deployment.statusUpdatedAt = Date.now();
    }
    deployment.active = status === "SUCCESS";
    for (const each of deployment.instances) each.status = instance;
  };

  /** It looks as before for a moment, then its instances restart, then they run or do not. */
  const happen = async (deployment: Deployment, ending: "running" | "crashed", record: RestartRecord) => {
    const beginsAfterMs = Math.min(options.restartTakesMs / 4, 500);
    await delay(beginsAfterMs, undefined, { signal: closing.signal });
    for (const each of deployment.instances) each.status = "RESTARTING";
    const work = ending === "running" ? services.get(deployment.serviceId)?.restart() : undefined;
    const pause = delay(options.restartTakesMs - beginsAfterMs, undefined, { signal: closing.signal });
    const [worked] = await Promise.allSettled([work, pause]);
    const ok = ending === "running" && worked.status === "fulfilled";
    if (worked.status === "rejected") log(`railway: the restart of ${deployment.serviceId} failed: ${worked.reason}`);
    stand(deployment, ok ? "SUCCESS" : "CRASHED", ok ? "RUNNING" : "CRASHED");
    record.result = ok ? "running" : "crashed";
    record.overAt = Date.now();
    log(`railway: deployment ${deployment.id} is ${ok ? "running again" : "crashed"}`);
  };

  return {
    restarts,
    deploymentsOf: (serviceId) => deployments.get(serviceId),
    find: (id) => [...deployments.values()].flat().find((deployment) => deployment.id === id),
    all: () => [...deployments.values()].flat(),
    setDeployments(serviceId, seeds) {
      if (!services.has(serviceId)) throw new Error(`the Railway stand-in has no service ${serviceId}`);
      const made = seeds.map((seed) => make(serviceId, seed));
      deployments.set(serviceId, made);
      return made.map((deployment) => deployment.id);
    },
    acceptRestart(deployment, ending) {
      const record: RestartRecord = {
        serviceId: deployment.serviceId,
        deploymentId: deployment.id,
        acceptedAt: Date.now(),
      };
      restarts.push(record);
      const before = queues.get(deployment.serviceId) ?? Promise.resolve();
      const run = before.then(async () => {
        if (closing.signal.aborted) return;
        try {
          await happen(deployment, ending, record);
        } catch (error) {
          if (!closing.signal.aborted) throw error;
        }
      });
      queues.set(deployment.serviceId, run);
    },
    async close() {
      closing.abort();
      await Promise.allSettled(queues.values());
    },
  };
}
