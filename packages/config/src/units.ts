import { fault, type Read } from "./problem.ts";

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  sec: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const WANTS_DURATION = "a duration with its unit (ms, s, m, h or d), above zero";

interface Bound {
  readonly ms: number;
  readonly wants: string;
  readonly example: string;
}

interface Bounds {
  readonly least: Bound;
  readonly most: Bound;
  /** For what is no duration at all. */
  readonly example: string;
}

const ANY_DURATION: Bounds = {
  least: { ms: 1, wants: "a duration of at least 1 ms", example: '"400ms"' },
  most: { ms: 366 * 86_400_000, wants: "a duration of at most 366 days", example: '"24h"' },
  example: '"400ms", "5m" or "1h 30m"',
};

/** Time between two rounds of our own work; no other is as short in earnest. */
const PERIOD: Bounds = {
  least: { ms: 1_000, wants: "a duration of at least 1s, or its own work is all it does", example: '"60s"' },
  most: ANY_DURATION.most,
  example: '"60s"',
};

/** Samples are kept for ten minutes (core, `appendSamples`). */
const INTERVAL: Bounds = {
  least: { ...PERIOD.least, wants: "a duration of at least 1s: a service is not looked at more often" },
  most: { ms: 600_000, wants: "a duration of at most 10m, which is how long samples are kept", example: '"60s"' },
  example: '"60s"',
};

/**
 * Reads a duration as people write it: `"400ms"`, `"5m"`, `"1h 30m"`. Answers whole milliseconds, from 1 ms to 366 days.
 * A bare number is refused, because nobody can tell its unit.
 */
export function parseDuration(value: unknown): Read<number> {
  return readDuration(value, ANY_DURATION);
}

/** The same for the time between two rounds, from 1 s. */
export function parsePeriod(value: unknown): Read<number> {
  return readDuration(value, PERIOD);
}

/** The same for the time between two looks at a target, from 1 s to 10 min. */
export function parseInterval(value: unknown): Read<number> {
  return readDuration(value, INTERVAL);
}

function readDuration(value: unknown, bounds: Bounds): Read<number> {
  if (typeof value !== "string" && typeof value !== "number") return fault(value, WANTS_DURATION, bounds.example);
  const text = String(value).trim().toLowerCase();
  if (/^\d+(\.\d+)?$/.test(text) && Number(text) > 0)
    return fault(value, `${WANTS_DURATION}: a bare number does not say which`, withUnits(Number(text), bounds));
  if (!/^(\d+(\.\d+)?\s*[a-z]+\s*)+$/.test(text)) return fault(value, WANTS_DURATION, bounds.example);
  let sum = 0;
  const used = new Set<number>();
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)/g)) {
    const factor = Object.hasOwn(UNITS, unit ?? "") ? UNITS[unit ?? ""] : undefined;
    if (factor === undefined || used.has(factor)) return fault(value, WANTS_DURATION, bounds.example);
    used.add(factor);
    sum += Number(amount) * factor;
  }
  const ms = Math.round(sum);
  if (ms < bounds.least.ms) return fault(value, bounds.least.wants, bounds.least.example);
  if (ms > bounds.most.ms) return fault(value, bounds.most.wants, bounds.most.example);
  return { ok: true, value: ms };
}

/** What a bare number may have meant, as far as that would be taken. */
function withUnits(amount: number, { least, most, example }: Bounds): string {
  const meant = (["ms", "s"] as const).filter((unit) => {
    const ms = amount * (UNITS[unit] ?? 1);
    return ms >= least.ms && ms <= most.ms;
  });
  return meant.length === 0 ? example : meant.map((unit) => `"${amount}${unit}"`).join(" or ");
}

/** Milliseconds as they would be written in a config: 90_000 → `1m 30s`. */
export function formatDuration(ms: number): string {
  let left = Math.round(ms);
  const parts: string[] = [];
  for (const unit of ["d", "h", "m", "s", "ms"]) {
    const factor = UNITS[unit] ?? 1;
    const count = Math.floor(left / factor);
    if (count > 0) parts.push(`${count}${unit}`);
    left -= count * factor;
  }
  return parts.length === 0 ? "0ms" : parts.join(" ");
}

const WANTS_RATE = "a rate above zero and up to 100 %";

/** Reads a rate as people write it: `"5%"`, or a fraction of 1 such as `0.05`. Answers a fraction, above 0 and up to 1. */
export function parseRate(value: unknown): Read<number> {
  if (typeof value === "number") {
    if (value > 0 && value <= 1) return { ok: true, value };
    return value > 1 && value <= 100
      ? fault(value, `${WANTS_RATE}: as a number it is a fraction of 1`, `"${value}%" or ${value / 100}`)
      : fault(value, WANTS_RATE, '"5%" or 0.05');
  }
  if (typeof value !== "string") return fault(value, WANTS_RATE, '"5%" or 0.05');
  const match = /^(\d+(?:\.\d+)?)\s*%$/.exec(value.trim());
  const rate = match === null ? Number.NaN : Number(match[1]) / 100;
  return rate > 0 && rate <= 1 ? { ok: true, value: rate } : fault(value, WANTS_RATE, '"5%" or 0.05');
}

/** Bytes as a whole number, or with a unit: `"64kB"`, `"1MB"` (1 kB is 1,024 bytes). */
export function parseSize(value: unknown): Read<number> {
  const wants = "a size from 1 byte to 1 MB";
  const example = '"64kB"';
  const match = typeof value === "string" ? /^(\d+)\s*(B|kB|MB)$/i.exec(value.trim()) : null;
  const factor = match === null ? 1 : (SIZES[(match[2] ?? "").toLowerCase()] ?? Number.NaN);
  const bytes = typeof value === "number" ? value : match === null ? Number.NaN : Number(match[1]) * factor;
  if (!Number.isInteger(bytes) || bytes < 1 || bytes > 1_048_576) return fault(value, wants, example);
  return { ok: true, value: bytes };
}

const SIZES: Readonly<Record<string, number>> = { b: 1, kb: 1_024, mb: 1_048_576 };

/** A moment as ISO 8601 with its zone: `2027-03-01T02:00Z`, `2027-03-01T02:00:00+01:00`. Answers epoch milliseconds. */
export function parseMoment(value: unknown): Read<number> {
  const wants = "a date and time in ISO 8601 with its zone (Z or ±hh:mm)";
  const example = '"2027-03-01T02:00:00Z"';
  if (typeof value !== "string") return fault(value, wants, example);
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.exec(value.trim());
  if (match === null) return fault(value, wants, example);
  const [year, month, day, hour] = match.slice(1, 5).map(Number);
  const ms = Date.parse(value.trim());
  // JavaScript takes 30 February for 2 March; a window on the wrong day heals during the migration.
  const calendar = new Date(Date.UTC(year ?? 0, (month ?? 0) - 1, day));
  const exists = calendar.getUTCMonth() + 1 === month && calendar.getUTCDate() === day && (hour ?? 24) < 24;
  return Number.isNaN(ms) || !exists ? fault(value, "a date and time that exist", example) : { ok: true, value: ms };
}

/** A time of day in UTC, `"02:00"`; `"24:00"` is the day's end. Answers milliseconds from the day's start. */
export function parseTimeOfDay(value: unknown): Read<number> {
  const match = typeof value === "string" ? /^(\d\d):(\d\d)$/.exec(value.trim()) : null;
  const minutes = match === null ? Number.NaN : Number(match[1]) * 60 + Number(match[2]);
  if (match === null || Number(match[2]) > 59 || minutes > 1_440)
    return fault(value, "a time of day in UTC from 00:00 to 24:00", '"02:00"');
  return { ok: true, value: minutes * 60_000 };
}
