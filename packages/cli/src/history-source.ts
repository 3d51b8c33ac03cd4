import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { basename } from "node:path";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { type HistoryCall, type HistoryChunk, type HistorySource, mergeBlocks, readJsonl } from "@neuropilot/backtest";
import { type Config, shardOf, shardsOf } from "@neuropilot/config";
import type { Incident } from "@neuropilot/core";
import type { OpenInstance } from "@neuropilot/local/instance";
import { CommandFailed, EXIT } from "./exit-codes.ts";

export interface HistoryRange {
  /** Start of the samples, epoch milliseconds: `from` ≤ t < `to`. */
  readonly from: number;
  readonly to: number;
  readonly target: string | undefined;
}

/** The history that an instance has kept, with the calls it really made, in the order of time. Only reads. */
export async function instanceHistory(
  { state }: OpenInstance,
  config: Config,
  { from, to, target }: HistoryRange,
): Promise<HistorySource> {
  const shard = target === undefined ? undefined : shardOf(config, target);
  const shards = shard === undefined ? shardsOf(config) : [shard];
  const streams = config.vantages.flatMap((vantage) =>
    shards.map((each) => state.readHistory({ vantage, shard: each, from, to })),
  );
  const calls: HistoryCall[] = [];
  for (const { id } of config.targets) {
    if (target !== undefined && id !== target) continue;
    const item = await state.readTarget(id, to);
    const known = new Map<string, Incident>();
    for (const incident of [...(await state.archivedIncidents(id)), ...item.closed, item.incident])
      if (incident !== undefined) known.set(incident.id, incident);
    for (const incident of known.values()) calls.push(...callsOf(incident));
  }
  return ofTarget(
    mergeBlocks(
      streams,
      calls.filter(({ at }) => from <= at && at < to),
    ),
    target,
  );
}

/** What was called, or may have been. */
function callsOf({ target, attempts }: Incident): HistoryCall[] {
  return attempts.flatMap(({ mayHaveCalled, callStartedAt, site, remedy }) =>
    mayHaveCalled && callStartedAt !== undefined ? [{ kind: "call", target, site, remedy, at: callStartedAt }] : [],
  );
}

/** A shard holds many targets. */
async function* ofTarget(source: HistorySource, target: string | undefined): AsyncGenerator<HistoryChunk> {
  for await (const chunk of source)
    if (target === undefined || chunk.kind !== "entries") yield chunk;
    else {
      const kept = chunk.entries.flatMap((entry, index) => (entry.target === target ? [{ entry, index }] : []));
      const where = (index: number) => chunk.where(kept[index]?.index ?? 0);
      yield { kind: "entries", entries: kept.map(({ entry }) => entry), where };
    }
}

/** Looks at a file before it is read: that there is one, and that it is text or gzip. Answers how to read it, again and again. */
export async function fileHistory(path: string): Promise<() => HistorySource> {
  const name = basename(path);
  const refuse = (problem: string) => new CommandFailed(EXIT.failed, `${path} ${problem}`);
  const head = Buffer.alloc(512);
  let bytes = 0;
  try {
    if (!(await stat(path)).isFile())
      throw refuse("is no file: name one with a JSON object a line, or - for standard input");
    const file = await open(path);
    try {
      ({ bytesRead: bytes } = await file.read(head, 0, head.length, 0));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof CommandFailed) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    if (code === "ENOENT" || code === "ENOTDIR") throw new CommandFailed(EXIT.usage, `there is no file ${path}`);
    throw refuse(`cannot be read (${code})`);
  }
  if (bytes === 0) throw refuse("is empty: there is nothing to replay");
  const gzip = head[0] === 0x1f && head[1] === 0x8b;
  if (!gzip && head.subarray(0, bytes).includes(0))
    throw refuse("is no text: it wants a JSON object a line, as `neuropilot history` writes it, plain or gzip");
  return () => textHistory(name, () => (gzip ? unzipped(path) : createReadStream(path, { highWaterMark: PIECE })));
}

const PIECE = 1 << 20;

function unzipped(path: string): Readable {
  const file = createReadStream(path, { highWaterMark: PIECE });
  const text = createGunzip({ chunkSize: PIECE });
  file.on("error", (error) => text.destroy(error));
  return file.pipe(text);
}

/** JSON lines from a stream that may fail at any time: cut off, or on a disk that goes away. */
export async function* textHistory(name: string, opened: () => Readable): AsyncGenerator<HistoryChunk> {
  const stream = opened().setEncoding("utf8");
  try {
    yield* readJsonl(name, stream);
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    yield { kind: "broken", problem: `${name} cannot be read to its end: ${what}. Was it cut off?` };
  } finally {
    stream.destroy();
  }
}
