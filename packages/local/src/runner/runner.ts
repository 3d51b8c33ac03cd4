import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { type Config, shardOf, shardsOf } from "@neuropilot/config";
import { type FunctionSpec, manifest } from "@neuropilot/functions/manifest";
import type { Log } from "@neuropilot/loop";
import { createDynamoTable, createState, type State } from "@neuropilot/store";
import { type Bus, type BusOptions, type BusRule, BusStartError, startBus } from "../bus/bus.ts";
import type { DataFolder } from "../data-folder/index.ts";
import { type EntryState, type ScheduleEntry, startScheduler } from "../scheduler/index.ts";
import { ensureTable, startTableServer } from "../table/index.ts";
import { awsClient, awsEnvironment, awsIdentity } from "./aws.ts";
import { startFunctionHost } from "./function-host.ts";
import { type InstanceInfo, TABLE_NAME } from "./instance-info.ts";
import { openLogFile } from "./log-file.ts";
import { type Place, pruning } from "./pruning.ts";

const BUS_NAME = "neuropilot";
const CLOSE_GRACE_MS = 1_500;
/** A look at one shard takes a few tenths of a second. */
const FIRST_LOOKS_APART_MS = 200;
/** With all the code still to be read. */
const FIRST_LOOK_TAKES_MS = 2_000;

export interface RunnerOptions {
  readonly config: Config;
  readonly folder: DataFolder;
  /** The table's port, the bus takes the next one; 0 or absent: any free ones. */
  readonly port?: number;
  /** Another DynamoDB-compatible server, or DynamoDB itself; the table is made there if it is missing. */
  readonly tableEndpoint?: string;
  /** The process's environment: tokens and AWS settings reach the functions from here. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Problems of the runner itself, for people. */
  readonly complain: (problem: string) => void;
  /** Rules besides the functions': the terminal listens so. */
  readonly listeners?: readonly Listener[];
}

/** Hears events as a function would, in this process. */
export interface Listener {
  readonly name: string;
  readonly pattern: Readonly<Record<string, unknown>>;
  hear(event: unknown, runner: Runner): Promise<void>;
}

export interface Runner {
  readonly info: InstanceInfo;
  readonly state: State;
  /** How each schedule keeps up: its last tick, how late that began, what was skipped. */
  schedules(): readonly EntryState[];
  close(): Promise<void>;
}

/**
 * Starts the table server, the bus, the functions and the scheduler on this machine, from the same manifest that the
 * infrastructure reads. Throws with a message for people when a port, the folder or the table cannot be had.
 */
export async function startRunner(options: RunnerOptions): Promise<Runner> {
  const { config, folder, complain } = options;
  const log = openLogFile(join(folder.path, "neuropilot.log"), complain);
  const note: Log = (level, event, fields) =>
    log.write(JSON.stringify({ at: new Date().toISOString(), level, event, ...fields }));
  const undo: (() => Promise<void>)[] = [];
  try {
    const tableEndpoint = options.tableEndpoint ?? (await startOwnTable(options, note, undo));
    const ownTable = options.tableEndpoint === undefined;
    const identity = awsIdentity(options.environment, { own: ownTable });
    const client = new DynamoDBClient(awsClient(identity, tableEndpoint));
    undo.push(async () => client.destroy());
    await ensureTable(client, TABLE_NAME);
    const state = createState(createDynamoTable(client, TABLE_NAME));

    const configFile = join(folder.path, "config.json");
    writeFileSync(configFile, JSON.stringify(config, null, 2));
    const environment: Record<string, string> = {
      ...given(options.environment, /^(NODE_|TZ$|PATH$)/),
      ...awsEnvironment(identity, tableEndpoint),
      ...secretsOf(options.environment),
      NEUROPILOT_TABLE: TABLE_NAME,
      NEUROPILOT_BUS: BUS_NAME,
      NEUROPILOT_CONFIG_FILE: configFile,
      NEUROPILOT_CHANNELS: channelsOf(options.environment).join(","),
    };
    const host = startFunctionHost({ environment, onLine: log.write });
    const listening: { runner?: Runner } = {};
    const bus = await startBusBeside(options, {
      busName: BUS_NAME,
      rules: [
        ...rulesOf(config, (spec, event) => host.invoke(spec, event)),
        ...(options.listeners ?? []).map((listener) => ruleOfListener(listener, () => listening.runner)),
      ],
      journalFile: join(folder.path, "bus.journal"),
      deadLetterFile: join(folder.path, "dead-letters.jsonl"),
      log: note,
      onDeadLetter: ({ rule, error }) =>
        complain(`an event for ${rule} could not be delivered (${error}); reconcile picks up what it asked for`),
    });
    // The bus's address is known only now; the functions read it with their first event.
    environment.AWS_ENDPOINT_URL_EVENTBRIDGE = bus.endpoint;

    const entries = [
      ...schedulesOf(config, (spec, event) => host.invoke(spec, event)),
      pruning(state, config.history.keepMs, placesOfProbes(config)),
    ];
    const scheduler = startScheduler({ entries, log: note, stopTimeoutMs: CLOSE_GRACE_MS });
    // At once: a bus that closes counts no delivery as failed, so what the functions' end cuts off is delivered by the next start.
    undo.push(async () => {
      await Promise.all([scheduler.stop(), bus.close(), host.close(CLOSE_GRACE_MS)]);
    });
    const info: InstanceInfo = {
      pid: process.pid,
      startedAt: Date.now(),
      tableEndpoint,
      ownTable,
      busEndpoint: bus.endpoint,
      tableName: TABLE_NAME,
      busName: BUS_NAME,
      configFile,
      logFile: log.path,
    };
    await folder.writeInstance(info);
    const runner: Runner = {
      info,
      state,
      schedules: () => scheduler.state(),
      close: () => runAll(undo),
    };
    listening.runner = runner;
    return runner;
  } catch (error) {
    await runAll(undo);
    throw error;
  }
}

async function startOwnTable(
  { folder, port, complain }: RunnerOptions,
  note: Log,
  undo: (() => Promise<void>)[],
): Promise<string> {
  let down = false;
  // Said once to people as well: on a full disk, which is why it stops most often, the log takes no line.
  const log: Log = (level, event, fields) => {
    note(level, event, fields);
    if (event === "table.stopped" && !down) complain(`${String(fields.problem)} Nothing is healed until then.`);
    else if (event === "table.started-again") complain("the table takes writes again: healing goes on");
    down = event === "table.stopped" || (down && event !== "table.started-again");
  };
  const server = await startTableServer({
    folder: join(folder.path, "table"),
    ...(port === undefined ? {} : { port }),
    log,
  });
  undo.push(() => server.close());
  return server.endpoint;
}

/** The bus takes the port after the table's, which nobody named: a problem with it says where it comes from. */
async function startBusBeside({ port }: RunnerOptions, bus: BusOptions): Promise<Bus> {
  if (port === undefined || port === 0) return startBus(bus);
  return startBus({ ...bus, port: port + 1 }).catch((error: unknown) => {
    if (!(error instanceof BusStartError)) throw error;
    throw new BusStartError(`${error.message} (The bus takes the port after --port ${port}.)`);
  });
}

/** In the reverse order of starting; one that fails does not keep the others open. */
async function runAll(undo: (() => Promise<void>)[]): Promise<void> {
  for (const step of undo.splice(0).reverse()) await step().catch(() => undefined);
}

function given(environment: RunnerOptions["environment"], names: RegExp): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value !== undefined && names.test(name) ? [[name, value]] : [],
    ),
  );
}

/** The secrets that the manifest's functions name, and nothing else of the user's environment. */
function secretsOf(environment: RunnerOptions["environment"]): Record<string, string> {
  const names = new Set<string>([...manifest.flatMap((spec) => spec.secrets), "RAILWAY_TOKEN_KIND"]);
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value !== undefined && names.has(name) ? [[name, value]] : [],
    ),
  );
}

/** Channels that have what they need to tell people. */
export function channelsOf(environment: RunnerOptions["environment"]): string[] {
  const slack = (environment.SLACK_BOT_TOKEN ?? "") !== "" || (environment.SLACK_WEBHOOK_URL ?? "") !== "";
  return slack ? ["slack"] : [];
}

type Invoke = (spec: FunctionSpec, event: unknown) => Promise<unknown>;

/** Vantage and shard of each probe; other functions run once. */
function placesOf(config: Config, spec: FunctionSpec): readonly (Place | undefined)[] {
  return spec.perVantage ? placesOfProbes(config) : [undefined];
}

function placesOfProbes(config: Config): readonly Place[] {
  return config.vantages.flatMap((vantage) => shardsOf(config).map((shard) => ({ vantage, shard })));
}

function rulesOf(config: Config, invoke: Invoke): BusRule[] {
  return manifest.flatMap((spec) =>
    spec.wakes.flatMap((wake) => {
      if (wake.kind !== "event") return [];
      return placesOf(config, spec).map((place) => ({
        name: [spec.name, place?.vantage, place?.shard, wake.event].filter((part) => part !== undefined).join("/"),
        pattern: wake.pattern,
        retries: spec.retries,
        maxEventAgeSeconds: spec.maxEventAgeSeconds,
        timeoutMs: spec.timeoutSeconds * 1000,
        async deliver(event) {
          if (place === undefined) return invoke(spec, event);
          if (!concerns(config, place, event)) return undefined;
          return invoke(spec, { ...record(event), neuropilot: { ...place, tick: Date.now() } });
        },
      }));
    }),
  );
}

/** Whether a probe at this place may have something to look at: of fifty shards one has the target. */
function concerns(config: Config, place: { readonly shard: string }, event: unknown): boolean {
  const { detail } = { detail: undefined, ...record(event) };
  const { target } = { target: undefined, ...record(detail) };
  // An event without a target is the function's to refuse.
  return typeof target !== "string" || shardOf(config, target) === place.shard;
}

function record(event: unknown): object {
  return typeof event === "object" && event !== null ? event : {};
}

function ruleOfListener(listener: Listener, runner: () => Runner | undefined): BusRule {
  return {
    name: listener.name,
    pattern: listener.pattern,
    retries: 1,
    maxEventAgeSeconds: 60,
    timeoutMs: 10_000,
    async deliver(event) {
      const current = runner();
      if (current !== undefined) await listener.hear(event, current);
    },
  };
}

function schedulesOf(config: Config, invoke: Invoke): ScheduleEntry[] {
  const periods = { interval: config.intervalMs, reconcile: config.reconcileMs };
  const looks = config.vantages.length * shardsOf(config).length;
  const apartMs = Math.min(FIRST_LOOKS_APART_MS, config.intervalMs / looks);
  return manifest.flatMap((spec) =>
    spec.wakes.flatMap((wake) => {
      if (wake.kind !== "schedule") return [];
      const everyMs = periods[wake.every];
      const places = placesOf(config, spec);
      return places.map((place, index) => ({
        name: [spec.name, place?.vantage, place?.shard].filter((part) => part !== undefined).join("/"),
        // Spread over the period: vantages that look in turn see trouble sooner, and one machine is never asked all at once.
        schedule: { everyMs, phaseMs: Math.floor((everyMs * index) / places.length) },
        // Nobody who starts it waits a whole period for the first look; but all shards at once would make each other late,
        // and reconcile, before there is a look, would take every shard for silent and decide about every target.
        firstAfterMs: Math.floor(place === undefined ? looks * apartMs + FIRST_LOOK_TAKES_MS : index * apartMs),
        async run(tick: number) {
          await invoke(spec, place === undefined ? { tick } : { ...place, tick });
        },
      }));
    }),
  );
}
