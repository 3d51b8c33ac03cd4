import type { Log } from "@neuropilot/loop";
import { Heap } from "./heap.ts";
import { everyMs, type Schedule } from "./schedule.ts";

export interface ScheduleEntry {
  /** Unique. */
  readonly name: string;
  /** `everyMs`: at whole multiples of it since 1970, `phaseMs` later. */
  readonly schedule: Schedule | { readonly everyMs: number; readonly phaseMs?: number };
  /** One tick more, so long after the start; not more than one where its times come sooner. Absent: its times only. */
  readonly firstAfterMs?: number;
  /** `tickMs` is the scheduled time, epoch milliseconds; the signal says that the scheduler stops. */
  run(tickMs: number, signal: AbortSignal): Promise<void>;
}

export interface EntryState {
  readonly name: string;
  readonly running: boolean;
  readonly lastTick?: number;
  /** How long after its scheduled time the last tick began. */
  readonly lateMs?: number;
  /** Ticks that never ran, as newer ones came while an older still ran. */
  readonly skipped: number;
}

export interface Scheduler {
  /** Aborts what runs and waits for it, at most `stopTimeoutMs`. */
  stop(): Promise<void>;
  state(): readonly EntryState[];
}

/** Time as the scheduler sees it; tests bring their own. */
export interface SchedulerClock {
  /** Epoch milliseconds. */
  now(): number;
  /** Calls `run` once after `ms`; the answer takes that back. */
  after(ms: number, run: () => void): () => void;
}

const systemClock: SchedulerClock = {
  now: Date.now,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** Timers count time that the machine was awake, schedules the wall clock: looking this often brings them together again. */
const LOOK_MS = 10_000;
/** A look that comes this much later than planned, or earlier by the clock, is the clock's doing. */
const JUMP_MS = 5_000;
/** Thousands that are due at once must not keep the process from everything else. */
const STARTS_PER_TURN = 64;

/**
 * Runs each entry at its times. Ticks of one entry never overlap and never pile up: one that comes while the last still runs
 * follows it at once, and of several only the newest; the others are skipped and counted. After a sleep or a leap of the clock the newest missed tick runs, not all of them; a clock that was set back
 * repeats none. Throws for two entries of one name.
 */
export function startScheduler(options: {
  readonly entries: readonly ScheduleEntry[];
  readonly clock?: SchedulerClock;
  readonly log: Log;
  readonly stopTimeoutMs?: number;
}): Scheduler {
  const scheduler = new RunningScheduler(options.clock ?? systemClock, options.log, options.stopTimeoutMs ?? 5_000);
  scheduler.start(options.entries);
  return { stop: () => scheduler.stop(), state: () => scheduler.state() };
}

class RunningEntry {
  readonly name: string;
  readonly schedule: Schedule;
  readonly firstAfterMs: number | undefined;
  readonly run: ScheduleEntry["run"];
  current: { readonly since: number; readonly abort: AbortController; readonly done: Promise<void> } | undefined;
  last: { readonly tick: number; readonly lateMs: number } | undefined;
  /** The newest tick that came while one ran. */
  waiting: number | undefined;
  skipped = 0;

  constructor(entry: ScheduleEntry) {
    this.name = entry.name;
    this.schedule =
      "everyMs" in entry.schedule ? everyMs(entry.schedule.everyMs, entry.schedule.phaseMs) : entry.schedule;
    this.firstAfterMs = entry.firstAfterMs;
    this.run = (tick, signal) => entry.run(tick, signal);
  }
}

class RunningScheduler {
  readonly #clock: SchedulerClock;
  readonly #log: Log;
  readonly #stopTimeoutMs: number;
  readonly #due = new Heap<RunningEntry>();
  readonly #entries = new Map<string, RunningEntry>();
  #cancel: () => void = () => {};
  #expected = 0;
  #stopping: Promise<void> | undefined;

  constructor(clock: SchedulerClock, log: Log, stopTimeoutMs: number) {
    this.#clock = clock;
    this.#log = log;
    this.#stopTimeoutMs = stopTimeoutMs;
  }

  start(entries: readonly ScheduleEntry[]): void {
    const now = this.#clock.now();
    for (const entry of entries.map((each) => new RunningEntry(each))) {
      if (this.#entries.has(entry.name)) throw new Error(`two scheduled entries are named ${entry.name}`);
      this.#entries.set(entry.name, entry);
      if (entry.firstAfterMs === undefined) this.#plan(entry, now);
      else
        this.#due.add(Math.min(now + entry.firstAfterMs, entry.schedule.next(now) ?? Number.POSITIVE_INFINITY), entry);
    }
    this.#wait();
  }

  state(): readonly EntryState[] {
    return [...this.#entries.values()].map(({ name, current, last, skipped }) => ({
      name,
      running: current !== undefined,
      skipped,
      ...(last === undefined ? {} : { lastTick: last.tick, lateMs: last.lateMs }),
    }));
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  #plan(entry: RunningEntry, after: number): void {
    const next = entry.schedule.next(after);
    if (next === undefined) this.#log("info", "scheduler.entry-over", { entry: entry.name });
    else this.#due.add(next, entry);
  }

  #wait(): void {
    if (this.#due.first === undefined) return;
    const now = this.#clock.now();
    const waitMs = Math.min(Math.max(this.#due.first - now, 0), LOOK_MS);
    this.#expected = now + waitMs;
    this.#cancel = this.#clock.after(waitMs, () => this.#look());
  }

  #look(): void {
    this.#noticeJump();
    for (let started = 0; started < STARTS_PER_TURN; started++) {
      const now = this.#clock.now();
      if (this.#due.first === undefined || this.#due.first > now) break;
      const due = this.#due.first;
      const entry = this.#due.take();
      if (entry === undefined) break;
      const tick = Math.max(due, entry.schedule.latest(now) ?? due);
      this.#begin(entry, tick, now);
      this.#plan(entry, tick);
    }
    this.#wait();
  }

  #noticeJump(): void {
    const byMs = this.#clock.now() - this.#expected;
    if (byMs > JUMP_MS)
      this.#log("warn", "scheduler.slept", { byMs, why: "the machine slept, was too busy, or its clock leapt" });
    if (byMs < -JUMP_MS)
      this.#log("error", "scheduler.clock-set-back", {
        byMs,
        why: "ticks wait until the clock is past those that have run",
      });
  }

  #begin(entry: RunningEntry, tick: number, now: number): void {
    if (entry.current !== undefined) {
      this.#keepWaiting(entry, tick, now - entry.current.since);
      return;
    }
    entry.last = { tick, lateMs: now - tick };
    const abort = new AbortController();
    entry.current = { since: now, abort, done: this.#run(entry, tick, abort.signal) };
  }

  /** One that overran by a moment must not cost the whole next tick; of those that come meanwhile only the newest counts. */
  #keepWaiting(entry: RunningEntry, tick: number, runningMs: number): void {
    if (entry.waiting !== undefined) {
      entry.skipped += 1;
      const { name, skipped } = entry;
      this.#log("warn", "scheduler.skipped", { entry: name, tick: entry.waiting, runningMs, skipped });
    }
    entry.waiting = tick;
  }

  async #run(entry: RunningEntry, tick: number, signal: AbortSignal): Promise<void> {
    // The caller notes that it runs before it can have ended.
    await Promise.resolve();
    try {
      await entry.run(tick, signal);
    } catch (error) {
      const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
      if (!signal.aborted) this.#log("error", "scheduler.entry-failed", { entry: entry.name, tick, problem });
    } finally {
      entry.current = undefined;
      const next = entry.waiting;
      entry.waiting = undefined;
      if (next !== undefined && this.#stopping === undefined) this.#begin(entry, next, this.#clock.now());
    }
  }

  async #stop(): Promise<void> {
    this.#cancel();
    while (this.#due.take() !== undefined);
    const running = [...this.#entries.values()].flatMap(({ name, current }) => (current ? [{ name, ...current }] : []));
    for (const { abort } of running) abort.abort(new Error("the scheduler stops"));
    let giveUp = () => {};
    const tooLong = new Promise<void>((resolve) => {
      giveUp = this.#clock.after(this.#stopTimeoutMs, resolve);
    });
    await Promise.race([Promise.all(running.map(({ done }) => done)), tooLong]);
    giveUp();
    const left = running.filter(({ name }) => this.#entries.get(name)?.current !== undefined).map(({ name }) => name);
    if (left.length > 0) this.#log("warn", "scheduler.left-running", { entries: left, waitedMs: this.#stopTimeoutMs });
  }
}
