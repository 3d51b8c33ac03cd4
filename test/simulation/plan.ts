import type { Config, TargetConfig } from "@neuropilot/config";
import { siteKey } from "@neuropilot/core";
import type { Chance, Span } from "./engine.ts";
import type { HazardClass, Hazards, Rates } from "./hazards.ts";
import { policyOf } from "./policy.ts";
import { type Burst, bursts, type Fault } from "./service.ts";

export const START = 1_800_000_000_000;
export const MINUTE = 60_000;
export const HOUR = 3_600_000;

export type Mode = "observe" | "approve" | "auto";

/** A world made to measure instead of a rough one. */
export interface Scenario {
  readonly vantages: readonly string[];
  /** When each vantage's ticks begin within the interval, milliseconds. */
  readonly phases: readonly number[];
  readonly faults: readonly Fault[];
  readonly bursts: ReadonlyMap<string, readonly Burst[]>;
  /** Samples lost by chance, each on its own; the first of this vantage from then on is lost for certain. */
  readonly lost?: { readonly share: number; readonly surely: string; readonly from: number };
  readonly forMs: number;
  readonly ladders?: Config["targets"][number]["ladders"];
}

export type Chaos = "calm" | "rough" | "wild";

/** Bends what a seed picks towards the situations that matter for one question. */
export interface Focus {
  readonly chaos?: Chaos;
  /** In place of the chaos's own probabilities. */
  readonly rates?: Rates;
  readonly vantages?: number;
  readonly shape?: Shape;
  readonly mode?: Mode;
  readonly channels?: 1 | 2;
  readonly oneMachine?: boolean;
  /** Every fault is of this form. */
  readonly fault?: Partial<Omit<Fault, "from" | "until">> & { readonly forMinutes?: number };
  /** The share of time that a vantage's network is out. */
  readonly noise?: { readonly share: number; readonly meanMs: number; readonly whole: number; readonly common: number };
}

export interface Outage extends Span {
  readonly vantage: string;
}

/** What is settled before a run begins. */
export interface Plan {
  readonly config: Config;
  readonly mode: Mode;
  readonly rates: Rates;
  readonly chaosEnds: number;
  readonly ends: number;
  readonly asleep?: Span;
  /** Everything runs in one process that nobody kills; otherwise a function ends at its timeout. */
  readonly oneMachine: boolean;
  /** The bus drops what is older than the rule allows. */
  readonly busDropsOld: boolean;
  readonly staggered: boolean;
  readonly reconcileOffset: number;
  readonly faults: ReadonlyMap<string, readonly Fault[]>;
  readonly outages: readonly Outage[];
  readonly bursts: ReadonlyMap<string, readonly Burst[]>;
  readonly throttles: readonly Span[];
  readonly channels: readonly string[];
  readonly channelOutages: ReadonlyMap<string, readonly Span[]>;
  readonly pauses: readonly Span[];
}

export type Shape = "single" | "two-sites" | "fleet";

const CALM: Rates = { "slow-table": 0.02 };

const ROUGH: Rates = {
  crash: 0.05,
  freeze: 0.02,
  "slow-table": 0.1,
  "throttled-table": 0.004,
  conflict: 0.01,
  "lost-answer": 0.004,
  drop: 0.08,
  double: 0.15,
  delay: 0.09,
  "refused-entry": 0.04,
  "skipped-tick": 0.02,
  "doubled-tick": 0.02,
  "vendor-does-nothing": 0.06,
  "vendor-never-finishes": 0.06,
  "vendor-acts-and-times-out": 0.09,
  "vendor-times-out": 0.05,
  "vendor-acts-late": 0.05,
  "vendor-answers-late": 0.06,
  "vendor-500": 0.06,
  "vendor-429": 0.06,
  "vendor-rejects": 0.03,
  "vendor-busy": 0.05,
  "vendor-mute": 0.15,
  "chat-refuses": 0.1,
  "chat-loses-answer": 0.1,
  "chat-outage": 0.3,
  pause: 0.12,
  "operator-word": 1,
  "vantage-outage": 0.3,
  noise: 1,
  "common-noise": 0.5,
  asleep: 0.12,
  "fleet-fault": 0.7,
};

const WILD: Rates = {
  ...ROUGH,
  crash: 0.15,
  freeze: 0.08,
  "slow-table": 0.3,
  "throttled-table": 0.015,
  conflict: 0.05,
  "lost-answer": 0.015,
  drop: 0.25,
  double: 0.3,
  delay: 0.18,
  "refused-entry": 0.1,
  "skipped-tick": 0.05,
  "doubled-tick": 0.05,
  "vendor-does-nothing": 0.09,
  "vendor-never-finishes": 0.09,
  "vendor-acts-and-times-out": 0.15,
  "vendor-times-out": 0.09,
  "vendor-acts-late": 0.09,
  "vendor-answers-late": 0.1,
  "vendor-500": 0.1,
  "vendor-429": 0.1,
  "vendor-rejects": 0.05,
  "vendor-busy": 0.08,
  "vendor-mute": 0.24,
  "chat-refuses": 0.25,
  "chat-loses-answer": 0.25,
};

const RATES: Readonly<Record<Chaos, Rates>> = { calm: CALM, rough: ROUGH, wild: WILD };

const VANTAGES = ["east", "west", "north"];
const TARGETS = ["api", "web", "jobs", "mail", "auth", "docs"];

/** What a seed picks: the installation, how rough the world around it is, and everything that is bound to come. */
export function roughPlan(
  chance: Chance,
  hazards: Hazards,
  options: { readonly hours?: number | undefined; readonly focus?: Focus | undefined },
): Plan {
  const { focus = {} } = options;
  const picked = chance.pick<Chaos>(["calm", "rough", "rough", "wild", "wild"]);
  const rates = focus.rates ?? RATES[focus.chaos ?? picked];
  const anyShape: Shape = chance.happens(0.76) ? "single" : chance.pick<Shape>(["two-sites", "fleet"]);
  const shape = focus.shape ?? anyShape;
  const few = shape === "fleet" ? 0.6 : 1;
  // Drawn also where it is given, so that a run that is cut short is the beginning of the same run.
  const anyHours = chance.between(0.6, 1.4) * few;
  const roughMs = (options.hours ?? anyHours) * HOUR;
  const asleep = sleepOf(hazards, rates, roughMs);
  const chaosEnds = START + roughMs + (asleep === undefined ? 0 : asleep.to - asleep.from);
  const anyMode: Mode = chance.happens(0.85) ? "auto" : chance.pick<Mode>(["approve", "observe"]);
  const mode = focus.mode ?? anyMode;
  const config = configure(chance, shape, mode, focus);
  const channels = (focus.channels ?? (chance.happens(0.3) ? 2 : 1)) === 2 ? ["slack", "hook"] : ["slack"];
  const span = { from: START, to: chaosEnds };
  return {
    config,
    mode,
    rates,
    chaosEnds,
    ends: chaosEnds + 0.9 * HOUR,
    ...(asleep === undefined ? {} : { asleep }),
    oneMachine: [asleep !== undefined, chance.happens(0.3), focus.oneMachine === true].includes(true),
    busDropsOld: chance.happens(0.5),
    staggered: chance.happens(0.5),
    reconcileOffset: chance.between(0, 60_000),
    faults: faultsOf(hazards, config, span, rates, focus),
    outages: outagesOf(hazards, config, span, rates),
    bursts: noiseOf(hazards, config, span, rates, focus),
    throttles: spansOf(hazards, "throttled-table", span, rates["throttled-table"] === undefined ? 0 : 0.2, [1, 4]),
    channels,
    channelOutages: channelOutagesOf(hazards, channels, span, rates),
    pauses: spansOf(hazards, "pause", span, (rates.pause ?? 0) * 2.5, [1, 60]),
  };
}

function sleepOf(hazards: Hazards, rates: Rates, roughMs: number): Span | undefined {
  const chance = hazards.stream("asleep");
  const happens = chance.happens(rates.asleep ?? 0);
  const from = START + chance.between(0.1, 0.9) * roughMs;
  const lasts = chance.happens(0.5) ? chance.between(2, 90) * MINUTE : chance.between(1, 24) * HOUR;
  if (!happens || !hazards.isOn("asleep")) return undefined;
  return hazards.occurs("asleep", `all of the installation stands still for ${minutes(lasts)}`, from)
    ? { from, to: from + lasts }
    : undefined;
}

function configure(chance: Chance, shape: Shape, mode: Mode, focus: Focus): Config {
  const vantages = VANTAGES.slice(0, focus.vantages ?? chance.pick([1, 2, 3, 3, 3]));
  const maintenance = chance.happens(0.15)
    ? [{ fromMs: START + 20 * MINUTE, toMs: START + chance.between(30, 60) * MINUTE, reason: "upgrade" }]
    : [];
  const config = policyOf(vantages, { maintenance });
  const names = TARGETS.slice(0, shape === "fleet" ? chance.integer(3, 5) : 1);
  const targets = config.targets.flatMap((target) =>
    names.map((id) => withMode({ ...target, id, sites: sitesOf(id, shape) }, mode)),
  );
  return { ...config, targets };
}

function sitesOf(id: string, shape: Shape): TargetConfig["sites"] {
  const primary = { id: "primary", url: `https://${id}.example.com/health` };
  return shape === "two-sites"
    ? [primary, { id: "secondary", url: `https://${id}-west.example.com/health` }]
    : [primary];
}

function withMode(target: TargetConfig, mode: Mode): TargetConfig {
  const { restart, "purge-cache": purge } = target.remedies;
  const remedies = { ...target.remedies, restart: { ...restart, mode }, "purge-cache": { ...purge, mode } };
  return { ...target, remedies };
}

function faultsOf(
  hazards: Hazards,
  config: Config,
  span: Span,
  rates: Rates,
  focus: Focus,
): ReadonlyMap<string, readonly Fault[]> {
  const common = commonFault(hazards, config, span, rates);
  const found = new Map<string, readonly Fault[]>();
  for (const target of config.targets)
    for (const site of target.sites) {
      const key = siteKey(target.id, site.id);
      const own = ownFaults(hazards, key, span, focus, config.targets.length + target.sites.length - 1);
      const shared = common?.(key);
      const others =
        shared === undefined ? own : own.filter((fault) => fault.until < shared.from || fault.from > shared.until);
      found.set(key, shared === undefined ? own : [...others, shared]);
    }
  return found;
}

/** A fault for most of a fleet, at about the same moment; for a target on its own there is none. */
function commonFault(
  hazards: Hazards,
  config: Config,
  span: Span,
  rates: Rates,
): ((key: string) => Fault | undefined) | undefined {
  const chance = hazards.stream("fleet-fault");
  const happens = config.targets.length >= 3 && chance.happens(rates["fleet-fault"] ?? 0);
  if (!happens || !hazards.isOn("fleet-fault")) return undefined;
  const from = span.from + chance.between(0.1, 0.5) * (span.to - span.from);
  const until = from + chance.between(30, 90) * MINUTE;
  const kind = chance.pick(["refused", "5xx", "hangs"] as const);
  const cure = chance.pick(["restart", "nothing", "nothing"] as const);
  if (!hazards.occurs("fleet-fault", `most services break together (${kind}), for ${minutes(until - from)}`, from))
    return undefined;
  return () =>
    chance.happens(0.85)
      ? { from: from + chance.between(0, 40_000), kind, cure, share: 1, until, group: "fleet-fault" }
      : undefined;
}

/** With many services each breaks less often. */
function ownFaults(hazards: Hazards, key: string, span: Span, focus: Focus, among: number): Fault[] {
  const chance = hazards.stream("service-fault");
  const faults: Fault[] = [];
  if (!hazards.isOn("service-fault")) return faults;
  let from = span.from + chance.between(3, 30) * MINUTE;
  for (let count = 0; from < span.to && count < 6; count++) {
    const fault = bend(anyFault(chance, from), focus);
    if (chance.happens(among === 1 ? 1 : 0.5) && hazards.occurs("service-fault", textOf(fault, key), from))
      faults.push(fault);
    from = fault.until + chance.exponential(20) * MINUTE;
  }
  return faults;
}

function anyFault(chance: Chance, from: number): Fault {
  const kind = chance.pick(["refused", "refused", "hangs", "5xx", "slow", "failing", "blocked"] as const);
  const cure = kind === "failing" ? chance.pick(["purge-cache", "restart"] as const) : "restart";
  const passes = chance.happens(0.4);
  const until = from + (passes ? chance.exponential(8) : chance.between(20, 400)) * MINUTE;
  const share = kind === "failing" ? chance.between(0.1, 0.4) : kind === "slow" ? chance.between(0.8, 1) : 1;
  const curable = chance.happens(0.6) && kind !== "blocked";
  const sometimes = chance.happens(0.3) ? { cureChance: chance.between(0.2, 0.8) } : {};
  const worsens = chance.happens(0.1) && (kind === "slow" || kind === "failing") ? { worsens: true } : {};
  const flaps = chance.happens(0.12)
    ? { flaps: { illMs: chance.between(0.3, 8) * MINUTE, wellMs: chance.between(0.3, 6) * MINUTE } }
    : {};
  return { from, kind, share, until, cure: curable ? cure : "nothing", ...sometimes, ...worsens, ...flaps };
}

function bend(fault: Fault, { fault: wanted }: Focus): Fault {
  if (wanted === undefined) return fault;
  const { forMinutes, ...rest } = wanted;
  const { cureChance: _, worsens: __, flaps: ___, ...plain } = fault;
  return { ...plain, ...rest, until: forMinutes === undefined ? fault.until : fault.from + forMinutes * MINUTE };
}

function textOf({ kind, from, until, cure, worsens, flaps }: Fault, key: string): string {
  const how = `${flaps === undefined ? "" : ", comes and goes"}${worsens === true ? ", a restart makes it worse" : ""}`;
  const end = cure === "nothing" ? "nothing cures it" : `${cure} may cure it`;
  return `${key} breaks: ${kind}${how}, for ${minutes(until - from)} unless cured; ${end}`;
}

function outagesOf(hazards: Hazards, config: Config, span: Span, rates: Rates): Outage[] {
  const chance = hazards.stream("vantage-outage");
  const happens = chance.happens(rates["vantage-outage"] ?? 0);
  const out = config.vantages.slice(0, chance.integer(1, config.vantages.length));
  if (!happens || !hazards.isOn("vantage-outage")) return [];
  return out.flatMap((vantage) => {
    const from = span.from + chance.between(0, Math.min(1.2 * HOUR, span.to - span.from));
    const to = from + chance.between(3, 40) * MINUTE;
    return hazards.occurs("vantage-outage", `${vantage} takes no samples for ${minutes(to - from)}`, from)
      ? [{ vantage, from, to }]
      : [];
  });
}

/** Each vantage's own bursts, and those that all have together. */
function noiseOf(
  hazards: Hazards,
  config: Config,
  span: Span,
  rates: Rates,
  focus: Focus,
): ReadonlyMap<string, readonly Burst[]> {
  const together = burstsOf(hazards, "common-noise", span, rates, focus, "all vantages");
  return new Map(
    config.vantages.map((vantage) => {
      const own = burstsOf(hazards, "noise", span, rates, focus, vantage);
      return [vantage, [...own, ...together].sort((a, b) => a.from - b.from)];
    }),
  );
}

function burstsOf(
  hazards: Hazards,
  kind: "noise" | "common-noise",
  { from, to }: Span,
  rates: Rates,
  focus: Focus,
  who: string,
): Burst[] {
  const chance = hazards.stream(kind);
  const happens = chance.happens(rates[kind] ?? 0);
  const share = kind === "noise" ? chance.pick([0, 0.001, 0.01, 0.05]) : chance.pick([0.0005, 0.002, 0.01]);
  const meanMs = chance.pick([10_000, 60_000]);
  const wanted = focus.noise;
  const shape =
    wanted === undefined
      ? { share, meanMs, whole: 0.7 }
      : { ...wanted, share: kind === "noise" ? wanted.share : wanted.share * wanted.common };
  if ((!happens && wanted === undefined) || !hazards.isOn(kind)) return [];
  return bursts(chance, from, to, shape).filter((burst) =>
    hazards.occurs(
      kind,
      `${who}: ${burst.whole ? "the network is out" : "the way to the targets is out"} for ${minutes(burst.to - burst.from)}`,
      burst.from,
    ),
  );
}

/** Now and then, about `perHour` times an hour, for so many minutes. */
function spansOf(
  hazards: Hazards,
  kind: HazardClass,
  { from, to }: Span,
  perHour: number,
  lasts: readonly [number, number],
): Span[] {
  const chance = hazards.stream(kind);
  if (perHour <= 0 || !hazards.isOn(kind)) return [];
  const found: Span[] = [];
  for (let at = from + chance.exponential(HOUR / perHour); at < to; at += chance.exponential(HOUR / perHour)) {
    const span = { from: at, to: at + chance.between(lasts[0], lasts[1]) * MINUTE };
    const text = kind === "pause" ? "ada pauses healing" : "the table refuses half of all requests";
    if (hazards.occurs(kind, `${text} for ${minutes(span.to - span.from)}`, at)) found.push(span);
    at = span.to;
  }
  return found;
}

/** At most one channel is down at a time: with all of them down nobody could be told. */
function channelOutagesOf(
  hazards: Hazards,
  channels: readonly string[],
  span: Span,
  rates: Rates,
): ReadonlyMap<string, readonly Span[]> {
  const chance = hazards.stream("chat-outage");
  const happens = chance.happens(rates["chat-outage"] ?? 0);
  const channel = chance.pick(channels);
  const from = span.from + chance.between(0, 0.6) * (span.to - span.from);
  const lasts = chance.happens(0.5) ? chance.between(5, 40) * MINUTE : chance.between(1, 4) * HOUR;
  const to = Math.min(from + lasts, span.to);
  if (!happens || !hazards.isOn("chat-outage")) return new Map();
  const down = hazards.occurs("chat-outage", `${channel} is down for ${minutes(to - from)}`, from);
  return new Map(down ? [[channel, [{ from, to }]]] : []);
}

/** The plan of a scenario: nothing goes wrong but what it says. */
export function scenarioPlan(chance: Chance, scenario: Scenario): Plan {
  const { vantages, ladders, forMs } = scenario;
  const config = policyOf(vantages, ladders === undefined ? {} : { ladders });
  const target = config.targets[0];
  const site = target?.sites[0];
  return {
    config,
    mode: "auto",
    rates: CALM,
    chaosEnds: START + forMs,
    ends: START + forMs,
    oneMachine: chance.happens(0.3),
    busDropsOld: chance.happens(0.5),
    staggered: chance.happens(0.5),
    reconcileOffset: chance.between(0, 60_000),
    faults: new Map([[siteKey(target?.id ?? "", site?.id ?? ""), scenario.faults]]),
    outages: [],
    bursts: scenario.bursts,
    throttles: [],
    channels: ["slack"],
    channelOutages: new Map(),
    pauses: [],
  };
}

/** A length of time for people. */
export function minutes(ms: number): string {
  if (ms < 2 * MINUTE) return `${Math.round(ms / 1_000)} s`;
  return ms < 2 * HOUR ? `${Math.round(ms / MINUTE)} min` : `${Math.round(ms / HOUR)} h`;
}
