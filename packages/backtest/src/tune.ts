import {
  type Config,
  REMEDIES,
  type Remedy,
  type RemedyPolicy,
  type Rules,
  type TargetConfig,
} from "@neuropilot/config";
import type { HistorySource } from "./entry.ts";
import { type Replay, type ReplayOptions, replay } from "./replay.ts";
import { type Summary, summarise } from "./summary.ts";

/** One figure of the rules that is searched. */
interface Axis {
  /** As in a config. */
  readonly name: string;
  readonly unit: "ms" | "share" | "count";
  readonly of: (rules: Rules) => number;
  readonly with: (rules: Rules, value: number) => Rules;
  /** What is tried; factors of the present value for what has no natural scale. */
  readonly values: readonly number[];
  readonly factors?: boolean;
}

const SECOND = 1_000;
const MINUTE = 60_000;

function axesOf(config: Config): readonly Axis[] {
  const alone = config.vantages.length === 1;
  return [
    {
      name: alone ? "rules.down.holdAlone" : "rules.down.hold",
      unit: "ms",
      of: ({ down }) => (alone ? down.holdAloneMs : down.holdMs),
      with: (rules, ms) => ({ ...rules, down: { ...rules.down, ...(alone ? { holdAloneMs: ms } : { holdMs: ms }) } }),
      values: [10, 20, 30, 45, 60, 90, 120, 180, 300].map((seconds) => seconds * SECOND),
    },
    {
      name: "rules.failing.rate",
      unit: "share",
      of: ({ failing }) => failing.rate,
      with: (rules, rate) => ({ ...rules, failing: { ...rules.failing, rate } }),
      values: [0.02, 0.05, 0.1, 0.2, 0.4],
    },
    {
      name: "rules.failing.window",
      unit: "ms",
      of: ({ failing }) => failing.windowMs,
      with: (rules, windowMs) => ({ ...rules, failing: { ...rules.failing, windowMs } }),
      values: [1, 2, 3, 5, 8].map((minutes) => minutes * MINUTE),
    },
    {
      name: "rules.failing.minSamples",
      unit: "count",
      of: ({ failing }) => failing.minSamples,
      with: (rules, minSamples) => ({ ...rules, failing: { ...rules.failing, minSamples } }),
      values: [10, 15, 20, 30, 45],
    },
    {
      name: "rules.failing.minFailures",
      unit: "count",
      of: ({ failing }) => failing.minFailures,
      with: (rules, minFailures) => ({ ...rules, failing: { ...rules.failing, minFailures } }),
      values: [2, 3, 4, 6, 10],
    },
    {
      name: "rules.slow.threshold",
      unit: "ms",
      of: ({ slow }) => slow.thresholdMs,
      with: (rules, thresholdMs) => ({ ...rules, slow: { ...rules.slow, thresholdMs } }),
      values: [0.75, 1, 1.5, 2, 3],
      factors: true,
    },
    {
      name: "rules.slow.window",
      unit: "ms",
      of: ({ slow }) => slow.windowMs,
      with: (rules, windowMs) => ({ ...rules, slow: { ...rules.slow, windowMs } }),
      values: [3, 5, 8, 10].map((minutes) => minutes * MINUTE),
    },
    {
      name: "rules.slow.share",
      unit: "share",
      of: ({ slow }) => slow.share,
      with: (rules, share) => ({ ...rules, slow: { ...rules.slow, share } }),
      values: [0.4, 0.6, 0.8, 0.95],
    },
    {
      name: "rules.slow.minParts",
      unit: "count",
      of: ({ slow }) => slow.minParts,
      with: (rules, minParts) => ({ ...rules, slow: { ...rules.slow, minParts } }),
      values: [2, 3, 4, 5],
    },
    {
      name: "rules.recovery.observations",
      unit: "count",
      of: ({ recovery }) => recovery.observations,
      with: (rules, observations) => ({ ...rules, recovery: { observations } }),
      values: [2, 3, 5],
    },
  ];
}

export interface Change {
  readonly name: string;
  readonly unit: Axis["unit"];
  readonly value: number;
}

export interface Candidate {
  /** Against the policy that the search began with; empty for itself. */
  readonly changes: readonly Change[];
  readonly config: Config;
  readonly mark?: "present" | "new";
}

export interface Scored extends Candidate {
  readonly summary: Summary;
  /** Actions on what recovered alone. */
  readonly falseActions: number;
  readonly missed: number;
  /** How long an outage was left alone, on average, milliseconds. */
  readonly leftMs: number;
}

export interface TuneOptions extends ReplayOptions {
  readonly seed: number;
  /** How many policies are tried in one pass over the history. */
  readonly perPass: number;
  /** Passes over the history: the second looks around what the first found best. 1 where it can be read once only. */
  readonly passes: number;
  readonly onPass?: (pass: number, policies: number) => void;
}

export interface Tuning {
  readonly all: readonly Scored[];
  /** Those that no other beats in all three, the fewest false actions first. */
  readonly front: readonly Scored[];
  readonly replay: Replay;
  readonly outages: number;
}

export type TuneResult =
  | { readonly ok: true; readonly tuning: Tuning }
  | { readonly ok: false; readonly problem: string };

/**
 * Tries other thresholds and windows on the history, many policies in one pass, every remedy as if it were in `auto`, and
 * keeps those that nothing beats in false actions, missed troubles and delay. `present` says what counts as slow; the search
 * begins at `proposed`.
 */
export async function tune(
  open: () => HistorySource | Promise<HistorySource>,
  present: Config,
  proposed: Config,
  options: TuneOptions,
): Promise<TuneResult> {
  const search = new Search(asAuto(proposed), options);
  const marked: Candidate[] = [{ changes: [], config: asAuto(proposed), mark: "new" }];
  if (JSON.stringify(present) !== JSON.stringify(proposed))
    marked.unshift({ changes: [], config: asAuto(present), mark: "present" });
  else marked[0] = { changes: [], config: asAuto(present), mark: "present" };
  let all: readonly Scored[] = [];
  let last: Replay | undefined;
  for (let pass = 1; pass <= options.passes; pass++) {
    const fresh =
      pass === 1 ? [...marked, ...search.first(options.perPass)] : search.around(frontOf(all), options.perPass);
    if (fresh.length === 0) break;
    options.onPass?.(pass, fresh.length);
    // The present policy goes first in every pass, for its threshold says what is slow.
    const policies = [asAuto(present), ...fresh.map(({ config }) => config)];
    const result = await replay(await open(), policies, options);
    if (!result.ok) return result;
    last ??= result.replay;
    all = [...all, ...fresh.map((candidate, index) => score(candidate, result.replay, index + 1))];
    if (outagesIn(all) === 0) break;
  }
  if (last === undefined) throw new Error("a search makes at least one pass");
  return { ok: true, tuning: { all, front: frontOf(all), replay: last, outages: outagesIn(all) } };
}

function outagesIn(all: readonly Scored[]): number {
  return Math.max(0, ...all.map(({ summary }) => summary.troubles.outage));
}

function score(candidate: Candidate, result: Replay, index: number): Scored {
  const summary = summarise(result, candidate.config, index);
  return {
    ...candidate,
    summary,
    falseActions: summary.aftermath.alone,
    missed: summary.missed.length,
    leftMs: summary.left?.meanMs ?? 0,
  };
}

/** Modes say what may be called, and the search asks when: all are taken as `auto`. */
function asAuto(config: Config): Config {
  const targets = config.targets.map((target) => {
    const remedies = REMEDIES.map((remedy) => [remedy, { ...target.remedies[remedy], mode: "auto" }] as const);
    return { ...target, remedies: Object.fromEntries(remedies) as Record<Remedy, RemedyPolicy> };
  });
  return { ...config, targets };
}

/** Those that no other is better than in one and as good as in the rest; of equals the one nearest to where it began. */
export function frontOf(all: readonly Scored[]): readonly Scored[] {
  const best = new Map<string, Scored>();
  for (const each of all) {
    const key = JSON.stringify([each.falseActions, each.missed, Math.round(each.leftMs / 1000)]);
    const known = best.get(key);
    if (known === undefined || rankOf(each) < rankOf(known)) best.set(key, each);
  }
  const distinct = [...best.values()];
  return distinct
    .filter((each) => !distinct.some((other) => other !== each && beats(other, each)))
    .sort((a, b) => a.falseActions - b.falseActions || a.missed - b.missed || a.leftMs - b.leftMs);
}

function rankOf({ mark, changes }: Scored): number {
  return mark === undefined ? changes.length : mark === "present" ? -2 : -1;
}

function beats(a: Scored, b: Scored): boolean {
  const left = (each: Scored) => Math.round(each.leftMs / 1000);
  return a.falseActions <= b.falseActions && a.missed <= b.missed && left(a) <= left(b);
}

/** Makes candidates: each figure by itself, then several at once, by seeded chance; none twice. */
class Search {
  readonly #base: Config;
  readonly #axes: readonly Axis[];
  readonly #target: string | undefined;
  readonly #seen = new Set<string>();
  readonly #next: () => number;

  constructor(base: Config, { seed, target }: TuneOptions) {
    this.#base = base;
    this.#axes = axesOf(base);
    this.#target = target;
    this.#next = drawing(seed);
    this.#seen.add(keyOf(base));
  }

  first(most: number): Candidate[] {
    const singles = this.#axes.flatMap((axis) => valuesOf(axis, this.#rules()).map((value) => [change(axis, value)]));
    const found = singles.flatMap((changes) => this.#make(changes)).slice(0, most);
    for (let tries = 0; found.length < most && tries < most * 20; tries++) found.push(...this.#make(this.#draw()));
    return found;
  }

  /** Steps from, and mixtures of, the best so far. */
  around(front: readonly Scored[], most: number): Candidate[] {
    const found: Candidate[] = [];
    for (let tries = 0; found.length < most && tries < most * 30; tries++) {
      const [a, b] = [this.#pick(front), this.#pick(front)];
      const mixed = new Map([...(a?.changes ?? []), ...(b?.changes ?? [])].map((each) => [each.name, each]));
      const axis = this.#pick(this.#axes);
      const value = axis === undefined ? undefined : this.#pick(valuesOf(axis, this.#rules()));
      if (axis !== undefined && value !== undefined && this.#next() < 0.7) mixed.set(axis.name, change(axis, value));
      found.push(...this.#make([...mixed.values()]));
    }
    return found;
  }

  #draw(): Change[] {
    return this.#axes.flatMap((axis) => {
      const value = this.#next() < 0.35 ? this.#pick(valuesOf(axis, this.#rules())) : undefined;
      return value === undefined ? [] : [change(axis, value)];
    });
  }

  #pick<T>(all: readonly T[]): T | undefined {
    return all[Math.floor(this.#next() * all.length)];
  }

  #rules(): Rules | undefined {
    return this.#base.targets.find(({ id }) => this.#target === undefined || id === this.#target)?.rules;
  }

  #make(changes: readonly Change[]): Candidate[] {
    const targets = this.#base.targets.map((target) =>
      this.#target === undefined || target.id === this.#target ? this.#apply(target, changes) : target,
    );
    const config = { ...this.#base, targets };
    const key = keyOf(config);
    if (this.#seen.has(key) || !targets.every((target) => makesSense(config, target))) return [];
    this.#seen.add(key);
    return [{ changes: changes.filter((each) => this.#differs(each)), config }];
  }

  #apply(target: TargetConfig, changes: readonly Change[]): TargetConfig {
    let { rules } = target;
    for (const { name, value } of changes)
      rules = this.#axes.find((axis) => axis.name === name)?.with(rules, value) ?? rules;
    return { ...target, rules };
  }

  #differs({ name, value }: Change): boolean {
    const axis = this.#axes.find((candidate) => candidate.name === name);
    return this.#base.targets.some(({ rules }) => axis !== undefined && axis.of(rules) !== value);
  }
}

function valuesOf({ values, factors, of }: Axis, rules: Rules | undefined): readonly number[] {
  if (rules === undefined) return [];
  const present = of(rules);
  return (factors === true ? values.map((factor) => Math.round(present * factor)) : values).filter(
    (value) => value !== present,
  );
}

function change({ name, unit }: Axis, value: number): Change {
  return { name, unit, value };
}

/** What the check of a config would refuse is not tried. */
function makesSense({ intervalMs }: Config, { rules, timeoutMs }: TargetConfig): boolean {
  const { failing, slow } = rules;
  return (
    failing.minFailures <= failing.minSamples &&
    Math.min(failing.windowMs, slow.windowMs) >= intervalMs &&
    slow.thresholdMs < timeoutMs
  );
}

function keyOf(config: Config): string {
  return JSON.stringify(config.targets.map(({ rules }) => rules));
}

/** Mulberry32: the same search for a seed on every machine. */
function drawing(seed: number): () => number {
  let state = (Math.imul(seed, 2_654_435_761) ^ 0x9e3779b9) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
