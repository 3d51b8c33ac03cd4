import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { resolveConfig } from "@neuropilot/config/define";
import { BLOCK_MS, type Sample, type WindowItem } from "@neuropilot/core";
import { createDynamoTable, createState, type State } from "@neuropilot/store";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDataFolder } from "../data-folder/index.ts";
import { startTableServer } from "../table/index.ts";
import { TABLE_NAME } from "./instance-info.ts";
import { type Runner, startRunner } from "./runner.ts";

const PLACE = { vantage: "local", shard: "0" };
const KEY = "api/primary";
let base = "";
const closing: (() => Promise<unknown>)[] = [];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "neuropilot-history-"));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(base, { recursive: true, force: true });
});

/** A service that answers every third request with 503. */
async function startService(): Promise<string> {
  let requests = 0;
  const server = createServer((_, response) => {
    response.writeHead(++requests % 3 === 0 ? 503 : 200).end("ok");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  // A TCP server that listens has this address.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

async function start(url: string): Promise<{ runner: Runner; stop(): Promise<void> }> {
  const target = { id: "api", url, allowPrivate: true, timeout: "500ms" };
  const rules = { slow: { window: "2m" } };
  const resolved = resolveConfig({ interval: "1s", controls: { endpoints: [] }, rules, targets: [target] }, {});
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.problems));
  const opened = await openDataFolder(join(base, "data"));
  if (!opened.ok) throw new Error(opened.problem);
  const { folder } = opened;
  const runner = await startRunner({ config: resolved.config, folder, environment: {}, complain: () => undefined });
  const stop = async () => {
    await runner.close();
    await folder.release();
  };
  closing.push(stop);
  return { runner, stop };
}

async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(100)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(`no ${what} within 20 s`);
}

/** What the stopped installation's window holds becomes ten minutes old, as if it had stood still for so long. */
async function letTimePass(): Promise<readonly Sample[]> {
  const server = await startTableServer({ folder: join(base, "data", "table") });
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  const client = new DynamoDBClient({ endpoint: server.endpoint, region: "us-east-1", credentials });
  try {
    const state = createState(createDynamoTable(client, TABLE_NAME));
    const window = await state.readWindow(PLACE.vantage, PLACE.shard);
    if (window === undefined) throw new Error("the first run left no window");
    const old = moved(window, -2 * BLOCK_MS);
    expect(await state.writeWindow(old)).toBe("written");
    return old.sites[KEY]?.samples ?? [];
  } finally {
    client.destroy();
    await server.close();
  }
}

function moved({ historyTo: _, ...window }: WindowItem, ms: number): WindowItem {
  const sites = Object.entries(window.sites).map(([key, site]) => [
    key,
    { ...site, samples: site.samples.map((sample) => ({ ...sample, startedAt: sample.startedAt + ms })) },
  ]);
  return { ...window, step: window.step + 1, sites: Object.fromEntries(sites) };
}

async function historyOf(state: State): Promise<Sample[]> {
  const samples: Sample[] = [];
  for await (const read of state.readHistory({ ...PLACE, from: 0, to: Date.now() }))
    if (read.ok) samples.push(...(read.block.sites[KEY] ?? []));
    else throw new Error(read.problem);
  return samples;
}

test("a runner leaves its probes' samples as history, which reads back as they were taken", async () => {
  const url = await startService();
  const first = await start(url);
  await eventually("sample of each kind", async () => {
    const window = await first.runner.state.readWindow(PLACE.vantage, PLACE.shard);
    const outcomes = window?.sites[KEY]?.samples.map(({ outcome }) => outcome) ?? [];
    return outcomes.includes("ok") && outcomes.includes("status") ? outcomes : undefined;
  });
  await first.stop();
  const taken = await letTimePass();
  const second = await start(url);
  const kept = await eventually("history", async () => {
    const samples = await historyOf(second.runner.state);
    return samples.length < taken.length ? undefined : samples;
  });
  expect(kept.slice(0, taken.length)).toEqual(taken);
  expect(second.runner.schedules().map(({ name }) => name)).toContain("prune-history");
}, 60_000);
