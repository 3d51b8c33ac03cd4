/**
 * The thread that the table server lives in, so that its work never delays the probes. Any failure of the disk ends the
 * thread and is answered to nobody: after a failed write LevelDB must be opened again before it can be trusted with the
 * next one, and opening again is what the parent does.
 */
import type { IncomingMessage, Server } from "node:http";
import { parentPort, workerData } from "node:worker_threads";
import dynalite from "dynalite";
import internals, {
  type Item,
  type Operation,
  type Store,
  type TableDescription,
  type UpdateIndexes,
} from "dynalite/db/index.js";
import { errorText } from "./table-problem.ts";
import type { TableWorkerData, TableWorkerMessage } from "./table-server.ts";

const HOST = "127.0.0.1";
/** Requests under way at the end get this long. */
const CLOSE_MS = 1_000;

if (parentPort === null) throw new Error("the table server runs in a worker thread; call startTableServer");
const parent = parentPort;
const tell = (message: TableWorkerMessage) => parent.postMessage(message);

const { folder, port } = readWorkerData(workerData);
await start(folder, port).catch((error: unknown) => {
  tell({ kind: "failed", text: errorText(error) });
  process.exit(1);
});

async function start(path: string, wanted: number): Promise<void> {
  internals.updateIndexes = writeAtOnce;
  internals.itemSize = withBytesOfText(internals.itemSize);
  const { server, store } = createDynalite(path);
  await store.db.open();
  await finishCreations(store);
  guard(server);
  parent.on("message", () => {
    server.close(() => process.exit(0));
    setTimeout(() => server.closeAllConnections(), CLOSE_MS).unref();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(wanted, HOST, resolve);
  });
  const address = server.address();
  tell({ kind: "listening", port: typeof address === "object" && address !== null ? address.port : wanted });
}

/** dynalite keeps its store to itself; it is caught where dynalite makes it. */
function createDynalite(path: string): { server: Server; store: Store } {
  const create = internals.create;
  let store: Store | undefined;
  internals.create = (options) => {
    store = create(options);
    return store;
  };
  const server = dynalite({ path, createTableMs: 0 });
  internals.create = create;
  if (store === undefined) throw new Error("dynalite made no store; this works with version 4.0.0");
  return { server, store };
}

/**
 * dynalite removes a row's index entries, adds the new ones and writes the row in separate writes: a kill between them would
 * leave a row that `due` never finds again. One batch writes all of it, on disk before anyone hears of it. dynalite then
 * writes the row once more, which changes nothing.
 */
function writeAtOnce(...[store, table, existing, item, done]: Parameters<UpdateIndexes>): void {
  const row = item ?? existing;
  if (row === undefined || row === null) {
    done();
    return;
  }
  const key = `item-${table.TableName}~${internals.createKey(row, table)}`;
  const operations: Operation[] = [
    ...indexOperations(table, existing, item),
    item === undefined || item === null ? { type: "del", key } : { type: "put", key, value: item },
  ];
  store.lifecycleManager.trackOperation(durableBatch(store, operations)).then(
    () => setImmediate(done),
    (error: unknown) => setImmediate(done, error),
  );
}

function indexOperations(
  table: TableDescription,
  existing: Parameters<UpdateIndexes>[2],
  item: Parameters<UpdateIndexes>[3],
): Operation[] {
  const kinds = [
    { kind: "local", indexes: table.LocalSecondaryIndexes ?? [] },
    { kind: "global", indexes: table.GlobalSecondaryIndexes ?? [] },
  ];
  return kinds.flatMap(({ kind, indexes }) => {
    const keyOf = (index: string, key: string) => `index-${kind}~${table.TableName}~${index}~${key}`;
    const { deletes, puts } = internals.getIndexActions(indexes, existing, item, table);
    return [
      ...deletes.map(({ index, key }): Operation => ({ type: "del", key: keyOf(index, key) })),
      ...puts.map(({ index, key, item: value }): Operation => ({ type: "put", key: keyOf(index, key), value })),
    ];
  });
}

/** The database's own `batch`: the one that dynalite put in its place takes no options. */
function durableBatch(store: Store, operations: readonly Operation[]): Promise<void> {
  const { batch }: Store["db"] = Object.getPrototypeOf(store.db);
  return batch.call(store.db, operations, { sync: true });
}

/** DynamoDB's limit of 400 KB is in bytes; dynalite counts a text's characters. Our rows are flat, so their texts are on top. */
function withBytesOfText(itemSize: (item: Item) => number): (item: Item) => number {
  return (item) => {
    const texts = Object.values(item).flatMap((value) =>
      typeof value === "object" && value !== null && "S" in value && typeof value.S === "string" ? [value.S] : [],
    );
    return texts.reduce((size, text) => size + Buffer.byteLength(text) - text.length, itemSize(item));
  };
}

/** A kill while dynalite created a table leaves it in CREATING for ever; nothing creates one before we listen. */
async function finishCreations(store: Store): Promise<void> {
  for await (const [key, value] of store.db.iterator({ gte: "table~", lt: "table~\xff" })) {
    if (!isBeingCreated(value)) continue;
    const active = value.GlobalSecondaryIndexes?.map((index) => ({ ...index, IndexStatus: "ACTIVE" }));
    const table = {
      ...value,
      TableStatus: "ACTIVE",
      ...(active === undefined ? {} : { GlobalSecondaryIndexes: active }),
    };
    await durableBatch(store, [{ type: "put", key, value: table }]);
  }
}

function isBeingCreated(value: unknown): value is TableDescription {
  return typeof value === "object" && value !== null && "TableStatus" in value && value.TableStatus === "CREATING";
}

/**
 * dynalite lets pages of any origin in and checks no signature, so a page in this machine's browser could change what we do:
 * only programs may ask, by our own address. It also throws when a client goes away in the middle of a request.
 */
function guard(server: Server): void {
  const handlers = server.listeners("request");
  server.removeAllListeners("request");
  server.on("request", (request, response) => {
    if (request.headers.origin !== undefined || !isOwnHost(request)) {
      response.writeHead(403, { "content-type": "text/plain" });
      response.end("The table answers programs on this machine only, not web pages.\n");
      return;
    }
    for (const handler of handlers) Reflect.apply(handler, server, [request, response]);
    request.removeAllListeners("error");
    request.on("error", () => response.destroy());
  });
}

function isOwnHost(request: IncomingMessage): boolean {
  return /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(request.headers.host ?? "");
}

function readWorkerData(data: unknown): TableWorkerData {
  if (typeof data === "object" && data !== null && "folder" in data && "port" in data) {
    if (typeof data.folder === "string" && typeof data.port === "number")
      return { folder: data.folder, port: data.port };
  }
  throw new Error("the table worker needs { folder, port }");
}
