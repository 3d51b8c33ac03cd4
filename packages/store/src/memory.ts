import { type Condition, type Key, type KeyRange, type Page, type Row, type Table, TableUnavailable } from "./table.ts";

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-items */
const MAX_ITEM_BYTES = 400 * 1024;

/** The table in memory, with the same conditions, order and refusals. Rows are copied, as a network would. */
export function createMemoryTable(): Table {
  const partitions = new Map<string, Partition>();
  /** What the index over `nextActionAt` holds. */
  const waiting = new Set<Row>();
  const find = ({ pk, sk }: Key) => partitions.get(pk)?.find(sk);
  return {
    async get(key) {
      const row = find(key);
      return row === undefined ? undefined : { ...row };
    },
    async put(row, condition) {
      checkRow(row);
      if (!holds(condition, find(row))) return "refused";
      const [before, kept] = [find(row), { ...row }];
      if (before !== undefined) waiting.delete(before);
      if (kept.nextActionAt !== undefined) waiting.add(kept);
      const partition = partitions.get(row.pk) ?? new Partition();
      partitions.set(row.pk, partition);
      partition.put(kept);
      return "written";
    },
    async query(pk) {
      return partitions.get(pk)?.rows() ?? [];
    },
    async queryRange(pk, range) {
      return partitions.get(pk)?.page(range) ?? { rows: [] };
    },
    async remove(key) {
      const present = find(key);
      if (present === undefined) return;
      waiting.delete(present);
      partitions.get(key.pk)?.remove(key.sk);
    },
    async due(now, limit) {
      return [...waiting]
        .filter((row) => row.nextActionAt !== undefined && row.nextActionAt <= now)
        .sort((a, b) => (a.nextActionAt ?? 0) - (b.nextActionAt ?? 0))
        .slice(0, limit)
        .map(({ pk, sk }) => ({ pk, sk }));
    },
  };
}

class Partition {
  readonly #rows = new Map<string, Row>();
  /** Kept until another key comes or goes: history is read page by page from a hundred thousand rows. */
  #keys: readonly string[] | undefined;

  find(sk: string): Row | undefined {
    return this.#rows.get(sk);
  }

  put(row: Row): void {
    if (!this.#rows.has(row.sk)) this.#keys = undefined;
    this.#rows.set(row.sk, row);
  }

  remove(sk: string): void {
    this.#keys = undefined;
    this.#rows.delete(sk);
  }

  /** In the order of their keys. */
  rows(keys = this.#sorted()): Row[] {
    return keys.flatMap((sk) => this.#rows.get(sk) ?? []);
  }

  page({ from, to, limit, after }: KeyRange): Page {
    const keys = this.#sorted();
    const first = countWhile(keys, (sk) => compare(sk, from) < 0 || (after !== undefined && compare(sk, after) <= 0));
    const end = countWhile(keys, (sk) => compare(sk, to) <= 0);
    const page = keys.slice(first, Math.min(end, first + limit));
    const last = page.at(-1);
    return { rows: this.rows(page), ...(last === undefined || first + limit >= end ? {} : { next: last }) };
  }

  #sorted(): readonly string[] {
    this.#keys ??= [...this.#rows.keys()].sort(compare);
    return this.#keys;
  }
}

/** How many at the beginning pass, where those that pass come first: by halves. */
function countWhile(keys: readonly string[], passes: (key: string) => boolean): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (passes(keys[middle] ?? "")) low = middle + 1;
    else high = middle;
  }
  return low;
}

function holds(condition: Condition, present: Row | undefined): boolean {
  switch (condition.kind) {
    case "absent":
      return present === undefined;
    case "version-is":
      return present?.version === condition.version;
  }
}

/** DynamoDB sorts text by its UTF-8 bytes, JavaScript by UTF-16 units: they differ beyond U+D7FF only. */
function compare(a: string, b: string): number {
  if (BEYOND.test(a) || BEYOND.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

const BEYOND = /[\ud800-\uffff]/;

/** What DynamoDB answers with a ValidationException, which the table on it throws as this too. */
function checkRow(row: Row): void {
  const refuse = (why: string) => new TableUnavailable(`the table cannot be used (ValidationException: ${why})`);
  if (row.pk === "" || row.sk === "") throw refuse("a key is empty");
  for (const value of [row.version, row.tick, row.nextActionAt, row.expiresAt])
    if (value !== undefined && !Number.isFinite(value)) throw refuse(`${row.pk} has ${value} where a number must be`);
  // Text is at most three bytes a unit, so most rows need no counting; keys and the names of attributes are below 1 KB.
  if (row.body.length > MAX_ITEM_BYTES / 4 && Buffer.byteLength(row.body) + 1024 > MAX_ITEM_BYTES)
    throw refuse(`${row.pk} ${row.sk} is larger than ${MAX_ITEM_BYTES} bytes`);
}
