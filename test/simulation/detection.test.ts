import { describe, expect, it } from "vitest";
import { delays, falseRestarts, healthyHours } from "./detection.ts";

describe("detection, with three vantages at 60 s", () => {
  it.each(["together", "spread", "random"] as const)(
    "calls the restart of a service that refuses within 100 s, and within 65 s on average (ticks %s)",
    async (phase) => {
      const { missed, meanMs, worstMs } = await delays(60, phase);
      expect(missed).toBe(0);
      expect(worstMs).toBeLessThanOrEqual(100_000);
      expect(meanMs).toBeLessThanOrEqual(65_000);
    },
    120_000,
  );

  it("restarts a healthy service less than once a target-year at 0.1 % failures in 60 s bursts", async () => {
    const { episodes, perYear } = await falseRestarts(30);
    expect(episodes).toBeGreaterThan(100);
    expect(perYear).toBeLessThan(1);
  }, 120_000);
});

describe("a healthy service under 0.1 % independent probe failures", () => {
  it.each<[number, readonly string[]]>([
    [10_000, ["alone"]],
    [2_500, ["east", "west", "north"]],
  ])(
    "gets no call in %i simulated hours of real ticks from %j",
    async (wanted, vantages) => {
      const { hours, episodes, calls } = await healthyHours(wanted, vantages);
      expect(hours).toBeGreaterThanOrEqual(wanted);
      expect(episodes).toBeGreaterThan(400);
      expect(calls).toBe(0);
    },
    240_000,
  );
});
