import { type Incident, newTargetItem, type WouldHave, withVerdict } from "@neuropilot/core";
import { describe, expect, it } from "vitest";
import { adviceFor, figuresOf, inRange, mostWithin, spreadOf } from "./report-figures.ts";

const START = 1_800_000_000_000;
const MINUTE = 60_000;
const BUDGET = { max: 4, perMs: 60 * MINUTE };

function incident(at: number, change: Partial<Incident> = {}): Incident {
  return {
    id: `inc_api_${at}`,
    target: "api",
    site: "primary",
    kind: "down",
    why: "refused",
    failedAt: at,
    openedAt: at + 30_000,
    seq: 1,
    attempts: [],
    timeline: [],
    unavailable: [],
    ladderEnded: false,
    wouldHave: [],
    endedAt: at + 5 * MINUTE,
    end: "recovered",
    ...change,
  };
}

const would = (score: WouldHave["score"], afterMs = MINUTE): WouldHave => ({
  remedy: "restart",
  kind: "down",
  at: START,
  ...(score === undefined ? {} : { score, scoredAt: START + afterMs }),
});

describe("the figures of a report", () => {
  it("count incidents, how they ended, and how long it took, from the first bad sample on", () => {
    const { endedAt: _, end: __, ...open } = incident(START + 120 * MINUTE);
    const slow = incident(START + 60 * MINUTE, {
      kind: "slow",
      openedAt: START + 61 * MINUTE,
      endedAt: START + 70 * MINUTE,
    });
    const figures = figuresOf(
      newTargetItem("api", START),
      [incident(START), slow, open],
      BUDGET,
      START,
      START + 130 * MINUTE,
    );
    expect(figures).toMatchObject({
      incidents: 3,
      byKind: { down: 2, slow: 1 },
      endings: { "recovered alone": 2, open: 1 },
      illMs: 25 * MINUTE,
      detect: { count: 3, mean: 40_000, worst: MINUTE },
      recover: { count: 2, mean: 7.5 * MINUTE, worst: 10 * MINUTE },
    });
  });

  it("leave out what was over before the range and keep what reached into it", () => {
    const all = [incident(START), incident(START + 60 * MINUTE)];
    expect(inRange(all, START + 4 * MINUTE)).toHaveLength(2);
    expect(inRange(all, START + 6 * MINUTE)).toHaveLength(1);
    expect(
      figuresOf(newTargetItem("api", START), all, BUDGET, START + 999 * MINUTE, START + 1_000 * MINUTE),
    ).toMatchObject({
      incidents: 0,
      illMs: 0,
      detect: undefined,
      recover: undefined,
    });
  });

  it("count each guard once an incident", () => {
    const said = ["asked:cooldown:restart", "asked:cooldown:purge-cache", "asked:paused:restart", "page:down"];
    const figures = figuresOf(newTargetItem("api", START), [incident(START, { said })], BUDGET, START, START + MINUTE);
    expect(figures.refusals).toEqual({ cooldown: 1, paused: 1 });
  });

  it("show a remedy's record with its denominator, interval and what ended alone", () => {
    const effects = withVerdict(withVerdict(undefined, "restart", "down", "healed"), "restart", "down", "unknown");
    const item = {
      ...newTargetItem("api", START),
      effects,
      endings: { down: { ended: 12, alone: 3, left: 9, soon: 2 } },
    };
    const [only] = figuresOf(item, [], BUDGET, START, START).effects;
    expect(only).toMatchObject({ remedy: "restart", kind: "down", calls: 2, tries: 1, left: 9, soon: 2, high: 1 });
    expect(only?.tally).toMatchObject({ healed: 1, unknown: 1 });
  });

  it("say what observe would have done and what came without it", () => {
    const wouldHave = [
      ...Array.from({ length: 5 }, (_, n) => would("recovered", (n + 1) * 20_000)),
      would("still-ill"),
      would(undefined),
    ];
    const figures = figuresOf(
      newTargetItem("api", START),
      [incident(START, { wouldHave })],
      BUDGET,
      START,
      START + MINUTE,
    );
    expect(figures.shadow).toEqual([
      expect.objectContaining({
        remedy: "restart",
        kind: "down",
        times: 7,
        incidents: 1,
        recovered: 5,
        recoveredAfter: { count: 5, mean: 60_000, median: 60_000, worst: 100_000 },
        stillIll: 1,
        notYet: 1,
        advice: { kind: "not-yet", why: "1 incident of which the end is known, at least 10 are wanted" },
      }),
    ]);
  });
});

describe("a remedy may leave observe", () => {
  const advice = (recovered: number, needed: number, rest: { unknown?: number; cameBack?: number } = {}) => {
    const { unknown = 0, cameBack = 0 } = rest;
    return adviceFor({ incidents: recovered + needed + unknown, recovered, needed, unknown, cameBack });
  };

  it.each([
    ["not on a few cases", 0, 9, {}, "not-yet"],
    ["when ten outages in a row went on without it", 0, 10, {}, "ready"],
    ["when most outages went on without it", 5, 25, {}, "ready"],
    ["not where many end alone", 4, 8, {}, "not-yet"],
    ["not on what nobody saw the end of", 0, 3, { unknown: 50 }, "not-yet"],
    ["not where what nobody saw may have ended alone", 0, 10, { unknown: 5 }, "not-yet"],
    ["though a few came back", 0, 10, { cameBack: 2 }, "ready"],
    ["not where it flaps", 0, 10, { cameBack: 3 }, "not-yet"],
  ] as const)("%s", (_, recovered, needed, rest, kind) => {
    expect(advice(recovered, needed, rest).kind).toBe(kind);
  });

  it.each([
    [advice(1, 0), "1 incident of which the end is known, at least 10 are wanted"],
    [advice(5, 25), "5 of 30 incidents recovered alone, so at most 34 % do: most needed something"],
    [
      advice(4, 8, { unknown: 1 }),
      "4 of 12 incidents recovered alone and 1 nobody saw the end of, so at most 64 % do: a call may often be needless",
    ],
    [
      advice(0, 10, { cameBack: 3 }),
      "3 of 10 incidents began within 15 min after the one before: find out why it comes back first",
    ],
  ])("and says why: %j", ({ why }, text) => {
    expect(why).toBe(text);
  });

  it("by one case an incident, the first, and by what came back soon", () => {
    const ill = (n: number) =>
      incident(START + n * 17 * MINUTE, { wouldHave: [would("still-ill"), would("still-ill"), would("recovered")] });
    const far = (n: number) =>
      incident(START + n * 120 * MINUTE, { wouldHave: [would("still-ill"), would("recovered")] });
    const of = (make: (n: number) => Incident) => {
      const all = Array.from({ length: 12 }, (_, n) => make(n));
      return figuresOf(newTargetItem("api", START), all, BUDGET, START, START + 9_999 * MINUTE).shadow[0]?.advice;
    };
    expect(of(ill)).toMatchObject({ kind: "not-yet", why: expect.stringMatching(/^11 of 12 incidents began within/) });
    expect(of(far)).toMatchObject({ kind: "ready", why: expect.stringMatching(/^0 of 12 incidents recovered alone/) });
  });
});

describe("the most calls within a window", () => {
  it.each([
    [[], 0],
    [[5], 1],
    [[30, 0, 9, 5], 3],
    [[0, 10, 20], 1],
  ])("of %j is %i", (times, most) => {
    expect(mostWithin(times, 10)).toBe(most);
  });
});

describe("a spread", () => {
  it.each([
    [[], undefined],
    [[4], { count: 1, mean: 4, median: 4, worst: 4 }],
    [[1, 9, 2, 4], { count: 4, mean: 4, median: 3, worst: 9 }],
  ])("of %j is %j", (values, spread) => {
    expect(spreadOf(values)).toEqual(spread);
  });
});
