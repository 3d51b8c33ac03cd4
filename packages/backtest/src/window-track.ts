import { CLOCK_AHEAD_MS, compareSamples, counts, isBad, KEEP_MS, KEEP_SAMPLES, type Sample } from "@neuropilot/core";

/** What a group of policies that look alike at samples needs to know of one window. */
export interface FacetRules {
  readonly slowMs: number;
  readonly expiringDays: number;
  readonly intervalMs: number;
}

export interface Facet extends FacetRules {
  tick: number;
  /** Slow samples held. */
  slow: number;
  lastSlowAt: number;
  lastExpiringAt: number;
}

/** A tick ends after 50 of 60 s: what comes later belongs to the next. */
const TICK_SHARE = 50 / 60;

/**
 * What one vantage holds of one site as time goes on: exactly what `appendSamples` would keep, without copying and sorting it
 * for every sample, with the few sums that tell that nothing can be wrong.
 */
export class WindowTrack {
  readonly facets: Facet[] = [];
  /** The newest bad sample, and the newest that counts; epoch milliseconds. */
  lastBadAt = Number.NEGATIVE_INFINITY;
  lastCountingAt = Number.NEGATIVE_INFINITY;
  /** Grows with every sample. */
  version = 0;
  /** When the bad samples held began, in order. */
  readonly #bad: number[] = [];
  readonly #held: Sample[] = [];
  #start = 0;
  #copy: readonly Sample[] | undefined;

  /** Adds a point of view; answers its number. */
  addFacet(rules: FacetRules): number {
    const never = Number.NEGATIVE_INFINITY;
    return this.facets.push({ ...rules, tick: never, slow: 0, lastSlowAt: never, lastExpiringAt: never }) - 1;
  }

  /** Oldest first. */
  get samples(): readonly Sample[] {
    this.#copy ??= this.#held.slice(this.#start);
    return this.#copy;
  }

  push(sample: Sample, now: number): void {
    this.#copy = undefined;
    this.version++;
    if (sample.startedAt > now - KEEP_MS && sample.startedAt <= now + CLOCK_AHEAD_MS) this.#insert(sample);
    for (let oldest = this.#held[this.#start]; oldest !== undefined; oldest = this.#held[this.#start]) {
      if (oldest.startedAt > now - KEEP_MS && this.#held.length - this.#start <= KEEP_SAMPLES) break;
      this.#start++;
      this.#count(oldest, -1);
    }
    if (this.#start > 512) {
      this.#held.splice(0, this.#start);
      this.#start = 0;
    }
  }

  #insert(sample: Sample): void {
    const held = this.#held;
    let at = held.length;
    for (; at > this.#start; at--) {
      const before = held[at - 1];
      if (before === undefined || before.startedAt < sample.startedAt) break;
      const order = compareSamples(before, sample);
      if (order === 0) return;
      if (order < 0) break;
    }
    if (at === held.length) held.push(sample);
    else held.splice(at, 0, sample);
    this.#count(sample, 1);
    this.#see(sample);
  }

  #count(sample: Sample, change: 1 | -1): void {
    if (!counts(sample)) return;
    if (isBad(sample)) this.#countBad(sample.startedAt, change);
    else for (const facet of this.facets) if (sample.ttfbMs > facet.slowMs) facet.slow += change;
  }

  /** What is forgotten is the oldest. */
  #countBad(startedAt: number, change: 1 | -1): void {
    if (change < 0) this.#bad.shift();
    else if (startedAt >= (this.#bad.at(-1) ?? 0)) this.#bad.push(startedAt);
    else
      this.#bad.splice(
        this.#bad.findIndex((other) => other > startedAt),
        0,
        startedAt,
      );
  }

  /** How many bad samples that began after a time are held. */
  badSince(from: number): number {
    let at = this.#bad.length;
    while (at > 0 && (this.#bad[at - 1] ?? from) > from) at--;
    return this.#bad.length - at;
  }

  #see(sample: Sample): void {
    const { startedAt } = sample;
    for (const facet of this.facets) if (startedAt - facet.tick > facet.intervalMs * TICK_SHARE) facet.tick = startedAt;
    if (!counts(sample)) return;
    if (startedAt > this.lastCountingAt) this.lastCountingAt = startedAt;
    if (isBad(sample)) {
      if (startedAt > this.lastBadAt) this.lastBadAt = startedAt;
      return;
    }
    for (const facet of this.facets) {
      if (sample.ttfbMs > facet.slowMs && startedAt > facet.lastSlowAt) facet.lastSlowAt = startedAt;
      if ((sample.certificateDays ?? Number.POSITIVE_INFINITY) < facet.expiringDays) facet.lastExpiringAt = startedAt;
    }
  }
}
