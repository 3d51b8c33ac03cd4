import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fleet, sampleAt, targetConfig, worldOf } from "./fixture.ts";
import { healthOf } from "./health.ts";
import { OUTCOMES, type Sample } from "./sample.ts";
import { appendSamples, siteKey, type WindowItem } from "./window.ts";

const NOW = 1_800_000_000_000;
const VANTAGES = ["east", "west", "north", "south"];
const KEY = siteKey("api", "primary");
const target = targetConfig();

/** Starts on a grid, so that many are taken in the same millisecond, also from different vantages. */
const sample = fc
  .record({
    slot: fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 125 })),
    outcome: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom("ok" as const, "status" as const, "refused" as const) },
      fc.constantFrom(...OUTCOMES),
    ),
    ttfbMs: fc.constantFrom(40, 900),
    tainted: fc.constantFrom(false, false, false, true),
    days: fc.constantFrom(undefined, 3, 30),
  })
  .map(
    ({ slot, outcome, ttfbMs, tainted, days }): Sample =>
      sampleAt(NOW - 1_000 - slot * 5_000, outcome, {
        ttfbMs,
        tainted,
        ...(days === undefined ? {} : { certificateDays: days }),
      }),
  );
const samples = fc.oneof(
  fc.array(sample, { maxLength: 40 }),
  fc
    .constantFrom(...OUTCOMES)
    .map((outcome) => Array.from({ length: 30 }, (_, i) => sampleAt(NOW - i * 5_000, outcome))),
);

/** The same things in another order, some of them more than once. */
function mixed<T>(things: readonly T[]): fc.Arbitrary<readonly T[]> {
  if (things.length === 0) return fc.constant([]);
  const again = fc.array(fc.constantFrom(...things), { maxLength: 5 });
  return again.chain((more) => {
    const all = [...things, ...more];
    return fc.shuffledSubarray(all, { minLength: all.length });
  });
}

function portions<T>(things: readonly T[], sizes: readonly number[]): readonly (readonly T[])[] {
  const parts: (readonly T[])[] = [];
  let from = 0;
  for (const size of sizes) {
    parts.push(things.slice(from, from + size));
    from += size;
  }
  return [...parts, things.slice(from)];
}

function windowOf(vantage: string, held: readonly Sample[], tick: number, shard = "0"): WindowItem {
  const site = { samples: held, view: "suspect", since: tick, tick };
  return { vantage, shard, tick, step: 1, run: "run_test", at: NOW - 1_000, ended: true, sites: { [KEY]: site } };
}

const scattered = fc.array(samples, { minLength: 1, maxLength: VANTAGES.length });

describe("a window", () => {
  it("is the same whatever the order, the repetition and the portions that its samples came in", () => {
    const many = fc.array(sample, { maxLength: 250 });
    const both = many.chain((all) =>
      fc.tuple(fc.constant(all), mixed(all), fc.array(fc.nat({ max: 60 }), { maxLength: 6 })),
    );
    fc.assert(
      fc.property(both, ([all, again, sizes]) => {
        const once = appendSamples([], all, NOW);
        const bit = portions(again, sizes).reduce(
          (held, part) => appendSamples(held, part, NOW),
          [] as readonly Sample[],
        );
        expect(bit).toEqual(once);
      }),
      { numRuns: 200 },
    );
  });
});

describe("health", () => {
  it("does not depend on the order, the repetition and the portions that samples came in", () => {
    const seen = scattered.chain((all) => fc.tuple(fc.constant(all), fc.tuple(...all.map(mixed))));
    fc.assert(
      fc.property(seen, ([all, again]) => {
        const config = fleet({ vantages: VANTAGES.slice(0, all.length) });
        const health = (each: readonly (readonly Sample[])[]) => {
          const windows = each.map((some, index) =>
            windowOf(VANTAGES[index] ?? "", appendSamples([], some, NOW), NOW - 50_000),
          );
          return healthOf(config, target, "primary", worldOf(windows), 0, NOW);
        };
        expect(health(again)).toEqual(health(all));
      }),
      { numRuns: 200 },
    );
  });

  it("does not depend on the order and the repetition of windows and heartbeats", () => {
    const seen = scattered
      .map((all) => {
        const windows = all.map((some, index) =>
          windowOf(VANTAGES[index] ?? "", appendSamples([], some, NOW), NOW - index),
        );
        return worldOf(windows);
      })
      .chain((world) => fc.tuple(fc.constant(world), mixed(world.windows), mixed(world.heartbeats)));
    fc.assert(
      fc.property(seen, ([world, windows, heartbeats]) => {
        const config = fleet({ vantages: VANTAGES.slice(0, world.windows.length) });
        const health = (sights: Pick<typeof world, "windows" | "heartbeats">) =>
          healthOf(config, target, "primary", sights, 0, NOW);
        expect(health({ windows, heartbeats })).toEqual(health(world));
      }),
      { numRuns: 200 },
    );
  });

  it("hears a vantage once, and by its newest window, while a site moves from one shard to another", () => {
    const config = fleet({ vantages: ["east", "west", "north"] });
    const good = [sampleAt(NOW - 1_000)];
    const bad = Array.from({ length: 20 }, (_, index) => sampleAt(NOW - 100_000 + index * 5_000, "refused"));
    const others = [windowOf("west", good, NOW - 50_000), windowOf("north", good, NOW - 50_000)];
    const moved = [windowOf("east", bad, NOW - 110_000, "0"), windowOf("east", bad, NOW - 50_000, "1")];
    expect(healthOf(config, target, "primary", worldOf([...moved, ...others]), 0, NOW).state).toBe("healthy");
    const better = [windowOf("east", bad, NOW - 110_000, "0"), windowOf("east", good, NOW - 50_000, "1")];
    for (const windows of [better, better.toReversed()])
      expect(healthOf(config, target, "primary", worldOf(windows), 0, NOW).views).toEqual({ east: "healthy" });
  });
});
