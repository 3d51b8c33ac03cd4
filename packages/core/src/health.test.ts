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
