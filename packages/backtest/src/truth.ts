import { counts, isBad, type Sample } from "@neuropilot/core";

/** What the samples themselves show, whatever a policy made of them. */
export const TROUBLES = ["outage", "errors", "slowness"] as const;
export type TroubleKind = (typeof TROUBLES)[number];

export interface Trouble {
  readonly target: string;
  readonly site: string;
  readonly kind: TroubleKind;
  /** The first bad sample, and when the last one was known, epoch milliseconds. */
  readonly from: number;
  readonly to: number;
}

export interface TruthRules {
  /** How long most must fail to be an outage. */
  readonly outageMs: number;
  /** Above this an answer is slow; absent: slowness is not judged. */
  readonly slowMs?: number;
}

/** What one vantage saw of one minute. */
export interface MinuteSample {
  readonly startedAt: number;
  readonly knownAt: number;
  readonly vantage: number;
  readonly bad: boolean;
  /** To the first byte, of a good answer. */
  readonly ttfbMs: number;
}

export interface Minute {
  readonly from: number;
  readonly to: number;
  /** Those that count, in the order of their start. */
  readonly samples: readonly MinuteSample[];
}

export const MINUTE_MS = 60_000;
/** The share of failed requests that is more than chance and less than an outage, and how long it and slowness must last. */
const ERROR_SHARE = 0.2;
const LESSER_MS = 5 * MINUTE_MS;
/** A minute is judged when nothing that began in it can still be unknown. */
const SETTLE_MS = 60_000;

/** In most vantages that looked, most samples are of this kind. */
export function mostOfMost(minute: Minute, is: (sample: MinuteSample) => boolean): boolean {
  const byVantage = new Map<number, { all: number; hits: number }>();
  for (const sample of minute.samples) {
    const sum = byVantage.get(sample.vantage) ?? { all: 0, hits: 0 };
    sum.all++;
    if (is(sample)) sum.hits++;
    byVantage.set(sample.vantage, sum);
  }
  let agreeing = 0;
  for (const { all, hits } of byVantage.values()) if (hits * 2 > all) agreeing++;
  return agreeing * 2 > byVantage.size;
}

export function shareOf(minute: Minute, is: (sample: MinuteSample) => boolean): number {
  return minute.samples.filter(is).length / Math.max(1, minute.samples.length);
}

/** How ill a minute was: 3 an outage, 2 errors, 1 slow, 0 well. */
function gravityOf(minute: Minute, rules: TruthRules): number {
  if (mostOfMost(minute, ({ bad }) => bad)) return 3;
  const vantages = new Set(minute.samples.map(({ vantage }) => vantage)).size;
  const failing = new Set(minute.samples.filter(({ bad }) => bad).map(({ vantage }) => vantage)).size;
  if (shareOf(minute, ({ bad }) => bad) >= ERROR_SHARE && failing >= Math.min(2, vantages)) return 2;
  const { slowMs } = rules;
  if (slowMs !== undefined && mostOfMost(minute, (sample) => sample.bad || sample.ttfbMs > slowMs)) return 1;
  return 0;
}

interface Run {
  readonly from: number;
  minutes: number;
  to: number;
}

/** The minutes of one site as they pass, and the troubles that they make. */
export class SiteTruth {
  readonly troubles: Trouble[] = [];
  readonly #target: string;
  readonly #site: string;
  readonly #rules: TruthRules;
  readonly #stepMs: number;
  readonly #heard: ((minute: Minute) => void)[];
  #open: { from: number; samples: MinuteSample[] }[] = [];
  #before: Minute | undefined;
  readonly #runs: (Run | undefined)[] = [undefined, undefined, undefined];

  /** `stepMs`: a minute, or longer where samples are further apart. */
  constructor(
    of: { readonly target: string; readonly site: string },
    rules: TruthRules,
    stepMs: number,
    heard: ((minute: Minute) => void)[],
  ) {
    this.#target = of.target;
    this.#site = of.site;
    this.#rules = rules;
    this.#stepMs = stepMs;
    this.#heard = heard;
  }

  add(vantage: number, sample: Sample, now: number): void {
    this.settle(now);
    if (!counts(sample)) return;
    const { startedAt, ttfbMs } = sample;
    const from = Math.floor(startedAt / this.#stepMs) * this.#stepMs;
    let minute = this.#open.at(-1);
    if (minute?.from !== from) {
      minute = this.#open.find((open) => open.from === from);
      if (minute === undefined) {
        minute = { from, samples: [] };
        this.#open.push(minute);
        this.#open.sort((a, b) => a.from - b.from);
      }
    }
    minute.samples.push({ startedAt, knownAt: now, vantage, bad: isBad(sample), ttfbMs });
  }

  /** Judges the minutes that are over. */
  settle(now: number): void {
    for (let oldest = this.#open[0]; oldest !== undefined; oldest = this.#open[0]) {
      if (oldest.from + this.#stepMs + SETTLE_MS > now) return;
      this.#open.shift();
      this.#judge({
        from: oldest.from,
        to: oldest.from + this.#stepMs,
        samples: oldest.samples.sort((a, b) => a.startedAt - b.startedAt),
      });
    }
  }

  end(): void {
    this.settle(Number.POSITIVE_INFINITY);
    for (let level = 3; level >= 1; level--) this.#endRun(level);
  }

  #judge(minute: Minute): void {
    const gravity = gravityOf(minute, this.#rules);
    const before = this.#before;
    const adjacent = before !== undefined && minute.from - before.to <= 2 * this.#stepMs;
    for (let level = 3; level >= 1; level--) {
      if (!adjacent) this.#endRun(level);
      if (gravity >= level) this.#lengthen(level, minute, adjacent ? before : undefined);
      else this.#endRun(level, minute);
    }
    this.#before = minute;
    for (const hear of this.#heard) hear(minute);
  }

  #lengthen(level: number, minute: Minute, before: Minute | undefined): void {
    const is = this.#isAt(level);
    const last = minute.samples.findLast(is);
    const run = this.#runs[level - 1];
    if (run === undefined)
      this.#runs[level - 1] = { from: beginning(minute, before, is), minutes: 1, to: last?.knownAt ?? minute.to };
    else {
      run.minutes++;
      run.to = last?.knownAt ?? run.to;
    }
  }

  /** `after`: the first minute that no longer belongs to it, whose first samples still may. */
  #endRun(level: number, after?: Minute): void {
    const run = this.#runs[level - 1];
    if (run === undefined) return;
    this.#runs[level - 1] = undefined;
    const leastMs = level === 3 ? this.#rules.outageMs : LESSER_MS;
    if (run.minutes * this.#stepMs < leastMs) return;
    const is = this.#isAt(level);
    const good = after?.samples.findIndex((sample) => !is(sample)) ?? 0;
    const to = after?.samples.slice(0, Math.max(0, good)).at(-1)?.knownAt ?? run.to;
    const kind = level === 3 ? "outage" : level === 2 ? "errors" : "slowness";
    // A graver trouble is a lesser one as well, and is told once.
    if (this.troubles.some((other) => other.to >= run.from && other.from <= to)) return;
    this.troubles.push({ target: this.#target, site: this.#site, kind, from: run.from, to });
  }

  #isAt(level: number): (sample: MinuteSample) => boolean {
    const { slowMs } = this.#rules;
    return level > 1 || slowMs === undefined ? ({ bad }) => bad : ({ bad, ttfbMs }) => bad || ttfbMs > slowMs;
  }
}

/** The first of the bad samples that lead into a minute, from the one before it on if that ends with them. */
function beginning(minute: Minute, before: Minute | undefined, is: (sample: MinuteSample) => boolean): number {
  const [first] = minute.samples;
  if (first !== undefined && !is(first)) return minute.samples.find(is)?.startedAt ?? minute.from;
  const all = before?.samples ?? [];
  const good = all.findLastIndex((sample) => !is(sample));
  return all[good + 1]?.startedAt ?? first?.startedAt ?? minute.from;
}
