import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { type DemoEvent, type DemoService, type DemoServiceOptions, startDemoService } from "./controller.ts";
import type { DemoFault } from "./fault.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function start(options: Partial<DemoServiceOptions> = {}): Promise<DemoService> {
  const service = await startDemoService({ port: 0, ...options });
  cleanUps.push(() => service.close());
  return service;
}

/** One service for a group of tests; what a test breaks has been recovered when the next one begins. */
function shared(): () => DemoService {
  let service: DemoService | undefined;
  beforeAll(async () => {
    service = await startDemoService({ port: 0 });
  });
  afterEach(() => service?.recover());
  afterAll(() => service?.close());
  return () => {
    if (service === undefined) throw new Error("the service of this group did not start");
    return service;
  };
}

/** What a client sees: a status, `refused`, `reset`, or `silent` when nothing came in time. */
async function look(url: string, patienceMs = 10_000): Promise<number | "refused" | "reset" | "silent"> {
  try {
    const reply = await fetch(url, { signal: AbortSignal.timeout(patienceMs), headers: { connection: "close" } });
    await reply.arrayBuffer();
    return reply.status;
  } catch (error) {
    if (error instanceof Error && error.name === "TimeoutError") return "silent";
    const cause = error instanceof Error ? error.cause : undefined;
    return cause instanceof Error && "code" in cause && cause.code === "ECONNREFUSED" ? "refused" : "reset";
  }
}

/** Polls until it holds; a deadline, not a wait. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within 15 s: ${what}`);
    await delay(20);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // An orphan that ended is a zombie until init collects it, which in a container may be never.
  const state = `/proc/${pid}/stat`;
  return !existsSync(state) || !/\) [ZX] /.test(readFileSync(state, "utf8"));
}

const health = (service: DemoService) => `${service.url}/health`;

describe("a demo service that runs", () => {
  it("is another process, serves the page and its assets, and frees its ports when closed", async () => {
    const service = await start();
    expect(service.pid).not.toBe(process.pid);
    expect(service.state).toEqual({ kind: "running" });
    const body = z.object({ status: z.literal("ok"), pid: z.int() }).parse(await (await fetch(health(service))).json());
    expect(body.pid).toBe(service.pid);
    const page = await (await fetch(service.url)).text();
    const linked = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? "");
    expect(linked).toEqual(expect.arrayContaining(["/assets/app.js", "/assets/style.css"]));
    for (const path of linked) expect(await look(service.url + path), path).toBe(200);
    await service.close();
    await service.close();
    expect(service.state.kind).toBe("stopped");
    expect(service.pid).toBeUndefined();
    expect([await look(health(service)), await look(`${service.adminUrl}/fault`)]).toEqual(["refused", "refused"]);
    await expect(service.break({ kind: "hang" })).rejects.toMatchObject({ reason: "not-running" });
    await expect(service.restart()).rejects.toMatchObject({ reason: "closed" });
  });

  it("says which port is in use, instead of starting", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    cleanUps.push(() => other.close());
    await once(other, "listening");
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const message = `port ${port} on 127.0.0.1 is in use`;
    for (const ports of [{ port }, { port: 0, adminPort: port }])
      await expect(startDemoService(ports)).rejects.toMatchObject({
        reason: "port-in-use",
        message: expect.stringContaining(message),
      });
  });

  it("refuses a body that is too long, and goes on", async () => {
    const service = await start();
    const long = await fetch(`${service.url}/api/login`, { method: "POST", body: "x".repeat(5_000) });
    expect(long.status).toBe(413);
    expect(await look(health(service))).toBe(200);
  });
});

describe("a fault", () => {
  const running = shared();

  it.each([
    [{ kind: "refused" }, "refused"],
    [{ kind: "5xx" }, 503],
    [{ kind: "5xx", status: 502 }, 502],
    [{ kind: "errors", share: 1 }, 500],
    [{ kind: "slow", ms: 60_000 }, "silent"],
    [{ kind: "hang" }, "silent"],
  ] satisfies [DemoFault, unknown][])(
    "%j looks like %j with the process alive, and ends with a restart",
    async (fault, seen) => {
      const service = running();
      const { pid = 0, url, restarts } = service;
      await service.break(fault);
      expect(await look(health(service), seen === "silent" ? 150 : 10_000)).toBe(seen);
      expect(await look(`${service.url}/assets/app.js`, seen === "silent" ? 150 : 10_000)).toBe(seen);
      expect(isAlive(pid)).toBe(true);
      expect(service.fault).toEqual(fault);
      await service.restart();
      expect(isAlive(pid)).toBe(false);
      expect(await look(health(service))).toBe(200);
      expect(service).toMatchObject({ url, restarts: restarts + 1, fault: undefined, state: { kind: "running" } });
      expect(service.pid).not.toBe(pid);
    },
  );

  it("ends with recover in the same process, and one replaces the other", async () => {
    const service = running();
    const { pid, restarts } = service;
    const waiting = service.break({ kind: "hang" }).then(() => look(health(service)));
    await until("a request is held", async () => (await look(health(service), 50)) === "silent");
    await service.break({ kind: "refused" });
    expect(await waiting).toBe("reset");
    expect(await look(health(service))).toBe("refused");
    await service.break({ kind: "5xx" });
    expect(await look(health(service))).toBe(503);
    await service.recover();
    expect(await look(health(service))).toBe(200);
    expect(service).toMatchObject({ pid, restarts, fault: undefined });
  });

  it("refuses even those who were connected before", async () => {
    const service = running();
    const socket = connect(service.port, "127.0.0.1");
    await once(socket, "connect");
    socket.write("GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(socket, "data");
    const closed = once(socket, "close");
    await service.break({ kind: "refused" });
    await closed;
  });

  it("blip fails exactly the next requests and is gone by itself", async () => {
    const service = running();
    await service.break({ kind: "blip", requests: 2 });
    const seen = [];
    for (let n = 0; n < 4; n++) seen.push(await look(health(service)));
    expect(seen).toEqual([500, 500, 200, 200]);
    await until("the controller knows", () => service.fault === undefined);
  });

  it("slow delays by as much as it says", async () => {
    const service = running();
    await service.break({ kind: "slow", ms: 120 });
    const before = performance.now();
    expect(await look(health(service))).toBe(200);
    expect(performance.now() - before).toBeGreaterThanOrEqual(119);
  });

  it("leak makes the memory that /health reports grow up to its bound", async () => {
    const service = running();
    const memory = z.object({ memory: z.object({ rssBytes: z.number() }) });
    const rss = async () => memory.parse(await (await fetch(health(service))).json()).memory.rssBytes;
    const before = await rss();
    await service.break({ kind: "leak", mbPerSecond: 200, maxMb: 60 });
    await until("50 MB more", async () => (await rss()) > before + 50 * 1024 * 1024);
  });

  it("errors fails the same requests again with the same seed", async () => {
    const service = running();
    const pattern = async () => {
      await service.break({ kind: "errors", share: 0.4, seed: 5 });
      const seen = [];
      for (let n = 0; n < 12; n++) seen.push(await look(health(service)));
      return seen;
    };
    const first = await pattern();
    expect(new Set(first)).toEqual(new Set([200, 500]));
    expect(await pattern()).toEqual(first);
  });

  it("that is not one is refused, and the one before stays", async () => {
    const service = running();
    await service.break({ kind: "5xx" });
    await expect(service.break({ kind: "slow", ms: -1 })).rejects.toMatchObject({ reason: "refused" });
    expect(service.fault).toEqual({ kind: "5xx" });
    expect(await look(health(service))).toBe(503);
  });
});

describe("a crash", () => {
  it("is noticed, and only a restart ends it", async () => {
    const service = await start();
    const events: DemoEvent["kind"][] = [];
    service.watch((event) => events.push(event.kind));
    await service.break({ kind: "crash" });
    expect(service.state).toMatchObject({ kind: "crashed", code: 1, signal: null });
    expect(service.pid).toBeUndefined();
    expect(await look(health(service))).toBe("refused");
    await expect(service.break({ kind: "hang" })).rejects.toThrow("the demo service is crashed: restart it first");
    await service.restart();
    expect(await look(health(service))).toBe(200);
    expect(events).toEqual(["broken", "crashed", "started"]);
  });

  it("from outside is noticed too", async () => {
    const service = await start();
    process.kill(service.pid ?? 0, "SIGKILL");
    await until("the crash is noticed", () => service.state.kind === "crashed");
    expect(service.state).toMatchObject({ signal: "SIGKILL" });
  });
});

describe("a sticky fault", () => {
  it.each([
    [{ kind: "refused" }, "refused"],
    [{ kind: "5xx" }, 503],
    [{ kind: "hang" }, "silent"],
    [{ kind: "crash" }, "refused"],
  ] satisfies [DemoFault, unknown][])(
    "%j comes back with the restart, until recover and a restart",
    async (fault, seen) => {
      const service = await start();
      const { url } = service;
      await service.break(fault, { sticky: true });
      await service.restart();
      expect(service).toMatchObject({ url, restarts: 1, fault });
      expect(await look(health(service), seen === "silent" ? 150 : 10_000)).toBe(seen);
      await service.recover();
      await service.restart();
      expect(await look(health(service))).toBe(200);
      expect(service.restarts).toBe(2);
    },
  );
});

describe("a restart", () => {
  it("kills a process that does not end by itself", async () => {
    const service = await start({ stopMs: 100 });
    const { pid = 0 } = service;
    process.kill(pid, "SIGSTOP");
    await service.restart();
    expect(isAlive(pid)).toBe(false);
    expect(await look(health(service))).toBe(200);
  });

  it("asked for twice at once happens twice, one after the other", async () => {
    const service = await start();
    await Promise.all([service.restart(), service.restart()]);
    expect(service).toMatchObject({ restarts: 2, state: { kind: "running" } });
    expect(await look(health(service))).toBe(200);
  });

  it("that finds its port taken says so, and can be tried again", async () => {
    const service = await start();
    await service.break({ kind: "crash" });
    const other = createServer().listen(service.port, "127.0.0.1");
    cleanUps.push(() => other.close());
    await once(other, "listening");
    await expect(service.restart()).rejects.toMatchObject({ reason: "port-in-use" });
    expect(service).toMatchObject({ restarts: 0, state: { kind: "stopped" } });
    other.close();
    await once(other, "close");
    await service.restart();
    expect(await look(health(service))).toBe(200);
  });
});

describe("the admin port", () => {
  const running = shared();
  const post = (service: DemoService, path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(service.adminUrl + path, { method: "POST", body: JSON.stringify(body), headers });

  it("breaks and heals like the controller does, which hears of it", async () => {
    const service = await start();
    expect((await post(service, "/fault", { kind: "5xx", sticky: true })).status).toBe(200);
    expect(await look(health(service))).toBe(503);
    await until("the controller knows", () => service.fault?.kind === "5xx");
    await service.restart();
    expect(await look(health(service))).toBe(503);
    expect(await (await fetch(`${service.adminUrl}/fault`)).json()).toMatchObject({ fault: { kind: "5xx" } });
    expect((await post(service, "/recover", {})).status).toBe(200);
    expect(await look(health(service))).toBe(200);
    await until("the controller knows", () => service.fault === undefined);
    expect((await post(service, "/fault", { kind: "crash" })).status).toBe(200);
    await until("it crashed", () => service.state.kind === "crashed");
  });

  it.each([
    ["a body that is no fault", "/fault", { kind: "fire" }, {}, 400],
    ["a sticky that is no yes or no", "/fault", { kind: "hang", sticky: 1 }, {}, 400],
    ["a list", "/fault", [], {}, 400],
    ["another path", "/elsewhere", {}, {}, 404],
    ["a page in a browser", "/fault", { kind: "hang" }, { origin: "http://evil.example" }, 403],
  ])("refuses %s, and breaks nothing", async (_, path, body, headers, status) => {
    const service = running();
    const reply = await post(service, path, body, headers);
    expect(reply.status).toBe(status);
    expect(await reply.json()).toMatchObject({ error: { message: expect.any(String) } });
    expect(await look(health(service))).toBe(200);
  });
});

describe.skipIf(process.platform === "win32")("the process and its parent", () => {
  /** A parent of its own that starts the service and prints where; it ends on SIGTERM only. */
  async function startParent(fault?: DemoFault): Promise<{ parent: ChildProcess; pid: number; url: string }> {
    const program = `
      const { startDemoService } = await import(process.argv[1]);
      process.on("SIGINT", () => console.log("interrupted"));
      const service = await startDemoService({ port: 0 });
      const fault = JSON.parse(process.argv[2]);
      if (fault !== null) await service.break(fault);
      console.log(JSON.stringify({ pid: service.pid, url: service.url }));
      process.on("SIGTERM", () => service.close());`;
    const parent = spawn(
      process.execPath,
      ["--input-type=module", "-e", program, join(import.meta.dirname, "controller.ts"), JSON.stringify(fault ?? null)],
      { detached: true, stdio: ["ignore", "pipe", "inherit"] },
    );
    cleanUps.push(() => parent.kill("SIGKILL"));
    if (parent.stdout === null) throw new Error("no output to read");
    for await (const line of createInterface({ input: parent.stdout }))
      return { parent, ...z.object({ pid: z.int(), url: z.string() }).parse(JSON.parse(line)) };
    throw new Error("the parent ended without a word");
  }

  it.each([undefined, { kind: "refused" }, { kind: "hang" }] as const)(
    "the process ends when its parent is killed, ill with %j",
    async (fault) => {
      const { parent, pid, url } = await startParent(fault);
      expect(isAlive(pid)).toBe(true);
      parent.kill("SIGKILL");
      await until("the process is gone", () => !isAlive(pid));
      // Its last thread closes the port a moment after the first has ended.
      await until("the port is free", async () => (await look(`${url}/health`)) === "refused");
    },
  );

  it("Ctrl-C leaves it running until its parent closes it", async () => {
    const { parent, pid, url } = await startParent();
    process.kill(-(parent.pid ?? 0), "SIGINT");
    expect(await look(`${url}/health`)).toBe(200);
    const ended = once(parent, "exit");
    parent.kill("SIGTERM");
    await ended;
    await until("the process is gone", () => !isAlive(pid));
  });
});
