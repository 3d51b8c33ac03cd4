import type { Config, IllKind, Mode, Remedy, TargetConfig } from "@neuropilot/config";
import { type Health, isWellFor } from "./health.ts";
import { attemptInFlight, type Control, type Incident, isPaused, type TargetItem, uncalledInARow } from "./item.ts";
import { seconds } from "./view.ts";
import type { Heartbeat } from "./window.ts";

/** Every reason for not acting, by name, in the order in which they are asked. */
export const GUARDS = [
  "stale-event",
  "paused",
  "observe",
  "maintenance",
  "inconclusive",
  "cause",
  "in-flight",
  "not-before",
  "cooldown",
  "ladder-end",
  "target-budget",
  "fleet-budget",
  "fleet-unhealthy",
  "approval",
] as const;
export type GuardName = (typeof GUARDS)[number];

export interface Refusal {
  readonly guard: GuardName;
  /** For people: what stands in the way, with its numbers. */
  readonly text: string;
  /** When it is worth asking again, epoch milliseconds. */
  readonly until?: number;
}

/** Calls within the rolling window: attempt id → epoch milliseconds. Taking twice for one attempt takes one. */
export type Budget = Readonly<Record<string, number>>;

/** What is read besides the item; recorded with the decision. */
export interface World {
  readonly control: { readonly global: Control; readonly target: Control };
  readonly budget: { readonly target: Budget; readonly fleet: Budget };
  readonly heartbeats: readonly Heartbeat[];
  /** A load test of ours is running against this target. */
  readonly benchmarkRunning?: boolean;
  /** What people have been told of each incident in the outbox: the least `wantedSeq` over the channels. */
  readonly told: Readonly<Record<string, number>>;
}

export interface GuardContext {
  readonly config: Config;
  readonly target: TargetConfig;
  readonly item: TargetItem;
  readonly incident: Incident;
  readonly world: World;
  readonly health: Health;
  /** Health of this target's other sites. */
  readonly others: Readonly<Record<string, Health>>;
  readonly remedy: Remedy;
  readonly now: number;
}

type Guard = (context: GuardContext) => Refusal | undefined;

/** The mode in force: the more careful of the config's and the operator's. */
export function modeOf(target: TargetConfig, remedy: Remedy, control: World["control"]): Mode {
  const modes = [target.remedies[remedy].mode, control.global.mode, control.target.mode];
  if (modes.includes("observe")) return "observe";
  return modes.includes("approve") ? "approve" : "auto";
}

const paused: Guard = ({ world, now }) => {
  for (const [scope, control] of Object.entries(world.control))
    if (isPaused(control, now) && control.paused !== undefined)
      return {
        guard: "paused",
        text: `paused by ${control.paused.by}${scope === "target" ? " for this target" : ""}: ${control.paused.reason}`,
        ...(control.paused.until === undefined ? {} : { until: control.paused.until }),
      };
  return undefined;
};

const observe: Guard = ({ target, remedy, world }) =>
  modeOf(target, remedy, world.control) === "observe"
    ? { guard: "observe", text: `the mode of ${remedy} is observe: decided and recorded, not called` }
    : undefined;

const maintenance: Guard = ({ target, now }) => {
  const open = openMaintenance(target, now);
  return open === undefined
    ? undefined
    : { guard: "maintenance", text: `maintenance: ${open.reason}`, until: open.untilMs };
};

const DAY_MS = 86_400_000;
/** The first day of the epoch was a Thursday; 0 is Sunday. */
const FIRST_WEEKDAY = 4;

/** The maintenance that is on now, if any. Half-open: a window that ends now is over. Weekly windows are in UTC. */
export function openMaintenance(
  target: TargetConfig,
  now: number,
): { readonly reason: string; readonly untilMs: number } | undefined {
  const day = Math.floor(now / DAY_MS);
  for (const window of target.maintenance) {
    if ("fromMs" in window) {
      if (window.fromMs <= now && now < window.toMs) return { reason: window.reason, untilMs: window.toMs };
      continue;
    }
    const { weekdays, fromOfDayMs, toOfDayMs, reason } = window;
    const ofDay = now - day * DAY_MS;
    if (weekdays.includes((day + FIRST_WEEKDAY) % 7) && fromOfDayMs <= ofDay && ofDay < toOfDayMs)
      return { reason, untilMs: day * DAY_MS + toOfDayMs };
  }
  return undefined;
}

const inconclusive: Guard = ({ health, incident }) =>
  health.state === "inconclusive"
    ? { guard: "inconclusive", text: `cannot tell: ${health.why}` }
    : isWellFor(incident.kind, health.state) || health.state === "suspect"
      ? { guard: "inconclusive", text: `not sure that it is ill at this moment: ${health.why}` }
      : undefined;

const NOT_CURABLE: Readonly<Partial<Record<IllKind, string>>> = {
  blocked: "a bot rule or firewall answers us, so this says nothing about the service",
  misconfigured: "TLS or DNS is at fault, which no restart cures",
  expiring: "the certificate is about to end, which no restart cures",
  inconclusive: "we cannot see, so nothing is known to be ill",
  lagging: "a person should look at the database",
};

/** Whether any remedy can cure this kind of ill health. */
export function isCurable(kind: IllKind): boolean {
  return NOT_CURABLE[kind] === undefined;
}

const cause: Guard = ({ incident, health, others, remedy, world }) => {
  const reason = NOT_CURABLE[incident.kind];
  if (reason !== undefined) return { guard: "cause", text: reason };
  if (incident.kind === "loaded" && remedy === "restart")
    return { guard: "cause", text: "it is overloaded: a restart would throw away capacity" };
  if (world.benchmarkRunning === true && ["slow", "failing", "loaded"].includes(incident.kind))
    return { guard: "cause", text: "our own load test is running against it" };
  const shared = Object.entries(others).find(([, other]) => other.state === "slow");
  if (health.state === "slow" && remedy === "restart" && shared !== undefined)
    return { guard: "cause", text: `${shared[0]} is slow as well: a shared dependency is the likelier cause` };
  return undefined;
};

const inFlight: Guard = ({ item }) => {
  const attempt = attemptInFlight(item);
  return attempt === undefined
    ? undefined
    : { guard: "in-flight", text: `${attempt.remedy} ${attempt.id} is ${attempt.state}` };
};

const FIRST_BACKOFF_MS = 30_000;
const LONGEST_BACKOFF_MS = 30 * 60_000;

const notBefore: Guard = ({ incident, remedy, now }) => {
  const uncalled = uncalledInARow(incident, remedy);
  const last = uncalled.at(-1);
  if (last === undefined) return undefined;
  if (last.notBefore !== undefined && now < last.notBefore)
    return { guard: "not-before", text: `the vendor asked to wait: ${last.note ?? ""}`, until: last.notBefore };
  // The first is followed at once; a call that cannot be made again and again is asked for ever more rarely.
  if (uncalled.length < 2 || last.endedAt === undefined) return undefined;
  const until = last.endedAt + Math.min(FIRST_BACKOFF_MS * 2 ** (uncalled.length - 2), LONGEST_BACKOFF_MS);
  if (now >= until) return undefined;
  return { guard: "not-before", text: `${remedy} could not be called ${uncalled.length} times in a row`, until };
};

const cooldown: Guard = ({ config, item, remedy, now }) => {
  const held = item.cooldowns[remedy];
  if (held === undefined || now > held.until + config.healing.clockSkewMs) return undefined;
  return { guard: "cooldown", text: `${remedy} cools down`, until: held.until };
};

const ladderEnd: Guard = ({ incident }) =>
  incident.ladderEnded ? { guard: "ladder-end", text: "the ladder is at its end: a person is needed" } : undefined;

/** Calls that still count in a rolling window, other than this attempt's own. */
export function spent(budget: Budget, perMs: number, now: number, own?: string): number {
  return Object.entries(budget).filter(([attempt, at]) => attempt !== own && at > now - perMs).length;
}

const targetBudget: Guard = ({ target, world, now }) => {
  const used = spent(world.budget.target, target.budget.perMs, now);
  if (used < target.budget.max) return undefined;
  return {
    guard: "target-budget",
    text: `${used} calls for this target within ${seconds(target.budget.perMs)}: its budget is spent`,
  };
};

const fleetBudget: Guard = ({ config, world, now }) => {
  const used = spent(world.budget.fleet, config.fleetBudget.perMs, now);
  if (used < config.fleetBudget.max) return undefined;
  return {
    guard: "fleet-budget",
    text: `${used} calls over all targets within ${seconds(config.fleetBudget.perMs)}: the budget is spent`,
  };
};

/**
 * Much of the fleet turned ill together, and still is: more likely something shared, or us. Then every target waits for a
 * person, also one that was ill before or whose incident opened later: which of them it is about, nobody can tell from here.
 */
export const fleetUnhealthy: Guard = ({ config, world, now }) => {
  const { share, minTargets, withinMs } = config.fleetGuard;
  const byVantage = new Map<string, { ill: number; since: number[]; total: number }>();
  for (const beat of world.heartbeats) {
    if (beat.at < now - withinMs) continue;
    const { ill, since, total } = byVantage.get(beat.vantage) ?? { ill: 0, since: [], total: 0 };
    const uncounted = beat.illSince === undefined ? beat.ill : 0;
    const sum = { ill: ill + uncounted, since: [...since, ...(beat.illSince ?? [])], total: total + beat.total };
    byVantage.set(beat.vantage, sum);
  }
  for (const [vantage, { ill, since, total }] of byVantage) {
    const together = ill + mostWithin(since, withinMs);
    if (together >= minTargets && together >= share * total)
      return {
        guard: "fleet-unhealthy",
        text: `${together} of ${total} targets turned ill within ${seconds(withinMs)} as seen from ${vantage}: something shared is likelier`,
      };
  }
  return undefined;
};

/** The most of these times that lie within so long of each other. */
function mostWithin(times: readonly number[], withinMs: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  let [most, from] = [0, 0];
  sorted.forEach((time, index) => {
    while (time - (sorted[from] ?? time) > withinMs) from++;
    most = Math.max(most, index - from + 1);
  });
  return most;
}

const approval: Guard = ({ target, remedy, world, incident }) => {
  if (modeOf(target, remedy, world.control) !== "approve") return undefined;
  const last = incident.attempts.findLast((attempt) => attempt.remedy === remedy);
  // Nobody may have answered: its note says which.
  if (last?.state === "denied") return { guard: "approval", text: last.note ?? "a person said no" };
  return { guard: "approval", text: `${remedy} needs a person's yes` };
};

/** In order; the first that refuses gives the reason. */
const ORDER: readonly Guard[] = [
  paused,
  observe,
  maintenance,
  inconclusive,
  cause,
  inFlight,
  notBefore,
  cooldown,
  ladderEnd,
  targetBudget,
  fleetBudget,
  fleetUnhealthy,
  approval,
];

/** The first refusal, or undefined if nothing stands in the way. */
export function firstRefusal(context: GuardContext, except: readonly GuardName[] = []): Refusal | undefined {
  for (const guard of ORDER) {
    const refusal = guard(context);
    if (refusal !== undefined && !except.includes(refusal.guard)) return refusal;
  }
  return undefined;
}

/** What a remedy function asks again right before it calls: everything that may have changed since the claim. */
export function refusalBeforeCall(
  context: Omit<GuardContext, "incident"> & { readonly incident: Incident; readonly attempt: string },
): Refusal | undefined {
  const { world, config, target, now, attempt } = context;
  for (const guard of [paused, observe, maintenance, inconclusive, cause, fleetUnhealthy]) {
    const refusal = guard(context);
    if (refusal !== undefined) return refusal;
  }
  if (spent(world.budget.target, target.budget.perMs, now, attempt) >= target.budget.max)
    return { guard: "target-budget", text: "the target's budget is spent" };
  if (spent(world.budget.fleet, config.fleetBudget.perMs, now, attempt) >= config.fleetBudget.max)
    return { guard: "fleet-budget", text: "the budget over all targets is spent" };
  return undefined;
}
