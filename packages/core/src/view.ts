import type { Config, IllKind, TargetConfig } from "@neuropilot/config";
import type { Sample } from "./sample.ts";
import { CLOCK_AHEAD_MS, counts, freshMs, isBad, isSlow, meaningOf } from "./window.ts";

/** What one vantage concludes about one site. */
export type View = "healthy" | "suspect" | IllKind;

export interface Conclusion {
  readonly view: View;
  /** For people: the numbers behind it. */
  readonly why: string;
  /** The start of the unbroken run of bad samples at the end, where there is one. */
  readonly badSince?: number;
  /** When the last one of that run had failed. */
  readonly badUntil?: number;
  /** Several bad samples in a row, not yet long enough to be sure. */
  readonly holding: boolean;
}

export interface Look {
  readonly samples: readonly Sample[];
  /** The vantage's last tick, epoch milliseconds: its samples are the present. */
  readonly tick: number;
  /** Samples before this belong to the time before a remedy and prove nothing about now. */
  readonly evidenceFrom: number;
}

const SLOW_PARTS = 5;
/** Fewer than this in a row is chance, however far apart. */
const MIN_STREAK = 3;

/** Concludes from samples alone; pure, and independent of how often or in which order it is asked. */
export function conclude(config: Config, target: TargetConfig, look: Look, now: number): Conclusion {
  const samples = look.samples.filter(
    (sample) => counts(sample) && sample.startedAt >= look.evidenceFrom && sample.startedAt <= now + CLOCK_AHEAD_MS,
  );
  const last = samples.at(-1);
  if (last === undefined || last.startedAt < now - freshMs(config))
    return { view: "inconclusive", why: "no fresh sample that counts", holding: false };

  const streak = trailingStreak(samples, config.intervalMs * 2);
  const held = heldStreak(config, target, streak);
  if (held !== undefined) return held;

  const slow = concludeSlow(target, samples, now);
  if (slow !== undefined) return slow;

  const first = streak[0];
  if (first !== undefined)
    return {
      view: "suspect",
      why: `${streak.length} failures in a row, the last: ${describe(last)}`,
      badSince: first.startedAt,
      holding: streak.length >= MIN_STREAK,
    };
  const present = samples.filter((sample) => sample.startedAt >= look.tick);
  const bad = present.filter(isBad).length;
  if (bad > 0) return { view: "suspect", why: `${bad} of ${present.length} bad in this tick`, holding: false };
  const slowNow = present.filter((sample) => isSlow(sample, target.rules.slow.thresholdMs)).length;
  if (slowNow * 2 > present.length)
    return { view: "suspect", why: `${slowNow} of ${present.length} slow in this tick`, holding: false };
  // Last, for a certificate has weeks and must hide nothing that is wrong today.
  return concludeExpiring(target, last) ?? { view: "healthy", why: `${describe(last)}`, holding: false };
}

function trailingStreak(samples: readonly Sample[], maxGapMs: number): readonly Sample[] {
  let start = samples.length;
  for (let index = samples.length - 1; index >= 0; index--) {
    const sample = samples[index];
    const next = samples[index + 1];
    if (sample === undefined || !isBad(sample)) break;
    if (next !== undefined && next.startedAt - sample.startedAt > maxGapMs) break;
    start = index;
  }
  return samples.slice(start);
}

function heldStreak(config: Config, target: TargetConfig, streak: readonly Sample[]): Conclusion | undefined {
  const first = streak[0];
  const last = streak.at(-1);
  if (first === undefined || last === undefined || streak.length < MIN_STREAK) return undefined;
  const { holdMs, holdAloneMs } = target.rules.down;
  const hold = config.vantages.length === 1 ? holdAloneMs : holdMs;
  const lasted = last.startedAt + last.totalMs - first.startedAt;
  if (lasted < hold) return undefined;
  const notCurable = streak.filter((sample) => meaningOf(sample.outcome) === "not-curable");
  const why = `${streak.length} failures in a row over ${seconds(lasted)}, the last: ${describe(last)}`;
  const rest = { why, badSince: first.startedAt, badUntil: last.startedAt + last.totalMs, holding: false };
  // A tie goes to the fault that a restart cannot cure: a wrong restart costs more than none.
  if (notCurable.length * 2 < streak.length) return { view: "down", ...rest };
  const blocked = notCurable.filter((sample) => sample.outcome === "blocked").length;
  return { view: blocked * 2 >= notCurable.length ? "blocked" : "misconfigured", ...rest };
}

function concludeSlow(target: TargetConfig, samples: readonly Sample[], now: number): Conclusion | undefined {
  const { windowMs, share, minSamples, minParts, thresholdMs } = target.rules.slow;
  const inWindow = samples.filter((sample) => sample.outcome === "ok" && sample.startedAt > now - windowMs);
  if (inWindow.length < minSamples) return undefined;
  const parts = Array.from({ length: SLOW_PARTS }, () => ({ slow: 0, all: 0 }));
  let slow = 0;
  for (const sample of inWindow) {
    // A vantage's clock may be ahead of ours: its newest samples belong to the last part.
    const part = parts[Math.max(0, Math.floor(((now - sample.startedAt) / windowMs) * SLOW_PARTS))];
    if (part === undefined) continue;
    part.all++;
    if (!isSlow(sample, thresholdMs)) continue;
    part.slow++;
    slow++;
  }
  if (slow < share * inWindow.length) return undefined;
  const slowParts = parts.filter((part) => part.slow > 0 && part.slow >= share * part.all).length;
  const lastPart = parts.find((part) => part.all > 0);
  if (slowParts < minParts || lastPart === undefined || lastPart.slow < share * lastPart.all) return undefined;
  return {
    view: "slow",
    why: `${slow} of ${inWindow.length} answers above ${thresholdMs} ms within ${seconds(windowMs)}, in ${slowParts} of ${SLOW_PARTS} parts of it`,
    holding: false,
  };
}

function concludeExpiring(target: TargetConfig, last: Sample): Conclusion | undefined {
  if (last.certificateDays === undefined) return undefined;
  if (last.certificateDays >= target.rules.expiring.days) return undefined;
  return { view: "expiring", why: `the certificate ends in ${last.certificateDays} days`, holding: false };
}

export function describe(sample: Sample): string {
  if (sample.outcome === "ok") return `${sample.status} in ${Math.round(sample.ttfbMs)} ms`;
  return sample.detail ?? (sample.status > 0 ? `${sample.outcome} ${sample.status}` : sample.outcome);
}

export function seconds(ms: number): string {
  if (ms < 10_000) return `${Math.round(ms / 100) / 10} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}
