import type { Config, TargetConfig } from "@neuropilot/config";
import { samplesPerSuspiciousTick } from "@neuropilot/core";
import type { Chance } from "../engine.ts";
import { START } from "../plan.ts";
import { type Burst, burstAt } from "../service.ts";
import { type Action, Installation } from "./installation.ts";
import { NaiveMonitor, type NaiveRule, watchNaively } from "./naive.ts";
import { burstsOf, goodOnes, groupsOf, MINUTE_MS, type Noise, streamOf, type VantageBurst, YEAR_MS } from "./noise.ts";
import { type Rate, rateOf } from "./statistics.ts";

/** What a rule does to a service that is well. */
export interface FalseActions {
  readonly restarts: Rate;
  readonly purges: Rate;
  /** Stretches of time that were played through; nothing can happen in the others. */
  readonly episodes: number;
}

type Bursty = Extract<Noise, { kind: "bursts" }>;

/** Longer than any incident that nothing feeds. */
const LONGEST_MS = 60 * MINUTE_MS;
const BEFORE_MS = 2 * MINUTE_MS;
/** The last look of a close watch, and what it wakes. */
const SETTLES_MS = 1.5 * MINUTE_MS;

/** False actions of the product under a policy. */
export async function falseActions(config: Config, noise: Noise, years: number, seed: number): Promise<FalseActions> {
  const tally = new Tally();
  if (noise.kind === "bursts") await underBursts(config, noise, years, seed, tally);
  else await underLosses(config, noise.share, years, seed, tally);
  return tally.result();
}

class Tally {
  episodes = 0;
  ms = 0;
  #restarts = 0;
  #purges = 0;

  add(actions: readonly Action[]): void {
    this.episodes++;
    for (const { remedy } of actions) remedy === "restart" ? this.#restarts++ : this.#purges++;
  }

  result(): FalseActions {
    const years = this.ms / YEAR_MS;
    return { restarts: rateOf(this.#restarts, years), purges: rateOf(this.#purges, years), episodes: this.episodes };
  }
}

async function underBursts(config: Config, noise: Bursty, years: number, seed: number, tally: Tally): Promise<void> {
  const { rules } = theTarget(config);
  // A year at a time, so that the bursts need no more room.
  for (let year = 0; year < years; year++) {
    const span = Math.min(1, years - year) * YEAR_MS;
    const all = burstsOf(burstStream(seed, year), noise, config.vantages, span);
    const chance = streamOf(seed, `episodes ${year}`);
    for (const group of groupsOf(all, rules.suspicion.forMs + rules.failing.windowMs))
      if (couldActOn(config, group)) tally.add(await playBursts(config, group, chance));
    tally.ms += span;
  }
}

/** The same for every rule that is compared. */
function burstStream(seed: number, year: number): Chance {
  return streamOf(seed, `bursts ${year}`);
}

/**
 * Whether bursts so near each other can lead to an action at all. With several vantages a second one must see trouble. With one,
 * an unbroken run is an outage and must last for the whole hold, and an error rate needs two runs.
 */
export function couldActOn(config: Config, group: readonly VantageBurst[]): boolean {
  if (config.vantages.length > 1) return new Set(group.map(({ vantage }) => vantage)).size > 1;
  const { holdAloneMs } = theTarget(config).rules.down;
  return group.length > 1 || group.some(({ from, to }) => to - from >= holdAloneMs);
}

/** Plays a group of bursts through, from a healthy time before to when all is quiet again. */
export async function playBursts(
  config: Config,
  group: readonly VantageBurst[],
  chance: Chance,
): Promise<readonly Action[]> {
  const first = group[0]?.from ?? 0;
  const shift = START + BEFORE_MS - first;
  const bursts = new Map<string, Burst[]>();
  for (const { vantage, from, to, whole } of group)
    bursts.set(vantage, [...(bursts.get(vantage) ?? []), { from: from + shift, to: to + shift, whole }]);
  const phases = config.vantages.map(() => chance.between(0, config.intervalMs));
  const installation = new Installation(chance, { config, phases, faults: [], bursts });
  const last = Math.max(...group.map(({ to }) => to)) + shift;
  await untilQuiet(installation, last, theTarget(config));
  return installation.actions;
}

async function untilQuiet(installation: Installation, last: number, { rules }: TargetConfig): Promise<void> {
  await installation.runUntil(last + rules.suspicion.forMs + SETTLES_MS);
  const most = installation.engine.now + LONGEST_MS;
  while ((await installation.hasIncident()) && installation.engine.now < most)
    await installation.runUntil(installation.engine.now + MINUTE_MS);
}

/**
 * Each sample is lost by itself. While no vantage is suspicious nothing happens but one sample a tick, so the time to the first
 * lost one is drawn; so are the good samples between it and the next. A gap longer than suspicion lasts ends the cluster, and what
 * is left of it is drawn anew, for such gaps have no memory. Only clusters that could lead to an action are played.
 */
async function underLosses(config: Config, share: number, years: number, seed: number, tally: Tally): Promise<void> {
  const chance = streamOf(seed, "losses");
  const { rules } = theTarget(config);
  const bounds = boundsOf(config);
  while (tally.ms < years * YEAR_MS) {
    tally.ms += ((goodOnes(chance, share) + 1) * config.intervalMs) / config.vantages.length;
    const cluster = clusterOf(chance, share, bounds.suspicious);
    // What is left out took at least as long as suspicion lasts; it took longer, so the rates are a little too high.
    if (!couldActOnCluster(config, cluster)) tally.ms += rules.suspicion.forMs;
    else {
      const { actions, ms } = await playCluster(config, cluster, chance);
      tally.add(actions);
      tally.ms += ms;
    }
  }
}

/** How many samples the vantages take together, at most, while there are few failures. */
function boundsOf(config: Config): { readonly window: number; readonly suspicious: number } {
  const target = theTarget(config);
  const { failing, suspicion } = target.rules;
  const perTick = samplesPerSuspiciousTick(config, target) * config.vantages.length;
  const within = (ms: number) => perTick * (Math.ceil(ms / config.intervalMs) + 1) + perTick;
  return { window: within(failing.windowMs), suspicious: within(suspicion.forMs) };
}

/** Good samples between the lost ones of a cluster, in order. */
export function clusterOf(chance: Chance, share: number, most: number): readonly number[] {
  const gaps: number[] = [];
  for (let gap = goodOnes(chance, share); gap <= most; gap = goodOnes(chance, share)) gaps.push(gap);
  return gaps;
}

/** An error rate needs so many failures within its window besides the first one, and a run of failures needs more. */
export function couldActOnCluster(config: Config, gaps: readonly number[]): boolean {
  const { minFailures } = theTarget(config).rules.failing;
  const { window } = boundsOf(config);
  for (let first = 1; first + minFailures - 1 <= gaps.length; first++) {
    const between = gaps.slice(first, first + minFailures - 1);
    if (between.reduce((sum, gap) => sum + gap + 1, 0) < window) return true;
  }
  return false;
}

/** Plays a cluster through from a healthy time before its first lost sample; answers how long it took from there. */
export async function playCluster(
  config: Config,
  gaps: readonly number[],
  chance: Chance,
): Promise<{ readonly actions: readonly Action[]; readonly ms: number }> {
  const starts = START + BEFORE_MS;
  const unlucky = chance.pick(config.vantages);
  const left = [0, ...gaps];
  let lastAt = Number.POSITIVE_INFINITY;
  const isLost = (vantage: string, at: number) => {
    const isFirst = left.length === gaps.length + 1;
    if (at < starts || left.length === 0 || (isFirst && vantage !== unlucky)) return false;
    const [good = 0] = left;
    left[0] = good - 1;
    if (good > 0) return false;
    left.shift();
    lastAt = at;
    return true;
  };
  const phases = config.vantages.map(() => chance.between(0, config.intervalMs));
  const installation = new Installation(chance, { config, phases, faults: [], bursts: new Map(), isLost });
  await installation.runUntil(starts + LONGEST_MS * 24, () => left.length === 0);
  await untilQuiet(installation, lastAt, theTarget(config));
  return { actions: installation.actions, ms: installation.engine.now - starts };
}

/** False actions of a rule written by hand, on the same bursts; losses by themselves are its own samples'. */
export function naiveFalseActions(
  rule: NaiveRule,
  vantages: readonly string[],
  noise: Noise,
  years: number,
  seed: number,
): FalseActions {
  const tally = new Tally();
  for (let year = 0; year < years; year++) {
    const span = Math.min(1, years - year) * YEAR_MS;
    const chance = streamOf(seed, `naive ${year}`);
    const phases = vantages.map(() => Math.floor(chance.between(0, MINUTE_MS)));
    const monitor = new NaiveMonitor(rule, vantages.length);
    const bad =
      noise.kind === "bursts"
        ? burstsOf(burstStream(seed, year), noise, vantages, span)
        : lostTicks(chance, vantages, noise.share, span);
    for (const group of groupsOf(bad, GROUP_MS)) playNaively(monitor, vantages, phases, group);
    tally.add(monitor.actions);
    tally.ms += span;
  }
  return tally.result();
}

/** Longer than any of these rules looks back. */
const GROUP_MS = 12 * MINUTE_MS;
const LOOKS_BACK_MS = 5 * MINUTE_MS;

/** Ticks whose only sample is lost, as bursts that last for the tick. */
function lostTicks(chance: Chance, vantages: readonly string[], share: number, span: number): VantageBurst[] {
  const found = vantages.flatMap((vantage) => {
    const own: VantageBurst[] = [];
    for (let tick = goodOnes(chance, share); tick * MINUTE_MS < span; tick += 1 + goodOnes(chance, share))
      own.push({ vantage, from: tick * MINUTE_MS, to: (tick + 1) * MINUTE_MS, whole: false });
    return own;
  });
  return found.sort((a, b) => a.from - b.from);
}

function playNaively(
  monitor: NaiveMonitor,
  vantages: readonly string[],
  phases: readonly number[],
  group: readonly VantageBurst[],
): void {
  const own = new Map(vantages.map((vantage) => [vantage, group.filter((burst) => burst.vantage === vantage)]));
  const from = (group[0]?.from ?? 0) - LOOKS_BACK_MS;
  const to = Math.max(...group.map((burst) => burst.to)) + LOOKS_BACK_MS;
  watchNaively(monitor, vantages, phases, { from, to }, (vantage, at) =>
    burstAt(own.get(vantage) ?? [], at) === undefined ? "good" : "failed",
  );
}

function theTarget(config: Config): TargetConfig {
  const [target] = config.targets;
  if (target === undefined) throw new Error("the policy watches nothing");
  return target;
}
