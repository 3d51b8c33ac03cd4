import type { Config } from "@neuropilot/config";
import type { Outcome, Sample } from "@neuropilot/core";
import { fleet, sampleAt, targetConfig } from "@neuropilot/core/fixture";
import { type HistoryChunk, type HistoryEntry, type HistorySource, sampleEntry } from "./entry.ts";
import { DEFAULT_TAKES_MS, type Replay, type ReplayOptions, replay } from "./replay.ts";

/** Histories for tests, with a known answer. */

export const VANTAGES = ["east", "north", "west"];
/** A Thursday at noon, a multiple of everything. */
export const NOON = Date.UTC(2026, 0, 1, 12);
export const MINUTE = 60_000;

export const OPTIONS: ReplayOptions = { aloneWithinMs: 300_000, outageMs: 180_000, takesMs: DEFAULT_TAKES_MS };

export function policy(change: Partial<Config> = {}): Config {
  return fleet({ vantages: VANTAGES, ...change });
}

export function policyWith(rules: Partial<ReturnType<typeof targetConfig>["rules"]>): Config {
  const target = targetConfig();
  return policy({ targets: [{ ...target, rules: { ...target.rules, ...rules } }] });
}

export type What = (at: number, vantage: string, index: number) => Outcome | Partial<Sample> | undefined;

export interface Planted {
  readonly minutes: number;
  readonly everyMs?: number;
  readonly vantages?: readonly string[];
  readonly from?: number;
  readonly target?: string;
  /** What a look finds at a time; undefined where none is made. */
  readonly what: What;
}

/** Samples of every vantage at the same moments, from noon on. */
export function planted({
  minutes,
  everyMs = 12_000,
  vantages = VANTAGES,
  from = NOON,
  ...rest
}: Planted): HistoryEntry[] {
  const entries: HistoryEntry[] = [];
  for (let at = from, index = 0; at < from + minutes * MINUTE; at += everyMs, index++)
    for (const vantage of vantages) {
      const found = rest.what(at, vantage, index);
      if (found === undefined) continue;
      const sample = typeof found === "string" ? sampleAt(at, found) : sampleAt(at, found.outcome ?? "ok", found);
      entries.push(sampleEntry(rest.target ?? "api", "primary", vantage, sample));
    }
  return entries;
}

/** Bad from so many minutes after noon to so many. */
export function between(from: number, to: number, outcome: Outcome = "refused"): What {
  return (at) => (at >= NOON + from * MINUTE && at < NOON + to * MINUTE ? outcome : "ok");
}

export async function* sourceOf(
  entries: readonly HistoryEntry[],
  chunk = 100,
): HistorySource & AsyncGenerator<HistoryChunk> {
  for (let at = 0; at < entries.length; at += chunk)
    yield { kind: "entries", entries: entries.slice(at, at + chunk), where: (index) => `entry ${at + index + 1}` };
}

/** Replays, and holds that it went well. */
export async function replayed(
  entries: readonly HistoryEntry[],
  policies: readonly Config[] = [policy()],
  options: Partial<ReplayOptions> = {},
): Promise<Replay> {
  const result = await replay(sourceOf(entries), policies, { ...OPTIONS, ...options });
  if (!result.ok) throw new Error(result.problem);
  return result.replay;
}
