/** A row: its key, what conditions look at, and the item as JSON. */
export interface Row {
  readonly pk: string;
  readonly sk: string;
  /** Grows by one with every write of this row. */
  readonly version: number;
  /** Windows and heartbeats: the scheduled time of their tick. */
  readonly tick?: number;
  /** When reconcile must look; absent: nothing waits. The sparse index `due` is over this. */
  readonly nextActionAt?: number;
  /** Epoch seconds after which the row is garbage. Never a lock. */
  readonly expiresAt?: number;
  readonly body: string;
}

export interface Key {
  readonly pk: string;
  readonly sk: string;
}

/** What must hold for a write; each has a name so that what races can be read off the call. */
export type Condition = { readonly kind: "absent" } | { readonly kind: "version-is"; readonly version: number };

export type Written = "written" | "refused";

/** Part of a partition: `from` ≤ sk ≤ `to`, by the keys' bytes. Both are below U+D800, where every server agrees on the order. */
export interface KeyRange {
  readonly from: string;
  readonly to: string;
  /** At most so many rows. */
  readonly limit: number;
  /** Only what comes after this key: the `next` of the page before. */
  readonly after?: string;
}

export interface Page {
  /** In the order of their keys. There may be fewer than `limit`, even none, and yet a next page. */
  readonly rows: readonly Row[];
  /** Where the next page begins; absent: that was the last. */
  readonly next?: string;
}

/**
 * The one port to the table. Reads are consistent, but for `due`, which is an index and may lag.
 * Throws `TableUnavailable` when the table cannot be reached or is throttled: that is our own infrastructure.
 */
export interface Table {
  get(key: Key): Promise<Row | undefined>;
  put(row: Row, condition: Condition): Promise<Written>;
  query(pk: string): Promise<readonly Row[]>;
  /** One page of a range, at most about a megabyte, so that a partition of any size is read in little memory. */
  queryRange(pk: string, range: KeyRange): Promise<Page>;
  /** Removes a row, whatever stands in it; one that is not there is removed already. */
  remove(key: Key): Promise<void>;
  /** Keys whose `nextActionAt` has come, the longest overdue first, at most `limit`. */
  due(now: number, limit: number): Promise<readonly Key[]>;
}

export class TableUnavailable extends Error {
  override readonly name = "TableUnavailable";
}
