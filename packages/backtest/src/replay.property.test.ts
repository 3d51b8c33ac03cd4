import { appendSamples, type Outcome, type Sample } from "@neuropilot/core";
import { sampleAt, targetConfig } from "@neuropilot/core/fixture";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { HistoryEntry } from "./entry.ts";
import { NOON, planted, policy, policyWith, replayed, VANTAGES } from "./planted.ts";
import { WindowTrack } from "./window-track.ts";

type Look = Outcome | "slow" | "tainted" | "local" | "expiring" | "none";

/** What a vantage finds for a while: a stretch of its own or of all, with a share of good answers among the bad. */
const stretch = fc.record({
  looks: fc.integer({ min: 1, max: 40 }),
  found: fc.constantFrom<Look>(
    "ok",
    "ok",
    "refused",
    "timeout",
    "status",
    "blocked",
    "tls",
    "slow",
    "tainted",
    "local",
    "expiring",
    "none",
  ),
  share: fc.constantFrom(0.05, 0.3, 0.6, 1, 1),
  only: fc.constantFrom(undefined, undefined, 0, 1, 2),
});
type Stretch = typeof stretch extends fc.Arbitrary<infer T> ? T : never;

function lookOf(found: Look): Outcome | Partial<Sample> | undefined {
  switch (found) {
    case "slow":
      return { ttfbMs: 900, totalMs: 950 };
    case "tainted":
      return { outcome: "timeout", tainted: true };
    case "timeout":
      return { outcome: "timeout", totalMs: 10_000 };
    case "expiring":
      return { certificateDays: 3 };
    case "none":
      return undefined;
    default:
      return found;
  }
}

/** Deterministic from the numbers alone. */
function draw(seed: number, index: number, vantage: number): number {
  const mixed = Math.imul(seed ^ Math.imul(index + 1, 2_654_435_761) ^ Math.imul(vantage + 7, 40_503), 2_246_822_519);
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
}

function historyOf(stretches: readonly Stretch[], seed: number, everyMs: number, target = "api"): HistoryEntry[] {
  const looks = stretches.flatMap((each) => Array.from({ length: each.looks }, () => each));
  return planted({
    target,
    minutes: (looks.length * everyMs) / 60_000,
    everyMs,
    what: (_, vantage, index) => {
      const each = looks[index];
      const number = VANTAGES.indexOf(vantage);
      if (each === undefined || (each.only !== undefined && each.only !== number)) return "ok";
      return draw(seed, index, number) < each.share ? lookOf(each.found) : "ok";
    },
  });
}

const { rules } = targetConfig();
const POLICIES = [
  policy(),
  policyWith({ failing: { rate: 0.02, windowMs: 300_000, minSamples: 8, minFailures: 2 } }),
  policyWith({ down: { ...rules.down, holdMs: 5_000 }, recovery: { observations: 2 } }),
  policyWith({ slow: { thresholdMs: 30, windowMs: 180_000, share: 0.4, minSamples: 5, minParts: 2 } }),
  policy({ vantages: ["east"] }),
  policy({ vantages: ["east", "west"], intervalMs: 30_000 }),
  policyWith({ inconclusive: { holdMs: 60_000 }, suspicion: { forMs: 30_000 } }),
];

it("looking only where something can come of it finds what looking every time finds", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(stretch, { minLength: 1, maxLength: 12 }),
      fc.integer(),
      fc.constantFrom(5_000, 12_000, 60_000),
      async (stretches, seed, everyMs) => {
        const history = historyOf(stretches, seed, everyMs);
        const [short, whole] = [
          await replayed(history, POLICIES),
          await replayed(history, POLICIES, { everyLook: true }),
        ];
        expect(short).toEqual(whole);
      },
    ),
    { numRuns: Number(process.env.BACKTEST_RUNS ?? 30), endOnFailure: process.env.BACKTEST_RUNS !== undefined },
  );
});

it("the same holds for a fleet, whose guard counts what single vantages hold to be ill", async () => {
  const ids = ["api", "shop", "web", "docs"];
  const policies = [policy({ targets: ids.map((id) => targetConfig({ id })) })];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(stretch, { minLength: 1, maxLength: 5 }), { minLength: 4, maxLength: 4 }),
      fc.integer(),
      async (all, seed) => {
        const history = all
          .flatMap((stretches, index) => historyOf(stretches, seed + index, 12_000, ids[index]))
          .sort((a, b) => a.at - b.at);
        const [short, whole] = [
          await replayed(history, policies),
          await replayed(history, policies, { everyLook: true }),
        ];
        expect(short).toEqual(whole);
      },
    ),
    { numRuns: Number(process.env.BACKTEST_RUNS ?? 30) / 3 },
  );
});

it("the same policy twice makes two equal columns, and alone it makes the same", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(stretch, { minLength: 1, maxLength: 8 }), fc.integer(), async (stretches, seed) => {
      const history = historyOf(stretches, seed, 12_000);
      const { policies } = await replayed(history, [policy(), ...POLICIES, policy()]);
      expect(policies.at(-1)).toEqual(policies[0]);
      expect((await replayed(history, [policy()])).policies[0]).toEqual(policies[0]);
    }),
    { numRuns: 20 },
  );
});

it("it does not matter which vantage was read first", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(stretch, { minLength: 1, maxLength: 8 }),
      fc.integer(),
      fc.shuffledSubarray(VANTAGES, { minLength: 3 }),
      async (stretches, seed, order) => {
        const history = historyOf(stretches, seed, 12_000);
        const vantageOf = (entry: HistoryEntry) => (entry.kind === "sample" ? order.indexOf(entry.vantage) : 0);
        const slot = (entry: HistoryEntry) =>
          entry.kind === "sample" ? Math.floor((entry.sample.startedAt - NOON) / 60_000) : 0;
        const other = history.toSorted((a, b) => slot(a) - slot(b) || vantageOf(a) - vantageOf(b));
        expect(await replayed(other, POLICIES)).toEqual(await replayed(history, POLICIES));
      },
    ),
    { numRuns: 20 },
  );
});

it("a window holds what appendSamples keeps, however late a sample comes", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          // Mostly short, so that a window comes to hold as many as it may.
          pause: fc.oneof(
            { weight: 40, arbitrary: fc.constantFrom(0, 200, 1_000) },
            { weight: 1, arbitrary: fc.constantFrom(5_000, 60_000, 700_000) },
          ),
          late: fc.constantFrom(0, 0, 0, 4_000, 90_000),
          bad: fc.boolean(),
        }),
        { minLength: 100, maxLength: 400 },
      ),
      (steps) => {
        const track = new WindowTrack();
        const facet = track.addFacet({ slowMs: 400, expiringDays: 14, intervalMs: 60_000 });
        let held: readonly Sample[] = [];
        let now = NOON;
        for (const { pause, late, bad } of steps) {
          now += pause;
          const sample = sampleAt(now - late, bad ? "refused" : "ok", { ttfbMs: late > 0 ? 900 : 40 });
          held = appendSamples(held, [sample], now);
          track.push(sample, now);
          expect(track.samples.length).toBe(held.length);
          expect(track.samples.findIndex((each, index) => each !== held[index])).toBe(-1);
          const bads = held.filter(({ outcome }) => outcome !== "ok");
          expect(track.badSince(0)).toBe(bads.length);
          expect(track.facets[facet]?.slow).toBe(
            held.filter((each) => each.outcome === "ok" && each.ttfbMs > 400).length,
          );
        }
      },
    ),
    { numRuns: 60 },
  );
});
