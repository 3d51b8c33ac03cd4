import fc from "fast-check";
import { expect, test } from "vitest";
import { packSamples, unpackSamples } from "./packed.ts";
import { OUTCOMES, type Sample } from "./sample.ts";

const whole = (max: number) => fc.integer({ min: 0, max });

const sample: fc.Arbitrary<Sample> = fc
  .record(
    {
      startedAt: whole(4_000_000_000_000),
      outcome: fc.constantFrom(...OUTCOMES),
      status: whole(999),
      ttfbMs: whole(60_000),
      totalMs: whole(60_000),
      tainted: fc.boolean(),
      reused: fc.boolean(),
      certificateDays: fc.integer({ min: -4_000, max: 40_000 }),
      detail: fc.constantFrom("refused", "answered 503", 'a "quoted", one; with marks', "ü"),
    },
    { requiredKeys: ["startedAt", "outcome", "status", "ttfbMs", "totalMs", "tainted", "reused"] },
  )
  .map((one) => one);

test("packing and unpacking leaves every sample as it was, in whatever order they were taken", () => {
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 30 }), (samples) => {
      expect(unpackSamples(packSamples(samples))).toEqual(samples);
    }),
  );
});

test("fractions of a millisecond are rounded", () => {
  const [read] = unpackSamples(
    packSamples([
      { startedAt: 1_000, outcome: "ok", status: 200, ttfbMs: 12.4, totalMs: 12.6, tainted: false, reused: true },
    ]),
  );
  expect(read).toMatchObject({ ttfbMs: 12, totalMs: 13, reused: true });
});

test.each([
  ["a start that is missing", '[",0,5k,1,1,0,,",[]]'],
  ["a start that is no number", '["!,0,5k,1,1,0,,",[]]'],
  ["an outcome of another version", '["1,z,5k,1,1,0,,",[]]'],
  ["a status that is missing", '["1,0,,1,1,0,,",[]]'],
  ["a sample that is cut off", '["1,0,5k,1,1,0,,;1,0",[]]'],
  ["no list", '"1,0"'],
])("%s is refused, not read as something else", (_name, text) => {
  expect(() => unpackSamples(text)).toThrow(/packed sample/);
});

test("a flood of different details keeps the item small: the first eleven, and the twelfth for all that follow", () => {
  const samples = Array.from({ length: 30 }, (_, n) => ({
    ...GOOD,
    startedAt: 1_000 + n,
    detail: `${n} `.padEnd(300, "x"),
  }));
  const read = unpackSamples(packSamples(samples)).map(({ detail }) => detail);
  expect(new Set(read).size).toBe(12);
  expect(read.slice(0, 12)).toEqual(samples.slice(0, 12).map(({ detail }) => detail.slice(0, 200)));
  expect(new Set(read.slice(11))).toEqual(new Set([read[11]]));
});

const GOOD: Sample = {
  startedAt: 1_000,
  outcome: "ok",
  status: 200,
  ttfbMs: 40,
  totalMs: 50,
  tainted: false,
  reused: false,
};
