import type { Outcome, Sample } from "@neuropilot/core";
import type { Chance, Engine } from "./engine.ts";

/** What can be wrong with the service, from when, and what ends it. */
export interface Fault {
  readonly from: number;
  readonly kind: "refused" | "hangs" | "5xx" | "slow" | "failing" | "blocked";
  readonly cure: "restart" | "purge-cache" | "nothing";
  /** The share of answers that are wrong: below 1 for `failing`. */
  readonly share: number;
  /** When it passes by itself, epoch milliseconds. */
  readonly until: number;
}

/** The watched service as it truly is. */
export class Service {
  readonly #engine: Engine;
  readonly #chance: Chance;
  readonly faults: readonly Fault[];
  /** Down for a moment whenever it is restarted. */
  readonly boots: { readonly from: number; readonly to: number }[] = [];
  readonly cured = new Map<Fault, number>();

  constructor(engine: Engine, chance: Chance, faults: readonly Fault[]) {
    this.#engine = engine;
    this.#chance = chance;
    this.faults = faults;
  }

  faultAt(time: number): Fault | undefined {
    return this.faults.find((fault) => fault.from <= time && time < this.endOf(fault));
  }

  endOf(fault: Fault): number {
    return Math.min(fault.until, this.cured.get(fault) ?? Number.POSITIVE_INFINITY);
  }

  /** The vendor really did it. */
  apply(remedy: "restart" | "purge-cache"): void {
    const { now } = this.#engine;
    const over = remedy === "restart" ? now + 8_000 : now;
    if (remedy === "restart") this.boots.push({ from: now, to: over });
    const fault = this.faultAt(now);
    if (fault?.cure === remedy) this.cured.set(fault, over);
  }

  /** What a request that starts now would see, and how long it takes. */
  answer(timeoutMs: number): Sample {
    const { now } = this.#engine;
    if (this.boots.some((boot) => boot.from <= now && now < boot.to)) return sample(now, "refused", 0, 0);
    const fault = this.faultAt(now);
    if (fault === undefined || !this.#chance.happens(fault.share)) return sample(now, "ok", 40, 50);
    switch (fault.kind) {
      case "refused":
        return sample(now, "refused", 0, 0);
      case "hangs":
        return sample(now, "timeout", 0, timeoutMs);
      case "5xx":
      case "failing":
        return sample(now, "status", 30, 40);
      case "slow":
        return sample(now, "ok", 900, 950);
      case "blocked":
        return sample(now, "blocked", 30, 40);
    }
  }
}

export function sample(startedAt: number, outcome: Outcome, ttfbMs: number, totalMs: number): Sample {
  const status = outcome === "ok" ? 200 : outcome === "status" ? 503 : outcome === "blocked" ? 403 : 0;
  return { startedAt, outcome, status, ttfbMs, totalMs, tainted: false, reused: false };
}

/** A vantage's own trouble, in bursts: Gilbert and Elliott's channel with everything lost while it is bad. */
export interface Burst {
  readonly from: number;
  readonly to: number;
  /** All of the vantage's network, so that its controls fail too; otherwise the way to the target only. */
  readonly whole: boolean;
}

/** Bursts with a mean length, as often as it takes for the wanted share of time, up to `end`. */
export function bursts(
  chance: Chance,
  from: number,
  end: number,
  shape: { readonly share: number; readonly meanMs: number; readonly whole: number },
): Burst[] {
  const found: Burst[] = [];
  if (shape.share <= 0) return found;
  for (let time = from + chance.exponential(shape.meanMs / shape.share); time < end; ) {
    const to = time + chance.exponential(shape.meanMs);
    found.push({ from: time, to, whole: chance.happens(shape.whole) });
    time = to + chance.exponential(shape.meanMs / shape.share);
  }
  return found;
}

export function burstAt(all: readonly Burst[], time: number): Burst | undefined {
  return all.find((burst) => burst.from <= time && time < burst.to);
}
