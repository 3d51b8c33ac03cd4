/**
 * AWS's cron expressions, in UTC: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cron-expressions.html
 *
 * Our own, because the library for them (aws-cron-parser 1.1.12) turns the 31st of a short month into the 1st of the next,
 * reads only the first of a list with steps, wants lists sorted, finds the last weekday of a month in the machine's time
 * zone, and gives up after ten steps. Where it is right, the tests hold this against it.
 */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const SATURDAY = 7;

export interface Cron {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly days: Days;
  readonly months: readonly number[];
  readonly years: readonly number[];
}

/** Which days of a month; days of the week count from 1, Sunday. */
type Days =
  | { readonly kind: "of-month"; readonly days: readonly number[] }
  | { readonly kind: "before-last"; readonly days: number }
  | { readonly kind: "weekday-nearest"; readonly day: number }
  | { readonly kind: "last-weekday" }
  | { readonly kind: "of-week"; readonly days: readonly number[] }
  | { readonly kind: "last-of-week-day"; readonly day: number }
  | { readonly kind: "nth-of-week-day"; readonly day: number; readonly nth: number };

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** Names for the numbers from `min` on. */
  readonly names?: readonly string[];
  readonly steps: boolean;
}

const MINUTES: Field = { name: "minutes", min: 0, max: 59, steps: true };
const HOURS: Field = { name: "hours", min: 0, max: 23, steps: true };
const DAY_OF_MONTH: Field = { name: "day-of-month", min: 1, max: 31, steps: true };
const MONTHS: Field = {
  name: "month",
  min: 1,
  max: 12,
  names: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
  steps: true,
};
const DAY_OF_WEEK: Field = {
  name: "day-of-week",
  min: 1,
  max: 7,
  names: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
  steps: false,
};
const YEARS: Field = { name: "year", min: 1970, max: 2199, steps: true };

/** What a field may not be; becomes the problem that the user reads. */
class CronProblem extends Error {}

/** Reads the six fields between the parentheses of `cron(…)`. */
export function parseCron(fields: string): { ok: true; cron: Cron } | { ok: false; problem: string } {
  const parts = fields.trim() === "" ? [] : fields.trim().toUpperCase().split(/\s+/);
  const [minutes, hours, dayOfMonth, month, dayOfWeek, year] = parts;
  if (year === undefined || dayOfWeek === undefined || parts.length !== 6)
    return { ok: false, problem: wrongCount(parts.length) };
  try {
    const cron: Cron = {
      minutes: numbers(minutes ?? "", MINUTES),
      hours: numbers(hours ?? "", HOURS),
      days: days(dayOfMonth ?? "", dayOfWeek),
      months: numbers(month ?? "", MONTHS),
      years: numbers(year, YEARS),
    };
    if (nextTime(cron, Date.UTC(1970, 0, 1) - 1) === undefined) return { ok: false, problem: "no such day ever comes" };
    return { ok: true, cron };
  } catch (error) {
    if (error instanceof CronProblem) return { ok: false, problem: error.message };
    throw error;
  }
}

function wrongCount(count: number): string {
  const hint = count === 5 ? "; Unix has five, AWS wants the year too" : "";
  return `it has ${count} fields, not 6 (minutes hours day-of-month month day-of-week year)${hint}`;
}

function days(ofMonth: string, ofWeek: string): Days {
  if (ofMonth === "?" && ofWeek === "?")
    throw new CronProblem("day-of-month and day-of-week are both ?; one of them must say which days, * for all");
  if (ofMonth !== "?" && ofWeek !== "?")
    throw new CronProblem(`day-of-month is ${ofMonth} and day-of-week is ${ofWeek}; one of them must be ?`);
  return ofWeek === "?" ? daysOfMonth(ofMonth) : daysOfWeek(ofWeek);
}

function daysOfMonth(text: string): Days {
  if (text === "L") return { kind: "before-last", days: 0 };
  if (text === "LW") return { kind: "last-weekday" };
  const before = /^L-(\d+)$/.exec(text)?.[1];
  if (before !== undefined) return { kind: "before-last", days: oneNumber(before, { ...DAY_OF_MONTH, max: 30 }) };
  const nearest = /^([^,]+)W$/.exec(text)?.[1];
  if (nearest !== undefined) return { kind: "weekday-nearest", day: oneNumber(nearest, DAY_OF_MONTH) };
  if (/[LW]/.test(text)) throw new CronProblem(`day-of-month ${text}: L and W stand alone, such as L, L-2, 15W or LW`);
  return { kind: "of-month", days: numbers(text, DAY_OF_MONTH) };
}

function daysOfWeek(text: string): Days {
  // The last day of the week.
  if (text === "L") return { kind: "of-week", days: [SATURDAY] };
  const last = /^([^,#]+)L$/.exec(text)?.[1];
  if (last !== undefined) return { kind: "last-of-week-day", day: oneNumber(last, DAY_OF_WEEK) };
  const [, day, nth] = /^([^,#]+)#(\d+)$/.exec(text) ?? [];
  if (day !== undefined && nth !== undefined)
    return {
      kind: "nth-of-week-day",
      day: oneNumber(day, DAY_OF_WEEK),
      nth: oneNumber(nth, { name: "day-of-week, after #,", min: 1, max: 5, steps: false }),
    };
  if (text.includes("#"))
    throw new CronProblem(`day-of-week ${text}: # stands alone, such as 3#2 for the second Tuesday`);
  return { kind: "of-week", days: numbers(text, DAY_OF_WEEK) };
}

/** `*`, or a list of numbers, ranges and steps, as sorted numbers. */
function numbers(text: string, field: Field): readonly number[] {
  if (text === "?") throw new CronProblem(`${field.name} cannot be ?; write * for all`);
  const all = text === "*" ? [rangeOf("*", field)] : text.split(",").map((part) => listed(part, field));
  return [...new Set(all.flat())].sort((a, b) => a - b);
}

function listed(part: string, field: Field): readonly number[] {
  if (part === "*") throw new CronProblem(`${field.name} has * in a list; * is all of them, so write it alone`);
  const [range, step, ...rest] = part.split("/");
  if (range === undefined || rest.length > 0) throw new CronProblem(`${field.name} has "${part}" with more than one /`);
  if (step === undefined) return rangeOf(range, field);
  if (!field.steps) throw new CronProblem(`${field.name} takes no steps (/); list the values instead`);
  const every = oneNumber(step, { name: `${field.name}, after /,`, min: 1, max: field.max, steps: false });
  const within = /[-*]/.test(range) ? range : `${range}-${field.max}`;
  return rangeOf(within, field).filter((_, index) => index % every === 0);
}

function rangeOf(text: string, field: Field): readonly number[] {
  const [from, to, ...rest] = text === "*" ? [String(field.min), String(field.max)] : text.split("-");
  if (from === undefined || rest.length > 0) throw new CronProblem(`${field.name} has "${text}", which is no range`);
  const first = oneNumber(from, field);
  const last = to === undefined ? first : oneNumber(to, field);
  if (last < first)
    throw new CronProblem(
      `${field.name} has ${text}, which runs backwards; write ${from}-${field.max},${field.min}-${to}`,
    );
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function oneNumber(text: string, field: Field): number {
  const named = field.names?.indexOf(text) ?? -1;
  if (named >= 0) return field.min + named;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= field.min && value <= field.max) return value;
  const names = field.names === undefined ? "" : `, or ${field.names[0]} to ${field.names.at(-1)}`;
  throw new CronProblem(`${field.name} has "${text}"; it takes ${field.min} to ${field.max}${names}`);
}

/** The first time after `afterMs` (epoch milliseconds); undefined when there is none left. */
export function nextTime(cron: Cron, afterMs: number): number | undefined {
  const from = (Math.floor(afterMs / MINUTE_MS) + 1) * MINUTE_MS;
  for (const midnight of daysFrom(cron, from, "up"))
    for (const hour of cron.hours)
      for (const minute of cron.minutes) {
        const time = midnight + hour * HOUR_MS + minute * MINUTE_MS;
        if (time >= from) return time;
      }
  return undefined;
}

/** The last time at or before `atMs`; undefined when there was none. */
export function latestTime(cron: Cron, atMs: number): number | undefined {
  for (const midnight of daysFrom(cron, atMs, "down"))
    for (const hour of cron.hours.toReversed())
      for (const minute of cron.minutes.toReversed()) {
        const time = midnight + hour * HOUR_MS + minute * MINUTE_MS;
        if (time <= atMs) return time;
      }
  return undefined;
}

/** The midnights of matching days from the one that `ms` is in, up or down. */
function* daysFrom(cron: Cron, ms: number, direction: "up" | "down"): Generator<number> {
  const up = direction === "up";
  const ordered = (values: readonly number[]) => (up ? values : values.toReversed());
  const start = new Date(ms);
  const startMonth = start.getUTCFullYear() * 12 + start.getUTCMonth();
  const startDay = Math.floor(ms / DAY_MS) * DAY_MS;
  for (const year of ordered(cron.years))
    for (const month of ordered(cron.months)) {
      const at = year * 12 + month - 1;
      if (up ? at < startMonth : at > startMonth) continue;
      for (const day of ordered(daysIn(cron.days, year, month))) {
        const midnight = Date.UTC(year, month - 1, day);
        if (up ? midnight >= startDay : midnight <= startDay) yield midnight;
      }
    }
}

function daysIn(rule: Days, year: number, month: number): readonly number[] {
  const last = new Date(Date.UTC(year, month, 0)).getUTCDate();
  const all = Array.from({ length: last }, (_, index) => index + 1);
  const dayOfWeek = (day: number) => new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 1;
  const isWeekday = (day: number) => day >= 1 && day <= last && dayOfWeek(day) !== 1 && dayOfWeek(day) !== SATURDAY;
  switch (rule.kind) {
    case "of-month":
      return rule.days.filter((day) => day <= last);
    case "before-last":
      return last - rule.days >= 1 ? [last - rule.days] : [];
    case "weekday-nearest":
      // Never into another month, as Quartz defines it.
      return rule.day > last
        ? []
        : [0, 1, -1, 2, -2]
            .map((by) => rule.day + by)
            .filter(isWeekday)
            .slice(0, 1);
    case "last-weekday":
      return all.filter(isWeekday).slice(-1);
    case "of-week":
      return all.filter((day) => rule.days.includes(dayOfWeek(day)));
    case "last-of-week-day":
      return all.filter((day) => dayOfWeek(day) === rule.day).slice(-1);
    case "nth-of-week-day":
      return all.filter((day) => dayOfWeek(day) === rule.day).slice(rule.nth - 1, rule.nth);
  }
}
