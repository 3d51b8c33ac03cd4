import { describe, expect, it } from "vitest";
import { explore, PLANTED, ROUNDS, shortestStory } from "./explorer.ts";
import type { Bounds } from "./explorer-space.ts";

/** `npm run explore` goes through all rounds for all that a vendor may say; here some are, and more where there is time. */
const THOROUGH = process.env.NEUROPILOT_THOROUGH === "1";
type Outcome = Parameters<typeof explore>[0]["outcome"];
const OUTCOME_OF_ROUND: Readonly<Record<number, readonly Outcome[]>> = THOROUGH
  ? { 0: ["applied", "retry-later"], 1: ["applied", "rejected"], 2: ["unknown"] }
  : { 0: ["applied"] };

describe("every interleaving of the step functions, to completion", () => {
  const cases = ROUNDS.flatMap((round, index) =>
    Object.entries(OUTCOME_OF_ROUND)
      .filter(([number]) => Number(number) === index)
      .flatMap(([, outcomes]) => outcomes.map((outcome) => [round.name, outcome, round.bounds] as const)),
  );
  it.each(cases)(
    "%s, where the vendor says %s: keeps every promise and comes to rest",
    async (name, outcome, bounds) => {
      const { broken, moments, transitions, paths, depth, ends } = await explore({ bounds, outcome });
      process.stderr.write(
        `${name}, ${outcome}: ${moments} moments, ${transitions} transitions, ${paths.toExponential(1)} interleavings of up to ${depth} steps, ${ends} ends\n`,
      );
      expect(broken).toEqual([]);
      // Far fewer would mean that something no longer takes part.
      expect(moments).toBeGreaterThan(10_000);
      expect(ends).toBeGreaterThan(20);
    },
    300_000,
  );
});

describe("the reductions that make it small lose nothing", () => {
  const BOUNDS: readonly Bounds[] = [
    { tasks: ["first delivery", "second delivery"], jumps: [], crash: true, mostStill: 2 },
    { tasks: ["first delivery", "reconcile"], jumps: [], crash: true, mostStill: 2 },
    { tasks: ["first delivery", "second delivery"], jumps: ["callNotAfter"], crash: false, mostStill: 2 },
    { tasks: ["first delivery", "reconcile"], jumps: ["callNotAfter"], crash: false, mostStill: 2 },
  ];
  it.each(THOROUGH ? BOUNDS : BOUNDS.slice(0, 1))(
    "$tasks, jumps $jumps, crash $crash: the same ends as with every await a step of its own",
    async (bounds) => {
      const reduced = await explore({ bounds, outcome: "applied" });
      const whole = await explore({ bounds: { ...bounds, whole: true }, outcome: "applied" });
      expect([...reduced.endIds].sort()).toEqual([...whole.endIds].sort());
      expect(whole.broken).toEqual([]);
      expect(whole.moments).toBeGreaterThan(10 * reduced.moments);
    },
    120_000,
  );
});

describe("the explorer finds what a missing protection breaks, and tells the shortest way there", () => {
  it.each(PLANTED)(
    "$ablation",
    async ({ ablation, bounds }) => {
      expect((await explore({ bounds, outcome: "applied" })).broken).toEqual([]);
      const found = await shortestStory({ bounds, outcome: "applied", ablation });
      expect(found?.story).toContain("Broken: ");
      expect(found?.steps).toBeLessThan(30);
    },
    120_000,
  );
});
