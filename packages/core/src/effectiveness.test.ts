import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judged, recordInWords, tallyOf, uselessInWords, wilson, withVerdict } from "./effectiveness.ts";
import type { Verdict } from "./item.ts";

const after = (...verdicts: readonly Verdict[]) =>
  verdicts.reduce<ReturnType<typeof withVerdict> | undefined>(
    (effects, verdict) => withVerdict(effects, "restart", "down", verdict),
    undefined,
  );
const times = (count: number, verdict: Verdict) => Array.from({ length: count }, () => verdict);

describe("the Wilson interval", () => {
  // Checked against R's binom::binom.wilson.
  it.each([
    [0, 10, 0, 0.2775],
    [5, 6, 0.4365, 0.9699],
    [8, 8, 0.6756, 1],
    [50, 100, 0.4038, 0.5962],
  ])("of %i of %i is %f to %f", (successes, tries, low, high) => {
    const interval = wilson(successes, tries);
    expect(interval.low).toBeCloseTo(low, 3);
    expect(interval.high).toBeCloseTo(high, 3);
  });

  it("says nothing where nothing was tried, and always holds the share itself", () => {
    expect(wilson(0, 0)).toEqual({ low: 0, high: 1 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.double({ min: 0, max: 1, noNaN: true }), (tries, share) => {
        const successes = Math.round(share * tries);
        const { low, high } = wilson(successes, tries);
        expect(low).toBeLessThanOrEqual(successes / tries);
        expect(high).toBeGreaterThanOrEqual(successes / tries);
      }),
    );
  });
});

describe("what is known of a remedy", () => {
  it("is counted by remedy and kind of ill health", () => {
    const effects = withVerdict(after("healed", "no-effect"), "restart", "slow", "worse");
    expect(tallyOf(effects, "restart", "down")).toMatchObject({ healed: 1, "no-effect": 1, worse: 0 });
    expect(tallyOf(effects, "restart", "slow")).toMatchObject({ healed: 0, worse: 1 });
    expect(tallyOf(effects, "purge-cache", "down")).toMatchObject({ healed: 0 });
  });

  it("has only those tries in its denominator of which it can be said whether they helped", () => {
    const effects = after("healed", "no-effect", "worse", "self-resolved", "unknown");
    expect(judged(tallyOf(effects, "restart", "down"))).toBe(3);
  });

  it.each([
    ["nothing before the first try", after(), undefined],
    [
      "how often it helped",
      after(...times(5, "healed"), "no-effect"),
      "restart has helped 5 of 6 times here when down",
    ],
    [
      "what nobody saw the end of",
      after("healed", "unknown"),
      "restart has helped 1 of 1 times here when down, and 1 ended unknown",
    ],
    ["that nothing is shown yet", after("unknown"), "restart has not yet shown whether it helps, and 1 ended unknown"],
    ["nothing of what came too late", after("self-resolved"), undefined],
  ])("says %s", (_, effects, text) => {
    expect(recordInWords(effects, "restart", "down")).toBe(text);
  });

  it("says beside it how often the same ended as soon without a call, where that is known", () => {
    const known = { ended: 12, alone: 3, left: 9, soon: 2 };
    const helped = after(...times(5, "healed"), "no-effect");
    expect(recordInWords(helped, "restart", "down", known)).toBe(
      "restart has helped 5 of 6 times here when down; left alone, 2 of 9 were well as soon",
    );
    expect(recordInWords(helped, "restart", "down", { ...known, left: 0, soon: 0 })).toBe(
      "restart has helped 5 of 6 times here when down",
    );
    expect(recordInWords(undefined, "restart", "down", known)).toBeUndefined();
  });
});

describe("a remedy is worth trying", () => {
  it.each([
    ["before it was tried", after(), 0.2],
    ["after a few failures, which prove nothing", after(...times(8, "no-effect")), 0.2],
    ["after four failures, whatever the config says", after(...times(4, "no-effect")), 0.99],
    ["after any number of tries of unknown end", after(...times(50, "unknown")), 0.9],
    ["whatever has failed, where the config skips nothing", after(...times(500, "no-effect")), 0],
  ])("%s", (_, effects, skipBelow) => {
    expect(uselessInWords(effects, "restart", "down", skipBelow)).toBeUndefined();
  });

  it("until its record shows that it helps more rarely than the config wants, with the numbers", () => {
    expect(uselessInWords(after(...times(5, "no-effect")), "restart", "down", 0.5)).toMatch(/^it helped 0 of 5 times/);
    const effects = after(...times(16, "no-effect"));
    expect(uselessInWords(after(...times(15, "no-effect")), "restart", "down", 0.2)).toBeUndefined();
    expect(uselessInWords(effects, "restart", "down", 0.2)).toBe(
      "it helped 0 of 16 times here when down, so in at most 19 %, and the config skips it below 20 %",
    );
    expect(uselessInWords(effects, "restart", "slow", 0.2)).toBeUndefined();
  });
});
