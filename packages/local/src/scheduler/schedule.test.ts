import awsCronParser from "aws-cron-parser";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { everyMs, parseSchedule, type Schedule } from "./index.ts";

function schedule(text: string): Schedule {
  const parsed = parseSchedule(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.schedule;
}

function problem(text: string): string {
  const parsed = parseSchedule(text);
  if (parsed.ok) throw new Error(`${text} was read`);
  return parsed.problem;
}

/** The next times after a moment, as text without seconds. */
function nextTimes(text: string, after: string, count: number): string[] {
  const { next } = schedule(text);
  const times: string[] = [];
  let at = Date.parse(after);
  for (let n = 0; n < count; n++) {
    const following = next(at);
    if (following === undefined) break;
    at = following;
    times.push(new Date(at).toISOString().slice(0, 16));
  }
  return times;
}

describe("rate()", () => {
  test.each([
    ["rate(1 second)", 1_000],
    ["rate(10 seconds)", 10_000],
    ["rate(1 minute)", 60_000],
    ["rate(5 minutes)", 300_000],
    ["rate(1 hour)", 3_600_000],
    ["rate(2 days)", 172_800_000],
    [" rate( 5  minutes ) ", 300_000],
  ])("%s is due at every whole multiple of its period", (text, periodMs) => {
    const { next, latest } = schedule(text);
    expect(next(0)).toBe(periodMs);
    expect(next(periodMs)).toBe(2 * periodMs);
    expect(next(periodMs - 1)).toBe(periodMs);
    expect(latest(periodMs)).toBe(periodMs);
    expect(latest(2 * periodMs - 1)).toBe(periodMs);
  });

  test.each([
    ["rate(1 minutes)", "write rate(1 minute)"],
    ["rate(5 minute)", "write rate(5 minutes)"],
    ["rate(0 minutes)", 'a whole number from 1, not "0"'],
    ["rate(-5 minutes)", 'not "-5"'],
    ["rate(1.5 hours)", 'not "1.5"'],
    ["rate(5 weeks)", 'seconds, minutes, hours or days, not "weeks"'],
    ["rate(5minutes)", "a value and a unit"],
    ["rate(5 minutes and more)", "a value and a unit"],
    ["rate()", "a value and a unit"],
    ["rate(9999999999999999 days)", "longer than anything lasts"],
    ["RATE(5 minutes)", "in small letters"],
    ["5 minutes", "write rate(5 minutes) or cron("],
    ["rate(5 minutes", "write rate(5 minutes) or cron("],
    ["", "write rate(5 minutes) or cron("],
  ])("%s is refused with the fix", (text, fix) => {
    expect(problem(text)).toContain(fix);
    expect(problem(text)).toContain(`"${text}"`);
  });

  test("a phase moves every time by as much", () => {
    const { next, latest } = everyMs(60_000, 20_000);
    expect(next(0)).toBe(20_000);
    expect(next(20_000)).toBe(80_000);
    expect(latest(79_999)).toBe(20_000);
  });
});

describe("cron()", () => {
  test.each([
    ["cron(0 12 * * ? *)", "2026-11-25T12:00Z", ["2026-11-26T12:00", "2026-11-27T12:00"]],
    [
      "cron(0/15 * * * ? *)",
      "2026-11-25T10:07:30Z",
      ["2026-11-25T10:15", "2026-11-25T10:30", "2026-11-25T10:45", "2026-11-25T11:00"],
    ],
    [
      "cron(1/10 0 * * ? *)",
      "2026-11-25T00:30Z",
      ["2026-11-25T00:31", "2026-11-25T00:41", "2026-11-25T00:51", "2026-11-26T00:01"],
    ],
    [
      "cron(0/20,5 8 * * ? *)",
      "2026-11-25T00:00Z",
      ["2026-11-25T08:00", "2026-11-25T08:05", "2026-11-25T08:20", "2026-11-25T08:40"],
    ],
    [
      "cron(10-20/5 8 * * ? *)",
      "2026-11-25T00:00Z",
      ["2026-11-25T08:10", "2026-11-25T08:15", "2026-11-25T08:20", "2026-11-26T08:10"],
    ],
    ["cron(0 9 ? * MON-FRI *)", "2026-11-27T09:00Z", ["2026-11-30T09:00", "2026-12-01T09:00"]],
    ["cron(0 9 ? * mon,wed,mon *)", "2026-11-27T09:00Z", ["2026-11-30T09:00", "2026-12-02T09:00", "2026-12-07T09:00"]],
    ["cron(0 0 ? * 1 *)", "2026-11-25T00:00Z", ["2026-11-29T00:00"]],
    ["cron(0 0 ? * L *)", "2026-11-25T00:00Z", ["2026-11-28T00:00"]],
    ["cron(0 0 31 * ? *)", "2026-01-31T00:00Z", ["2026-03-31T00:00", "2026-05-31T00:00"]],
    ["cron(0 0 L * ? *)", "2028-02-01T00:00Z", ["2028-02-29T00:00", "2028-03-31T00:00"]],
    ["cron(0 0 L-2 * ? *)", "2026-02-01T00:00Z", ["2026-02-26T00:00", "2026-03-29T00:00"]],
    ["cron(0 0 LW * ? *)", "2026-05-01T00:00Z", ["2026-05-29T00:00", "2026-06-30T00:00"]],
    ["cron(0 0 15W * ? *)", "2026-08-01T00:00Z", ["2026-08-14T00:00", "2026-09-15T00:00"]],
    ["cron(0 0 1W * ? *)", "2026-08-01T00:00Z", ["2026-08-03T00:00", "2026-09-01T00:00"]],
    ["cron(0 0 31W * ? *)", "2026-04-01T00:00Z", ["2026-05-29T00:00", "2026-07-31T00:00"]],
    ["cron(0 0 ? * 3#2 *)", "2026-11-01T00:00Z", ["2026-11-10T00:00", "2026-12-08T00:00"]],
    ["cron(0 0 ? 2 MON#5 *)", "2026-11-01T00:00Z", ["2044-02-29T00:00"]],
    ["cron(0 0 29 2 ? *)", "2096-03-01T00:00Z", ["2104-02-29T00:00"]],
    [
      "cron(30 1 1 JAN,jul ? 2027-2028)",
      "2026-11-25T00:00Z",
      ["2027-01-01T01:30", "2027-07-01T01:30", "2028-01-01T01:30", "2028-07-01T01:30"],
    ],
    ["cron(0 0 1 1 ? 2020)", "2026-11-25T00:00Z", []],
  ])("%s after %s", (text, after, times) => {
    expect(nextTimes(text, after, Math.max(times.length, 1))).toEqual(times);
  });

  test("the last Sunday of October is the same in every time zone", () => {
    const zone = process.env.TZ;
    try {
      for (const tz of ["UTC", "Europe/Berlin", "America/Santiago", "Asia/Beirut", "Pacific/Kiritimati"]) {
        process.env.TZ = tz;
        expect(nextTimes("cron(0 0 ? 10 1L *)", "2026-01-01T00:00Z", 2)).toEqual([
          "2026-10-25T00:00",
          "2027-10-31T00:00",
        ]);
      }
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
  });

  test.each([
    ["cron(0 12 * * ?)", "it has 5 fields, not 6"],
    ["cron(0 12 * * * ? *)", "it has 7 fields, not 6"],
    ["cron()", "it has 0 fields"],
    ["cron(0 12 * * * *)", "one of them must be ?"],
    ["cron(0 12 1 * MON *)", "day-of-month is 1 and day-of-week is MON; one of them must be ?"],
    ["cron(0 12 ? * ? *)", "both ?"],
    ["cron(60 12 * * ? *)", 'minutes has "60"; it takes 0 to 59'],
    ["cron(0 24 * * ? *)", 'hours has "24"; it takes 0 to 23'],
    ["cron(0 12 0 * ? *)", 'day-of-month has "0"; it takes 1 to 31'],
    ["cron(0 12 32 * ? *)", "it takes 1 to 31"],
    ["cron(0 12 * 13 ? *)", 'month has "13"; it takes 1 to 12, or JAN to DEC'],
    ["cron(0 12 * MAI ? *)", 'month has "MAI"'],
    ["cron(0 12 ? * 0 *)", 'day-of-week has "0"; it takes 1 to 7, or SUN to SAT'],
    ["cron(0 12 ? * 8 *)", "it takes 1 to 7"],
    ["cron(0 12 * * ? 1969)", 'year has "1969"; it takes 1970 to 2199'],
    ["cron(0 12 * * ? 2200)", "it takes 1970 to 2199"],
    ["cron(? 12 * * ? *)", "minutes cannot be ?"],
    ["cron(0/0 12 * * ? *)", "minutes, after /,"],
    ["cron(0/5/5 12 * * ? *)", "more than one /"],
    ["cron(5- 12 * * ? *)", 'minutes has ""'],
    ["cron(1-2-3 12 * * ? *)", "which is no range"],
    ["cron(0 22-6 * * ? *)", "write 22-23,0-6"],
    ["cron(1,* 12 * * ? *)", "has * in a list"],
    ["cron(1,,2 12 * * ? *)", 'minutes has ""'],
    ["cron(0 12 1,L * ? *)", "L and W stand alone"],
    ["cron(0 12 5W,20W * ? *)", "L and W stand alone"],
    ["cron(0 12 W * ? *)", "L and W stand alone"],
    ["cron(0 12 L-31 * ? *)", "day-of-month"],
    ["cron(0 12 ? * MON#1,MON#3 *)", "# stands alone"],
    ["cron(0 12 ? * MON#6 *)", 'has "6"; it takes 1 to 5'],
    ["cron(0 12 ? * MON/2 *)", "takes no steps"],
    ["cron(0 12 30 2 ? *)", "no such day ever comes"],
    ["cron(0 12 ? 2 MON#5 2027)", "no such day ever comes"],
    ["cron(1.5 12 * * ? *)", 'minutes has "1.5"'],
  ])("%s is refused with the reason", (text, reason) => {
    expect(problem(text)).toContain(reason);
  });

  // Days that every month has, sorted lists, no lists of steps: there the library is right, and it knows nothing of us.
  const field = (min: number, max: number) =>
    fc.oneof(
      fc.constant("*"),
      fc.integer({ min, max }).map(String),
      fc
        .uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 4 })
        .map((list) => list.sort((a, b) => a - b).join(",")),
      fc.tuple(fc.integer({ min, max }), fc.integer({ min: 1, max })).map(([from, step]) => `${from}/${step}`),
      fc
        .tuple(fc.integer({ min, max }), fc.integer({ min, max }))
        .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    );
  const days = fc.oneof(
    field(1, 28).map((ofMonth) => `${ofMonth === "*" ? "1-28" : ofMonth.replace(/^(\d+)\/.*/, "$1")} M ?`),
    fc.constantFrom(
      "1W M ?",
      "15W M ?",
      "28W M ?",
      "L M ?",
      "L-3 M ?",
      "? M *",
      "? M 2-6",
      "? M 1,7",
      "? M 3#2",
      "? M 6#4",
    ),
  );

  test("agrees with the library where that is right", () => {
    const moment = fc.date({ min: new Date("2020-01-01"), max: new Date("2120-01-01"), noInvalidDate: true });
    fc.assert(
      fc.property(field(0, 59), field(0, 23), days, field(1, 12), moment, (minutes, hours, day, month, from) => {
        const expression = `${minutes} ${hours} ${day.replace("M", month)} *`;
        const theirs = awsCronParser.next(awsCronParser.parse(expression), from)?.getTime();
        expect(schedule(`cron(${expression})`).next(from.getTime())).toBe(theirs);
      }),
      { numRuns: 300 },
    );
  });

  test("the latest time at or before a moment is the one from which the next ones go on", () => {
    const moment = fc.date({ min: new Date("2020-01-01"), max: new Date("2120-01-01"), noInvalidDate: true });
    fc.assert(
      fc.property(field(0, 59), field(0, 23), days, field(1, 12), moment, (minutes, hours, day, month, from) => {
        const { next, latest } = schedule(`cron(${minutes} ${hours} ${day.replace("M", month)} *)`);
        const last = latest(from.getTime());
        if (last === undefined) throw new Error("there is one every year");
        expect(last).toBeLessThanOrEqual(from.getTime());
        expect(latest(last)).toBe(last);
        expect(next(last)).toBe(next(from.getTime()));
        expect(next(last - 1)).toBe(last);
      }),
      { numRuns: 200 },
    );
  });
});
