import { describe, expect, it } from "vitest";
import { runSeeds } from "./run.ts";
import type { Ablation } from "./world.ts";

const ONE = process.env.NEUROPILOT_SIM_SEED;
const SEEDS = Number(process.env.NEUROPILOT_SIM_SEEDS ?? 100);

describe("under duplicate, late, lost and disordered events, conflicts, crashes at any await, skewed clocks and vendors that lie", () => {
  it("keeps every promise: one call inside a cooldown, no lost incident, no call on what nobody saw", async () => {
    const tally = await runSeeds(ONE === undefined ? { from: 1, seeds: SEEDS } : { from: Number(ONE), seeds: 1 });
    // A red run names its seed; NEUROPILOT_SIM_SEED=<seed> plays it again, alone.
    expect(tally.broken).toEqual([]);
    // A world in which nothing happens would keep its promises too.
    if (ONE === undefined) {
      expect(tally.incidents).toBeGreaterThan(SEEDS / 2);
      expect(tally.calls).toBeGreaterThan(SEEDS / 2);
      expect(tally.healed).toBeGreaterThan(SEEDS / 10);
    }
  }, 600_000);
});

describe("the simulation finds out", () => {
  it.each<[Ablation, readonly string[]]>([
    ["no-reconcile", ["I4:", "I5:", "A1:", "outbox:"]],
    ["claim-without-condition", ["I1:", "I2:", "I3:"]],
    ["call-without-writing-calling", ["I1:", "I3:"]],
    ["no-cooldown", ["I1:"]],
    ["retry-after-unknown", ["I1:"]],
    ["stale-looks-fresh", ["I18:"]],
    ["no-last-look-at-the-clock", ["I1:", "I12:"]],
  ])(
    "%s",
    async (ablation, only) => {
      const tally = await runSeeds({ from: 1, seeds: 150, ablation, only, untilBroken: true });
      expect(tally.broken[0]?.violations ?? "no promise was broken").toEqual(
        expect.arrayContaining([expect.stringMatching(new RegExp(`^(${only.join("|")})`))]),
      );
    },
    300_000,
  );
});
