import type { IllKind, Rules } from "@neuropilot/config";
import { type Minute, type MinuteSample, mostOfMost, shareOf } from "./truth.ts";

/**
 * What followed an action that was only imagined, in the samples: `alone`, well again soon although nobody called; `needed`,
 * still ill after that time; `real-call`, well again after a call that was really made, so nobody knows; `open`, the history
 * ends before.
 */
export type Aftermath = "alone" | "needed" | "real-call" | "open";

/** So many minutes in a row are no breathing space. */
const WELL_MINUTES = 3;

/** Watches the minutes after an action until it is known whether the site came back by itself. */
export class Recovery {
  readonly #from: number;
  readonly #withinMs: number;
  readonly #ill: (minute: Minute) => boolean;
  readonly #trouble: (sample: MinuteSample) => boolean;
  #well = 0;
  #lastTroubleAt: number;
  /** When it was well again, epoch milliseconds; undefined while that is not known or later than what counts as soon. */
  recoveredAt: number | undefined;
  done = false;

  constructor(from: number, kind: IllKind, rules: Rules, withinMs: number) {
    this.#from = from;
    this.#lastTroubleAt = from;
    this.#withinMs = withinMs;
    const slowMs = kind === "slow" ? rules.slow.thresholdMs : Number.POSITIVE_INFINITY;
    this.#trouble = ({ bad, ttfbMs }) => bad || ttfbMs > slowMs;
    this.#ill = illnessOf(kind, rules);
  }

  hear(minute: Minute): void {
    if (this.done || minute.to <= this.#from || minute.samples.length === 0) return;
    const last = minute.samples.findLast((sample) => this.#trouble(sample) && sample.knownAt > this.#from);
    if (this.#ill(minute)) {
      this.#well = 0;
      if (last !== undefined) this.#lastTroubleAt = Math.max(this.#lastTroubleAt, last.knownAt);
    } else if (minute.from >= this.#from) {
      // The trouble's last samples may stand at the beginning of the first minute that is well as a whole.
      if (this.#well === 0) this.#lastTroubleAt = Math.max(this.#lastTroubleAt, leadingTrouble(minute, this.#trouble));
      this.#well++;
    }
    const soon = this.#lastTroubleAt <= this.#from + this.#withinMs;
    if (this.#well >= WELL_MINUTES || !soon) {
      this.done = true;
      if (soon) this.recoveredAt = this.#lastTroubleAt;
    }
  }
}

function leadingTrouble(minute: Minute, trouble: (sample: MinuteSample) => boolean): number {
  const good = minute.samples.findIndex((sample) => !trouble(sample));
  return minute.samples.slice(0, Math.max(0, good)).at(-1)?.knownAt ?? 0;
}

/** Whether a minute shows this kind of illness. */
function illnessOf(kind: IllKind, rules: Rules): (minute: Minute) => boolean {
  switch (kind) {
    case "failing":
      return (minute) => shareOf(minute, ({ bad }) => bad) > rules.failing.rate;
    case "slow":
      return (minute) =>
        shareOf(minute, (each) => each.bad || each.ttfbMs > rules.slow.thresholdMs) >= rules.slow.share;
    case "inconclusive":
    case "expiring":
    case "blocked":
    case "misconfigured":
    case "lagging":
    case "loaded":
    case "down":
      return (minute) => mostOfMost(minute, ({ bad }) => bad);
  }
}
