import type { Config, Remedy, TargetConfig } from "@neuropilot/config";
import { freshMs, type Sample } from "@neuropilot/core";
import { beganAt, type HistoryCall, type HistoryEntry, type HistorySource } from "./entry.ts";
import { Order } from "./order.ts";
import { Player } from "./player.ts";
import type { ReplayedIncident } from "./replayed.ts";
import { TargetTrack } from "./track.ts";
import { MINUTE_MS, type Trouble } from "./truth.ts";

export interface ReplayOptions {
  /** Only this target; else all of the policies'. */
  readonly target?: string;
  /** Well again so soon after an action, without a real call, it recovered alone. */
  readonly aloneWithinMs: number;
  /** What most of most vantages saw fail for so long is an outage. */
  readonly outageMs: number;
  /** How long the vendor is taken to work on a call. */
  readonly takesMs: Readonly<Record<Remedy, number>>;
  /** Only the range `from` ≤ start < `to`, epoch milliseconds. */
  readonly from?: number;
  readonly to?: number;
  /** Tells how far it is: the time that the replay has come to. Called about every 100,000 samples. */
  readonly progress?: (at: number, samples: number) => void;
  /** Decide at every look, also where nothing can come of it. For tests: the result is the same. */
  readonly everyLook?: boolean;
}

/** What was read, whatever the policies made of it. */
export interface HistorySummary {
  readonly samples: number;
  /** Start of the first and the last sample used, epoch milliseconds. */
  readonly from: number;
  readonly to: number;
  readonly targets: Readonly<Record<string, number>>;
  readonly vantages: readonly string[];
  /** `target/site` → samples that no policy has a place for, with the vantage where only that is unknown. */
  readonly strangers: Readonly<Record<string, number>>;
  /** Read, but outside the range. */
  readonly outside: number;
  readonly leftOut: readonly string[];
  readonly leftOutCount: number;
}

export interface Replay {
  /** One for each policy, in their order. */
  readonly policies: readonly { readonly incidents: readonly ReplayedIncident[] }[];
  readonly troubles: readonly Trouble[];
  readonly calls: readonly HistoryCall[];
  readonly history: HistorySummary;
}

export type ReplayResult =
  | { readonly ok: true; readonly replay: Replay }
  | { readonly ok: false; readonly problem: string };

export const DEFAULT_TAKES_MS: Readonly<Record<Remedy, number>> = {
  restart: 60_000,
  "purge-cache": 2_000,
  scale: 60_000,
  failover: 60_000,
  rollback: 60_000,
};

/**
 * Plays recorded history through whole policies, all in one pass and side by side: the same functions that conclude, decide,
 * guard and verify. Calls are not made; each is taken to be accepted, and what follows is what was recorded. Reads the source
 * once and holds ten minutes of it. The first policy is the one whose threshold says what counts as slow.
 */
export async function replay(
  source: HistorySource,
  policies: readonly Config[],
  options: ReplayOptions,
): Promise<ReplayResult> {
  const order = new Order();
  const run = new Run(policies, options);
  const leftOut: string[] = [];
  let leftOutCount = 0;
  for await (const chunk of source) {
    if (chunk.kind === "broken") return { ok: false, problem: chunk.problem };
    if (chunk.kind === "left-out") {
      leftOutCount++;
      if (leftOut.length < MOST_LEFT_OUT) leftOut.push(chunk.problem);
      continue;
    }
    for (const [index, entry] of chunk.entries.entries()) {
      const problem = order.add(entry);
      if (problem !== undefined) return { ok: false, problem: `${chunk.where(index)}: ${problem}` };
      for (let next = order.next(false); next !== undefined; next = order.next(false)) run.step(next);
    }
  }
  for (let next = order.next(true); next !== undefined; next = order.next(true)) run.step(next);
  return { ok: true, replay: run.end(leftOut, leftOutCount) };
}

const MOST_LEFT_OUT = 3;
const PROGRESS_EVERY = 100_000;

interface Timer {
  readonly at: number;
  readonly run: (now: number) => void;
}

class Run {
  readonly #options: ReplayOptions;
  readonly #policies: readonly Config[];
  readonly #tracks = new Map<string, TargetTrack>();
  readonly #players: Player[] = [];
  readonly #seen = new Map<string, number>();
  readonly #timers: Timer[] = [];
  readonly #calls: HistoryCall[] = [];
  readonly #targets = new Map<string, number>();
  readonly #strangers = new Map<string, number>();
  readonly #vantages = new Set<string>();
  readonly #reconcileMs: number;
  readonly #offMs: number;
  #nextReconcile = Number.NaN;
  #lastAt = Number.NaN;
  #from = Number.POSITIVE_INFINITY;
  #to = Number.NEGATIVE_INFINITY;
  #samples = 0;
  #outside = 0;

  constructor(policies: readonly Config[], options: ReplayOptions) {
    this.#options = options;
    this.#policies = policies;
    this.#reconcileMs = Math.min(...policies.map((config) => config.reconcileMs));
    // Silent from everywhere for longer than a vantage may be: nobody was there to look, and nobody was there to decide.
    this.#offMs = Math.max(...policies.map((config) => freshMs(config) + config.intervalMs));
  }

  step(entry: HistoryEntry): void {
    const { from, to, target, progress } = this.#options;
    const began = beganAt(entry);
    if ((from !== undefined && began < from) || (to !== undefined && began >= to)) {
      if (entry.kind === "sample") this.#outside++;
      return;
    }
    if (target !== undefined && entry.target !== target) return;
    if (Number.isNaN(this.#lastAt)) this.#begin(entry.at);
    this.#advance(entry.at);
    if (entry.kind === "call") {
      this.#calls.push(entry);
      this.#tracks.get(entry.target)?.call(entry.site, entry.at);
      return;
    }
    this.#sample(entry.target, entry.site, entry.vantage, entry.sample, entry.at);
    if (progress !== undefined && this.#samples % PROGRESS_EVERY === 0) progress(began, this.#samples);
  }

  #sample(target: string, site: string, vantage: string, sample: Sample, at: number): void {
    this.#lastAt = at;
    const track = this.#tracks.get(target);
    if (track?.push(site, vantage, sample, at) !== true) {
      const key = track === undefined ? `${target}/${site}` : `${target}/${site} from ${vantage}`;
      this.#strangers.set(key, (this.#strangers.get(key) ?? 0) + 1);
      return;
    }
    this.#samples++;
    this.#targets.set(target, (this.#targets.get(target) ?? 0) + 1);
    this.#vantages.add(vantage);
    this.#seen.set(vantage, at);
    if (sample.startedAt < this.#from) this.#from = sample.startedAt;
    if (sample.startedAt > this.#to) this.#to = sample.startedAt;
    track.look("wake", at);
  }

  /** Lanes begin with the history: an item of a target that has never been decided about. */
  #begin(at: number): void {
    this.#lastAt = at;
    this.#nextReconcile = Math.ceil(at / this.#reconcileMs) * this.#reconcileMs;
    for (const config of this.#policies)
      for (const target of this.#targetsOf(config)) this.#trackOf(target.id).prepare(config, target);
    for (const config of this.#policies) {
      const player = new Player(config, this.#seen, this.#options.takesMs);
      this.#players.push(player);
      for (const target of this.#targetsOf(config)) this.#trackOf(target.id).add(player, target, at);
    }
  }

  #targetsOf(config: Config): readonly TargetConfig[] {
    const { target } = this.#options;
    return target === undefined ? config.targets : config.targets.filter(({ id }) => id === target);
  }

  #trackOf(id: string): TargetTrack {
    let track = this.#tracks.get(id);
    if (track === undefined) {
      const { aloneWithinMs, outageMs, everyLook } = this.#options;
      const slowMs = this.#policies.flatMap(({ targets }) => targets).find((target) => target.id === id)?.rules.slow;
      track = new TargetTrack(id, {
        truth: { outageMs, ...(slowMs === undefined ? {} : { slowMs: slowMs.thresholdMs }) },
        stepMs: Math.max(MINUTE_MS, ...this.#policies.map((config) => config.intervalMs)),
        aloneWithinMs,
        later: (at, run) => this.#later(at, run),
        everyLook: everyLook === true,
      });
      this.#tracks.set(id, track);
    }
    return track;
  }

  #later(at: number, run: (now: number) => void): void {
    let index = this.#timers.length;
    while (index > 0 && (this.#timers[index - 1]?.at ?? at) > at) index--;
    this.#timers.splice(index, 0, { at, run });
  }

  /** Whatever is due up to now, in order. What fell into a time when nobody was there is late, as it is after a sleep. */
  #advance(now: number): void {
    for (;;) {
      const timer = this.#timers[0];
      const due = Math.min(timer?.at ?? Number.POSITIVE_INFINITY, this.#nextReconcile);
      if (due > now) return;
      const off = due > this.#lastAt + this.#offMs;
      if (timer !== undefined && timer.at <= this.#nextReconcile) {
        this.#timers.shift();
        timer.run(off ? now : timer.at);
      } else if (off) this.#nextReconcile = (Math.floor(now / this.#reconcileMs) + 1) * this.#reconcileMs;
      else {
        this.#nextReconcile += this.#reconcileMs;
        for (const track of this.#tracks.values()) track.look("reconcile", due);
      }
    }
  }

  end(leftOut: readonly string[], leftOutCount: number): Replay {
    const troubles = [...this.#tracks.values()].flatMap((track) => track.end());
    return {
      policies: this.#players.map(({ lanes }) => ({
        incidents: lanes.flatMap((lane) => lane.report()).sort((a, b) => a.openedAt - b.openedAt),
      })),
      troubles: troubles.sort((a, b) => a.from - b.from),
      calls: this.#calls,
      history: {
        samples: this.#samples,
        from: this.#from,
        to: this.#to,
        targets: Object.fromEntries(this.#targets),
        vantages: [...this.#vantages].sort(),
        strangers: Object.fromEntries(this.#strangers),
        outside: this.#outside,
        leftOut,
        leftOutCount,
      },
    };
  }
}
