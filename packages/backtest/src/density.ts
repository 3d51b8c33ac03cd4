import type { Config } from "@neuropilot/config";
import type { HistoryChunk, HistorySource } from "./entry.ts";

/** So many samples tell how often one was taken. */
const ENOUGH = 5_000;
/** Looks are never exactly an interval apart. */
const SLACK = 1.2;

/** Reads the beginning, and answers how far apart one vantage's samples of one site are, and the same history from its start. */
export async function measureDensity(
  source: HistorySource,
): Promise<{ readonly everyMs: number | undefined; readonly source: HistorySource }> {
  const iterator = source[Symbol.asyncIterator]();
  const read: HistoryChunk[] = [];
  const last = new Map<string, number>();
  const gaps: number[] = [];
  while (gaps.length < ENOUGH) {
    const next = await iterator.next();
    if (next.done === true) break;
    read.push(next.value);
    if (next.value.kind !== "entries") continue;
    for (const entry of next.value.entries) {
      if (entry.kind !== "sample") continue;
      const key = `${entry.target}/${entry.site} ${entry.vantage}`;
      const before = last.get(key);
      if (before !== undefined && entry.sample.startedAt > before) gaps.push(entry.sample.startedAt - before);
      last.set(key, entry.sample.startedAt);
    }
  }
  const everyMs = gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 2)];
  return { everyMs, source: resumed(read, iterator) };
}

async function* resumed(read: HistoryChunk[], rest: AsyncIterator<HistoryChunk>): AsyncGenerator<HistoryChunk> {
  for (let chunk = read.shift(); chunk !== undefined; chunk = read.shift()) yield chunk;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

/**
 * A policy that looks more often than the history does would find its samples stale most of the time: it is replayed as if it
 * looked as often as the history. Answers the same policy where that is no question.
 */
export function atDensity(config: Config, everyMs: number | undefined): Config {
  if (everyMs === undefined || everyMs <= config.intervalMs * SLACK) return config;
  return { ...config, intervalMs: Math.round(everyMs / 1_000) * 1_000 };
}
