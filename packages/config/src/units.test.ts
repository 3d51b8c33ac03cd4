import { describe, expect, it } from "vitest";
import { parseDuration, parseMoment, parseRate, parseSize, parseTimeOfDay } from "./units.ts";

describe("durations", () => {
  it.each([
    ["400ms", 400],
    ["5m", 300_000],
    ["1h 30m", 5_400_000],
    ["1h30m", 5_400_000],
    ["1.5h", 5_400_000],
    ["90 s", 90_000],
    ["2min", 120_000],
    ["1D", 86_400_000],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toEqual({ ok: true, value: ms });
  });

  it.each([
    400,
    0,
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    "400",
    "",
    "5 parsecs",
    "5m 5m",
    "m5",
    "-5m",
    "0.1ms",
    "999d",
    null,
    undefined,
    {},
    "1__proto__",
    "5constructor",
  ])("%s is refused", (value) => {
    expect(parseDuration(value).ok).toBe(false);
  });
});

it.each([
  ["5%", 0.05],
  ["0.5 %", 0.005],
  [0.05, 0.05],
  ["100%", 1],
  [1, 1],
])("the rate %s is %d", (written, rate) => {
  expect(parseRate(written)).toEqual({ ok: true, value: rate });
});

it.each([5, 0, -0.1, Number.NaN, "0%", "101%", "5", "five", null])("the rate %s is refused", (written) => {
  expect(parseRate(written).ok).toBe(false);
});

it.each([
  ["64kB", 65_536],
  ["1MB", 1_048_576],
  [512, 512],
])("the size %s is %d bytes", (written, bytes) => {
  expect(parseSize(written)).toEqual({ ok: true, value: bytes });
});

it.each(["2MB", 0, -1, 1.5, "64", "64kiB", Number.NaN])("the size %s is refused", (written) => {
  expect(parseSize(written).ok).toBe(false);
});

it.each([
  ["2027-03-01T02:00Z", Date.UTC(2027, 2, 1, 2)],
  ["2027-03-01T02:00:30.5+02:00", Date.UTC(2027, 2, 1, 0, 0, 30, 500)],
  ["2028-02-29T00:00Z", Date.UTC(2028, 1, 29)],
])("the moment %s is read", (written, ms) => {
  expect(parseMoment(written)).toEqual({ ok: true, value: ms });
});

it.each([
  "2027-03-01",
  "2027-03-01T02:00",
  "2027-02-29T00:00Z",
  "2027-13-01T00:00Z",
  "2027-03-01T24:30Z",
  "2027-03-01T24:00Z",
  0,
])("the moment %s is refused", (written) => {
  expect(parseMoment(written).ok).toBe(false);
});

it.each(["2:00", "24:01", "12:60", "noon", 2])("the time of day %s is refused", (written) => {
  expect(parseTimeOfDay(written).ok).toBe(false);
});
