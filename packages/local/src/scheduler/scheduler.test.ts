import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Heap } from "./heap.ts";
import { parseSchedule, type ScheduleEntry, type Scheduler, type SchedulerClock, startScheduler } from "./index.ts";

/** A clock that stands still between steps: timers count its steady time, `now` is its wall clock, which can be set. */
class ManualClock implements SchedulerClock {
  #steady = 0;
  #wall: number;
  #timers: { at: number; run: () => void }[] = [];
  longestWait = 0;

  constructor(wall: number) {
    this.#wall = wall;
  }

  now(): number {
    return this.#wall;
  }

  after(ms: number, run: () => void): () => void {
    this.longestWait = Math.max(this.longestWait, ms);
    const timer = { at: this.#steady + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  get pending(): number {
    return this.#timers.length;
  }

  /** The wall clock moves, timers do not: a sleep of the machine, or somebody sets the clock. */
  leap(ms: number): void {
    this.#wall += ms;
  }

  async pass(ms: number): Promise<void> {
    const end = this.#steady + ms;
    for (;;) {
      await settle();
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#advance(next.at);
      next.run();
    }
    this.#advance(end);
    await settle();
  }

  #advance(to: number): void {
    this.#wall += to - this.#steady;
    this.#steady = to;
  }
}

/** Lets everything that waits for nothing but promises run. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

interface World {
  readonly clock: ManualClock;
  readonly scheduler: Scheduler;
  readonly log: { event: string; fields: Readonly<Record<string, unknown>> }[];
}

function world(entries: readonly ScheduleEntry[], startAt = 0, stopTimeoutMs = 1_000): World {
  const clock = new ManualClock(startAt);
  const log: World["log"] = [];
  const scheduler = startScheduler({
    entries,
    clock,
    log: (_level, event, fields) => log.push({ event, fields }),
    stopTimeoutMs,
  });
  return { clock, scheduler, log };
}

/** An entry that notes its ticks; each run ends when `finish` is called, or at once. */
function recorder(name: string, timing: ScheduleEntry["schedule"], holds = false) {
  const ticks: number[] = [];
  const waiting: (() => void)[] = [];
  const signals: AbortSignal[] = [];
  const entry: ScheduleEntry = {
    name,
    schedule: timing,
    run: (tick, signal) => {
      ticks.push(tick);
      signals.push(signal);
      return holds ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve();
    },
  };
  const finish = () => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  return { entry, ticks, signals, finish };
}

const stateOf = ({ scheduler }: World, name = "a") => scheduler.state().find((each) => each.name === name);

describe("the scheduler", () => {
  test("runs an entry at the whole multiples of its period, whenever it was started", async () => {
    const a = recorder("a", { everyMs: 10_000 });
    const b = recorder("b", { everyMs: 10_000, phaseMs: 3_000 });
    const { clock } = world([a.entry, b.entry], 1_234);
    await clock.pass(30_000);
    expect(a.ticks).toEqual([10_000, 20_000, 30_000]);
    expect(b.ticks).toEqual([3_000, 13_000, 23_000]);
  });

  test("runs an entry once soon after the start where it is asked to, and at its times from then on", async () => {
    const a = recorder("a", { everyMs: 10_000 });
    const b = recorder("b", { everyMs: 10_000 });
    const c = recorder("c", { everyMs: 10_000 }, true);
    const running = world(
      [
        { ...a.entry, firstAfterMs: 0 },
        { ...b.entry, firstAfterMs: 9_500 },
        { ...c.entry, firstAfterMs: 400 },
      ],
      1_234,
    );
    await running.clock.pass(25_000);
    expect(a.ticks).toEqual([1_234, 10_000, 20_000]);
    expect(b.ticks, "its own time came sooner").toEqual([10_000, 20_000]);
    expect(c.ticks, "the first look is a tick like others: none overlaps it").toEqual([1_634]);
    expect(stateOf(running, "c")).toMatchObject({ skipped: 1 });
    c.finish();
  });

  test("follows a cron expression, and says when it is over", async () => {
    const parsed = parseSchedule("cron(0/30 0 1 1 ? 1970)");
    if (!parsed.ok) throw new Error(parsed.problem);
    const a = recorder("a", parsed.schedule);
    const { clock, log } = world([a.entry], -1);
    await clock.pass(7_200_000);
    expect(a.ticks).toEqual([0, 1_800_000]);
    expect(log.map(({ event }) => event)).toEqual(["scheduler.entry-over"]);
    expect(clock.pending).toBe(0);
  });

  test("never runs an entry twice at once: of what comes meanwhile the newest follows, and the rest are skipped and counted", async () => {
    const a = recorder("a", { everyMs: 1_000 }, true);
    const b = recorder("b", { everyMs: 1_000 });
    const running = world([a.entry, b.entry]);
    await running.clock.pass(4_500);
    expect(a.ticks).toEqual([1_000]);
    expect(stateOf(running)).toMatchObject({ running: true, skipped: 2, lastTick: 1_000 });
    a.finish();
    await running.clock.pass(0);
    expect(a.ticks).toEqual([1_000, 4_000]);
    expect(stateOf(running)).toMatchObject({ running: true, skipped: 2, lastTick: 4_000, lateMs: 500 });
    a.finish();
    await running.clock.pass(1_000);
    expect(a.ticks).toEqual([1_000, 4_000, 5_000]);
    a.finish();
    expect(b.ticks).toEqual([1_000, 2_000, 3_000, 4_000, 5_000]);
  });

  test("after the machine slept, or its clock leapt ahead, the newest missed tick runs and no other", async () => {
    const a = recorder("a", { everyMs: 10_000 });
    const running = world([a.entry]);
    await running.clock.pass(10_000);
    running.clock.leap(3_600_000);
    await running.clock.pass(25_000);
    expect(a.ticks).toEqual([10_000, 3_620_000, 3_630_000]);
    expect(running.log.map(({ event }) => event)).toEqual(["scheduler.slept"]);
  });

  test("after a leap ahead a cron entry too runs once, at its newest time", async () => {
    const parsed = parseSchedule("cron(* * * * ? *)");
    if (!parsed.ok) throw new Error(parsed.problem);
    const a = recorder("a", parsed.schedule);
    const { clock } = world([a.entry], 0);
    clock.leap(365 * 86_400_000);
    await clock.pass(10_000);
    expect(a.ticks).toEqual([365 * 86_400_000]);
  });

  test("a clock that was set back repeats no tick, and the log says so", async () => {
    const a = recorder("a", { everyMs: 10_000 });
    const running = world([a.entry], 1_000_000);
    await running.clock.pass(20_000);
    running.clock.leap(-60_000);
    await running.clock.pass(60_000);
    expect(a.ticks).toEqual([1_010_000, 1_020_000]);
    await running.clock.pass(10_000);
    expect(a.ticks).toEqual([1_010_000, 1_020_000, 1_030_000]);
    expect(running.log.map(({ event }) => event)).toEqual(["scheduler.clock-set-back"]);
  });

  test("a tick is never longer away than a timer can count", async () => {
    const a = recorder("a", { everyMs: 400 * 86_400_000 });
    const { clock } = world([a.entry]);
    await clock.pass(60_000);
    expect(a.ticks).toEqual([]);
    // Node's timers hold 31 bits.
    expect(clock.longestWait).toBeLessThan(2 ** 31);
    clock.leap(400 * 86_400_000);
    await clock.pass(60_000);
    expect(a.ticks).toEqual([400 * 86_400_000]);
  });

  test("an entry that fails, at once or later, is told of and runs again", async () => {
    const fails: ScheduleEntry = {
      name: "rejects",
      schedule: { everyMs: 1_000 },
      run: async () => {
        throw new Error("no luck");
      },
    };
    const throws: ScheduleEntry = {
      name: "throws",
      schedule: { everyMs: 1_000 },
      run: () => {
        throw new Error("no luck at all");
      },
    };
    const { clock, log, scheduler } = world([fails, throws]);
    await clock.pass(2_000);
    expect(log.map(({ event, fields }) => `${event} ${fields.entry}`).sort()).toEqual([
      "scheduler.entry-failed rejects",
      "scheduler.entry-failed rejects",
      "scheduler.entry-failed throws",
      "scheduler.entry-failed throws",
    ]);
    expect(scheduler.state().map(({ running }) => running)).toEqual([false, false]);
  });

  test("says how late a tick began", async () => {
    const a = recorder("a", { everyMs: 10_000 });
    const running = world([a.entry]);
    await running.clock.pass(9_999);
    running.clock.leap(701);
    await running.clock.pass(1);
    expect(stateOf(running)).toMatchObject({ lastTick: 10_000, lateMs: 701 });
  });

  test("a stop aborts what runs, waits for it, and nothing runs after it", async () => {
    const a = recorder("a", { everyMs: 1_000 }, true);
    const { clock, scheduler } = world([a.entry]);
    await clock.pass(1_000);
    let stopped = false;
    const stopping = scheduler.stop().then(() => {
      stopped = true;
    });
    await settle();
    expect(a.signals[0]?.aborted).toBe(true);
    expect(stopped).toBe(false);
    a.finish();
    await stopping;
    await scheduler.stop();
    await clock.pass(10_000);
    expect(a.ticks).toEqual([1_000]);
    expect(clock.pending).toBe(0);
  });

  test("a stop waits no longer than its bound, and names what it left", async () => {
    const a = recorder("a", { everyMs: 1_000 }, true);
    const { clock, scheduler, log } = world([a.entry], 0, 500);
    await clock.pass(1_000);
    const stopping = scheduler.stop();
    await clock.pass(500);
    await stopping;
    expect(log.at(-1)).toMatchObject({ event: "scheduler.left-running", fields: { entries: ["a"] } });
  });

  test("thousands of entries need one timer, and each gets each of its ticks once", async () => {
    const all = Array.from({ length: 3_000 }, (_, n) =>
      recorder(`entry ${n}`, { everyMs: 10_000, phaseMs: n % 7 === 0 ? n : 0 }),
    );
    const { clock } = world(all.map(({ entry }) => entry));
    expect(clock.pending).toBe(1);
    await clock.pass(29_999);
    for (const [n, { ticks }] of all.entries()) {
      const phase = n % 7 === 0 ? n : 0;
      expect(ticks).toEqual([phase, 10_000 + phase, 20_000 + phase].filter((tick) => tick > 0));
    }
  });

  test("two entries of one name are a mistake", () => {
    const entry = recorder("a", { everyMs: 1_000 }).entry;
    expect(() => world([entry, entry])).toThrow("two scheduled entries are named a");
  });

  test.each([0, -1, 0.5, Number.NaN])("a period of %d ms is a mistake", (everyMs) => {
    expect(() => world([recorder("a", { everyMs }).entry])).toThrow(RangeError);
  });

  test("whatever the clock does, ticks only ever grow, stay on their marks and never overlap", async () => {
    const moves = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(30_000) }),
        fc.record({ kind: fc.constant("leap" as const), ms: fc.integer({ min: -50_000, max: 50_000 }) }),
        fc.record({ kind: fc.constant("finish" as const), ms: fc.constant(0) }),
      ),
      { maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(moves, async (sequence) => {
        const a = recorder("a", { everyMs: 7_000, phaseMs: 500 }, true);
        const { clock } = world([a.entry], 1_000_000);
        let begun = 0;
        for (const { kind, ms } of sequence) {
          if (kind === "pass") await clock.pass(ms);
          if (kind === "leap") clock.leap(ms);
          if (kind === "finish") {
            a.finish();
            await settle();
            begun = a.ticks.length;
          }
          expect(a.ticks.length - begun).toBeLessThanOrEqual(1);
        }
        expect(a.ticks).toEqual([...new Set(a.ticks)].sort((x, y) => x - y));
        expect(a.ticks.every((tick) => (tick - 500) % 7_000 === 0)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

test("a heap gives back what it was given, smallest first", () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (keys) => {
      const heap = new Heap<number>();
      for (const key of keys) heap.add(key, key);
      const taken: number[] = [];
      while (heap.first !== undefined) {
        const key = heap.first;
        expect(heap.take()).toBe(key);
        taken.push(key);
      }
      expect(taken).toEqual(keys.toSorted((a, b) => a - b));
      expect(heap.take()).toBeUndefined();
    }),
  );
});
