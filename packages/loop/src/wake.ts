import { shardOf, type TargetConfig } from "@neuropilot/config";
import {
  type Decision,
  decide,
  type Input,
  type OutboxEntry,
  removeFromConfig,
  type SeenWorld,
  type TargetItem,
  withNextAction,
} from "@neuropilot/core";
import { incidentChanged, type OutgoingEvent, remediationRequested } from "@neuropilot/events";
import { GLOBAL } from "@neuropilot/store";
import type { Deps } from "./deps.ts";

/** Reads everything a decision looks at besides the item. */
export async function readWorld(deps: Deps, target: TargetConfig, item: TargetItem | undefined): Promise<SeenWorld> {
  const { config, state } = deps;
  const shard = shardOf(config, target.id) ?? "0";
  const [global, own, targetBudget, fleetBudget, heartbeats, windows, told] = await Promise.all([
    state.readControl(GLOBAL),
    state.readControl(target.id),
    state.readBudget(target.id),
    state.readBudget(GLOBAL),
    state.readHeartbeats(),
    state.readWindows(config.vantages.map((vantage) => ({ vantage, shard }))),
    item === undefined ? {} : readTold(deps, item),
  ]);
  return {
    control: { global, target: own },
    budget: { target: targetBudget, fleet: fleetBudget },
    heartbeats,
    windows,
    told,
  };
}

/** How far each incident in the outbox has got to the channels: the least wantedSeq, which the channel's own retries now own. */
async function readTold({ state, channels }: Deps, item: TargetItem): Promise<Record<string, number>> {
  const told: Record<string, number> = {};
  for (const entry of Object.values(item.outbox)) {
    if (entry.kind !== "incident.changed") continue;
    const deliveries = await Promise.all(channels.map((channel) => state.readDelivery(entry.incident, channel)));
    told[entry.incident] = Math.min(
      ...deliveries.map((delivery) => (delivery === undefined ? -1 : Math.max(delivery.wantedSeq, delivery.sentSeq))),
      Number.MAX_SAFE_INTEGER,
    );
  }
  return told;
}

export type WakeResult =
  | { readonly kind: "unknown-target" }
  | { readonly kind: "decided"; readonly decision: Decision };

/** Decides about one target and carries the decision into the table; what it asks for is published after the write. */
export async function wakeTarget(deps: Deps, targetId: string, input: Input): Promise<WakeResult> {
  const { config, state, clock } = deps;
  const target = config.targets.find((candidate) => candidate.id === targetId);
  if (target === undefined) {
    await removeTarget(deps, targetId);
    return { kind: "unknown-target" };
  }
  const seen = await state.readTarget(targetId, clock());
  await copyOut(deps, seen);
  const world = await readWorld(deps, target, seen);
  let decision: Decision | undefined;
  let before = seen;
  const { item, written } = await state.updateTarget(targetId, clock, (current) => {
    before = current;
    const cleaned = withoutCopied(current, seen);
    decision = decide({ config, target }, cleaned, world, input, clock());
    if (decision.changed) return decision.item;
    // Looked at, so that it goes to the end of the queue: those that are due longest come first, and nobody is left out.
    const looked = input.kind === "reconcile" && isDue(cleaned, clock());
    return cleaned === current && !looked ? undefined : withNextAction(cleaned, config.reconcileMs, clock(), looked);
  });
  if (decision === undefined) throw new Error("decide was not called");
  if (written) await copyOut(deps, item);
  const unheeded = decision.because.some((reason) => reason.startsWith("stale-event"));
  if (decision.changed || unheeded)
    deps.log("info", unheeded ? "not-decided" : "decided", {
      target: targetId,
      input: input.kind,
      state: item.health.state,
      because: decision.because,
    });
  const fresh = Object.entries(item.outbox).filter(
    ([key, entry]) => input.kind === "reconcile" || !sameEntry(before.outbox[key], entry),
  );
  await publishRequests(
    deps,
    targetId,
    fresh.map(([, entry]) => entry),
    input,
  );
  return { kind: "decided", decision: { ...decision, item } };
}

function sameEntry(a: OutboxEntry | undefined, b: OutboxEntry): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b);
}

function isDue(item: TargetItem, now: number): boolean {
  return item.nextActionAt !== undefined && item.nextActionAt <= now;
}

async function copyOut({ state }: Deps, item: TargetItem): Promise<void> {
  for (const entry of item.audit.pending) await state.archiveAudit(item.target, entry);
  for (const incident of item.closed) await state.archiveIncident(incident);
}

/** Drops what `copied` held, for it has been copied out; returns the same object if there is nothing to drop. */
function withoutCopied(item: TargetItem, copied: TargetItem): TargetItem {
  if (copied.audit.pending.length === 0 && copied.closed.length === 0) return item;
  const upTo = copied.audit.n;
  const ids = new Set(copied.closed.map((incident) => incident.id));
  // An incident that people have not been told of yet can still be rendered from the archive.
  return {
    ...item,
    closed: item.closed.filter((incident) => !ids.has(incident.id)),
    audit: { ...item.audit, pending: item.audit.pending.filter((entry) => entry.n > upTo) },
  };
}

/** Publishes what the outbox asks for; what the bus refuses stays there, and reconcile publishes it again. */
async function publishRequests(
  deps: Deps,
  target: string,
  entries: readonly OutboxEntry[],
  input: { readonly kind: Input["kind"]; readonly cause?: string },
): Promise<void> {
  if (entries.length === 0) return;
  const cause = input.cause ?? input.kind;
  const report = await deps.publish(entries.map((entry) => eventOf(deps, target, entry, cause)));
  for (const { reason } of report.failed)
    deps.log("warn", "publish-refused", { target, reason, next: "reconcile publishes it again" });
}

/** The same id for the same request, however often it is published. */
export function eventOf(
  { clock }: Pick<Deps, "clock">,
  target: string,
  entry: OutboxEntry,
  cause: string,
): OutgoingEvent {
  const envelope = { v: 1 as const, at: clock(), target, cause, hops: 1 };
  switch (entry.kind) {
    case "remediation.requested":
      return remediationRequested.entry({
        ...envelope,
        id: `evt_${entry.attempt}`,
        attempt: entry.attempt,
        remedy: entry.remedy,
        site: entry.site,
      });
    case "incident.changed":
      return incidentChanged.entry({
        ...envelope,
        id: `evt_${entry.incident}_${entry.seq}`,
        incident: entry.incident,
        seq: entry.seq,
      });
  }
}

/** A target that left the config: its incident is closed and people are told; then nothing of it is due any more. */
async function removeTarget(deps: Deps, targetId: string): Promise<void> {
  const { state, clock, config } = deps;
  const seen = await state.readTarget(targetId, clock());
  if (seen.version === 0 || (seen.incident === undefined && seen.nextActionAt === undefined)) return;
  await copyOut(deps, seen);
  const told = await readTold(deps, seen);
  const { item, written } = await state.updateTarget(targetId, clock, (current) => {
    const removed = removeFromConfig(withoutCopied(current, seen), clock());
    const outbox = Object.entries(removed.outbox).filter(
      ([, entry]) => entry.kind === "incident.changed" && (told[entry.incident] ?? -1) < entry.seq,
    );
    return withNextAction({ ...removed, outbox: Object.fromEntries(outbox) }, config.reconcileMs, clock(), true);
  });
  if (written) await copyOut(deps, item);
  await publishRequests(deps, targetId, Object.values(item.outbox), { kind: "reconcile" });
  deps.log("warn", "unknown-target", { target: targetId, note: "not in the config; its incident, if any, is closed" });
}
