import { shardsOf, targetsOfShard } from "@neuropilot/config";
import { attemptInFlight, CLOCK_AHEAD_MS, freshMs, type Heartbeat, seesControls } from "@neuropilot/core";
import { incidentChanged, remediationRequested } from "@neuropilot/events";
import type { Deps } from "./deps.ts";
import { wakeTarget } from "./wake.ts";

const MOST_AT_ONCE = 200;

export interface ReconcileReport {
  readonly targets: number;
  readonly deliveries: number;
  readonly silent: readonly string[];
}

/** The only source of liveness: picks up from state whatever is due, so that a lost event costs a minute and never an incident. */
export async function reconcile(deps: Deps): Promise<ReconcileReport> {
  const keys = await deps.state.due(deps.clock(), MOST_AT_ONCE);
  const targets = new Set(
    keys.filter((key) => key.pk.startsWith("TARGET#")).map((key) => key.pk.slice("TARGET#".length)),
  );
  const heartbeats = await deps.state.readHeartbeats();
  const silent = silentShards(deps, heartbeats);
  if (silent.length > 0)
    deps.log("warn", "vantages-silent", {
      silent: silent.map(nameOf),
      next: "what they watch is judged without them, if the others are enough",
    });
  for (const { shard } of silent) for (const target of targetsOfShard(deps.config, shard)) targets.add(target.id);
  for (const target of await illTargets(deps, heartbeats)) targets.add(target);
  for (const target of targets) await reconcileTarget(deps, target);

  const deliveries = keys.filter((key) => key.pk.startsWith("DELIVERY#"));
  for (const key of deliveries) await remindDelivery(deps, key.pk.slice("DELIVERY#".length), key.sk);
  return {
    targets: targets.size,
    deliveries: deliveries.length,
    silent: silent.map(nameOf),
  };
}

function nameOf({ vantage, shard }: { readonly vantage: string; readonly shard: string }): string {
  return `${vantage}#${shard}`;
}

/** Vantages that have not been heard of, or whose controls do not answer: what they watch must be judged without them. */
function silentShards({ config, clock }: Deps, heartbeats: readonly Heartbeat[]): { vantage: string; shard: string }[] {
  const now = clock();
  return config.vantages.flatMap((vantage) =>
    shardsOf(config).flatMap((shard) => {
      const beat = heartbeats.find((candidate) => candidate.vantage === vantage && candidate.shard === shard);
      const oldest = now - freshMs(config) - config.intervalMs;
      const heard = beat !== undefined && beat.at >= oldest && beat.at <= now + CLOCK_AHEAD_MS;
      return heard && seesControls(beat.controls) ? [] : [{ vantage, shard }];
    }),
  );
}

/** Targets that a vantage holds to be ill: if the events that say so are lost, or the bus is down, they are decided about here. */
async function illTargets({ config, state }: Deps, heartbeats: readonly Heartbeat[]): Promise<ReadonlySet<string>> {
  const shards = new Set(
    heartbeats
      .filter(({ illSince, ill, expiring = 0 }) => (illSince?.length ?? ill) + expiring > 0)
      .map(({ shard }) => shard),
  );
  const windows = await state.readWindows(
    [...shards].flatMap((shard) => config.vantages.map((vantage) => ({ vantage, shard }))),
  );
  const ill = new Set<string>();
  for (const window of windows)
    for (const [key, { view }] of Object.entries(window.sites))
      if (view !== "healthy" && view !== "suspect") ill.add(key.slice(0, key.indexOf("/")));
  return ill;
}

/** One target's failure must not keep the others from being looked at. */
async function reconcileTarget(deps: Deps, target: string): Promise<void> {
  try {
    const result = await wakeTarget(deps, target, { kind: "reconcile", at: deps.clock() });
    if (result.kind !== "decided") return;
    const attempt = attemptInFlight(result.decision.item);
    if (attempt?.state !== "following") return;
    await deps.publish([
      remediationRequested.entry({
        v: 1,
        id: deps.newId("evt_"),
        at: deps.clock(),
        target,
        cause: "reconcile",
        hops: 1,
        attempt: attempt.id,
        remedy: attempt.remedy,
        site: attempt.site,
      }),
    ]);
  } catch (error) {
    deps.log("error", "reconcile-failed", { target, reason: error instanceof Error ? error.message : String(error) });
  }
}

async function remindDelivery(deps: Deps, incident: string, channel: string): Promise<void> {
  const delivery = await deps.state.readDelivery(incident, channel);
  if (delivery === undefined) return;
  await deps.publish([
    incidentChanged.entry({
      v: 1,
      id: deps.newId("evt_"),
      at: deps.clock(),
      target: delivery.target,
      cause: "reconcile",
      hops: 1,
      incident,
      seq: delivery.wantedSeq,
    }),
  ]);
}
