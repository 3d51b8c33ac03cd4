import { beganAt, type HistoryEntry } from "./entry.ts";

/** Vantages write side by side: so much out of order is put in order; more is a clock that was set back. */
export const DISORDER_MS = 120_000;

/**
 * Puts entries in the order in which they became known, whichever vantage wrote first: a sample that timed out began before
 * others that were known before it. Holds two minutes of them.
 */
export class Order {
  readonly #waiting: HistoryEntry[] = [];
  #head = 0;
  #newest = Number.NEGATIVE_INFINITY;

  /** Answers what is wrong where an entry is older than what may still be put in order. */
  add(entry: HistoryEntry): string | undefined {
    const began = beganAt(entry);
    if (began < this.#newest - DISORDER_MS) return wentBack(began, this.#newest);
    if (began > this.#newest) this.#newest = began;
    const waiting = this.#waiting;
    let at = waiting.length;
    waiting.push(entry);
    for (; at > this.#head; at--) {
      const before = waiting[at - 1];
      if (before === undefined || !isBefore(entry, before)) break;
      waiting[at] = before;
    }
    waiting[at] = entry;
    return undefined;
  }

  /** The next one that nothing can come before any more; at the end of the history, of all that are left. */
  next(ended: boolean): HistoryEntry | undefined {
    const entry = this.#waiting[this.#head];
    if (entry === undefined || (!ended && entry.at >= this.#newest - DISORDER_MS)) return undefined;
    this.#head++;
    if (this.#head > 4_096 && this.#head * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    return entry;
  }
}

function wentBack(began: number, newest: number): string {
  const say = (at: number) => new Date(at).toISOString();
  return (
    `the clock goes back: ${say(began)} comes after ${say(newest)}, and no more than ${DISORDER_MS / 60_000} min can be put ` +
    "in order. Sort it by startedAt, or cut it where a clock was set back or was far ahead"
  );
}

/** A total order, so that it does not matter which vantage was read first. */
function isBefore(a: HistoryEntry, b: HistoryEntry): boolean {
  if (a.at !== b.at) return a.at < b.at;
  return compare(keyOf(a), keyOf(b)) < 0;
}

function keyOf(entry: HistoryEntry): readonly (string | number)[] {
  if (entry.kind === "call") return [entry.target, entry.site, "", 0, entry.remedy];
  const { target, site, vantage, sample } = entry;
  return [target, site, vantage, sample.startedAt, sample.outcome];
}

function compare(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index] ?? 0;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}
