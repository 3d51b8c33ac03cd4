import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Log } from "@neuropilot/loop";
import * as z from "zod";
import type { BusEvent, Undelivered } from "./event.ts";
import { isObject } from "./pattern-leaf.ts";

/**
 * What the bus has promised to deliver and not yet delivered, in a file of JSON lines that only grows:
 *
 *     {"put":{"at":1800000000000,"entries":[{"event":{…},"rules":["decide"]}]}}      one line per accepted call, on disk before its answer
 *     {"done":{"id":"…","rule":"decide"}}                                            may be lost: then it is delivered once more
 *
 * It is written anew, with only what is left, when it is opened and when it has grown by `compactBytes`.
 */
export interface Journal {
  /** What was left when the journal was opened. */
  readonly leftOver: readonly Undelivered[];
  /** Resolves when the entries are on disk; otherwise with the reason why they are not, and then nothing was promised. */
  accept(
    entries: readonly Undelivered[],
  ): Promise<{ readonly ok: true } | { readonly ok: false; readonly problem: string }>;
  complete(eventId: string, rule: string): void;
  /** Writes what is queued and lets go of the file. */
  close(): Promise<void>;
}

const eventLine = z.object({
  version: z.literal("0"),
  id: z.string(),
  "detail-type": z.string(),
  source: z.string(),
  account: z.string(),
  time: z.string(),
  region: z.string(),
  resources: z.array(z.string()),
  detail: z.custom<Readonly<Record<string, unknown>>>(isObject),
}) satisfies z.ZodType<BusEvent>;

/** An event as it was written to a file. */
export const writtenEvent: z.ZodType<BusEvent> = eventLine;

const journalLine = z.union([
  z.object({
    put: z.object({
      at: z.number(),
      entries: z.array(z.object({ event: eventLine, rules: z.array(z.string()) })),
    }),
  }),
  z.object({ done: z.object({ id: z.string(), rule: z.string() }) }),
]);

interface Promised {
  readonly event: BusEvent;
  readonly acceptedAt: number;
  readonly rules: Set<string>;
}

interface Write {
  readonly line: string;
  /** Set for what must be on disk before anybody is told. */
  readonly settle?: (problem: string | undefined) => void;
}

/** Opens or creates the journal. Throws what the file system throws: there is nothing to start without it. */
export async function openJournal(options: {
  readonly file: string;
  readonly compactBytes: number;
  readonly log: Log;
}): Promise<Journal> {
  const { file, compactBytes, log } = options;
  const promised = await load(file, log);
  const leftOver = list(promised);
  let handle = await open(file, "a", 0o600);
  let size = (await handle.stat()).size;
  // Whatever a crash left behind a last newline must not swallow the next line.
  let torn = size > 0;
  let compactAt = 0;
  let closed = false;
  const queue: Write[] = [];
  let writing: Promise<void> | undefined;

  const drain = async () => {
    while (queue.length > 0) {
      const batch = queue.splice(0);
      const problem = await write(batch);
      for (const { settle } of batch) settle?.(problem);
      if (problem === undefined && size >= compactAt) await compact();
    }
    writing = undefined;
  };
  const push = (write: Write) => {
    queue.push(write);
    writing ??= drain();
  };

  /** One write for all that waits, so that calls at the same time share one flush of the disk. */
  async function write(batch: readonly Write[]): Promise<string | undefined> {
    const buffer = Buffer.from(`${torn ? "\n" : ""}${batch.map(({ line }) => line).join("\n")}\n`);
    try {
      await writeAll(handle, buffer);
      if (batch.some(({ settle }) => settle !== undefined)) await handle.datasync();
      size += buffer.length;
      torn = false;
      return undefined;
    } catch (error) {
      const problem = `cannot write ${file}: ${message(error)}`;
      log("error", "bus.journal-failed", { file, problem });
      // Half a line stays harmless: it is cut off, or, where even that fails, closed by a newline and skipped when read.
      torn = await handle.truncate(size).then(
        () => torn,
        () => true,
      );
      // Marks of completion may be among what was lost; the next compaction makes up for them.
      compactAt = 0;
      return problem;
    }
  }

  /** Writes what is left beside the journal, and then in its place: a crash in between leaves one or the other, whole. */
  async function compact(): Promise<void> {
    const next = `${file}.new`;
    let fresh: FileHandle | undefined;
    try {
      await rm(next, { force: true });
      fresh = await open(next, "a", 0o600);
      const lines = list(promised).map((each) => `${putLine([each])}\n`);
      const buffer = Buffer.from(lines.join(""));
      await writeAll(fresh, buffer);
      await fresh.datasync();
      await rename(next, file);
      await syncFolder(dirname(file));
      const old = handle;
      handle = fresh;
      size = buffer.length;
      torn = false;
      await old.close();
    } catch (error) {
      log("warn", "bus.journal-not-compacted", { file, problem: message(error) });
      if (fresh !== undefined && fresh !== handle) await fresh.close().catch(() => undefined);
    }
    compactAt = size + compactBytes;
  }

  await compact();

  return {
    leftOver,
    accept(entries) {
      if (closed) return Promise.resolve({ ok: false, problem: "the bus is closing" });
      if (entries.length === 0) return Promise.resolve({ ok: true });
      return new Promise((resolve) => {
        push({
          line: putLine(entries),
          settle: (problem) => {
            if (problem !== undefined) return resolve({ ok: false, problem });
            for (const entry of entries) promised.set(entry.event.id, promise(entry));
            resolve({ ok: true });
          },
        });
      });
    },
    complete(id, rule) {
      forget(promised, id, rule);
      if (!closed) push({ line: JSON.stringify({ done: { id, rule } }) });
    },
    async close() {
      closed = true;
      while (writing !== undefined) await writing;
      await handle.close();
    },
  };
}

async function load(file: string, log: Log): Promise<Map<string, Promised>> {
  const promised = new Map<string, Promised>();
  let skipped = 0;
  for (const line of await readLines(file)) {
    const read = journalLine.safeParse(parseLine(line));
    if (!read.success) skipped++;
    else if ("put" in read.data) {
      const { at, entries } = read.data.put;
      for (const { event, rules } of entries) promised.set(event.id, promise({ event, rules, acceptedAt: at }));
    } else forget(promised, read.data.done.id, read.data.done.rule);
  }
  // A crash while a line was being written leaves a torn one. Nobody was told that it had been accepted.
  if (skipped > 0) log("warn", "bus.journal-lines-skipped", { file, skipped });
  return promised;
}

/** The lines of a file that are not empty; none if there is no such file. */
export async function readLines(file: string): Promise<readonly string[]> {
  try {
    return (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

export function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function putLine(entries: readonly Undelivered[]): string {
  const at = entries[0]?.acceptedAt ?? 0;
  return JSON.stringify({ put: { at, entries: entries.map(({ event, rules }) => ({ event, rules })) } });
}

const promise = ({ event, acceptedAt, rules }: Undelivered): Promised => ({ event, acceptedAt, rules: new Set(rules) });

function forget(promised: Map<string, Promised>, id: string, rule: string): void {
  const found = promised.get(id);
  found?.rules.delete(rule);
  if (found?.rules.size === 0) promised.delete(id);
}

function list(promised: ReadonlyMap<string, Promised>): readonly Undelivered[] {
  return [...promised.values()].map(({ event, acceptedAt, rules }) => ({ event, acceptedAt, rules: [...rules] }));
}

/** Writes all of it or throws; a full disk takes a part and only then says so. */
async function writeAll(handle: FileHandle, buffer: Buffer): Promise<void> {
  for (let at = 0; at < buffer.length; ) at += (await handle.write(buffer, at)).bytesWritten;
}

/** Makes the rename itself durable. Not every platform can open a folder; there it is as durable as the platform makes it. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.datasync().catch(() => undefined);
  await handle?.close();
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));
