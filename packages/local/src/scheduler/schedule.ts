import { latestTime, nextTime, parseCron } from "./cron.ts";

/** When something is due, in epoch milliseconds. */
export interface Schedule {
  /** The first time after `afterMs`; undefined when none is left. */
  next(afterMs: number): number | undefined;
  /** The last time at or before `atMs`; undefined when there was none. */
  latest(atMs: number): number | undefined;
}

export type ParsedSchedule =
  | { readonly ok: true; readonly schedule: Schedule }
  | { readonly ok: false; readonly problem: string };

const UNIT_MS: Readonly<Record<string, number>> = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/**
 * Reads AWS's `rate(5 minutes)` and `cron(0 9 ? * MON-FRI *)`, in UTC. Seconds are ours: AWS's shortest rate is a minute.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rate-expressions.html
 */
export function parseSchedule(text: string): ParsedSchedule {
  const [, kind, inner] = /^\s*(rate|cron)\((.*)\)\s*$/.exec(text) ?? [];
  if (inner === undefined)
    return {
      ok: false,
      problem: `schedule "${text}": write rate(5 minutes) or cron(0 9 ? * MON-FRI *), in small letters`,
    };
  if (kind === "rate") return parseRate(text, inner);
  const parsed = parseCron(inner);
  if (!parsed.ok)
    return { ok: false, problem: `schedule "${text}": ${parsed.problem}. Example: cron(0 9 ? * MON-FRI *)` };
  const { cron } = parsed;
  return { ok: true, schedule: { next: (after) => nextTime(cron, after), latest: (at) => latestTime(cron, at) } };
}

function parseRate(text: string, inner: string): ParsedSchedule {
  const refuse = (problem: string): ParsedSchedule => ({ ok: false, problem: `schedule "${text}": ${problem}` });
  const [value, unit, ...rest] = inner.trim().split(/\s+/);
  if (value === undefined || unit === undefined || rest.length > 0)
    return refuse("a rate is a value and a unit, such as rate(5 minutes)");
  const count = /^\d+$/.test(value) ? Number(value) : 0;
  if (count < 1) return refuse(`the value must be a whole number from 1, not "${value}"`);
  const singular = unit.replace(/s$/, "");
  const unitMs = UNIT_MS[singular];
  if (unitMs === undefined) return refuse(`the unit must be seconds, minutes, hours or days, not "${unit}"`);
  const wanted = count === 1 ? singular : `${singular}s`;
  if (unit !== wanted) return refuse(`write rate(${count} ${wanted})`);
  if (!Number.isSafeInteger(count * unitMs)) return refuse("this is longer than anything lasts");
  return { ok: true, schedule: everyMs(count * unitMs) };
}

/** Every whole multiple of the period since 1970, moved by the phase. Throws for a period below one millisecond. */
export function everyMs(periodMs: number, phaseMs = 0): Schedule {
  if (!(Number.isSafeInteger(periodMs) && periodMs >= 1 && Number.isFinite(phaseMs)))
    throw new RangeError(`a period must be a whole number of milliseconds from 1, not ${periodMs} (phase ${phaseMs})`);
  const latest = (atMs: number) => Math.floor((atMs - phaseMs) / periodMs) * periodMs + phaseMs;
  return { latest, next: (afterMs) => latest(afterMs) + periodMs };
}
