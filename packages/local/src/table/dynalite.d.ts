// What we use of dynalite 4.0.0, which brings no types of its own.

declare module "dynalite" {
  import type { Server } from "node:http";

  /** The request listener is attached; `close` also closes the LevelDB store. */
  function dynalite(options: { path: string; createTableMs: number }): Server;
  // biome-ignore lint/style/noDefaultExport: the module is CommonJS, so all it exports is the default.
  export default dynalite;
}

declare module "dynalite/db/index.js" {
  export type Item = Readonly<Record<string, unknown>>;

  export interface IndexDescription {
    readonly IndexName: string;
    IndexStatus?: string;
  }

  export interface TableDescription {
    readonly TableName: string;
    TableStatus: string;
    readonly LocalSecondaryIndexes?: readonly IndexDescription[];
    readonly GlobalSecondaryIndexes?: readonly IndexDescription[];
  }

  export type Operation =
    | { readonly type: "put"; readonly key: string; readonly value: unknown }
    | { readonly type: "del"; readonly key: string };

  /** A Level database whose values are JSON. */
  export interface Level {
    open(): Promise<void>;
    batch(operations: readonly Operation[], options?: { sync?: boolean }): Promise<void>;
    iterator(range: { gte: string; lt: string }): AsyncIterable<[key: string, value: unknown]>;
  }

  export interface Store {
    readonly db: Level;
    readonly lifecycleManager: { trackOperation<T>(operation: Promise<T>): Promise<T> };
  }

  export interface IndexActions {
    readonly puts: readonly { readonly index: string; readonly key: string; readonly item: Item }[];
    readonly deletes: readonly { readonly index: string; readonly key: string }[];
  }

  export type UpdateIndexes = (
    store: Store,
    table: TableDescription,
    existing: Item | null | undefined,
    item: Item | null | undefined,
    done: (error?: unknown) => void,
  ) => void;

  export interface Internals {
    create(options: unknown): Store;
    updateIndexes: UpdateIndexes;
    itemSize(item: Item): number;
    createKey(item: Item, table: TableDescription): string;
    getIndexActions(
      indexes: readonly IndexDescription[],
      existing: Item | null | undefined,
      item: Item | null | undefined,
      table: TableDescription,
    ): IndexActions;
  }

  const internals: Internals;
  // biome-ignore lint/style/noDefaultExport: the module is CommonJS, so all it exports is the default.
  export default internals;
}
