import { describe, expect, it } from "vitest";
import { fleet, sampleAt, targetConfig, windowAfter, worldOf } from "./fixture.ts";
import { healthOf } from "./health.ts";
import type { Outcome } from "./sample.ts";

const NOW = 1_800_000_000_000;
const target = targetConfig();

/** What vantages conclude together whose samples, one every 5 s up to now, had these outcomes. */
function healthSeen(outcomesByVantage: Readonly<Record<string, readonly Outcome[]>>) {
  const config = fleet({ vantages: Object.keys(outcomesByVantage) });
  const windows = Object.entries(outcomesByVantage).map(([vantage, outcomes]) => {
    const first = NOW - outcomes.length * 5_000;
    const samples = outcomes.map((outcome, index) => sampleAt(first + index * 5_000, outcome));
    return windowAfter(undefined, vantage, NOW - 55_000, samples);
  });
  return healthOf(config, target, "primary", worldOf(windows), 0, NOW).state;
}

const many = (count: number, outcome: Outcome): Outcome[] => Array.from({ length: count }, () => outcome);
/** Began before the window, so that the failure which raised suspicion lies behind. */
const everyTenth = Array.from({ length: 31 }, (_, index): Outcome => (index % 10 === 0 ? "status" : "ok"));

describe("an error rate", () => {
  it.each<[string, Readonly<Record<string, readonly Outcome[]>>, boolean]>([
    ["is seen where every tenth request fails", { a: everyTenth }, true],
    [
      "is no outage that is over: one unbroken run of failures",
      { a: [...many(10, "status"), ...many(13, "ok")] },
      false,
    ],
    [
      "is no outage that is over, seen from two places",
      { a: [...many(4, "status"), ...many(9, "ok")], b: [...many(4, "refused"), ...many(9, "ok")] },
      false,
    ],
    ["needs two places where there are two", { a: everyTenth, b: many(31, "ok") }, false],
    ["is seen from two places together", { a: everyTenth.slice(0, 21), b: everyTenth.slice(0, 21) }, true],
    [
      "does not count the failure that raised the suspicion",
      { a: ["status", ...many(8, "ok"), "status", ...many(8, "ok"), "status", ...many(4, "ok")] },
      false,
    ],
    ["needs three failures", { a: [...many(5, "ok"), "status", ...many(8, "ok"), "status", ...many(8, "ok")] }, false],
  ])("%s", (_name, outcomes, failing) => {
    expect(healthSeen(outcomes) === "failing").toBe(failing);
  });
});

it("an error rate counts samples that were not taken yet as good", () => {
  const failing = { ...target.rules.failing, rate: 0.2, minSamples: 20, minFailures: 4 };
  const strict = targetConfig({ rules: { ...target.rules, failing } });
  const stateOf = (outcomes: readonly Outcome[]) => {
    const samples = outcomes.map((outcome, index) => sampleAt(NOW - (outcomes.length - index) * 5_000, outcome));
    const before = sampleAt(NOW - 130_000, "status");
    const windows = [windowAfter(undefined, "a", NOW - 55_000, [before, ...samples])];
    return healthOf(fleet({ vantages: ["a"] }), strict, "primary", worldOf(windows), 0, NOW).state;
  };
  const inTen = (failures: number) =>
    Array.from({ length: 10 }, (_, index): Outcome => (index % 2 === 0 && index < 2 * failures ? "status" : "ok"));
  expect(stateOf(inTen(4))).not.toBe("failing");
  expect(stateOf(inTen(5))).toBe("failing");
});

describe("an outage that a quorum must see", () => {
  const config = fleet({ vantages: ["a", "b", "c"] });

  /** Failures every 5 s from and to so many seconds ago, by vantage. */
  function seenDown(runs: readonly (readonly [fromAgo: number, toAgo: number])[]) {
    const windows = ["a", "b", "c"].map((vantage, index) => {
      const [from, to] = runs[index] ?? [0, 0];
      const ago = Array.from({ length: 20 }, (_, step) => 95 - step * 5);
      const samples = ago.map((at) => sampleAt(NOW - at * 1_000, at <= from && at >= to ? "refused" : "ok"));
      const kept = to > 0 ? samples.filter((_, step) => (ago[step] ?? 0) >= to) : samples;
      return windowAfter(undefined, vantage, NOW - 95_000, kept);
    });
    return healthOf(config, target, "primary", worldOf(windows), 0, NOW);
  }

  it("is down when two see it at the same time for most of the hold, and nobody has seen it well since", () => {
    expect(
      seenDown([
        [40, 5],
        [35, 5],
        [0, 40],
      ]).state,
    ).toBe("down");
  });

  it.each<[string, readonly (readonly [number, number])[], string]>([
    [
      "is not believed at once when a third has seen it well since",
      [
        [40, 5],
        [35, 5],
        [0, 1],
      ],
      "suspect",
    ],
    [
      "is not believed when a third saw it well a moment later",
      [
        [40, 5],
        [40, 5],
        [0, 35],
      ],
      "suspect",
    ],
    [
      "is believed when the third saw it well at that moment, and not since",
      [
        [40, 5],
        [35, 5],
        [0, 35],
      ],
      "down",
    ],
    [
      "is believed against a third when two have seen it for as long as one that is alone must",
      [
        [95, 5],
        [95, 5],
        [0, 1],
      ],
      "down",
    ],
    [
      "is not believed against a third when only one has",
      [
        [95, 5],
        [90, 5],
        [0, 1],
      ],
      "suspect",
    ],
  ])("%s", (_name, runs, state) => {
    const health = seenDown(runs);
    expect(health.state).toBe(state);
    if (state === "suspect") expect(health.why).toMatch(/^another vantage sees it well: a: /);
  });

  it("is believed where the third's good sample does not count", () => {
    const bad = Array.from({ length: 8 }, (_, step) => sampleAt(NOW - (40 - step * 5) * 1_000, "refused"));
    const good = [sampleAt(NOW - 50_000), sampleAt(NOW - 1_000, "ok", { tainted: true })];
    const windows = [
      windowAfter(undefined, "a", NOW - 55_000, bad),
      windowAfter(undefined, "b", NOW - 55_000, bad),
      windowAfter(undefined, "c", NOW - 55_000, good),
    ];
    expect(healthOf(config, target, "primary", worldOf(windows), 0, NOW).state).toBe("down");
  });

  it("is not down when one vantage's trouble was over before the other's began", () => {
    const { state, why } = seenDown([
      [85, 50],
      [40, 5],
      [0, 1],
    ]);
    expect(state).toBe("suspect");
    expect(why).toMatch(/not down at the same time for long enough/);
  });

  it("needs the two that overlap, whatever a third saw", () => {
    expect(
      seenDown([
        [85, 50],
        [40, 5],
        [38, 5],
      ]).state,
    ).toBe("down");
    expect(
      seenDown([
        [90, 55],
        [70, 35],
        [35, 5],
      ]).state,
    ).toBe("suspect");
  });
});
