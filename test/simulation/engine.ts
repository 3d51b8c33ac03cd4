/** Virtual time, seeded chance, and invocations that can be abandoned at any await: what a simulated run is made of. */

/** Mulberry32: small, fast, and the same for a seed on every machine. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = (Math.imul(seed, 2_654_435_761) ^ 0x9e3779b9) >>> 0;
  }

  /** 0 ≤ x < 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  happens(probability: number): boolean {
    return this.next() < probability;
  }

  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  integer(from: number, to: number): number {
    return Math.floor(this.between(from, to + 1));
  }

  exponential(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }

  pick<T>(options: readonly T[]): T {
    const option = options[Math.floor(this.next() * options.length)];
    if (option === undefined) throw new Error("nothing to pick from");
    return option;
  }
}

interface Timer {
  readonly at: number;
  readonly order: number;
  /** Of the world around the installation: it goes on while that sleeps. */
  readonly outside: boolean;
  readonly run: () => void;
}

/** A stretch of time, epoch milliseconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A clock that jumps from one thing to do to the next. What is due at one moment runs in the order in which it was asked for. */
export class Engine {
  now: number;
  /** While the installation sleeps its timers wait; they all go off when it wakes. */
  asleep: Span | undefined;
  readonly #heap: Timer[] = [];
  #order = 0;

  constructor(start: number) {
    this.now = start;
  }

  at(time: number, run: () => void, outside = false): void {
    this.#push({ at: Math.max(time, this.now), order: this.#order++, outside, run });
  }

  after(ms: number, run: () => void, outside = false): void {
    this.at(this.now + ms, run, outside);
  }

  #push(timer: Timer): void {
    this.#heap.push(timer);
    this.#up(this.#heap.length - 1);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Runs everything up to a moment; between two things to do, all that was awaited goes on as far as it can. */
  async runUntil(end: number): Promise<void> {
    await settled();
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > end) break;
      this.#pop();
      if (!next.outside && this.#sleepsAt(next.at)) {
        this.#push({ ...next, at: this.asleep?.to ?? next.at });
        continue;
      }
      this.now = next.at;
      next.run();
      await settled();
    }
    this.now = end;
  }

  /** Whether the installation slept, or began to, since a moment. */
  sleptSince(time: number): boolean {
    return this.asleep !== undefined && this.asleep.from >= time && this.asleep.to <= this.now;
  }

  #sleepsAt(time: number): boolean {
    return this.asleep !== undefined && this.asleep.from <= time && time < this.asleep.to;
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#down(0);
  }

  #up(from: number): void {
    for (let index = from; index > 0; ) {
      const parent = (index - 1) >> 1;
      if (!this.#swap(index, parent)) return;
      index = parent;
    }
  }

  #down(from: number): void {
    for (let index = from; ; ) {
      const left = 2 * index + 1;
      const [a, b] = [this.#heap[left], this.#heap[left + 1]];
      if (a === undefined) return;
      const child = b !== undefined && before(b, a) ? left + 1 : left;
      if (!this.#swap(child, index)) return;
      index = child;
    }
  }

  /** Puts the earlier of the two above; answers whether they changed places. */
  #swap(child: number, parent: number): boolean {
    const [below, above] = [this.#heap[child], this.#heap[parent]];
    if (below === undefined || above === undefined || !before(below, above)) return false;
    this.#heap[child] = above;
    this.#heap[parent] = below;
    return true;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/**
 * Every pending microtask has run when the queue of ticks gets its turn, and that is far cheaper than a turn of the event
 * loop: https://nodejs.org/api/process.html#processnexttickcallback-args. Nothing that is simulated waits for anything else.
 */
export function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** What is going to happen to one run; awaits are counted from 0. */
export interface Fate {
  /** Abandon the run at this await, before or after its effect, unless `happens` says that it must not. */
  readonly crash?: { readonly at: number; readonly afterEffect: boolean; readonly happens: () => boolean };
  /** Stand still for so long, as a frozen function does: before this await's effect, or with its answer in hand. */
  readonly freeze?: {
    readonly at: number;
    readonly ms: number;
    readonly afterEffect: boolean;
    readonly happens: () => boolean;
  };
  /** Killed when it has run for so long. */
  readonly timeoutMs: number;
}

const NEVER: Promise<never> = new Promise(() => undefined);

/** One run of a function: every await goes through here, and may be its last. */
export class Invocation {
  readonly #engine: Engine;
  readonly #fate: Fate;
  readonly began: number;
  #awaits = 0;
  crashed = false;
  /** Something went wrong within it, or it stood still: what it did may have to be done again. */
  disturbed = false;
  /** It stood still, so that it may have acted after others had taken over. */
  stoodStill = false;

  constructor(engine: Engine, fate: Fate) {
    this.#engine = engine;
    this.#fate = fate;
    this.began = engine.now;
  }

  async through<T>(effect: () => Promise<T>): Promise<T> {
    const number = this.#awaits++;
    const { crash, freeze } = this.#fate;
    if (freeze?.at === number && !freeze.afterEffect) await this.#standStill(freeze);
    if (this.#gone()) return NEVER;
    if (crash?.at === number && crash.happens()) {
      this.crashed = true;
      this.disturbed = true;
      if (crash.afterEffect) await effect();
      return NEVER;
    }
    try {
      const result = await effect();
      if (freeze?.at === number && freeze.afterEffect) await this.#standStill(freeze);
      return result;
    } finally {
      if (this.#engine.sleptSince(this.began)) {
        this.disturbed = true;
        this.stoodStill = true;
      }
      if (this.#gone()) await NEVER;
    }
  }

  async #standStill({ ms, happens }: NonNullable<Fate["freeze"]>): Promise<void> {
    if (!happens()) return;
    this.disturbed = true;
    this.stoodStill = true;
    await this.#engine.sleep(ms);
  }

  #gone(): boolean {
    if (this.#engine.now - this.began > this.#fate.timeoutMs) {
      this.crashed = true;
      this.disturbed = true;
    }
    return this.crashed;
  }
}
