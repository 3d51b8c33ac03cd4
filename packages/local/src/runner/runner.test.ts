import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { resolveConfig } from "@neuropilot/config/define";
import { healthObserved } from "@neuropilot/events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type DataFolder, openDataFolder } from "../data-folder/index.ts";
import { startTableServer } from "../table/index.ts";
import { openInstance } from "./instance.ts";
import { type Runner, startRunner } from "./runner.ts";

let base = "";
let service: Server;
let control: Server;
let answer: (respond: () => void) => void = (respond) => respond();
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), "neuropilot-runner-"));
  answer = (respond) => respond();
  service = createServer((_, response) => answer(() => response.end("ok")));
  control = createServer((_, response) => response.end("ok"));
  for (const server of [service, control]) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  for (const server of [service, control]) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  rmSync(base, { recursive: true, force: true });
});

function portOf(server: Server): number {
  // A TCP server that listens has this address.
  return (server.address() as AddressInfo).port;
}

function config() {
  const url = `http://127.0.0.1:${portOf(service)}/`;
  const resolved = resolveConfig(
    {
      interval: "5s",
      controls: {
        endpoints: [{ id: "own", url: `http://127.0.0.1:${portOf(control)}/` }],
        allowPrivate: true,
        timeout: "2s",
      },
      targets: [{ id: "api", url, allowPrivate: true, timeout: "2s" }],
    },
    {},
  );
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.problems));
  return resolved.config;
}

async function openFolder(): Promise<DataFolder> {
  const opened = await openDataFolder(join(base, "data"));
  if (!opened.ok) throw new Error(opened.problem);
  closing.push(() => opened.folder.release());
  return opened.folder;
}

async function startIn(
  folder: DataFolder,
  options: Partial<Parameters<typeof startRunner>[0]> = {},
): Promise<{ runner: Runner; problems: string[] }> {
  const problems: string[] = [];
  const runner = await startRunner({
    config: config(),
    folder,
    environment: {},
    complain: (problem) => problems.push(problem),
    ...options,
  });
  closing.push(() => runner.close());
  return { runner, problems };
}

async function until(holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(20)) if (holds()) return;
  throw new Error(`not within 20 s: ${holds.toString()}`);
}

/** When a vantage last looked; waits for it to be later than `after`. */
async function lastLook({ state }: Runner, after = 0): Promise<number> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(50)) {
    const [newest] = (await state.readHeartbeats()).map((beat) => beat.at).sort((a, b) => b - a);
    if (newest !== undefined && newest > after) return newest;
  }
  throw new Error("no vantage has looked within 20 s");
}

async function listenOn(port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

async function stop(server: Server | undefined): Promise<void> {
  if (server !== undefined) await new Promise((resolve) => server.close(resolve));
}

/** Two free neighbours below the range from which the system hands out ports to others meanwhile. */
async function freePair(): Promise<number> {
  for (let attempt = 1; attempt <= 50; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const both = [await listenOn(port), await listenOn(port + 1)];
    for (const server of both) await stop(server);
    if (both.every((server) => server !== undefined)) return port;
  }
  throw new Error("found no two free neighbouring ports");
}

describe("the runner", () => {
  test("looks at once, says how it is reached, and after a close goes on from its state", async () => {
    const folder = await openFolder();
    const first = await startIn(folder);
    const looked = await lastLook(first.runner);
    await first.runner.state.updateControl("api", () => ({
      paused: { at: 1, by: "me", reason: "kept over the restart" },
    }));
    await first.runner.close();
    const second = await startIn(folder);
    expect((await second.runner.state.readControl("api")).paused?.reason).toBe("kept over the restart");
    expect(await lastLook(second.runner, looked)).toBeGreaterThan(looked);
    expect([...first.problems, ...second.problems]).toEqual([]);
  });

  test("works whatever the user's AWS setup is, and hands none of it on", async () => {
    const aws = {
      AWS_PROFILE: "no-such-profile",
      AWS_REGION: "eu-west-1",
      AWS_ENDPOINT_URL: "https://dynamodb.eu-west-1.amazonaws.com",
      AWS_ENDPOINT_URL_DYNAMODB: "https://dynamodb.eu-west-1.amazonaws.com",
      AWS_USE_FIPS_ENDPOINT: "true",
      AWS_USE_DUALSTACK_ENDPOINT: "true",
      AWS_ACCESS_KEY_ID: "AKIAREAL",
      AWS_SECRET_ACCESS_KEY: "real",
      AWS_SESSION_TOKEN: "real",
    };
    for (const [name, value] of Object.entries(aws)) vi.stubEnv(name, value);
    const { runner, problems } = await startIn(await openFolder(), { environment: aws });
    await lastLook(runner);
    expect(problems).toEqual([]);
    expect(new URL(runner.info.tableEndpoint).hostname).toBe("127.0.0.1");
    const log = existsSync(runner.info.logFile) ? readFileSync(runner.info.logFile, "utf8") : "";
    expect(log).not.toContain('"level":"error"');
  });

  test("closes although probes hang, and a delivery that it cuts off is left for the next start, not buried", async () => {
    const folder = await openFolder();
    const { runner, problems } = await startIn(folder);
    await lastLook(runner);
    let hangs = false;
    answer = () => {
      hangs = true;
    };
    const opened = await openInstance(folder.path);
    if (!opened.ok) throw new Error(opened.problem);
    // Another vantage's first bad sample has this one look at once: a delivery that the bus tries only once.
    await opened.instance.publish?.([
      healthObserved.entry({
        v: 1,
        id: "evt_1",
        at: Date.now(),
        target: "api",
        cause: "test",
        hops: 0,
        vantage: "elsewhere",
        site: "primary",
        tick: Date.now(),
        view: "suspect",
        first: true,
      }),
    ]);
    await opened.instance.close();
    await until(() => hangs);
    await runner.close();
    expect(problems).toEqual([]);
    const buried = join(folder.path, "dead-letters.jsonl");
    expect(existsSync(buried) ? readFileSync(buried, "utf8") : "").toBe("");
  });

  test("a port of the bus that is taken is named with where it comes from, and leaves nothing open", async () => {
    const port = await freePair();
    const taken = await listenOn(port + 1);
    closing.push(() => stop(taken));
    const folder = await openFolder();
    await expect(startIn(folder, { port })).rejects.toThrow(
      new RegExp(`Port ${port + 1} .* in use.*The bus takes the port after --port ${port}`),
    );
    const { runner } = await startIn(folder);
    await lastLook(runner);
  });

  test("takes the port that was asked for, and the bus the next", async () => {
    const port = await freePair();
    const { runner } = await startIn(await openFolder(), { port });
    expect(runner.info).toMatchObject({
      tableEndpoint: `http://127.0.0.1:${port}`,
      busEndpoint: `http://127.0.0.1:${port + 1}`,
    });
  });

  test("with another server's table keeps no state of its own, and is read there after its end", async () => {
    const other = await startTableServer({ folder: join(base, "other") });
    closing.push(() => other.close());
    const folder = await openFolder();
    const { runner } = await startIn(folder, { tableEndpoint: other.endpoint });
    await lastLook(runner);
    await runner.close();
    await folder.release();
    const opened = await openInstance(folder.path);
    if (!opened.ok) throw new Error(opened.problem);
    expect(opened.instance.running).toBeUndefined();
    expect(await opened.instance.state.readHeartbeats()).not.toEqual([]);
    await opened.instance.close();
  });
});

describe("openInstance", () => {
  test("a folder in which nothing ran is a problem with the command that starts it, ready for a shell", async () => {
    const path = join(base, "it's new");
    expect(await openInstance(path)).toMatchObject({ ok: false, problem: expect.stringContaining(`'\\''s new'`) });
  });

  test("waits for an instance that is just starting", async () => {
    const folder = await openFolder();
    const opening = openInstance(folder.path);
    const { runner } = await startIn(folder);
    const opened = await opening;
    if (!opened.ok) throw new Error(opened.problem);
    expect(opened.instance.running).toMatchObject({ tableEndpoint: runner.info.tableEndpoint });
    await opened.instance.close();
  });

  test("reads the last state of one that has ended, and holds the folder only as long", async () => {
    const folder = await openFolder();
    const { runner } = await startIn(folder);
    await lastLook(runner);
    await runner.close();
    await folder.release();
    const opened = await openInstance(folder.path);
    if (!opened.ok) throw new Error(opened.problem);
    expect(opened.instance).toMatchObject({ running: undefined, publish: undefined });
    expect(await opened.instance.state.readHeartbeats()).not.toEqual([]);
    await opened.instance.close();
    await startIn(await openFolder());
  });
});
