import type { FollowStatus } from "@neuropilot/core";

/** Vendor's page: https://docs.railway.com/deployments/reference#deployment-states, values as in its schema. */
export const DEPLOYMENT_STATUSES = [
  "BUILDING",
  "CRASHED",
  "DEPLOYING",
  "FAILED",
  "INITIALIZING",
  "NEEDS_APPROVAL",
  "QUEUED",
  "REMOVED",
  "REMOVING",
  "SKIPPED",
  "SLEEPING",
  "SUCCESS",
  "WAITING",
] as const;
export type DeploymentStatus = (typeof DEPLOYMENT_STATUSES)[number];

export const INSTANCE_STATUSES = [
  "CRASHED",
  "CREATED",
  "EXITED",
  "INITIALIZING",
  "REMOVED",
  "REMOVING",
  "RESTARTING",
  "RUNNING",
  "SKIPPED",
  "STOPPED",
] as const;
export type InstanceStatus = (typeof INSTANCE_STATUSES)[number];

/** A deployment as it is read: the statuses are the vendor's words, which may be newer than these lists. */
export interface Standing {
  readonly status: string;
  readonly instances: readonly { readonly id: string; readonly status: string }[];
}

interface DeploymentMeaning {
  /** May this deployment be restarted; `wait` where it is about to change by itself. */
  readonly restart: "yes" | "wait" | "no";
  /** What it says of a restart that was accepted. `by-instances`: the deployment stands, its instances decide. */
  readonly follow: "by-instances" | "in-progress" | "failed";
  readonly text: string;
}

const DEPLOYMENT_MEANING: Readonly<Record<DeploymentStatus, DeploymentMeaning>> = {
  SUCCESS: { restart: "yes", follow: "by-instances", text: "the deployment stands" },
  SLEEPING: { restart: "yes", follow: "by-instances", text: "the deployment sleeps until a request comes" },
  CRASHED: { restart: "yes", follow: "failed", text: "the deployment crashed" },
  DEPLOYING: { restart: "wait", follow: "in-progress", text: "the deployment is being started" },
  BUILDING: { restart: "wait", follow: "in-progress", text: "the deployment is being built" },
  INITIALIZING: { restart: "wait", follow: "in-progress", text: "the deployment waits to be built" },
  QUEUED: { restart: "wait", follow: "in-progress", text: "the deployment is queued" },
  WAITING: { restart: "wait", follow: "in-progress", text: "the deployment waits" },
  NEEDS_APPROVAL: { restart: "no", follow: "failed", text: "the deployment waits for a person's approval in Railway" },
  FAILED: { restart: "no", follow: "failed", text: "the deployment failed" },
  REMOVED: { restart: "no", follow: "failed", text: "the deployment was removed, perhaps for a newer one" },
  REMOVING: { restart: "no", follow: "failed", text: "the deployment is being removed, perhaps for a newer one" },
  SKIPPED: { restart: "no", follow: "failed", text: "the deployment was skipped" },
};

/** `gone` instances are what is left of earlier ones and say nothing about now. */
const INSTANCE_MEANING: Readonly<Record<InstanceStatus, "running" | "starting" | "stopped" | "gone">> = {
  RUNNING: "running",
  CREATED: "starting",
  INITIALIZING: "starting",
  RESTARTING: "starting",
  CRASHED: "stopped",
  EXITED: "stopped",
  STOPPED: "stopped",
  REMOVED: "gone",
  REMOVING: "gone",
  SKIPPED: "gone",
};

function isDeploymentStatus(status: string): status is DeploymentStatus {
  return Object.hasOwn(DEPLOYMENT_MEANING, status);
}

function isInstanceStatus(status: string): status is InstanceStatus {
  return Object.hasOwn(INSTANCE_MEANING, status);
}

/** A status that Railway has added since is waited for: it is no reason to restart, and none to give up for good. */
export function restartability(status: string): "yes" | "wait" | "no" {
  return isDeploymentStatus(status) ? DEPLOYMENT_MEANING[status].restart : "wait";
}

/** What a deployment's status means, in words. */
export function statusText(status: string): string {
  return isDeploymentStatus(status) ? DEPLOYMENT_MEANING[status].text : `the deployment is ${status}`;
}

/** Where an accepted restart stands, by the deployment and its instances. A status that is not known is in progress. */
export function standingOf(standing: Standing): Exclude<FollowStatus, { kind: "unavailable" }> {
  const { status, instances } = standing;
  if (!isDeploymentStatus(status)) return { kind: "in-progress", detail: `the deployment is ${status}` };
  const meaning = DEPLOYMENT_MEANING[status];
  const detail = meaning.text;
  if (meaning.follow === "in-progress") return { kind: "in-progress", detail };
  const present = instances.filter((instance) => meaningOf(instance.status) !== "gone");
  // A crashed deployment that is being restarted is still called crashed until its instances run.
  const starting = present.filter((instance) => meaningOf(instance.status) === "starting");
  const recovers = meaning.follow === "by-instances" || status === "CRASHED";
  if (recovers && starting.length > 0)
    return { kind: "in-progress", detail: `${starting.length} of ${present.length} instances are starting` };
  if (meaning.follow === "failed") return { kind: "failed", detail };
  if (present.length === 0) return { kind: "over", detail };
  const running = present.filter((instance) => meaningOf(instance.status) === "running");
  if (running.length === 0 && status !== "SLEEPING") return { kind: "failed", detail: "no instance runs" };
  return { kind: "over", detail: `${detail}, ${running.length} of ${present.length} instances run` };
}

function meaningOf(status: string): "running" | "starting" | "stopped" | "gone" {
  return isInstanceStatus(status) ? INSTANCE_MEANING[status] : "starting";
}
