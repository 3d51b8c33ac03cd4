import { join } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { type Config, shardsOf, targetsOfShard } from "@neuropilot/config";
import { type ConfigInput, resolveConfig } from "@neuropilot/config/define";
import { type Sample, siteKey, type WindowItem } from "@neuropilot/core";
import { createDynamoTable, createState } from "@neuropilot/store";
import { openDataFolder } from "../src/data-folder/index.ts";
import { TABLE_NAME } from "../src/runner/instance-info.ts";
import { ensureTable, startTableServer } from "../src/table/index.ts";
import type { Ports } from "./messages.ts";

export const VANTAGE = "local";
/** From the first failure until a vantage that is alone is sure; the default of 90 s would only make the benchmark longer. */
export const HOLD_MS = 20_000;
export const REPROBE_MS = 5_000;
const HISTORY_MS = 10 * 60_000;
const EVERY_NTH_FAILS = 20;

/** One target in twenty, spread evenly over the shards. */
export const isFaulty = (target: number): boolean => target % EVERY_NTH_FAILS === 7;
export const idOf = (target: number): string => `target-${target}`;
export const numberOf = (id: string): number => Number(id.slice("target-".length));

/** The config of so many targets, with the defaults wherever the benchmark does not need another value. Observed only. */
export function makeConfig(options: {
  readonly targets: number;
  readonly intervalMs: number;
  readonly ports: Ports;
  readonly probe: { readonly concurrency?: number; readonly shardSize?: number };
}): Config {
  const { ports } = options;
  const input: ConfigInput = {
    name: "benchmark",
    mode: "observe",
    interval: `${options.intervalMs}ms`,
    vantages: [VANTAGE],
    probe: options.probe,
    controls: {
      endpoints: [1, 2].map((id) => ({ id: `control-${id}`, url: `http://127.0.0.1:${ports.control}/control/${id}` })),
      allowPrivate: true,
      timeout: "2s",
    },
    rules: { down: { holdAlone: `${HOLD_MS}ms`, reprobe: `${REPROBE_MS}ms` } },
    targets: Array.from({ length: options.targets }, (_, target) => ({
      id: idOf(target),
      url: `http://127.0.0.1:${isFaulty(target) ? ports.faulty : ports.steady}/target/${target}`,
      timeout: "2s",
      allowPrivate: true,
    })),
  };
  const resolved = resolveConfig(input, {});
  if (!resolved.ok)
    throw new Error(resolved.problems.map((one) => `${one.path}: ${one.found}, wants ${one.wants}`).join("; "));
  return resolved.config;
}

/**
 * Fills the windows as if the machine had watched for ten minutes: later ticks read and write full windows, and a benchmark
 * that starts with empty ones would measure less than what every user has.
 */
export async function fillHistory(data: string, config: Config, now: number): Promise<void> {
  const opened = await openDataFolder(data);
  if (!opened.ok) throw new Error(opened.problem);
  const server = await startTableServer({ folder: join(opened.folder.path, "table") });
  const client = new DynamoDBClient({
    endpoint: server.endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  try {
    await ensureTable(client, TABLE_NAME);
    const state = createState(createDynamoTable(client, TABLE_NAME));
    for (const shard of shardsOf(config)) await state.writeWindow(historyOf(config, shard, now));
  } finally {
    client.destroy();
    await server.close();
    await opened.folder.release();
  }
}

function historyOf(config: Config, shard: string, now: number): WindowItem {
  const samples = (target: number): Sample[] => {
    const count = Math.floor(HISTORY_MS / config.intervalMs);
    return Array.from({ length: count }, (_, index) => ({
      startedAt: now - (count - index) * config.intervalMs + ((target * 37 + index * 11) % 200),
      outcome: "ok" as const,
      status: 200,
      ttfbMs: 20 + ((target * 7 + index * 13) % 60),
      totalMs: 25 + ((target * 7 + index * 13) % 70),
      tainted: false,
      reused: false,
    }));
  };
  const tick = now - config.intervalMs;
  const sites = targetsOfShard(config, shard).flatMap((target) =>
    target.sites.map((site) => [
      siteKey(target.id, site.id),
      { samples: samples(numberOf(target.id)), view: "healthy", since: now - HISTORY_MS, tick },
    ]),
  );
  const rest = { tick, step: 1, run: "run_history", at: tick, ended: true };
  return { vantage: VANTAGE, shard, ...rest, sites: Object.fromEntries(sites) };
}
