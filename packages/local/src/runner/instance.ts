import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import type { Config } from "@neuropilot/config";
import { createPublisher, type Publish } from "@neuropilot/events";
import { createDynamoTable, createState, type State } from "@neuropilot/store";
import { openDataFolder, readInstance } from "../data-folder/index.ts";
import { ensureTable, startTableServer } from "../table/index.ts";
import { type InstanceInfo, TABLE_NAME } from "./runner.ts";

/** A look into an instance's state, running or not. Always `close` it. */
export interface OpenInstance {
  readonly state: State;
  /** What the instance was last started with; undefined if it never was. */
  readonly config: Config | undefined;
  readonly running: InstanceInfo | undefined;
  /** Reaches the running instance's bus; undefined where nothing runs. */
  readonly publish: Publish | undefined;
  close(): Promise<void>;
}

export type OpenedInstance =
  | { readonly ok: true; readonly instance: OpenInstance }
  | { readonly ok: false; readonly problem: string };

const LOCAL_CREDENTIALS = { accessKeyId: "local", secretAccessKey: "local" };

/**
 * Opens the state below a data folder: through the running instance where there is one, else by starting its table for as
 * long as this takes. A folder without state is a problem, in words for people.
 */
export async function openInstance(
  dataPath: string,
  options: {
    /** Never starts the table itself: who looks on must not hold the folder. */ readonly onlyRunning?: boolean;
  } = {},
): Promise<OpenedInstance> {
  const found = await readInstance(dataPath);
  const info = found === undefined ? undefined : infoOf(found.info);
  if (info === undefined)
    return { ok: false, problem: `nothing has run in ${dataPath} yet: \`neuropilot up --data ${dataPath}\` starts it` };
  if (found?.alive === true) return connect(info);
  return options.onlyRunning === true
    ? { ok: false, problem: `nothing runs in ${dataPath}` }
    : openAlone(dataPath, info);
}

function connect(info: InstanceInfo): OpenedInstance {
  const table = clientFor(info.tableEndpoint);
  const bus = new EventBridgeClient({
    endpoint: info.busEndpoint,
    region: "us-east-1",
    credentials: LOCAL_CREDENTIALS,
    maxAttempts: 2,
  });
  return {
    ok: true,
    instance: {
      state: createState(createDynamoTable(table, info.tableName)),
      config: readConfig(info.configFile),
      running: info,
      publish: createPublisher(bus, info.busName),
      async close() {
        table.destroy();
        bus.destroy();
      },
    },
  };
}

async function openAlone(dataPath: string, info: InstanceInfo): Promise<OpenedInstance> {
  const opened = await openDataFolder(dataPath);
  if (!opened.ok) return { ok: false, problem: opened.problem };
  const server = await startTableServer({ folder: join(opened.folder.path, "table") });
  const client = clientFor(server.endpoint);
  await ensureTable(client, TABLE_NAME);
  return {
    ok: true,
    instance: {
      state: createState(createDynamoTable(client, TABLE_NAME)),
      config: readConfig(info.configFile),
      running: undefined,
      publish: undefined,
      async close() {
        client.destroy();
        await server.close();
        await opened.folder.release();
      },
    },
  };
}

function clientFor(endpoint: string): DynamoDBClient {
  return new DynamoDBClient({ endpoint, region: "us-east-1", credentials: LOCAL_CREDENTIALS, maxAttempts: 2 });
}

/** Written by the runner from a resolved config; a file of another version is not read. */
function readConfig(path: string): Config | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return typeof value === "object" && value !== null && "schema" in value && value.schema === 1
      ? (value as Config)
      : undefined;
  } catch {
    return undefined;
  }
}

/** The instance file is written by the runner; one with other fields counts as absent. */
function infoOf(value: unknown): InstanceInfo | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const fields = ["tableEndpoint", "busEndpoint", "tableName", "busName", "configFile"] as const;
  const record: Readonly<Record<string, unknown>> = { ...value };
  return fields.every((field) => typeof record[field] === "string") ? (value as InstanceInfo) : undefined;
}
