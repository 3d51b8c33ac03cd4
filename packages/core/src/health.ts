import type { Config, IllKind, Remedy, TargetConfig } from "@neuropilot/config";
import type { Sample } from "./sample.ts";
import { type Conclusion, conclude, type View } from "./view.ts";
import {
  CLOCK_AHEAD_MS,
  counts,
  freshMs,
  type Heartbeat,
  isBad,
  meaningOf,
  type SiteWindow,
  seesControls,
  siteKey,
  type WindowItem,
} from "./window.ts";

/** What all vantages together conclude about one site. */
export interface Health {
  readonly state: View;
  readonly why: string;
  /** By vantage; only those that could be heard. */
  readonly views: Readonly<Record<string, View>>;
  /** The oldest tick among the views that made it, so that an observation is counted once. */
  readonly observation: number;
  /** When the first bad sample of the present trouble was taken, where one can be named. */
  readonly badSince?: number;
}

/** What was read besides the item. Recorded with each decision. */
export interface Sights {
  readonly windows: readonly WindowItem[];
  readonly heartbeats: readonly Heartbeat[];
}

/** How many vantages must agree: 3 → 2, 2 → 2, 1 → 1. */
export function quorumOf(config: Config): number {
  return Math.floor(config.vantages.length / 2) + 1;
}

interface Sight {
  readonly vantage: string;
  readonly tick: number;
  readonly samples: readonly Sample[];
  readonly conclusion: Conclusion;
}

/** Health of one site by quorum of fresh views from vantages whose controls answer. */
export function healthOf(
  config: Config,
  target: TargetConfig,
  siteId: string,
  sights: Sights,
  evidenceFrom: number,
  now: number,
): Health {
  const needed = quorumOf(config);
  const blind: string[] = [];
  const heard: Sight[] = [];
  for (const vantage of config.vantages) {
    const newest = newestOf(sights.windows, vantage, siteKey(target.id, siteId));
    if (newest === undefined) {
      blind.push(`${vantage}: silent`);
      continue;
    }
    const { window, site } = newest;
    const trouble = blindness(config, sights.heartbeats, window, now);
    if (trouble !== undefined) {
      blind.push(`${vantage}: ${trouble}`);
      continue;
    }
    const conclusion = conclude(config, target, { samples: site.samples, tick: site.tick, evidenceFrom }, now);
    if (conclusion.view === "inconclusive") blind.push(`${vantage}: ${conclusion.why}`);
    else heard.push({ vantage, tick: site.tick, samples: site.samples, conclusion });
  }
  const views = Object.fromEntries(heard.map((sight) => [sight.vantage, sight.conclusion.view]));
  const observation = heard.length === 0 ? 0 : Math.min(...heard.map((sight) => sight.tick));
  if (heard.length < needed)
    return {
      state: "inconclusive",
      why: `${heard.length} of ${config.vantages.length} vantages can be relied on, ${needed} needed (${blind.join("; ")})`,
      views,
      observation,
    };
  return { ...agree(config, target, heard, needed, evidenceFrom, now), views, observation };
}

interface Held {
  readonly window: WindowItem;
  readonly site: SiteWindow;
}

/** A vantage's window of a site; of two, while the site moves from shard to shard, the newer: a vantage has one voice. */
function newestOf(windows: readonly WindowItem[], vantage: string, key: string): Held | undefined {
  const held = windows.flatMap((window): Held[] => {
    const site = window.vantage === vantage ? window.sites[key] : undefined;
    return site === undefined ? [] : [{ window, site }];
  });
  return held.sort((a, b) => b.site.tick - a.site.tick || (a.window.shard < b.window.shard ? -1 : 1))[0];
}

function blindness(
  config: Config,
  heartbeats: readonly Heartbeat[],
  window: WindowItem,
  now: number,
): string | undefined {
  const heartbeat = heartbeats.find((beat) => beat.vantage === window.vantage && beat.shard === window.shard);
  if (heartbeat === undefined || heartbeat.at < now - freshMs(config) - config.intervalMs) return "silent";
  if (heartbeat.at > now + CLOCK_AHEAD_MS) return "its clock is ahead of ours";
  const { answered, total } = heartbeat.controls;
  if (!seesControls(heartbeat.controls)) return `our own network: ${answered} of ${total} controls answer`;
  return undefined;
}

function agree(
  config: Config,
  target: TargetConfig,
  heard: readonly Sight[],
  needed: number,
  evidenceFrom: number,
  now: number,
): Pick<Health, "state" | "why" | "badSince"> {
  const ill = heard.filter((sight) => isIll(sight.conclusion.view));
  let doubt: string | undefined;
  if (ill.length >= needed) {
    const kinds = new Map<IllKind, Sight[]>();
    for (const sight of ill)
      if (isIll(sight.conclusion.view))
        kinds.set(sight.conclusion.view, [...(kinds.get(sight.conclusion.view) ?? []), sight]);
    const agreed = [...kinds].find(([, sights]) => sights.length >= needed);
    if (agreed?.[0] === "down") doubt = doubtOf(target, heard, agreed[1], needed);
    const [kind, sights] =
      agreed ?? [...kinds].sort(([a], [b]) => invasiveness(target, a) - invasiveness(target, b))[0] ?? [];
    if (kind === "expiring") {
      // A certificate that ends in days must not hide errors that are there now.
      const failing = pooledFailing(config, target, heard, evidenceFrom, now);
      if (failing !== undefined) return failing;
    }
    if (kind !== undefined && sights !== undefined && doubt === undefined) {
      const badSince = sights.flatMap((sight) => sight.conclusion.badSince ?? []);
      return {
        state: kind,
        why: whyOf(config, sights),
        ...(badSince.length > 0 ? { badSince: Math.min(...badSince) } : {}),
      };
    }
  }
  const failing = pooledFailing(config, target, heard, evidenceFrom, now);
  if (failing !== undefined) return failing;
  const healthy = heard.filter((sight) => sight.conclusion.view === "healthy");
  if (healthy.length >= needed) return { state: "healthy", why: healthy[0]?.conclusion.why ?? "" };
  const suspects = heard.filter((sight) => sight.conclusion.view !== "healthy");
  return { state: "suspect", why: `${doubt === undefined ? "" : `${doubt}: `}${whyOf(config, suspects)}` };
}

/** Why a quorum that sees it down is not believed yet. */
function doubtOf(
  target: TargetConfig,
  heard: readonly Sight[],
  down: readonly Sight[],
  needed: number,
): string | undefined {
  if (!isSimultaneous(target, down, needed)) return "not down at the same time for long enough";
  return isContradicted(target, heard, down, needed) ? "another vantage sees it well" : undefined;
}

/** Of the hold, so much must have been seen by a quorum at the same time. */
const OVERLAP_SHARE = 0.8;

/**
 * Whether a quorum of these saw the failures at the same time, for most of the hold. A vantage looks once a minute: what it
 * saw half a minute ago, through trouble of its own that is over by now, must not confirm another's trouble of this moment.
 */
function isSimultaneous(target: TargetConfig, sights: readonly Sight[], needed: number): boolean {
  const runs = sights.flatMap(({ conclusion: { badSince, badUntil } }) =>
    badSince === undefined || badUntil === undefined ? [] : [{ from: badSince, to: badUntil }],
  );
  return runs.some(({ from }) => {
    const ends = runs.filter((run) => run.from <= from).map(({ to }) => to);
    const end = ends.sort((a, b) => b - a)[needed - 1];
    return end !== undefined && end - from >= OVERLAP_SHARE * target.rules.down.holdMs;
  });
}

/**
 * Whether another vantage has seen it well since the quorum sees it down. What only some see is more often the trouble of their
 * own ways to it, which is short: they must have seen it for as long as a vantage that nobody can contradict.
 */
function isContradicted(
  target: TargetConfig,
  heard: readonly Sight[],
  down: readonly Sight[],
  needed: number,
): boolean {
  const since = Math.max(...down.map(({ conclusion }) => conclusion.badSince ?? 0));
  const isWell = ({ samples }: Sight) => {
    const last = samples.findLast(counts);
    return last?.outcome === "ok" && last.startedAt > since;
  };
  const { holdAloneMs } = target.rules.down;
  const lasting = down.filter(({ conclusion: { badSince = 0, badUntil = 0 } }) => badUntil - badSince >= holdAloneMs);
  return lasting.length < needed && heard.some(isWell);
}

/** Where there is one vantage only, it goes without saying. */
function whyOf(config: Config, sights: readonly Sight[]): string {
  return sights
    .map(({ vantage, conclusion }) => (config.vantages.length === 1 ? conclusion.why : `${vantage}: ${conclusion.why}`))
    .join("; ");
}

/**
 * The bad sample that began the present suspicion, if it is still within the window. It is why there are so many samples at
 * all, so it does not count as evidence: with it, a healthy service that loses one probe in a thousand would be called failing
 * about every second year.
 */
function triggerOf(target: TargetConfig, heard: readonly Sight[], now: number): Sample | undefined {
  const bad = heard.flatMap((sight) => sight.samples.filter(isBad)).sort((a, b) => a.startedAt - b.startedAt);
  const first = bad.findIndex((sample) => sample.startedAt > now - target.rules.failing.windowMs);
  const [before, trigger] = [bad[first - 1], bad[first]];
  if (trigger === undefined) return undefined;
  const known = before !== undefined && before.startedAt > trigger.startedAt - target.rules.suspicion.forMs;
  return known ? undefined : trigger;
}

/** The error rate needs more samples than one vantage has, so it is judged over all of them. */
function pooledFailing(
  config: Config,
  target: TargetConfig,
  heard: readonly Sight[],
  evidenceFrom: number,
  now: number,
): Pick<Health, "state" | "why" | "badSince"> | undefined {
  // While failures come without a break it may be a hard outage: that rule decides first, and needs its hold.
  if (heard.some((sight) => sight.conclusion.holding)) return undefined;
  const { rate, windowMs, minSamples, minFailures } = target.rules.failing;
  const trigger = triggerOf(target, heard, now);
  let all = 0;
  let failures = 0;
  let runs = 0;
  let from = now;
  const seenFrom = new Set<string>();
  for (const sight of heard) {
    let inRun = false;
    for (const sample of sight.samples) {
      if (!counts(sample) || sample.startedAt < evidenceFrom || sample.startedAt <= now - windowMs) continue;
      all++;
      const failed = meaningOf(sample.outcome) === "ill" && sample !== trigger;
      if (failed && !inRun) runs++;
      inRun = failed;
      if (!failed) continue;
      failures++;
      seenFrom.add(sight.vantage);
      from = Math.min(from, sample.startedAt);
    }
  }
  // Samples that were not taken yet count as good, so that many failures need not wait for them.
  if (failures < minFailures || failures <= rate * Math.max(all, minSamples)) return undefined;
  if (seenFrom.size < Math.min(2, config.vantages.length)) return undefined;
  // One unbroken run per vantage is an outage, not a rate: it is over by itself, or the rule for `down` decides.
  if (runs <= seenFrom.size) return undefined;
  return {
    state: "failing",
    why: `${failures} of ${all} requests failed within ${Math.round(windowMs / 1000)} s`,
    badSince: from,
  };
}

export function isIll(view: View): view is Exclude<IllKind, "inconclusive"> {
  return view !== "healthy" && view !== "suspect" && view !== "inconclusive";
}

/** Whether something is wrong now. A certificate that ends has weeks, and many end on one day: that is no trouble of the fleet's. */
export function isIllToday(view: View): boolean {
  return isIll(view) && view !== "expiring";
}

/**
 * Whether a view is as good as healthy for an incident of this kind: a certificate that ends soon says nothing about the
 * outage that a remedy was made for, and is an incident of its own once that is over.
 */
export function isWellFor(kind: IllKind | undefined, view: View): boolean {
  return view === "healthy" || (view === "expiring" && kind !== undefined && kind !== "expiring");
}

const INVASIVENESS: Readonly<Record<Remedy | "page", number>> = {
  page: 0,
  "purge-cache": 1,
  scale: 2,
  restart: 3,
  rollback: 4,
  failover: 5,
};

/** How much the first remedy for a kind of ill health disturbs; nothing at all for an empty ladder. */
function invasiveness(target: TargetConfig, kind: IllKind): number {
  const first = target.ladders[kind][0];
  return first === undefined ? -1 : INVASIVENESS[first.remedy];
}

const GRAVITY: Readonly<Record<View, number>> = {
  healthy: 0,
  inconclusive: 0,
  suspect: 1,
  expiring: 1,
  blocked: 1,
  misconfigured: 1,
  lagging: 2,
  loaded: 2,
  slow: 3,
  failing: 4,
  down: 5,
};

/** Ranks views: a remedy made it `worse` if what follows ranks above what was. */
export function gravity(view: View): number {
  return GRAVITY[view];
}
