import { createHash } from "node:crypto";
import { BLOCK_MS, type HistoryBlock, packBlock, type Sample, unpackBlock } from "@neuropilot/core";
import type { Key, Row, Table, Written } from "./table.ts";

export interface HistoryRange {
  readonly vantage: string;
  readonly shard: string;
  /** Epoch milliseconds: `from` ≤ t < `to`. */
  readonly from: number;
  readonly to: number;
}

/** A stretch of history, or a row of it that cannot be read: whose key, and what to do, are in the problem. */
export type HistoryRead =
  | { readonly ok: true; readonly block: HistoryBlock }
  | { readonly ok: false; readonly key: Key; readonly problem: string };

export interface History {
  /**
   * Keeps a block, which must not span a multiple of BLOCK_MS. `refused`: it is there already, so that writing it again does
   * nothing; another one of the same time stands beside it. `keepMs`: how long after its end DynamoDB may remove it.
   */
  writeHistory(block: HistoryBlock, keepMs?: number): Promise<Written>;
  /**
   * What was kept of a range, in the order of time and page by page, so that memory stays flat: at most one block for each
   * BLOCK_MS, with the samples of the range only, each once. A row that cannot be read is named and the rest is read.
   */
  readHistory(range: HistoryRange): AsyncIterable<HistoryRead>;
  /** Removes at most `limit` rows of what had ended by a time, the oldest first; answers how many. For tables without TTL. */
  pruneHistory(of: { vantage: string; shard: string; before: number; limit: number }): Promise<number>;
}

/** An item may have 400 KB: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html */
const MAX_BODY_BYTES = 300_000;
const PAGE_ROWS = 500;

export function createHistory(table: Table): History {
  return {
    async writeHistory(block, keepMs) {
      let written: Written = "refused";
      for (const row of rowsOf(block, keepMs))
        if ((await table.put(row, { kind: "absent" })) === "written") written = "written";
      return written;
    },
    readHistory: (range) => readRange(table, range),
    async pruneHistory({ vantage, shard, before, limit }) {
      const pk = partitionOf(vantage, shard);
      const { rows } = await table.queryRange(pk, { from: "", to: timeKey(before - BLOCK_MS + 1), limit });
      for (const row of rows) await table.remove(row);
      return rows.length;
    },
  };
}

async function* readRange(table: Table, range: HistoryRange): AsyncGenerator<HistoryRead> {
  if (range.from >= range.to) return;
  let cell: Cell = { from: Number.NaN, blocks: [] };
  for await (const row of rowsIn(table, range)) {
    const from = cellOf(Number.parseInt(row.sk, 10));
    if (from !== cell.from) {
      yield* finish(cell, range);
      cell = { from, blocks: [] };
    }
    const read = readRow(row, range);
    if (read.ok) cell.blocks.push(read.block);
    else yield read;
  }
  yield* finish(cell, range);
}

async function* rowsIn(table: Table, { vantage, shard, from, to }: HistoryRange): AsyncGenerator<Row> {
  const range = { from: timeKey(cellOf(from)), to: timeKey(to), limit: PAGE_ROWS };
  let after: string | undefined;
  do {
    const page = await table.queryRange(partitionOf(vantage, shard), after === undefined ? range : { ...range, after });
    yield* page.rows;
    after = page.next;
  } while (after !== undefined);
}

/** The blocks of one stretch of BLOCK_MS: cut early, split by size, or written twice after a clock was set back. */
interface Cell {
  readonly from: number;
  readonly blocks: HistoryBlock[];
}

function* finish({ from: start, blocks }: Cell, range: HistoryRange): Generator<HistoryRead> {
  if (blocks.length === 0) return;
  const from = Math.max(start, range.from);
  const to = Math.min(start + BLOCK_MS, range.to);
  const keys = new Set(blocks.flatMap((block) => Object.keys(block.sites)));
  const sites = [...keys].map((key): [string, Sample[]] => [key, united(blocks, key, from, to)]);
  const { vantage, shard } = range;
  yield { ok: true, block: { vantage, shard, from, to, sites: Object.fromEntries(sites) } };
}

function united(blocks: readonly HistoryBlock[], key: string, from: number, to: number): Sample[] {
  const all = blocks.flatMap((block) => block.sites[key] ?? []);
  const inRange = all.filter(({ startedAt }) => from <= startedAt && startedAt < to);
  if (blocks.length === 1) return inRange;
  const once = new Map(inRange.map((sample) => [JSON.stringify(sample), sample]));
  return [...once.values()].sort((a, b) => a.startedAt - b.startedAt);
}

function rowsOf(block: HistoryBlock, keepMs: number | undefined): Row[] {
  if (cellOf(block.from) !== cellOf(block.to - 1) || block.from >= block.to)
    throw new Error(
      `a history block spans ${block.from} to ${block.to}; it must lie within a multiple of ${BLOCK_MS} ms`,
    );
  return bodiesOf(block).map((body) => ({
    pk: partitionOf(block.vantage, block.shard),
    sk: `${timeKey(block.from)}#${idOf(body)}`,
    version: 1,
    body,
    ...(keepMs === undefined ? {} : { expiresAt: Math.ceil((block.to + keepMs) / 1000) }),
  }));
}

/** Many sites in trouble at once may not fit into one row: then they are in several. */
function bodiesOf(block: HistoryBlock): string[] {
  const body = packBlock(block);
  if (body.length <= MAX_BODY_BYTES) return [body];
  return halves(block).flatMap(bodiesOf);
}

function halves(block: HistoryBlock): HistoryBlock[] {
  const sites = Object.entries(block.sites);
  const [only] = sites;
  if (sites.length === 1 && only !== undefined) {
    const [key, samples] = only;
    const middle = Math.ceil(samples.length / 2);
    return [samples.slice(0, middle), samples.slice(middle)].map((part) => ({ ...block, sites: { [key]: part } }));
  }
  const middle = Math.ceil(sites.length / 2);
  return [sites.slice(0, middle), sites.slice(middle)].map((part) => ({ ...block, sites: Object.fromEntries(part) }));
}

function readRow(row: Row, { vantage, shard }: HistoryRange): HistoryRead {
  const { pk, sk } = row;
  const refuse = (why: string): HistoryRead => ({
    ok: false,
    key: { pk, sk },
    problem: `the history row ${pk} ${sk} cannot be read: ${why}. Its samples are left out; the rest is used. Delete the row to be rid of this line`,
  });
  const read = unpackBlock(row.body);
  if (!read.ok) return refuse(read.problem);
  const { block } = read;
  const fits = block.vantage === vantage && block.shard === shard && sk.startsWith(`${timeKey(block.from)}#`);
  return fits ? { ok: true, block } : refuse(`it holds a block of ${block.vantage} ${block.shard} at ${block.from}`);
}

/** The same content has the same key: whoever writes it again, or at the same time, writes nothing new. */
function idOf(body: string): string {
  return createHash("sha256").update(body).digest("hex").slice(0, 16);
}

function partitionOf(vantage: string, shard: string): string {
  return `HISTORY#${vantage}#${shard}`;
}

/** Sorts as the times do. */
function timeKey(at: number): string {
  return String(Math.max(0, Math.min(Math.floor(at), MAX_TIME))).padStart(13, "0");
}

const MAX_TIME = 9_999_999_999_999;

function cellOf(at: number): number {
  return Math.floor(at / BLOCK_MS) * BLOCK_MS;
}
