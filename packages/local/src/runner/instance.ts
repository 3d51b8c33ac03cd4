import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Config } from "@neuropilot/config";
import type { Publish } from "@neuropilot/events";
import { createDynamoTable, createState, type State } from "@neuropilot/store";
import { openDataFolder, readInstance } from "../data-folder/index.ts";
import { ensureTable, startTableServer } from "../table/index.ts";
import { type AwsIdentity, awsClient, awsIdentity } from "./aws.ts";
import type { InstanceInfo } from "./instance-info.ts";

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

/** One that is starting says within this time how it is reached. */
const STARTING_MS = 5_000;
const POLL_MS = 100;

/**
 * Opens the state below a data folder: through the running instance where there is one, else by starting its table for as
 * long as this takes. A folder without state is a problem, in words for people.
 */
export async function openInstance(
  dataPath: string,
  options: {
    /** Never starts the table itself: who looks on must not hold the folder. */
    readonly onlyRunning?: boolean;
    /** The process's environment: another server's table may want the keys in it. */
    readonly environment?: Readonly<Record<string, string | undefined>>;
  } = {},
): Promise<OpenedInstance> {
  const deadline = Date.now() + STARTING_MS;
  let found = await readInstance(dataPath);
  let info = infoOf(found?.info);
  if (info === undefined && found?.alive !== true)
    return {
      ok: false,
      problem: `nothing has run in ${dataPath} yet: \`neuropilot up --data ${quoted(dataPath)}\` starts it`,
    };
  while (found?.alive !== true || info === undefined) {
    if (options.onlyRunning === true) return { ok: false, problem: `nothing runs in ${dataPath}` };
    const alone = info === undefined ? undefined : await openAlone(dataPath, info, options.environment ?? {});
    // Somebody has the folder and has not said yet how it is reached: it starts, or looks at the state for a moment as we do.
    if (alone?.ok === true || Date.now() >= deadline)
      return alone ?? { ok: false, problem: `what runs in ${dataPath} has not started yet: try again in a moment` };
    await sleep(POLL_MS);
    found = await readInstance(dataPath);
    info = infoOf(found?.info);
  }
  const running = info;
  const identity = awsIdentity(options.environment ?? {}, { own: running.ownTable });
  const open = openTable(running, running.tableEndpoint, identity);
  return {
    ok: true,
    instance: {
      ...open.instance,
      running,
      publish: async (events) => (await publisherFor(running))(events),
      close: open.close,
    },
  };
}

/** Few commands publish, and the client takes its time to load. */
async function publisherFor(info: InstanceInfo): Promise<Publish> {
  const [{ EventBridgeClient }, { createPublisher }] = await Promise.all([
    import("@aws-sdk/client-eventbridge"),
    import("@neuropilot/events"),
  ]);
  const client = new EventBridgeClient(awsClient(awsIdentity({}, { own: true }), info.busEndpoint));
  const publish = createPublisher(client, info.busName);
  return async (events) => {
    try {
      return await publish(events);
    } finally {
      client.destroy();
    }
  };
}

async function openAlone(
  dataPath: string,
  info: InstanceInfo,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<OpenedInstance> {
  const opened = await openDataFolder(dataPath);
  if (!opened.ok) return { ok: false, problem: opened.problem };
  const closing: (() => Promise<void>)[] = [() => opened.folder.release()];
  const close = async () => {
    for (const step of closing.splice(0).reverse()) await step();
  };
  try {
    const identity = awsIdentity(environment, { own: info.ownTable });
    let endpoint = info.tableEndpoint;
    if (info.ownTable) {
      const server = await startTableServer({ folder: join(opened.folder.path, "table") });
      closing.push(() => server.close());
      endpoint = server.endpoint;
    }
    const open = openTable(info, endpoint, identity);
    closing.push(open.close);
    await ensureTable(open.client, info.tableName);
    return { ok: true, instance: { ...open.instance, running: undefined, publish: undefined, close } };
  } catch (error) {
    await close();
    throw error;
  }
}

function openTable(info: InstanceInfo, endpoint: string, identity: AwsIdentity) {
  const client = new DynamoDBClient(awsClient(identity, endpoint));
  return {
    client,
    instance: {
      state: createState(createDynamoTable(client, info.tableName)),
      config: readConfig(info.configFile),
    },
    close: async () => client.destroy(),
  };
}

/** As a shell takes it in one piece. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
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
  if (!fields.every((field) => typeof record[field] === "string")) return undefined;
  return { ...(value as InstanceInfo), ownTable: record.ownTable !== false };
}
