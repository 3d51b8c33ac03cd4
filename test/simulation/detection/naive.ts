import type { Action, Remedy } from "./installation.ts";
import { MINUTE_MS } from "./noise.ts";

/** What one sample of a naive monitor showed. */
export type Seen = "good" | "failed" | "slow";

/** Rules as they are written by hand: one sample a tick and vantage, and with several vantages the same quorum as ours. */
export const NAIVE_RULES = {
  "1 in a row": "restart on one sample that failed or took over 400 ms",
  "2 in a row": "restart on two such in a row",
  "3 in a row": "restart on three such in a row",
  "2 samples > 5 %": "restart while more than 5 % of the samples of the last two minutes (two of them) failed",
  original:
    "errors over 5 % for 2 min: purge, and restart if it stays so for 2 min more; over 400 ms for 5 min (five samples): restart",
} as const;
export type NaiveRule = keyof typeof NAIVE_RULES;

/** Nothing is called again before this: the cooldowns that ours has. */
const COOLDOWN_MS: Readonly<Record<Remedy, number>> = { restart: 10 * MINUTE_MS, "purge-cache": 60 * MINUTE_MS };
const STAYS_MS = 2 * MINUTE_MS;
const KEPT = 5;

type Test = (newest: readonly Seen[]) => boolean;

const inARow =
  (wanted: number): Test =>
  (newest) =>
    newest.length >= wanted && newest.slice(-wanted).every((seen) => seen !== "good");
const failedOfTwo: Test = (newest) => newest.length >= 2 && newest.slice(-2).includes("failed");
const fiveSlow: Test = (newest) => newest.length >= KEPT && newest.every((seen) => seen === "slow");

/** One installation of a naive rule, fed with samples in the order of time. */
export class NaiveMonitor {
  readonly actions: Action[] = [];
  readonly #rule: NaiveRule;
  readonly #quorum: number;
  readonly #newest = new Map<string, Seen[]>();
  readonly #calledAt = new Map<Remedy, number>();
  #failingSince: number | undefined;

  constructor(rule: NaiveRule, vantages: number) {
    this.#rule = rule;
    this.#quorum = vantages <= 2 ? vantages : Math.floor(vantages / 2) + 1;
  }

  sees(vantage: string, at: number, seen: Seen): void {
    const newest = this.#newest.get(vantage) ?? [];
    newest.push(seen);
    if (newest.length > KEPT) newest.shift();
    this.#newest.set(vantage, newest);
    switch (this.#rule) {
      case "1 in a row":
        this.#restartIf(inARow(1), at);
        return;
      case "2 in a row":
        this.#restartIf(inARow(2), at);
        return;
      case "3 in a row":
        this.#restartIf(inARow(3), at);
        return;
      case "2 samples > 5 %":
        this.#restartIf(failedOfTwo, at);
        return;
      case "original":
        this.#asAsked(at);
    }
  }

  #asAsked(at: number): void {
    this.#restartIf(fiveSlow, at);
    if (!this.#agree(failedOfTwo)) {
      this.#failingSince = undefined;
      return;
    }
    this.#failingSince ??= at;
    if (at - this.#failingSince >= STAYS_MS) this.#call("restart", at);
    else this.#call("purge-cache", at);
  }

  #restartIf(test: Test, at: number): void {
    if (this.#agree(test)) this.#call("restart", at);
  }

  #agree(test: Test): boolean {
    let agreeing = 0;
    for (const newest of this.#newest.values()) if (test(newest)) agreeing++;
    return agreeing >= this.#quorum;
  }

  #call(remedy: Remedy, at: number): void {
    if (at - (this.#calledAt.get(remedy) ?? Number.NEGATIVE_INFINITY) < COOLDOWN_MS[remedy]) return;
    this.#calledAt.set(remedy, at);
    this.actions.push({ at, remedy });
  }
}

/** Every tick's one sample of every vantage between two moments, in order, until `enough`. */
export function watchNaively(
  monitor: NaiveMonitor,
  vantages: readonly string[],
  phases: readonly number[],
  span: { readonly from: number; readonly to: number },
  see: (vantage: string, at: number) => Seen,
  enough: () => boolean = () => false,
): void {
  const order = vantages.map((vantage, index) => ({ vantage, phase: phases[index] ?? 0 }));
  order.sort((a, b) => a.phase - b.phase);
  for (let tick = Math.floor(span.from / MINUTE_MS) * MINUTE_MS; tick < span.to; tick += MINUTE_MS)
    for (const { vantage, phase } of order) {
      if (enough()) return;
      const at = tick + phase;
      if (at >= span.from && at < span.to) monitor.sees(vantage, at, see(vantage, at));
    }
}
