import type { Config, IllKind } from "@neuropilot/config";
import { describe, expect, it } from "vitest";
import { fleet, LADDERS, sampleAt, targetConfig, worldOf } from "./fixture.ts";
import { gravity, type Health, healthOf, isIll, isWellFor, quorumOf } from "./health.ts";
import type { Outcome, Sample } from "./sample.ts";
import type { View } from "./view.ts";
import { type Heartbeat, siteKey, type WindowItem } from "./window.ts";

const NOW = 1_800_000_000_000;
const TICK = NOW - 50_000;
const target = targetConfig();

const ago = (ms: number, outcome: Outcome = "ok", change: Partial<Sample> = {}) => sampleAt(NOW - ms, outcome, change);
const good = [ago(1_000)];
const every5s = (outcome: Outcome, change: Partial<Sample> = {}) =>
  Array.from({ length: 20 }, (_, index) => ago(96_000 - index * 5_000, outcome, change));
const down = every5s("refused");
const suspect = [ago(60_000), ago(1_000, "refused")];
const blocked = every5s("blocked");
const expiring = [ago(1_000, "ok", { certificateDays: 3 })];
const slow = Array.from({ length: 30 }, (_, index) => ago(291_000 - index * 10_000, "ok", { ttfbMs: 900 }));

function windowOf(vantage: string, samples: readonly Sample[], tick = TICK): WindowItem {
  const site = { samples, view: "suspect", since: tick, tick };
  const sites = { [siteKey("api", "primary")]: site };
  return { vantage, shard: "0", tick, step: 1, run: "run_test", at: NOW - 1_000, ended: true, sites };
}

function seen(
  byVantage: Readonly<Record<string, readonly Sample[] | undefined>>,
  beat: (beat: Heartbeat) => Heartbeat | undefined = (one) => one,
  change: Partial<Config> = {},
  evidenceFrom = 0,
): Health {
  const config = fleet({ vantages: Object.keys(byVantage), ...change });
  const windows = Object.entries(byVantage).flatMap(([vantage, samples], index) =>
    samples === undefined ? [] : windowOf(vantage, samples, TICK - index),
  );
  const world = worldOf(windows);
  const heartbeats = world.heartbeats.flatMap((one) => beat(one) ?? []);
  return healthOf(config, target, "primary", { windows, heartbeats }, evidenceFrom, NOW);
}

it.each([
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 3],
  [5, 3],
])("of %s vantages %s must agree", (count, needed) => {
  expect(quorumOf(fleet({ vantages: Array.from({ length: count }, (_, index) => `v${index}`) }))).toBe(needed);
});

describe("what vantages conclude together", () => {
  it.each<[string, () => Health, Health]>([
    [
      "is well when a quorum sees it well",
      () => seen({ a: good, b: good, c: suspect }),
      {
        state: "healthy",
        why: "200 in 40 ms",
        views: { a: "healthy", b: "healthy", c: "suspect" },
        observation: TICK - 2,
      },
    ],
    [
      "is down when a quorum sees it down, since the first bad sample",
      () => seen({ a: down, b: down.slice(3), c: [ago(85_000)] }),
      {
        state: "down",
        why: "a: 20 failures in a row over 95 s, the last: refused; b: 17 failures in a row over 80 s, the last: refused",
        views: { a: "down", b: "down", c: "healthy" },
        observation: TICK - 2,
        badSince: NOW - 96_000,
      },
    ],
    [
      "is suspect when only one of three sees it down",
      () => seen({ a: down, b: suspect, c: good }),
      {
        state: "suspect",
        why: "a: 20 failures in a row over 95 s, the last: refused; b: 1 failures in a row, the last: refused",
        views: { a: "down", b: "suspect", c: "healthy" },
        observation: TICK - 2,
      },
    ],
    [
      "names no vantage where there is only one",
      () => seen({ a: suspect }),
      { state: "suspect", why: "1 failures in a row, the last: refused", views: { a: "suspect" }, observation: TICK },
    ],
    [
      "is inconclusive without a quorum, and says why of each",
      () => seen({ a: good, b: [ago(91_000)], c: undefined }),
      {
        state: "inconclusive",
        why: "1 of 3 vantages can be relied on, 2 needed (b: no fresh sample that counts; c: silent)",
        views: { a: "healthy" },
        observation: TICK,
      },
    ],
    [
      "is inconclusive when nothing is heard",
      () => seen({ a: undefined }),
      {
        state: "inconclusive",
        why: "0 of 1 vantages can be relied on, 1 needed (a: silent)",
        views: {},
        observation: 0,
      },
    ],
    [
      "is an illness of which nobody can name the beginning",
      () => seen({ a: slow, b: slow }),
      {
        state: "slow",
        why: "a: 30 of 30 answers above 400 ms within 5 min, in 5 of 5 parts of it; b: 30 of 30 answers above 400 ms within 5 min, in 5 of 5 parts of it",
        views: { a: "slow", b: "slow" },
        observation: TICK - 1,
      },
    ],
  ])("%s", (_name, health, expected) => {
    expect(health()).toEqual(expected);
  });

  it("where they agree that it is ill but not how, is what the least invasive remedy is for", () => {
    expect(seen({ a: down, b: blocked }).state).toBe("blocked");
    expect(seen({ a: blocked, b: down }).state).toBe("blocked");
    expect(seen({ a: down, b: slow, c: down }).state).toBe("down");
    expect(seen({ a: slow, b: down, c: down }).state).toBe("down");
  });

  it.each<[string, IllKind, IllKind]>([
    ["a purge before a restart", "slow", "down"],
    ["a person before a purge", "down", "slow"],
  ])("%s", (_name, milder, graver) => {
    const first =
      milder === "slow" ? ({ remedy: "purge-cache", times: 1 } as const) : ({ remedy: "page", times: 1 } as const);
    const second =
      milder === "slow" ? ({ remedy: "restart", times: 1 } as const) : ({ remedy: "purge-cache", times: 1 } as const);
    const other = targetConfig({ ladders: { ...LADDERS, [milder]: [first], [graver]: [second] } });
    const windows = [windowOf("a", down), windowOf("b", slow)];
    const config = fleet({ vantages: ["a", "b"], targets: [other] });
    expect(healthOf(config, other, "primary", worldOf(windows), 0, NOW).state).toBe(milder);
  });

  it("hears only vantages of the config, and only of this site", () => {
    const config = fleet({ vantages: ["a", "b"] });
    const elsewhere = {
      ...windowOf("b", down),
      sites: { [siteKey("web", "primary")]: { samples: down, view: "", since: 0, tick: TICK } },
    };
    const windows = [windowOf("a", good), elsewhere, windowOf("x", down), windowOf("y", down)];
    expect(healthOf(config, target, "primary", worldOf(windows), 0, NOW).why).toBe(
      "1 of 2 vantages can be relied on, 2 needed (b: silent)",
    );
  });

  it("asks a person rather than doing nothing, and does nothing where one view has no remedy", () => {
    const other = targetConfig({ ladders: { ...LADDERS, down: [{ remedy: "page", times: 1 }] } });
    const windows = [windowOf("a", down), windowOf("b", blocked)];
    const config = fleet({ vantages: ["a", "b"], targets: [other] });
    expect(healthOf(config, other, "primary", worldOf(windows), 0, NOW).state).toBe("blocked");
  });

  it("does not let a certificate that ends hide an error rate", () => {
    const ends = { certificateDays: 3 };
    const failing = Array.from({ length: 40 }, (_, index) =>
      ago(160_000 - index * 4_000, [5, 12, 15, 20].includes(index) ? "status" : "ok", ends),
    );
    expect(seen({ a: [...failing, ago(500, "ok", ends)] })).toMatchObject({
      state: "failing",
      views: { a: "expiring" },
    });
    expect(seen({ a: expiring }).state).toBe("expiring");
    expect(seen({ a: failing.map((one) => ({ ...one, outcome: "ok" as const })) }).state).toBe("expiring");
  });

  it.each([
    ["0", "1"],
    ["1", "0"],
  ])(
    "hears one window of a vantage, and always the same, where shards %s and %s saw it in one tick",
    (first, second) => {
      const held = { "0": good, "1": down };
      const windows = [first, second].map((shard) => ({ ...windowOf("a", held[shard === "0" ? "0" : "1"]), shard }));
      const config = fleet({ vantages: ["a"] });
      expect(healthOf(config, target, "primary", worldOf(windows), 0, NOW).state).toBe("healthy");
    },
  );
});

describe("a vantage can be relied on", () => {
  it.each<[string, (beat: Heartbeat) => Heartbeat | undefined, string | undefined]>([
    ["while its heartbeat is two and a half ticks old", (beat) => ({ ...beat, at: NOW - 150_000 }), undefined],
    ["not when it is older", (beat) => ({ ...beat, at: NOW - 150_001 }), "silent"],
    ["not without one", () => undefined, "silent"],
    ["not by another shard's", (beat) => ({ ...beat, shard: "1" }), "silent"],
    ["not by another vantage's", (beat) => ({ ...beat, vantage: "b" }), "silent"],
    ["while its clock is two minutes ahead", (beat) => ({ ...beat, at: NOW + 120_000 }), undefined],
    ["not when it is further ahead", (beat) => ({ ...beat, at: NOW + 120_001 }), "its clock is ahead of ours"],
    ["while half its controls answer", (beat) => ({ ...beat, controls: { answered: 1, total: 2 } }), undefined],
    [
      "not when fewer do",
      (beat) => ({ ...beat, controls: { answered: 1, total: 3 } }),
      "our own network: 1 of 3 controls answer",
    ],
  ])("%s", (_name, beat, trouble) => {
    const health = seen({ a: good }, beat);
    expect(health.state).toBe(trouble === undefined ? "healthy" : "inconclusive");
    if (trouble !== undefined) expect(health.why).toBe(`0 of 1 vantages can be relied on, 1 needed (a: ${trouble})`);
  });
});

describe("an error rate", () => {
  /** One sample every 4 s over the last two minutes and a good one now; failures by their place, the oldest 0. */
  const rate = (failures: readonly number[], count = 29, outcome: Outcome = "status") =>
    Array.from({ length: count }, (_, index) =>
      ago((count - index) * 4_000, failures.includes(index) ? outcome : "ok"),
    ).concat(ago(100));
  /** A failure before the window, so that none of those within is the one that raised suspicion. */
  const before = ago(121_000, "status");

  it.each<[string, Readonly<Record<string, readonly Sample[]>>, boolean]>([
    ["of three in thirty", { a: [before, ...rate([2, 9, 20])] }, true],
    ["of two in thirty", { a: [before, ...rate([2, 9])] }, false],
    ["of three, the first of which raised suspicion", { a: rate([2, 9, 20]) }, false],
    ["of four, the first of which raised suspicion", { a: rate([2, 9, 15, 20]) }, true],
    ["of three of which a bot rule answered one", { a: [before, ...rate([2, 9]), ago(50, "blocked")] }, false],
    ["of three in six, for whatever the others turn out to be", { a: [before, ...rate([0, 2, 4], 5)] }, true],
    ["of two in six", { a: [before, ...rate([0, 2], 5)] }, false],
    ["in one run", { a: [before, ...rate([9, 10, 11, 12])] }, false],
    ["in two runs", { a: [before, ...rate([9, 10, 11, 20])] }, true],
    ["from two places, one run each", { a: [before, ...rate([9, 10])], b: [before, ...rate([9, 10])] }, false],
    ["from two places, one of them twice", { a: [before, ...rate([9, 10])], b: [before, ...rate([9, 20])] }, true],
    ["from one of two places", { a: [before, ...rate([2, 9, 20])], b: rate([]) }, false],
    [
      "from two of three places",
      { a: [before, ...rate([2, 9, 20])], b: [before, ...rate([2, 9, 20])], c: rate([]) },
      true,
    ],
    ["that is exactly five in a hundred", { a: [before, ...rate([2, 20])], b: [before, ...rate([9])] }, false],
    ["that begins with the window", { a: [before, ...rate([0, 1, 20])] }, true],
    ["of which one is as old as the window", { a: [before, ago(120_000, "status"), ...rate([2, 9])] }, false],
    [
      "after a failure elsewhere that raised suspicion before",
      { a: rate([16], 19), b: [before, ...rate([2, 9], 19)] },
      true,
    ],
    [
      "while one place of two may see an outage begin",
      {
        a: [before, ...rate([2, 9, 20]), ago(90, "status"), ago(80, "status"), ago(70, "status")],
        b: [before, ...rate([2, 9, 20])],
      },
      false,
    ],
    [
      "while failures come without a break, which may be an outage",
      { a: [before, ...rate([2, 9, 20]), ago(90, "status"), ago(80, "status"), ago(70, "status")] },
      false,
    ],
  ])("%s: %s", (_name, byVantage, failing) => {
    expect(seen(byVantage).state === "failing").toBe(failing);
  });

  it("tells how many of how many, and since when", () => {
    expect(seen({ a: [before, ...rate([2, 9, 20])] })).toMatchObject({
      state: "failing",
      why: "3 of 30 requests failed within 120 s",
      badSince: NOW - 27 * 4_000,
    });
  });

  it("does not count what was before a remedy, or does not count at all", () => {
    const samples = [before, ...rate([2, 9, 20])];
    expect(seen({ a: samples }, undefined, {}, NOW - 27 * 4_000).state).toBe("failing");
    expect(seen({ a: samples }, undefined, {}, NOW - 27 * 4_000 + 1).state).not.toBe("failing");
    const tainted = samples.map((one, index) => (index === 3 ? { ...one, tainted: true } : one));
    expect(seen({ a: tainted }).state).not.toBe("failing");
  });

  it.each([
    [300_000, false],
    [299_999, true],
  ])("counts the first failure in the window when one of %s ms before it had raised suspicion: %s", (gap, counted) => {
    const first = NOW - 27 * 4_000;
    const samples = [sampleAt(first - gap, "status"), ...rate([2, 9, 20])];
    expect(seen({ a: samples }).state === "failing").toBe(counted);
  });
});

describe("views", () => {
  const views: readonly [View, number][] = [
    ["healthy", 0],
    ["inconclusive", 0],
    ["suspect", 1],
    ["expiring", 1],
    ["blocked", 1],
    ["misconfigured", 1],
    ["lagging", 2],
    ["loaded", 2],
    ["slow", 3],
    ["failing", 4],
    ["down", 5],
  ];

  it.each(views)("%s weighs %s", (view, weight) => {
    expect(gravity(view)).toBe(weight);
    expect(isIll(view)).toBe(!["healthy", "suspect", "inconclusive"].includes(view));
    expect(isWellFor("down", view)).toBe(view === "healthy" || view === "expiring");
    expect(isWellFor("expiring", view)).toBe(view === "healthy");
    expect(isWellFor(undefined, view)).toBe(view === "healthy");
  });
});
