import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeleteTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { ensureTable, startTableServer } from "@neuropilot/local";
import { createDynamoTable, createMemoryTable, type Table } from "@neuropilot/store";

/** Another DynamoDB endpoint to hold to the same: Amazon's DynamoDB Local in continuous integration. */
const OTHER = "NEUROPILOT_DYNAMODB_ENDPOINT";

export interface Kind {
  readonly name: string;
  /** Starts what it needs; answers how to make an empty table, and how to end. */
  start(): Promise<{ empty(): Promise<Table>; stop(): Promise<void> }>;
}

export const memory: Kind = {
  name: "memory",
  start: async () => ({ empty: async () => createMemoryTable(), stop: async () => {} }),
};

const tableServer: Kind = {
  name: "table server",
  async start() {
    const folder = mkdtempSync(join(tmpdir(), "neuropilot-conformance-"));
    const server = await startTableServer({ folder });
    const { empty, stop } = tablesAt(server.endpoint);
    return {
      empty,
      async stop() {
        await stop();
        await server.close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
};

const otherEndpoint = process.env[OTHER];
/** Every table that must behave alike. */
export const kinds: Kind[] = [
  memory,
  tableServer,
  ...(otherEndpoint === undefined ? [] : [{ name: otherEndpoint, start: async () => tablesAt(otherEndpoint) }]),
];

function tablesAt(endpoint: string): { empty(): Promise<Table>; stop(): Promise<void> } {
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  const client = new DynamoDBClient({ endpoint, region: "us-east-1", credentials });
  const names: string[] = [];
  return {
    async empty() {
      const name = `neuropilot-conformance-${process.pid}-${names.length}`;
      names.push(name);
      await ensureTable(client, name);
      return createDynamoTable(client, name);
    },
    async stop() {
      for (const name of names) await client.send(new DeleteTableCommand({ TableName: name }));
      client.destroy();
    },
  };
}
