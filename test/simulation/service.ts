import type { Outcome, Sample } from "@neuropilot/core";
import type { Chance, Engine } from "./engine.ts";

export type Cure = "restart" | "purge-cache" | "nothing";

/** What can be wrong with a service, from when, and what ends it. */
export interface Fault {
  readonly from: number;
  readonly kind: "refused" | "hangs" | "5xx" | "slow" | "failing" | "blocked";
  readonly cure: Cure;
  /** The share of answers that are wrong: below 1 for `failing`. */
  readonly share: number;
  /** When it passes by itself, epoch milliseconds. */
  readonly until: number;
  /** The probability that the cure helps, each time that it is tried; 1 if absent. */
  readonly cureChance?: number;
  /** A restart turns it into an outage that nothing cures. */
  readonly worsens?: boolean;
  /** It comes and goes: wrong for so long, then well for so long. */
  readonly flaps?: { readonly illMs: number; readonly wellMs: number };
  /** The id of the common fault that it is a part of. */
  readonly group?: string;
}

/** The vendor really did it. */
export interface Applied {
  readonly at: number;
  readonly remedy: "restart" | "purge-cache";
  readonly attempt: string;
}

const BOOT_MS = 8_000;

/** One site of a watched service as it truly is. */
export class Service {
  readonly key: string;
  readonly #engine: Engine;
  readonly #chance: Chance;
  readonly #faults: Fault[];
  /** Down for a moment whenever it is restarted. */
  readonly boots: { readonly from: number; readonly to: number }[] = [];
  readonly cured = new Map<Fault, number>();
  readonly applied: Applied[] = [];

  constructor(key: string, engine: Engine, chance: Chance, faults: readonly Fault[]) {
    this.key = key;
    this.#engine = engine;
    this.#chance = chance;
    this.#faults = [...faults];
  }

  get faults(): readonly Fault[] {
    return this.#faults;
  }

  faultAt(time: number): Fault | undefined {
    return this.#faults.find((fault) => fault.from <= time && time < this.endOf(fault));
  }

  endOf(fault: Fault): number {
    return Math.min(fault.until, this.cured.get(fault) ?? Number.POSITIVE_INFINITY);
  }

  /** Whether anything was wrong with it at some moment of a stretch of time. */
  wasIllWithin(from: number, to: number): boolean {
    return (
      this.#faults.some((fault) => fault.from < to && this.endOf(fault) > from) ||
      this.boots.some((boot) => boot.from < to && boot.to > from)
    );
  }

  apply(remedy: Applied["remedy"], attempt: string): void {
    const { now } = this.#engine;
    const over = remedy === "restart" ? now + BOOT_MS : now;
    this.applied.push({ at: now, remedy, attempt });
    if (remedy === "restart") this.boots.push({ from: now, to: over });
    const fault = this.faultAt(now);
    if (fault === undefined) return;
    const helps = fault.cure === remedy && (fault.cureChance === undefined || this.#chance.happens(fault.cureChance));
    if (helps) this.cured.set(fault, over);
    else if (fault.worsens === true && remedy === "restart") {
      this.cured.set(fault, now);
      this.#faults.push({ from: now, kind: "refused", cure: "nothing", share: 1, until: fault.until });
    }
  }

  /** What a request that starts now would see, and how long it takes. */
  answer(timeoutMs: number): Sample {
    const { now } = this.#engine;
    if (this.boots.some((boot) => boot.from <= now && now < boot.to)) return sample(now, "refused", 0, 0);
    const fault = this.faultAt(now);
    if (fault === undefined || isBetween(fault, now) || !this.#chance.happens(fault.share))
      return sample(now, "ok", 40, 50);
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

/** A fault that flaps, in a moment in which all is well. */
function isBetween({ flaps, from }: Fault, now: number): boolean {
  return flaps !== undefined && (now - from) % (flaps.illMs + flaps.wellMs) >= flaps.illMs;
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
