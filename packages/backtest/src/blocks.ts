import type { HistoryBlock } from "@neuropilot/core";
import { type HistoryCall, type HistoryChunk, type HistoryEntry, sampleEntry } from "./entry.ts";

export type BlockRead =
  | { readonly ok: true; readonly block: HistoryBlock }
  | { readonly ok: false; readonly problem: string };

/** One vantage's shard, stretch by stretch, as the table gives it. */
export type BlockStream = AsyncIterable<BlockRead>;

interface Head {
  readonly stream: AsyncIterator<BlockRead>;
  readonly read: BlockRead;
}

/** Merges the streams of all vantages and shards, with the calls that were really made, in the order of time. */
export async function* mergeBlocks(
  streams: readonly BlockStream[],
  calls: readonly HistoryCall[] = [],
): AsyncGenerator<HistoryChunk> {
  const waiting = calls.toSorted((a, b) => a.at - b.at);
  let heads: Head[] = [];
  for (const stream of streams) heads.push(...(await advance(stream[Symbol.asyncIterator]())));
  while (heads.length > 0) {
    const broken = heads.find(({ read }) => !read.ok);
    const from = broken === undefined ? Math.min(...heads.map(fromOf)) : Number.NaN;
    const due = broken === undefined ? heads.filter((head) => fromOf(head) === from) : [broken];
    const entries: HistoryEntry[] = [];
    const names: string[] = [];
    for (const { read } of due) {
      if (!read.ok) {
        yield { kind: "left-out", problem: read.problem };
        continue;
      }
      addBlock(read.block, entries, names);
    }
    heads = heads.filter((head) => !due.includes(head));
    for (const { stream } of due) heads.push(...(await advance(stream)));
    if (entries.length === 0) continue;
    const last = entries.reduce((latest, { at }) => Math.max(latest, at), 0);
    while ((waiting[0]?.at ?? Number.POSITIVE_INFINITY) <= last) entries.push(...waiting.splice(0, 1));
    const all = entries.map((entry, index) => ({ entry, name: names[index] ?? "a call" }));
    all.sort((a, b) => a.entry.at - b.entry.at);
    yield {
      kind: "entries",
      entries: all.map(({ entry }) => entry),
      where: (index) => all[index]?.name ?? "history",
    };
  }
  if (waiting.length > 0) yield { kind: "entries", entries: waiting, where: () => "a call" };
}

async function advance(stream: AsyncIterator<BlockRead>): Promise<Head[]> {
  const next = await stream.next();
  return next.done === true ? [] : [{ stream, read: next.value }];
}

function fromOf({ read }: Head): number {
  return read.ok ? read.block.from : Number.NEGATIVE_INFINITY;
}

function addBlock(block: HistoryBlock, entries: HistoryEntry[], names: string[]): void {
  const { vantage, shard, from } = block;
  const name = `the history of ${vantage}, shard ${shard}, from ${new Date(from).toISOString()}`;
  for (const [key, samples] of Object.entries(block.sites)) {
    const slash = key.indexOf("/");
    const [target, site] = [key.slice(0, slash), key.slice(slash + 1)];
    for (const sample of samples) {
      entries.push(sampleEntry(target, site, vantage, sample));
      names.push(name);
    }
  }
}
