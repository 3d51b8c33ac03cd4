import { describe, expect, it } from "vitest";
import { ABLATIONS } from "./ablations.ts";
import { PROPERTIES, violations } from "./invariants.ts";
import type { Focus } from "./plan.ts";
import { runAblation } from "./run-ablation.ts";
import { World } from "./world.ts";

const MOST_SEEDS = 120;
const SEEDS_WITHOUT = process.env.NEUROPILOT_THOROUGH === "1" ? 4 : 1;

async function violationsWith(focus: Focus, seed: number) {
  const world = new World(seed, { focus });
  await world.run();
  return violations(world);
}

describe("a protection that is taken away is missed", () => {
  it.each(ABLATIONS.map(({ name, takesAway, focus }) => [name, takesAway, focus] as const))(
    "%s: %s",
    async (name, _takesAway, focus) => {
      const { property, text, seed, seeds } = await runAblation(name, { most: MOST_SEEDS });
      process.stderr.write(
        `${name}: caught by ${property ?? "nothing"} after ${seeds} seeds (seed ${seed}): ${text}\n`,
      );
      expect(property, text).toBeDefined();
      // It is the protection that was missing: with it, the same seed breaks nothing.
      expect(await violationsWith(focus, seed)).toEqual([]);
    },
    120_000,
  );
});

describe("the world in which it is missed keeps every promise with the protection in place", () => {
  it.each(ABLATIONS)(
    "$name",
    async ({ focus }) => {
      for (let seed = 1; seed <= SEEDS_WITHOUT; seed++)
        expect(await violationsWith(focus, seed), `seed ${seed}`).toEqual([]);
    },
    120_000,
  );
});

it("every property that is to catch an ablation is one that is checked", () => {
  const known = PROPERTIES.map(({ id }) => id);
  expect(ABLATIONS.flatMap(({ caughtBy }) => caughtBy).filter((id) => !known.includes(id))).toEqual([]);
});
