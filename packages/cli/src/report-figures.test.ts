import { type Incident, newTargetItem, type WouldHave, withVerdict } from "@neuropilot/core";
import { describe, expect, it } from "vitest";
import { adviceFor, figuresOf, inRange, spreadOf } from "./report-figures.ts";

const START = 1_800_000_000_000;
const MINUTE = 60_000;

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
    const figures = figuresOf(newTargetItem("api", START), [incident(START), slow, open], START, START + 130 * MINUTE);
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
    expect(figuresOf(newTargetItem("api", START), all, START + 999 * MINUTE, START + 1_000 * MINUTE)).toMatchObject({
      incidents: 0,
      illMs: 0,
      detect: undefined,
      recover: undefined,
    });
  });

  it("count each guard once an incident", () => {
    const said = ["asked:cooldown:restart", "asked:cooldown:purge-cache", "asked:paused:restart", "page:down"];
    const figures = figuresOf(newTargetItem("api", START), [incident(START, { said })], START, START + MINUTE);
    expect(figures.refusals).toEqual({ cooldown: 1, paused: 1 });
  });

  it("show a remedy's record with its denominator, interval and what ended alone", () => {
    const effects = withVerdict(withVerdict(undefined, "restart", "down", "healed"), "restart", "down", "unknown");
    const item = { ...newTargetItem("api", START), effects, endings: { down: { ended: 9, alone: 2 } } };
    const [only] = figuresOf(item, [], START, START).effects;
    expect(only).toMatchObject({ remedy: "restart", kind: "down", tries: 1, ended: 9, alone: 2, high: 1 });
    expect(only?.tally).toMatchObject({ healed: 1, unknown: 1 });
  });

  it("say what observe would have done and what came without it", () => {
    const wouldHave = [
      ...Array.from({ length: 5 }, (_, n) => would("recovered", (n + 1) * 20_000)),
      would("still-ill"),
      would(undefined),
    ];
    const figures = figuresOf(newTargetItem("api", START), [incident(START, { wouldHave })], START, START + MINUTE);
    expect(figures.shadow).toEqual([
      expect.objectContaining({
        remedy: "restart",
        kind: "down",
        times: 7,
        recovered: 5,
        recoveredAfter: { count: 5, mean: 60_000, median: 60_000, worst: 100_000 },
        stillIll: 1,
        notYet: 1,
        advice: { kind: "not-yet", why: "6 cases of which the end is known, at least 10 are wanted" },
      }),
    ]);
  });
});

describe("a remedy may leave observe", () => {
  const advice = (recovered: number, stillIll: number, unknown = 0) =>
    adviceFor({ remedy: "restart", kind: "down", times: 99, recovered, stillIll, worse: 0, unknown, notYet: 0 }).kind;

  it.each([
    ["not on a few cases", 0, 9, "not-yet"],
    ["when ten outages in a row went on without it", 0, 10, "ready"],
    ["when most outages went on without it", 5, 25, "ready"],
    ["not where many end alone", 4, 8, "not-yet"],
  ] as const)("%s", (_, recovered, stillIll, kind) => {
    expect(advice(recovered, stillIll)).toBe(kind);
  });

  it("not on what nobody saw the end of", () => {
    expect(advice(0, 3, 50)).toBe("not-yet");
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
