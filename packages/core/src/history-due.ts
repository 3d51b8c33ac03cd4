import { BLOCK_MS, type HistoryBlock } from "./history.ts";
import type { Sample } from "./sample.ts";
import { CLOCK_AHEAD_MS, KEEP_SAMPLES, type WindowItem } from "./window.ts";

/** So many samples of one site are not left to wait for the end of their time: a window forgets those beyond KEEP_SAMPLES. */
const CROWDED = KEEP_SAMPLES / 2;

export interface HistoryDue {
  readonly blocks: readonly HistoryBlock[];
  /** Once they are kept, everything before this is. Absent: of the next window nothing is. */
  readonly historyTo?: number;
}

/**
 * What of a window belongs into the history now: the samples since the last time, up to the last multiple of BLOCK_MS, or up
 * to now where there are many. The same window gives the same blocks, whoever asks, so that a tick that runs twice or was cut
 * off writes nothing twice. A window holds two of these times: what could not be written comes again with the next tick.
 */
export function historyDue(window: WindowItem, now: number): HistoryDue {
  // Our clock was set back: the tick is about to forget this window, so all of it is due, and the next one begins anew.
  if (window.at > now + CLOCK_AHEAD_MS)
    return { blocks: blocksOf(window, startOf(window, window.at), window.at + CLOCK_AHEAD_MS) };
  const from = startOf(window, now);
  const to = isCrowded(window, from, now) ? Math.floor(now) : stretchOf(now);
  if (to > from) return { blocks: blocksOf(window, from, to), historyTo: to };
  return { blocks: [], historyTo: from };
}

/** After a step back of the clock, times that are in the history come again: their samples are other ones. */
function startOf({ historyTo }: WindowItem, now: number): number {
  if (historyTo === undefined) return Number.NEGATIVE_INFINITY;
  return historyTo > now ? stretchOf(now) : historyTo;
}

function isCrowded(window: WindowItem, from: number, to: number): boolean {
  // Most windows hold few samples, and this is asked with every tick.
  return Object.values(window.sites).some(
    ({ samples }) => samples.length >= CROWDED && within(samples, from, to).length >= CROWDED,
  );
}

function blocksOf(window: WindowItem, from: number, to: number): HistoryBlock[] {
  const { vantage, shard } = window;
  const stretches = new Set<number>();
  for (const { samples } of Object.values(window.sites))
    for (const { startedAt } of samples) if (from <= startedAt && startedAt < to) stretches.add(stretchOf(startedAt));
  return [...stretches]
    .sort((a, b) => a - b)
    .map((start) => {
      const [first, end] = [Math.max(start, from), Math.min(start + BLOCK_MS, to)];
      return { vantage, shard, from: first, to: end, sites: sitesWithin(window, first, end) };
    });
}

function sitesWithin(window: WindowItem, from: number, to: number): HistoryBlock["sites"] {
  const sites = Object.entries(window.sites).map(([key, { samples }]) => [key, within(samples, from, to)] as const);
  return Object.fromEntries(sites.filter(([, samples]) => samples.length > 0));
}

function within(samples: readonly Sample[], from: number, to: number): readonly Sample[] {
  return samples.filter(({ startedAt }) => from <= startedAt && startedAt < to);
}

function stretchOf(at: number): number {
  return Math.floor(at / BLOCK_MS) * BLOCK_MS;
}
