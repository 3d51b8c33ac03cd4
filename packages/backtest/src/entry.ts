import type { Remedy } from "@neuropilot/config";
import type { Sample } from "@neuropilot/core";

/** One look of the past. */
export interface HistorySample {
  readonly kind: "sample";
  readonly target: string;
  readonly site: string;
  readonly vantage: string;
  readonly sample: Sample;
  /** When it was known: its start and what it took, epoch milliseconds. */
  readonly at: number;
}

/** A call that was really made, or may have been: what it did is in the samples that follow it. */
export interface HistoryCall {
  readonly kind: "call";
  readonly target: string;
  readonly site: string;
  readonly remedy: Remedy;
  /** Epoch milliseconds. */
  readonly at: number;
}

export type HistoryEntry = HistorySample | HistoryCall;

/**
 * A stretch of history, about in the order of time. `broken`: it cannot be used, and nothing after it is read. `left-out`: a
 * part of it cannot be read; the rest is used and people are told.
 */
export type HistoryChunk =
  | { readonly kind: "entries"; readonly entries: readonly HistoryEntry[]; readonly where: (index: number) => string }
  | { readonly kind: "broken"; readonly problem: string }
  | { readonly kind: "left-out"; readonly problem: string };

export type HistorySource = AsyncIterable<HistoryChunk>;

export function sampleEntry(target: string, site: string, vantage: string, sample: Sample): HistorySample {
  return { kind: "sample", target, site, vantage, sample, at: sample.startedAt + sample.totalMs };
}

/** When an entry began: the order in which vantages write. */
export function beganAt(entry: HistoryEntry): number {
  return entry.kind === "sample" ? entry.sample.startedAt : entry.at;
}
