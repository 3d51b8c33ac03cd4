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
  readonly run: () => void;
}

/** A clock that jumps from one thing to do to the next. What is due at one moment runs in the order in which it was asked for. */
export class Engine {
  now: number;
  readonly #heap: Timer[] = [];
  #order = 0;

  constructor(start: number) {
    this.now = start;
  }

  at(time: number, run: () => void): void {
    const timer = { at: Math.max(time, this.now), order: this.#order++, run };
    this.#heap.push(timer);
    this.#up(this.#heap.length - 1);
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run);
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
      this.now = next.at;
      next.run();
      await settled();
    }
    this.now = end;
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

/** Every pending microtask has run when the event loop reaches its next turn. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export interface Hazards {
  /** Abandon the invocation at this await, counted from 0; never, if undefined. */
  readonly crashAt?: number;
  /** The effect of the await at which it crashes still happens. */
  readonly crashAfterEffect: boolean;
  /** Stand still at this await for so long, as a frozen function or a sleeping laptop does. */
  readonly freeze?: { readonly at: number; readonly ms: number };
  /** Killed when it has run for so long. */
  readonly timeoutMs: number;
}

const NEVER: Promise<never> = new Promise(() => undefined);

/** One run of a function: every await goes through here, and may be its last. */
export class Invocation {
  readonly #engine: Engine;
  readonly #hazards: Hazards;
  readonly #began: number;
  #awaits = 0;
  crashed = false;

  constructor(engine: Engine, hazards: Hazards) {
    this.#engine = engine;
    this.#hazards = hazards;
    this.#began = engine.now;
  }

  async through<T>(effect: () => Promise<T>): Promise<T> {
    const number = this.#awaits++;
    const { crashAt, crashAfterEffect, freeze } = this.#hazards;
    if (freeze?.at === number) await this.#engine.sleep(freeze.ms);
    if (this.#gone()) return NEVER;
    if (crashAt === number) {
      this.crashed = true;
      if (crashAfterEffect) await effect();
      return NEVER;
    }
    try {
      return await effect();
    } finally {
      if (this.#gone()) await NEVER;
    }
  }

  #gone(): boolean {
    if (this.#engine.now - this.#began > this.#hazards.timeoutMs) this.crashed = true;
    return this.crashed;
  }
}
