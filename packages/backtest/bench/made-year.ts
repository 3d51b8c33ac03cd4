import { type HistoryChunk, type HistoryEntry, sampleEntry } from "@neuropilot/backtest";
import type { Outcome, Sample } from "@neuropilot/core";

/** Mulberry32: the same year for a seed on every machine. */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface MadeYear {
  readonly seed: number;
  readonly from: number;
  readonly days: number;
  readonly vantages: readonly string[];
  /** Between two samples of one vantage, milliseconds. */
  readonly everyMs: number;
}

interface Spell {
  readonly from: number;
  readonly to: number;
  readonly kind: "down" | "slow" | "failing" | "burst";
  readonly vantage?: number;
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** A year as years are: an outage every ten days, one of them in twelve long; short blips, slow afternoons, bursts of loss. */
function spellsOf({ from, days, vantages }: MadeYear, next: () => number): Spell[] {
  const spells: Spell[] = [];
  const add = (perDay: number, kind: Spell["kind"], meanMs: number, of?: () => number) => {
    for (let at = from; ; ) {
      at += (-Math.log(1 - next()) * DAY_MS) / perDay;
      if (at > from + days * DAY_MS) return;
      const to = at - Math.log(1 - next()) * meanMs;
      spells.push({ from: at, to, kind, ...(of === undefined ? {} : { vantage: of() }) });
    }
  };
  add(0.1, "down", 10 * MINUTE_MS);
  add(0.01, "down", 120 * MINUTE_MS);
  add(0.3, "down", 40_000);
  add(0.1, "slow", 30 * MINUTE_MS);
  add(0.1, "failing", 20 * MINUTE_MS);
  add(1.5 * vantages.length, "burst", 60_000, () => Math.floor(next() * vantages.length));
  return spells.sort((a, b) => a.from - b.from);
}

const CHUNK = 4_096;

/** Samples of one target, in order; 0.1 % of them fail by chance and 0.5 % are slow. */
export async function* madeYear(year: MadeYear): AsyncGenerator<HistoryChunk> {
  const next = chance(year.seed);
  const waiting = spellsOf(year, next);
  let now: Spell[] = [];
  let entries: HistoryEntry[] = [];
  const where = (index: number) => `made sample ${index}`;
  for (let at = year.from; at < year.from + year.days * DAY_MS; at += year.everyMs) {
    while ((waiting[0]?.from ?? Number.POSITIVE_INFINITY) <= at) now.push(...waiting.splice(0, 1));
    if (now.length > 0) now = now.filter(({ to }) => to > at);
    for (const [index, vantage] of year.vantages.entries()) {
      const startedAt = at + index * 300 + Math.floor(next() * 200);
      entries.push(sampleEntry("api", "primary", vantage, sampleOf(now, index, startedAt, next)));
    }
    if (entries.length < CHUNK) continue;
    yield { kind: "entries", entries, where };
    entries = [];
  }
  yield { kind: "entries", entries, where };
}

function sampleOf(spells: readonly Spell[], vantage: number, startedAt: number, next: () => number): Sample {
  for (const spell of spells) {
    if (spell.vantage !== undefined && spell.vantage !== vantage) continue;
    if (spell.kind === "slow") return made(startedAt, "ok", 500 + next() * 800);
    if (spell.kind !== "failing" || next() < 0.3) return made(startedAt, "status", 20);
  }
  const draw = next();
  if (draw < 0.001) return made(startedAt, "timeout", 0);
  return made(startedAt, "ok", draw < 0.006 ? 400 + next() * 600 : 60 + next() * 80);
}

function made(startedAt: number, outcome: Outcome, ttfbMs: number): Sample {
  const status = outcome === "ok" ? 200 : outcome === "status" ? 503 : 0;
  const totalMs = outcome === "timeout" ? 10_000 : Math.round(ttfbMs) + 10;
  return { startedAt, outcome, status, ttfbMs: Math.round(ttfbMs), totalMs, tainted: false, reused: false };
}
