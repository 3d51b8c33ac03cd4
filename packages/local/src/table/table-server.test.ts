import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CreateTableCommand, DescribeTableCommand, DynamoDBClient, ScanCommand } from "@aws-sdk/client-dynamodb";
import { createDynamoTable, createTableInput, DUE_INDEX, type Row, type Table } from "@neuropilot/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ensureTable, startTableServer, type TableServer } from "./index.ts";

const TABLE = "neuropilot-test";
let folder = "";
const cleanups: (() => Promise<unknown>)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "neuropilot-table-"));
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

function clientOf(endpoint: string): DynamoDBClient {
  const client = new DynamoDBClient({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    maxAttempts: 1,
  });
  cleanups.push(async () => client.destroy());
  return client;
}

async function start(options: Partial<Parameters<typeof startTableServer>[0]> = {}): Promise<TableServer> {
  const server = await startTableServer({ folder, ...options });
  cleanups.push(() => server.close());
  return server;
}

async function startWithTable(): Promise<{ server: TableServer; client: DynamoDBClient; table: Table }> {
  const server = await start();
  const client = clientOf(server.endpoint);
  await ensureTable(client, TABLE);
  return { server, client, table: createDynamoTable(client, TABLE) };
}

async function problemOf(starting: Promise<unknown>): Promise<{ reason: unknown; message: string }> {
  const error = await starting.then(
    () => new Error("it started"),
    (reason: unknown) => reason,
  );
  if (error instanceof Error) return { reason: "reason" in error ? error.reason : undefined, message: error.message };
  throw new Error(`not an error: ${String(error)}`);
}

interface Elsewhere {
  readonly endpoint: string;
  readonly child: ChildProcess;
  readonly lines: readonly string[];
}

/** The server in a process of its own, behind a shell line where one is given; it says its endpoint, then what it logs. */
async function startElsewhere(prelude = ""): Promise<Elsewhere> {
  const code = `
    const { startTableServer } = await import(${JSON.stringify(new URL("./index.ts", import.meta.url).href)});
    const log = (level, event, fields) => console.log(event + " " + JSON.stringify(fields));
    const server = await startTableServer({ folder: ${JSON.stringify(folder)}, log });
    console.log(server.endpoint);`;
  const nodeArgs = ["--input-type=module", "-e", code];
  return prelude === ""
    ? spawnServer(process.execPath, nodeArgs)
    : spawnServer("bash", ["-c", `${prelude}; exec "$0" "$@"`, process.execPath, ...nodeArgs]);
}

async function spawnServer(command: string, args: string[]): Promise<Elsewhere> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  cleanups.push(() => killHard(child));
  const lines: string[] = [];
  const endpoint = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      if (line.startsWith("http:")) resolve(line);
    });
    child.once("exit", (exit) => reject(new Error(`the other process ended (${exit}): ${lines.join("\n")}`)));
  });
  return { endpoint, child, lines };
}

async function killHard(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** One row, written again and again with its own due time; answers the versions that were acknowledged. */
async function writeUntilItBreaks(table: Table, name: string, acknowledged: Map<string, number>): Promise<void> {
  for (let version = 1; ; version++) {
    const row: Row = { pk: `TARGET#${name}`, sk: "STATE", version, nextActionAt: version * 10, body: "x".repeat(200) };
    try {
      const written = await table.put(
        row,
        version === 1 ? { kind: "absent" } : { kind: "version-is", version: version - 1 },
      );
      if (written === "refused") throw new Error(`${name} ${version} was refused, though nobody else writes it`);
      acknowledged.set(name, version);
    } catch {
      return;
    }
  }
}

/** Rows and index, read past the port, so that an index entry without its row is seen. */
async function readAll(client: DynamoDBClient, index?: string): Promise<string[]> {
  const answer = await client.send(
    new ScanCommand({ TableName: TABLE, ...(index === undefined ? {} : { IndexName: index }) }),
  );
  return (answer.Items ?? []).map((item) => `${item.pk?.S} ${item.nextActionAt?.N}`).sort();
}

const NAMES = ["a", "b", "c", "d", "e", "f", "g", "h"];

describe("the table server", () => {
  test("kill -9 amid writes loses no acknowledged write and leaves the index as the rows are", async () => {
    const { endpoint, child } = await startElsewhere();
    const client = clientOf(endpoint);
    await ensureTable(client, TABLE);
    const acknowledged = new Map<string, number>();
    const table = createDynamoTable(client, TABLE);
    const writers = NAMES.map((name) => writeUntilItBreaks(table, name, acknowledged));
    await until("some writes", () => [...acknowledged.values()].reduce((sum, count) => sum + count, 0) > 200);
    await killHard(child);
    await Promise.all(writers);

    const again = await start();
    const clientAgain = clientOf(again.endpoint);
    await ensureTable(clientAgain, TABLE);
    const tableAgain = createDynamoTable(clientAgain, TABLE);
    for (const [name, version] of acknowledged) {
      const row = await tableAgain.get({ pk: `TARGET#${name}`, sk: "STATE" });
      // The one under way at the kill may have arrived.
      expect([version, version + 1]).toContain(row?.version);
    }
    expect(await readAll(clientAgain, DUE_INDEX)).toEqual(await readAll(clientAgain));
  });

  test("fifty claims at once have one winner", async () => {
    const { table } = await startWithTable();
    const key = { pk: "TARGET#a", sk: "STATE" };
    await table.put({ ...key, version: 1, body: "free" }, { kind: "absent" });
    const claims = Array.from({ length: 50 }, (_, n) =>
      table.put({ ...key, version: 2, body: `claimed by ${n}` }, { kind: "version-is", version: 1 }),
    );
    const winners = (await Promise.all(claims)).flatMap((written, n) => (written === "written" ? [n] : []));
    expect(winners).toHaveLength(1);
    expect((await table.get(key))?.body).toBe(`claimed by ${winners[0]}`);
  });

  test("what was written is there after a stop and a start", async () => {
    const { server, table } = await startWithTable();
    await table.put({ pk: "a", sk: "b", version: 1, body: "kept" }, { kind: "absent" });
    await server.close();
    const { table: again } = await startWithTable();
    expect((await again.get({ pk: "a", sk: "b" }))?.body).toBe("kept");
  });

  test("a table whose creation was cut off is finished at the next start", async () => {
    const slow = `
      const dynalite = require(${JSON.stringify(createRequire(import.meta.url).resolve("dynalite"))});
      const server = dynalite({ path: ${JSON.stringify(folder)}, createTableMs: 3_600_000 });
      server.listen(0, "127.0.0.1", () => console.log("http://127.0.0.1:" + server.address().port));`;
    const { endpoint, child } = await spawnServer(process.execPath, ["-e", slow]);
    const client = clientOf(endpoint);
    await client.send(new CreateTableCommand(createTableInput(TABLE)));
    await killHard(child);
    const again = await start();
    await ensureTable(clientOf(again.endpoint), TABLE, { timeoutMs: 2_000 });
  });

  test("a client that goes away amid its request does no harm", async () => {
    const { server, table } = await startWithTable();
    const port = Number(new URL(server.endpoint).port);
    for (let n = 0; n < 5; n++) {
      await new Promise<void>((resolve, reject) => {
        const socket = connect(port, "127.0.0.1", () => {
          socket.write(`POST / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 100\r\n\r\n{`, () => {
            socket.destroy();
            resolve();
          });
        });
        socket.once("error", reject);
      });
    }
    for (let n = 0; n < 20; n++) await table.put({ pk: "a", sk: String(n), version: 1, body: "" }, { kind: "absent" });
    expect(await table.query("a")).toHaveLength(20);
  });

  test.each([
    { name: "a page of any origin", headers: { origin: "http://evil.example" } },
    { name: "a name that was bent to this address", headers: { host: "evil.example" } },
  ])("$name is refused, whatever it asks", async ({ headers }) => {
    const { endpoint } = await start();
    const status = await new Promise((resolve, reject) => {
      const asked = request(endpoint, { method: "POST", headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      asked.once("error", reject);
      asked.end("{}");
    });
    expect(status).toBe(403);
  });

  // A bound on the size of files makes the write fail as a full disk does, without one.
  test.runIf(process.platform === "linux")(
    "a write that the disk refuses is never acknowledged, and is explained",
    async () => {
      const { endpoint, child, lines } = await startElsewhere("trap '' XFSZ; ulimit -f 96");
      const client = clientOf(endpoint);
      await ensureTable(client, TABLE);
      const acknowledged = new Map<string, number>();
      await writeUntilItBreaks(createDynamoTable(client, TABLE), "a", acknowledged);
      await until("the problem in the log", () => lines.some((line) => line.startsWith("table.stopped")));
      expect(lines.find((line) => line.startsWith("table.stopped"))).toContain(folder);
      await killHard(child);
      const { table } = await startWithTable();
      const row = await table.get({ pk: "TARGET#a", sk: "STATE" });
      const last = acknowledged.get("a") ?? 0;
      expect(last).toBeGreaterThan(0);
      expect([last, last + 1]).toContain(row?.version);
    },
  );

  test("one that fails later goes on by itself, on the same port, once it can", async () => {
    const events: string[] = [];
    const server = await start({ log: (_level, event) => events.push(event) });
    const client = clientOf(server.endpoint);
    await ensureTable(client, TABLE);
    const table = createDynamoTable(client, TABLE);
    await table.put({ pk: "a", sk: "b", version: 1, body: "kept" }, { kind: "absent" });
    // dynalite throws at a body that is no object, which ends the thread as a failing disk does.
    const asked = request(server.endpoint, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": "DynamoDB_20120810.ListTables",
        "x-amz-date": "20260101T000000Z",
        authorization: "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b, Signature=c",
      },
    });
    await new Promise((resolve) => asked.once("error", resolve).end("null"));
    await until("the restart", () => events.includes("table.started-again"));
    expect(events[0]).toBe("table.stopped");
    expect((await table.get({ pk: "a", sk: "b" }))?.body).toBe("kept");
  });
});

describe("a table server that cannot start says what is wrong and what to do", () => {
  test("a port in use", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    cleanups.push(() => new Promise((resolve) => taken.close(resolve)));
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const problem = await problemOf(startTableServer({ folder, port }));
    expect(problem.reason).toBe("port");
    expect(problem.message).toMatch(new RegExp(`port ${port}.*--port`));
  });

  test("a folder whose table another process has", async () => {
    await startElsewhere();
    const problem = await problemOf(startTableServer({ folder }));
    expect(problem.reason).toBe("locked");
    expect(problem.message).toContain(folder);
  });

  test("a file in the way", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const problem = await problemOf(startTableServer({ folder: join(file, "table") }));
    expect(problem.reason).toBe("not-a-folder");
    expect(problem.message).toContain(file);
  });

  test.runIf(process.platform === "linux")("a damaged table", async () => {
    const { server } = await startWithTable();
    await server.close();
    writeFileSync(join(folder, "CURRENT"), "nonsense\n");
    expect((await problemOf(startTableServer({ folder }))).message).toContain(folder);
  });
});

describe("ensureTable", () => {
  test("two at once, and a third later, make one table", async () => {
    const { endpoint } = await start();
    const client = clientOf(endpoint);
    await Promise.all([ensureTable(client, TABLE), ensureTable(client, TABLE)]);
    await ensureTable(client, TABLE);
    const { Table: table } = await client.send(new DescribeTableCommand({ TableName: TABLE }));
    expect(table?.GlobalSecondaryIndexes?.map(({ IndexName }) => IndexName)).toEqual([DUE_INDEX]);
  });

  test("a table of another shape is named, not used", async () => {
    const { endpoint } = await start();
    const client = clientOf(endpoint);
    await client.send(
      new CreateTableCommand({
        TableName: TABLE,
        BillingMode: "PAY_PER_REQUEST",
        AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
        KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
      }),
    );
    const problem = await problemOf(ensureTable(client, TABLE));
    expect(problem.reason).toBe("table-differs");
    expect(problem.message).toMatch(/its key is not pk, sk; it has no index due over duePartition, nextActionAt/);
  });

  test("an endpoint where nothing answers is named", async () => {
    const { endpoint, close } = await startTableServer({ folder });
    await close();
    const problem = await problemOf(ensureTable(clientOf(endpoint), TABLE));
    expect(problem.reason).toBe("unreachable");
    expect(problem.message).toContain(endpoint);
    expect(existsSync(folder)).toBe(true);
  });
});
