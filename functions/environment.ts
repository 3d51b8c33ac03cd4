import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import type { Config } from "@neuropilot/config";
import { createPublisher } from "@neuropilot/events";
import type { Deps } from "@neuropilot/loop";
import { createDynamoTable, createState } from "@neuropilot/store";

/** Reads an environment variable that a function cannot do without. */
export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`the environment variable ${name} is not set`);
  return value;
}

/** A variable that may be missing; empty counts as missing. */
export function optional(name: string): string | undefined {
  const value = process.env[name];
  return value === "" ? undefined : value;
}

/** A table or bus that hangs must not hold a function for its whole time; reconcile comes again anyway. */
const AWS_CALL = { connectionTimeout: 2_000, requestTimeout: 5_000, throwOnRequestTimeout: true } as const;

let made: Deps | undefined;

/** What handlers share within one process: clients are made once, on first use. */
export function environment(): Deps {
  made ??= create();
  return made;
}

function create(): Deps {
  const table = createDynamoTable(
    new DynamoDBClient({ maxAttempts: 3, requestHandler: AWS_CALL }),
    required("NEUROPILOT_TABLE"),
  );
  const channels = (optional("NEUROPILOT_CHANNELS") ?? "").split(",").filter((channel) => channel !== "");
  return {
    config: readConfig(required("NEUROPILOT_CONFIG_FILE")),
    state: createState(table),
    publish: createPublisher(
      new EventBridgeClient({ maxAttempts: 1, requestHandler: AWS_CALL }),
      required("NEUROPILOT_BUS"),
    ),
    clock: Date.now,
    sleep: async (ms, signal) => {
      await delay(ms, undefined, signal === undefined ? {} : { signal });
    },
    newId: (prefix) => `${prefix}${randomUUID()}`,
    log,
    channels,
  };
}

/** Written by `resolveConfig` at start or deploy, so its shape holds; the schema number guards against another version's. */
function readConfig(path: string): Config {
  const value: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (typeof value !== "object" || value === null || !("schema" in value) || value.schema !== 1)
    throw new Error(`${path} is not a resolved config of schema 1: run \`neuropilot validate\``);
  return value as Config;
}

/** One JSON line per decision and per action. */
export const log: Deps["log"] = (level, event, fields) => {
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), level, event, ...fields })}\n`);
};
