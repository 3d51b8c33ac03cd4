import type { Config, Remedy } from "@neuropilot/config";
import type { Heartbeat } from "@neuropilot/core";
import { type Lane, within } from "./lane.ts";

/** All targets are in one shard here: shards only share out work. */
export const SHARD = "0";

/** What the targets of one policy share: the budget over all of them, and what each vantage says of itself. */
export class Player {
  readonly config: Config;
  readonly lanes: Lane[] = [];
  readonly #seen: ReadonlyMap<string, number>;
  readonly #takesMs: Readonly<Record<Remedy, number>>;
  #budget: Record<string, number> = {};

  /** `seen`: by vantage, when it was last heard of, as the replay goes on. */
  constructor(config: Config, seen: ReadonlyMap<string, number>, takesMs: Readonly<Record<Remedy, number>>) {
    this.config = config;
    this.#seen = seen;
    this.#takesMs = takesMs;
  }

  /** Whether enough targets are replayed for much of the fleet to be ill at once. */
  get minding(): boolean {
    return this.lanes.length >= this.config.fleetGuard.minTargets;
  }

  get budget(): Readonly<Record<string, number>> {
    return this.#budget;
  }

  spend(attempt: string, now: number): void {
    this.#budget = { ...within(this.#budget, this.config.fleetBudget.perMs, now), [attempt]: now };
  }

  takesMs(remedy: Remedy): number {
    return this.#takesMs[remedy];
  }

  /** A vantage that writes samples is alive; its controls are taken to answer, for bad samples of a blind one are tainted. */
  heartbeats(now: number): readonly Heartbeat[] {
    return this.config.vantages.flatMap((id) => this.#beatOf(id, now));
  }

  #beatOf(vantage: string, now: number): Heartbeat[] {
    const at = this.#seen.get(vantage);
    if (at === undefined) return [];
    const illSince = this.minding ? this.lanes.flatMap((lane) => lane.illSince.get(vantage) ?? []) : [];
    const ill = illSince.filter((since) => since > now - this.config.fleetGuard.withinMs).length;
    const total = this.lanes.length;
    return [{ vantage, shard: SHARD, tick: at, at, controls: { answered: 1, total: 1 }, ill, total, illSince }];
  }
}
