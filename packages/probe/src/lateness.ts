/** One sample's time under watch. */
export interface LatenessWatch {
  readonly from: number;
  worstMs: number;
}

/** Fine enough against the threshold, and a hundred wake-ups a second cost less than a tenth of one check. */
const TICK_MS = 10;

/**
 * How late our own event loop was while samples ran. One timer for all of them, running only while there are any: each time it
 * fires later than it should, that is how long an answer that had already arrived may have waited to be seen. Measured to
 * within one tick. `now` is monotonic, milliseconds.
 */
export class Lateness {
  readonly #now: () => number;
  readonly #watches = new Set<LatenessWatch>();
  #timer: NodeJS.Timeout | undefined;
  #due = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  begin(): LatenessWatch {
    const watch: LatenessWatch = { from: this.#now(), worstMs: 0 };
    this.#watches.add(watch);
    if (this.#timer === undefined) {
      this.#due = watch.from + TICK_MS;
      this.#timer = setInterval(() => this.#tick(), TICK_MS);
    }
    return watch;
  }

  /** Ends a watch: the longest lateness within it, milliseconds. What is late at this moment counts. */
  end(watch: LatenessWatch): number {
    this.#raise(watch, this.#now());
    this.#watches.delete(watch);
    if (this.#watches.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    return watch.worstMs;
  }

  #tick(): void {
    const now = this.#now();
    for (const watch of this.#watches) this.#raise(watch, now);
    this.#due = now + TICK_MS;
  }

  #raise(watch: LatenessWatch, now: number): void {
    watch.worstMs = Math.max(watch.worstMs, now - Math.max(this.#due, watch.from));
  }
}
