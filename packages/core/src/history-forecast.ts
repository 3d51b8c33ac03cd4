/**
 * What the next sample is likely to be; only how far off that was is written. A site's first look is expected where the site
 * before had its first, each next one a step later; its times as they were with the last sample of the same kind.
 */
export class Forecast {
  /** Epoch milliseconds. */
  start = 0;
  ttfb = 0;
  /** From the first byte to the last, or before the connection: `totalMs - ttfbMs`. */
  rest = 0;
  readonly #step: number;
  #first: number;
  #previous = 0;
  #lastTtfb = 0;
  #lastRest = 0;
  readonly #ttfbOf: number[] = [];
  readonly #restOf: number[] = [];

  /** `step`: milliseconds between two looks at a site. */
  constructor(from: number, step: number) {
    this.#first = from;
    this.#step = step;
  }

  /** Sets the three above for the next sample, which is of this kind. */
  aim(kind: number, isFirst: boolean): void {
    this.start = isFirst ? this.#first : this.#previous + this.#step;
    this.ttfb = this.#ttfbOf[kind] ?? this.#lastTtfb;
    this.rest = this.#restOf[kind] ?? this.#lastRest;
  }

  /** What it was. */
  learn(kind: number, isFirst: boolean, start: number, ttfb: number, rest: number): void {
    if (isFirst) this.#first = start;
    this.#previous = start;
    this.#lastTtfb = ttfb;
    this.#lastRest = rest;
    this.#ttfbOf[kind] = ttfb;
    this.#restOf[kind] = rest;
  }
}
