import { type Config, shardsOf, targetsOfShard } from "@neuropilot/config";
import { type Sample, siteKey, type WindowItem } from "@neuropilot/core";
import type { Served, TickStart } from "./messages.ts";
import { isFaulty, numberOf, VANTAGE } from "./scene.ts";

/** A stretch of the run, epoch milliseconds, half-open. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

export interface Looks {
  /** Looks that had to be, one per target and tick, and those that there were. */
  readonly expected: number;
  readonly reached: number;
  /** From a tick's scheduled time to the start of its first sample, milliseconds, per tick. */
  readonly firstSampleLateMs: readonly number[];
  /** From a tick's scheduled time to the end of its last first look, milliseconds, per tick. */
  readonly allLookedAtMs: readonly number[];
}

/** Which targets were looked at in which tick, by the samples in the windows. Only whole ticks within the stretch count. */
export function looksOf(
  config: Config,
  windows: readonly WindowItem[],
  ticks: readonly TickStart[],
  stretch: Stretch,
): Looks {
  let expected = 0;
  let reached = 0;
  const firstSampleLateMs: number[] = [];
  const allLookedAtMs: number[] = [];
  for (const shard of shardsOf(config)) {
    const window = windows.find((one) => one.shard === shard);
    const targets = targetsOfShard(config, shard);
    for (const tick of scheduledTicks(config, shard, ticks, stretch)) {
      const firsts = targets.flatMap(
        (target) =>
          target.sites.map((site) =>
            window?.sites[siteKey(target.id, site.id)]?.samples.find(
              ({ startedAt }) => startedAt >= tick && startedAt < tick + config.intervalMs,
            ),
          )[0] ?? [],
      );
      expected += targets.length;
      reached += firsts.length;
      if (firsts.length === 0) continue;
      firstSampleLateMs.push(Math.min(...firsts.map(({ startedAt }) => startedAt)) - tick);
      allLookedAtMs.push(Math.max(...firsts.map(({ startedAt, totalMs }) => startedAt + totalMs)) - tick);
    }
  }
  return { expected, reached, firstSampleLateMs, allLookedAtMs };
}

/** The times at which a shard had to look, whether it did or not: the schedule is known from any tick that began. */
function scheduledTicks(config: Config, shard: string, ticks: readonly TickStart[], { from, to }: Stretch): number[] {
  // The first of all comes soon after the start, out of step.
  const any = ticks.findLast(({ schedule }) => schedule === `probe/${VANTAGE}/${shard}`);
  if (any === undefined) return [];
  const phase = any.tick % config.intervalMs;
  const first = Math.ceil((from - phase) / config.intervalMs) * config.intervalMs + phase;
  const all: number[] = [];
  for (let tick = first; tick + config.intervalMs <= to; tick += config.intervalMs) all.push(tick);
  return all;
}

export interface Judged {
  readonly samples: number;
  readonly tainted: number;
  /** Of targets that never failed: outcomes other than `ok`. */
  readonly falselyBad: number;
  /** Time to first byte as measured, and as the server knows it, milliseconds; samples that count only. */
  readonly measuredMs: readonly number[];
  readonly trueMs: readonly number[];
  /** The one less the other, sample by sample. */
  readonly addedMs: readonly number[];
}

/** What the samples of a stretch say, beside what the server knows of the same requests. */
export function judgeSamples(windows: readonly WindowItem[], served: readonly Served[], stretch: Stretch): Judged {
  const truths = Map.groupBy(served, ({ target }) => target);
  let samples = 0;
  let tainted = 0;
  let falselyBad = 0;
  const measuredMs: number[] = [];
  const trueMs: number[] = [];
  for (const window of windows)
    for (const [key, site] of Object.entries(window.sites)) {
      const target = numberOf(key.slice(0, key.indexOf("/")));
      for (const sample of site.samples) {
        if (sample.startedAt < stretch.from || sample.startedAt >= stretch.to) continue;
        samples++;
        if (sample.tainted) tainted++;
        if (sample.outcome !== "ok") {
          if (!isFaulty(target)) falselyBad++;
          continue;
        }
        const truth = sample.tainted ? undefined : truthOf(sample, truths.get(target) ?? []);
        if (truth === undefined) continue;
        measuredMs.push(sample.ttfbMs);
        trueMs.push(truth.tookMs);
      }
    }
  const addedMs = measuredMs.map((measured, index) => measured - (trueMs[index] ?? measured));
  return { samples, tainted, falselyBad, measuredMs, trueMs, addedMs };
}

/** Two clocks of one machine, one of them in whole milliseconds. */
const CLOCK_MS = 5;

function truthOf({ startedAt, totalMs }: Sample, served: readonly Served[]): Served | undefined {
  return served.find(({ at }) => at >= startedAt - CLOCK_MS && at <= startedAt + totalMs + CLOCK_MS);
}

/** The smallest value that is not less than this share of them. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
