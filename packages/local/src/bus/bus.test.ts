import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Bus, type BusEvent, type BusOptions, type BusRule, type DeadLetter, startBus } from "./bus.ts";

let folder = "";
let journalFile = "";
let opened: Bus[] = [];
let children: ChildProcess[] = [];
let logged: { level: string; event: string; fields: Readonly<Record<string, unknown>> }[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "neuropilot-bus-"));
  journalFile = join(folder, "journal.jsonl");
  opened = [];
  children = [];
  logged = [];
});

afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(opened.map((bus) => bus.close()));
  rmSync(folder, { recursive: true });
});

type Options = Partial<BusOptions> & Pick<BusOptions, "rules">;

async function start(options: Options): Promise<Bus> {
  const bus = await startBus({
    journalFile,
    retry: { firstDelayMs: 2, maxDelayMs: 10 },
    log: (level, event, fields) => logged.push({ level, event, fields }),
    onDeadLetter: () => undefined,
    ...options,
  });
  opened.push(bus);
  return bus;
}

function rule(change: Partial<BusRule> & Pick<BusRule, "deliver">): BusRule {
  return {
    name: "decide",
    pattern: { source: ["neuropilot"] },
    retries: 2,
    maxEventAgeSeconds: 60,
    timeoutMs: 5_000,
    ...change,
  };
}

const entry = (n: number, padding = "") => ({
  Source: "neuropilot",
  DetailType: "health.observed",
  Detail: JSON.stringify({ n, padding }),
});

const eventually = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 5 });

/** What a target received, by the number in its detail. */
function collector(perform: (n: number, signal: AbortSignal) => Promise<unknown> = async () => undefined) {
  const numbers: number[] = [];
  return {
    numbers,
    deliver(event: unknown, signal: AbortSignal) {
      const n = numberOf(event);
      numbers.push(n);
      return perform(n, signal);
    },
  };
}

/** A rule without `input` is delivered the event itself, which the type of `deliver` cannot say. */
function asEvent(delivered: unknown): BusEvent {
  return delivered as BusEvent;
}

/** The tests put events whose detail holds a number; anything else is a fault of the bus. */
function numberOf(event: unknown): number {
  const { n } = asEvent(event).detail;
  if (typeof n !== "number") throw new Error(`not one of the test's events: ${JSON.stringify(event)}`);
  return n;
}

const until = (signal: AbortSignal) =>
  new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

describe("delivery", () => {
  it("reaches every rule whose pattern matches, and no other", async () => {
    const odd = collector();
    const all = collector();
    const bus = await start({
      rules: [
        rule({ name: "odd", pattern: { detail: { n: [1, 3] } }, deliver: odd.deliver }),
        rule({ name: "all", deliver: all.deliver }),
      ],
    });
    await bus.put([entry(1), entry(2), entry(3), { ...entry(4), Source: "somebody" }]);
    await bus.idle();
    expect(odd.numbers).toEqual([1, 3]);
    expect(all.numbers).toEqual([1, 2, 3]);
    expect(bus.depth()).toBe(0);
  });

  it("delivers what `input` makes of the event", async () => {
    const seen: unknown[] = [];
    const bus = await start({
      rules: [rule({ input: (event) => ({ kind: event["detail-type"] }), deliver: async (event) => seen.push(event) })],
    });
    await bus.put([entry(1)]);
    await bus.idle();
    expect(seen).toEqual([{ kind: "health.observed" }]);
  });

  it("gives each target a copy, so that none sees what another did to it", async () => {
    const seen: unknown[] = [];
    const deliver = async (event: unknown) => {
      seen.push(structuredClone(event));
      Object.assign(asEvent(event).detail, { n: "changed" });
    };
    const bus = await start({ rules: [rule({ name: "a", deliver }), rule({ name: "b", deliver })] });
    await bus.put([entry(7)]);
    await bus.idle();
    expect(seen.map(numberOf)).toEqual([7, 7]);
  });

  it("answers a put without waiting for a target", async () => {
    const slow = collector((_n, signal) => until(signal));
    const bus = await start({ rules: [rule({ deliver: slow.deliver })] });
    expect(await bus.put([entry(1)])).toMatchObject({ ok: true, failedEntryCount: 0 });
    expect(bus.depth()).toBe(1);
  });

  it("goes on for every other rule while one hangs and one fails", async () => {
    const hanging = collector((_n, signal) => until(signal));
    const failing = collector(() => Promise.reject(new Error("no")));
    const fine = collector();
    const bus = await start({
      rules: [
        rule({ name: "hanging", concurrency: 1, deliver: hanging.deliver }),
        rule({ name: "failing", deliver: failing.deliver }),
        rule({ name: "fine", deliver: fine.deliver }),
      ],
    });
    for (let n = 0; n < 30; n++) await bus.put([entry(n)]);
    await eventually(() => expect(fine.numbers).toHaveLength(30));
    await eventually(() => expect(bus.deadLetters()).toHaveLength(30));
    expect(hanging.numbers).toEqual([0]);
  });

  it("runs no more deliveries of a rule at once than it may", async () => {
    let running = 0;
    let most = 0;
    const busy = collector(async () => {
      running++;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
    });
    const bus = await start({ rules: [rule({ concurrency: 3, deliver: busy.deliver })] });
    await Promise.all(Array.from({ length: 20 }, (_, n) => bus.put([entry(n)])));
    await bus.idle();
    expect(busy.numbers).toHaveLength(20);
    expect(most).toBe(3);
  });
});

describe("a failed delivery", () => {
  it("is tried again until it succeeds", async () => {
    const flaky = collector(async () => {
      if (flaky.numbers.length < 3) throw new Error("not yet");
    });
    const bus = await start({ rules: [rule({ retries: 2, deliver: flaky.deliver })] });
    await bus.put([entry(1)]);
    await bus.idle();
    expect(flaky.numbers).toEqual([1, 1, 1]);
    expect(bus.deadLetters()).toEqual([]);
  });

  it.each([0, 2])("becomes a dead letter after %i retries, in the list, in the file and told", async (retries) => {
    const told: DeadLetter[] = [];
    const failing = collector(() => Promise.reject(new TypeError("broken")));
    const bus = await start({
      rules: [rule({ retries, deliver: failing.deliver })],
      onDeadLetter: (letter) => told.push(letter),
    });
    await bus.put([entry(5)]);
    await bus.idle();
    expect(failing.numbers).toHaveLength(retries + 1);
    const expected = { rule: "decide", reason: "retries-exhausted", error: "TypeError: broken", tries: retries + 1 };
    expect(bus.deadLetters()).toMatchObject([{ ...expected, event: { detail: { n: 5 } } }]);
    expect(told).toEqual(bus.deadLetters());
    expect(JSON.parse(readFileSync(join(folder, "dead-letters.jsonl"), "utf8"))).toEqual(told[0]);
  });

  it("is not delivered again after a restart once it is a dead letter, which is still listed", async () => {
    const first = await start({ rules: [rule({ retries: 0, deliver: () => Promise.reject(new Error("broken")) })] });
    await first.put([entry(5)]);
    await first.idle();
    await first.close();
    const after = collector();
    const second = await start({ rules: [rule({ deliver: after.deliver })] });
    await second.put([entry(6)]);
    await second.idle();
    expect(after.numbers).toEqual([6]);
    expect(second.deadLetters()).toEqual(first.deadLetters());
  });

  it("counts a target that hangs as failed at its timeout, and aborts its signal", async () => {
    const aborted: unknown[] = [];
    const deaf = collector(
      (_n, signal) =>
        new Promise(() => {
          signal.addEventListener("abort", () => aborted.push(signal.reason));
        }),
    );
    const bus = await start({ rules: [rule({ retries: 1, timeoutMs: 10, concurrency: 1, deliver: deaf.deliver })] });
    await bus.put([entry(1)]);
    await bus.idle();
    expect(bus.deadLetters()).toMatchObject([{ error: "timed out after 10 ms", tries: 2 }]);
    expect(aborted).toHaveLength(2);
  });

  it("is given up when the next try would be over the event's age limit, whatever retries are left", async () => {
    let now = 1_800_000_000_000;
    const failing = collector(async () => {
      now += 40_000;
      throw new Error("slow failure");
    });
    const bus = await start({
      clock: () => now,
      rules: [rule({ retries: 100, maxEventAgeSeconds: 100, deliver: failing.deliver })],
    });
    await bus.put([entry(1)]);
    await bus.idle();
    expect(failing.numbers).toHaveLength(3);
    expect(bus.deadLetters()).toMatchObject([{ reason: "too-old", error: "Error: slow failure", tries: 3 }]);
  });

  it("is given up at once when its retry would come too late, without waiting for it", async () => {
    const bus = await start({
      retry: { firstDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
      rules: [rule({ deliver: () => Promise.reject(new Error("broken")) })],
    });
    await bus.put([entry(1)]);
    await bus.idle();
    expect(bus.deadLetters()).toMatchObject([{ reason: "too-old", tries: 1 }]);
  });

  it("does not stop the bus when the listener for dead letters throws", async () => {
    const bus = await start({
      rules: [rule({ retries: 0, deliver: () => Promise.reject(new Error("broken")) })],
      onDeadLetter: () => {
        throw new Error("listener");
      },
    });
    await bus.put([entry(1)]);
    await bus.idle();
    expect(bus.deadLetters()).toHaveLength(1);
    expect(logged.map((line) => line.event)).toContain("bus.dead-letter-listener-failed");
  });
});

describe("a restart", () => {
  /** Leaves events behind that one rule has had and another has not. */
  async function leaveBehind(clock: () => number) {
    const had = collector();
    const stuck = collector((_n, signal) => until(signal));
    const bus = await start({
      clock,
      rules: [rule({ name: "had", deliver: had.deliver }), rule({ name: "stuck", deliver: stuck.deliver })],
    });
    await bus.put([entry(1), entry(2)]);
    await bus.put([entry(3)]);
    await eventually(() => expect(had.numbers).toHaveLength(3));
    await bus.close();
  }

  it("delivers what was left, to the rules that had not had it, with the same ids", async () => {
    await leaveBehind(() => 1_800_000_000_000);
    const had = collector();
    const stuck = collector();
    const bus = await start({
      clock: () => 1_800_000_050_000,
      rules: [rule({ name: "had", deliver: had.deliver }), rule({ name: "stuck", deliver: stuck.deliver })],
    });
    expect(bus.depth()).toBe(3);
    await bus.idle();
    expect(stuck.numbers).toEqual([1, 2, 3]);
    expect(had.numbers).toEqual([]);
  });

  it("makes dead letters of what is older than its rule delivers", async () => {
    await leaveBehind(() => 1_800_000_000_000);
    const stuck = collector();
    const bus = await start({
      clock: () => 1_800_000_061_000,
      rules: [rule({ name: "stuck", deliver: stuck.deliver })],
    });
    await bus.idle();
    expect(stuck.numbers).toEqual([]);
    expect(bus.deadLetters()).toMatchObject(
      [1, 2, 3].map((n) => ({ rule: "stuck", reason: "too-old", tries: 0, event: { detail: { n } } })),
    );
  });

  it("makes dead letters of what its rule is gone for", async () => {
    await leaveBehind(Date.now);
    const bus = await start({ rules: [rule({ name: "renamed", deliver: collector().deliver })] });
    await bus.idle();
    expect(bus.deadLetters()).toMatchObject([1, 2, 3].map(() => ({ rule: "stuck", reason: "rule-is-gone" })));
  });

  it.each(["put", "done"])(
    "skips a torn last line (%s) and keeps everything else, that run's events too",
    async (kind) => {
      await leaveBehind(Date.now);
      appendFileSync(journalFile, kind === "put" ? '{"put":{"at":18000,"entr' : '{"done":{"id":"');
      const between = collector((_n, signal) => until(signal));
      const second = await start({ rules: [rule({ name: "stuck", deliver: between.deliver })] });
      await second.put([entry(4)]);
      await second.close();
      const stuck = collector();
      const bus = await start({ rules: [rule({ name: "stuck", deliver: stuck.deliver })] });
      await bus.idle();
      expect(stuck.numbers).toEqual([1, 2, 3, 4]);
      expect(logged).toContainEqual(expect.objectContaining({ event: "bus.journal-lines-skipped" }));
    },
  );

  it("starts from a journal of nothing but rubbish, and says so", async () => {
    writeFileSync(journalFile, '\u0000\u0000rubbish\n{"put":{"at":"x"}}\n[]\n');
    const target = collector();
    const bus = await start({ rules: [rule({ deliver: target.deliver })] });
    await bus.put([entry(1)]);
    await bus.idle();
    expect(target.numbers).toEqual([1]);
    expect(logged).toContainEqual(expect.objectContaining({ fields: expect.objectContaining({ skipped: 3 }) }));
  });
});

describe("the journal", () => {
  it("stays small however many events pass through it, and loses none that is waiting", async () => {
    const passing = collector();
    const stuck = collector((_n, signal) => until(signal));
    const bus = await start({
      compactBytes: 20_000,
      rules: [
        rule({ name: "passing", deliver: passing.deliver }),
        rule({ name: "stuck", pattern: { detail: { n: [{ numeric: ["<", 3] }] } }, deliver: stuck.deliver }),
      ],
    });
    for (let n = 0; n < 200; n++) await bus.put([entry(n, "x".repeat(1000))]);
    await eventually(() => expect(passing.numbers).toHaveLength(200));
    expect(statSync(journalFile).size).toBeLessThan(40_000);
    await bus.close();
    const again = collector();
    const next = await start({ rules: [rule({ name: "stuck", deliver: again.deliver })] });
    await next.idle();
    expect(again.numbers).toEqual([0, 1, 2]);
  });
});

describe("a process that dies", () => {
  /** Runs a bus in another process whose target never finishes, so that all it accepts is still to be delivered. */
  async function startChild(limit = ""): Promise<{ child: ChildProcess; client: EventBridgeClient }> {
    const script = `
      import { startBus } from ${JSON.stringify(new URL("./bus.ts", import.meta.url).href)};
      const bus = await startBus({
        journalFile: ${JSON.stringify(journalFile)},
        log: () => undefined,
        onDeadLetter: () => undefined,
        rules: [{
          name: "decide", pattern: { source: ["neuropilot"] }, retries: 0, maxEventAgeSeconds: 60, timeoutMs: 60_000,
          deliver: () => new Promise(() => undefined),
        }],
      });
      process.stdout.write(bus.endpoint + "\\n");
    `;
    const node = [process.execPath, "--input-type=module", "--eval", script];
    const child = spawn("sh", ["-c", `${limit} exec "$@"`, "sh", ...node], { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    const [line] = await once(child.stdout, "data");
    const client = new EventBridgeClient({
      endpoint: String(line).trim(),
      region: "us-east-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      maxAttempts: 1,
    });
    return { child, client };
  }

  async function deliveredByTheNextStart(): Promise<ReadonlySet<number>> {
    const target = collector();
    const bus = await start({ rules: [rule({ deliver: target.deliver })] });
    await bus.idle();
    return new Set(target.numbers);
  }

  it("by kill -9 amid puts has every event that it accepted delivered by the next start", async () => {
    const { child, client } = await startChild();
    const accepted: number[] = [];
    let next = 0;
    let dead = false;
    const putting = Array.from({ length: 4 }, async () => {
      while (!dead) {
        const n = next++;
        try {
          await client.send(new PutEventsCommand({ Entries: [entry(n, "x".repeat(n % 500))] }));
          accepted.push(n);
        } catch {
          dead = true;
        }
      }
    });
    await eventually(() => expect(accepted.length).toBeGreaterThan(40));
    child.kill("SIGKILL");
    await Promise.all(putting);
    client.destroy();
    const delivered = await deliveredByTheNextStart();
    expect(accepted.filter((n) => !delivered.has(n))).toEqual([]);
  });

  it("of nothing when the disk takes no more: a put is refused whole, those before and after it are kept", async () => {
    // A limit on the size of files makes the write itself fail, half done, as a full disk does.
    const { child, client } = await startChild("ulimit -f 16;");
    const put = (n: number, bytes: number) =>
      client.send(new PutEventsCommand({ Entries: [entry(n, "x".repeat(bytes))] }));
    for (let n = 0; n < 10; n += 2) {
      await put(n, 100);
      await expect(put(n + 1, 40_000)).rejects.toMatchObject({
        name: "InternalException",
        $metadata: { httpStatusCode: 500 },
      });
    }
    expect(child.exitCode).toBeNull();
    child.kill("SIGKILL");
    client.destroy();
    expect([...(await deliveredByTheNextStart())]).toEqual([0, 2, 4, 6, 8]);
  });
});

describe("start and close", () => {
  it("says which port is in use", async () => {
    const other = createServer();
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await expect(start({ port, rules: [] })).rejects.toThrow(`Port ${port} on 127.0.0.1 is in use.`);
    expect(existsSync(journalFile)).toBe(false);
    other.close();
  });

  it("says which folder it cannot write to, and lets go of its port", async () => {
    writeFileSync(join(folder, "file"), "");
    const file = join(folder, "file", "journal.jsonl");
    await expect(start({ journalFile: file, rules: [] })).rejects.toThrow(
      `cannot keep its events in ${join(folder, "file")}`,
    );
  });

  it.each<[string, BusRule[], string]>([
    [
      "an invalid pattern",
      [rule({ pattern: { source: [] }, deliver: async () => undefined })],
      "Rule decide: Event pattern is not valid. Reason: Empty arrays",
    ],
    [
      "a name that is taken",
      [rule({ deliver: async () => undefined }), rule({ deliver: async () => undefined })],
      "Two rules are called decide",
    ],
  ])("refuses a rule with %s", async (_name, rules, message) => {
    await expect(start({ rules })).rejects.toThrow(message);
  });

  it("closes at once while targets hang and retries wait, and then accepts nothing", async () => {
    const aborted: number[] = [];
    const hanging = collector((n, signal) => until(signal).catch(() => aborted.push(n)));
    const failing = collector(() => Promise.reject(new Error("no")));
    const bus = await start({
      retry: { firstDelayMs: 1_000_000, maxDelayMs: 1_000_000 },
      rules: [
        rule({ name: "hanging", maxEventAgeSeconds: 1e6, deliver: hanging.deliver }),
        rule({ name: "failing", maxEventAgeSeconds: 1e6, deliver: failing.deliver }),
      ],
    });
    await bus.put([entry(1)]);
    const idle = bus.idle();
    await eventually(() => expect(failing.numbers).toEqual([1]));
    await bus.close();
    await idle;
    expect(aborted).toEqual([1]);
    expect(await bus.put([entry(2)])).toMatchObject({ ok: false, code: "InternalException" });
    expect(bus.deadLetters()).toEqual([]);
    expect(failing.numbers).toEqual([1]);
  });

  it("lets its process end once it is closed, though a target ignores that and a retry would be due later", async () => {
    const script = `
      import { startBus } from ${JSON.stringify(new URL("./bus.ts", import.meta.url).href)};
      const base = { pattern: { source: ["neuropilot"] }, retries: 1, maxEventAgeSeconds: 1e6, timeoutMs: 1e6 };
      const failed = Promise.withResolvers();
      const bus = await startBus({
        journalFile: ${JSON.stringify(journalFile)},
        retry: { firstDelayMs: 1e6, maxDelayMs: 1e6 },
        log: failed.resolve,
        onDeadLetter: () => undefined,
        rules: [
          { ...base, name: "failing", deliver: () => Promise.reject(new Error("no")) },
          { ...base, name: "deaf", deliver: () => new Promise(() => undefined) },
        ],
      });
      await bus.put([{ Source: "neuropilot", DetailType: "x", Detail: "{}" }]);
      await failed.promise;
      await bus.close();
    `;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: "inherit" });
    children.push(child);
    expect(await once(child, "exit")).toEqual([0, null]);
  });
});
