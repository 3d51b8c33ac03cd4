import { describe, expect, it } from "vitest";
import { attemptOf, fleet, incidentOf, sceneOf, targetConfig } from "./fixture.ts";
import { type Attempt, type Incident, newTargetItem, type TargetItem, type WouldHave } from "./item.ts";
import type { Draft } from "./scene.ts";
import {
  asIfCalled,
  ladderTakesMs,
  leftAlone,
  scoreAtEnd,
  scoreShadow,
  shadowBudgetIsSpent,
  shadowRefusal,
  shadowTakesMs,
  withShadow,
} from "./shadow.ts";
import type { View } from "./view.ts";

const NOW = 1_800_000_000_000;
const policy = { config: fleet(), target: targetConfig() };
/** Warm-up, verification and the skew of clocks. */
const TAKES = 30_000 + 300_000 + 2_000;

const would = (change: Partial<WouldHave> = {}): WouldHave => ({
  remedy: "restart",
  at: NOW - TAKES,
  site: "primary",
  kind: "slow",
  ...change,
});
const itemWith = (wouldHave: readonly WouldHave[], change: Partial<TargetItem> = {}): TargetItem => ({
  ...newTargetItem("api", NOW),
  incident: incidentOf({ openedAt: NOW - 60_000, wouldHave }),
  ...change,
});
const held = { until: NOW, streak: 2, lastClaimAt: NOW - 5 };

describe("what would have been called", () => {
  it("takes as long as a real attempt until it is judged", () => {
    expect(shadowTakesMs(policy, "restart")).toBe(TAKES);
  });

  it("takes as long for a kind as the first remedy on its ladder that can be called, if there is one", () => {
    expect(ladderTakesMs(policy, "down")).toBe(TAKES);
    expect(ladderTakesMs(policy, "failing")).toBe(10_000 + 240_000 + 2_000);
    expect(ladderTakesMs(policy, "loaded")).toBeUndefined();
    const down = [
      { remedy: "failover" as const, times: 1 },
      { remedy: "purge-cache" as const, times: 1 },
    ];
    const other = { ...policy, target: targetConfig({ ladders: { ...policy.target.ladders, down } }) };
    expect(ladderTakesMs(other, "down")).toBe(10_000 + 240_000 + 2_000);
  });

  it("uses up the budget of the target, as far as its window reaches", () => {
    const calls = [NOW - 3_600_000, NOW - 3_599_999, NOW - 1, NOW - 1];
    const item = withShadow(itemWith([], { shadowCalls: calls }), policy, "restart", NOW);
    expect(item.shadowCalls).toEqual([...calls.slice(1), NOW]);
    expect(shadowBudgetIsSpent(item, policy, NOW)).toBe(true);
    expect(shadowBudgetIsSpent(item, policy, NOW + 1)).toBe(false);
    expect(shadowBudgetIsSpent(itemWith([]), policy, NOW)).toBe(false);
  });

  it("uses up the ladder like a real one, at its site and for its kind", () => {
    const early: WouldHave = { remedy: "purge-cache", at: 7 };
    const { attempts } = asIfCalled(
      incidentOf({ attempts: [attemptOf()], wouldHave: [would({ site: "secondary" }), early] }),
    );
    const made = { state: "no-effect", token: 0, because: "", mayHaveCalled: true, step: 0 };
    expect(attempts).toEqual([
      attemptOf(),
      { ...made, id: "shadow_0", remedy: "restart", at: NOW - TAKES, site: "secondary", kind: "slow" },
      { ...made, id: "shadow_1", remedy: "purge-cache", at: 7, site: "primary", kind: "down" },
    ]);
  });

  it("is written down with its cooldown, as a claim would be", () => {
    const item = withShadow(
      itemWith([would({ score: "still-ill" })], { shadowCooldowns: { restart: held, "purge-cache": held } }),
      policy,
      "restart",
      NOW,
    );
    expect(item.incident?.wouldHave.at(-1)).toEqual({ remedy: "restart", at: NOW, site: "primary", kind: "down" });
    expect(item.incident?.wouldHave.length).toBe(2);
    expect(item.shadowCooldowns).toEqual({
      restart: { until: NOW + 600_000 * 8 + 162_000, streak: 3, lastClaimAt: NOW },
      "purge-cache": held,
    });
    expect(item.cooldowns).toEqual({});
  });

  const longAgo = { until: 0, streak: 2, lastClaimAt: NOW - 9 * 86_400_000 };
  it.each<[string, Partial<TargetItem>, number]>([
    ["the first has no streak", {}, 0],
    ["one after healthy days neither", { shadowCooldowns: { restart: longAgo } }, 0],
    ["one after an incident an hour ago has", { shadowCooldowns: { restart: longAgo }, wellSince: NOW - 3_600_000 }, 3],
  ])("%s", (_name, change, streak) => {
    expect(withShadow(itemWith([], change), policy, "restart", NOW).shadowCooldowns?.restart?.streak).toBe(streak);
  });

  it("is nothing without an incident", () => {
    const item = newTargetItem("api", NOW);
    expect(withShadow(item, policy, "restart", NOW)).toBe(item);
    expect(shadowRefusal(item, "restart", NOW)).toBeUndefined();
    const draft: Draft = { item, because: [] };
    scoreShadow(draft, sceneOf("down", { now: NOW, policy }));
    expect(draft).toEqual({ item, because: [] });
  });
});

describe("another would be called", () => {
  it.each<[string, readonly WouldHave[], Partial<TargetItem>, string | undefined]>([
    ["at first", [], {}, undefined],
    ["after one that did not help", [would({ score: "still-ill" })], {}, undefined],
    [
      "not before the last is judged",
      [would({ score: "still-ill" }), would()],
      {},
      "an earlier one would still be judged",
    ],
    [
      "not after worse",
      [would({ score: "worse" }), would({ score: "still-ill" })],
      {},
      "it got worse after the last one: a person would be called",
    ],
    ["not while it cools down", [], { shadowCooldowns: { restart: held } }, "restart would cool down"],
    ["after the cooldown", [], { shadowCooldowns: { restart: { ...held, until: NOW - 1 } } }, undefined],
    ["not held by another's cooldown", [], { shadowCooldowns: { "purge-cache": held } }, undefined],
  ])("%s", (_name, wouldHave, change, refusal) => {
    expect(shadowRefusal(itemWith(wouldHave, change), "restart", NOW)).toBe(refusal);
  });
});

describe("it is judged by what the service did without it", () => {
  const scored = (state: View, open: WouldHave, now = NOW) => {
    const judged = would({ score: "still-ill", scoredAt: 1 });
    const draft: Draft = { item: itemWith([judged, open]), because: [] };
    scoreShadow(draft, sceneOf(state, { now, policy }));
    expect(draft.item.incident?.wouldHave[0]).toBe(judged);
    const last = draft.item.incident?.wouldHave.at(-1);
    expect(last?.scoredAt).toBe(last?.score === undefined ? undefined : now);
    expect(draft.because).toEqual(last?.score === undefined ? [] : [`would-have: ${last.score} without it`]);
    return last?.score;
  };
  const { kind: _, ...early } = would();

  it.each<[string, View, WouldHave, number, WouldHave["score"]]>([
    ["not before its time is over", "slow", would(), NOW - 1, undefined],
    ["still ill", "slow", would(), NOW, "still-ill"],
    ["still ill, though milder", "slow", would({ kind: "down" }), NOW, "still-ill"],
    ["worse", "down", would(), NOW, "worse"],
    ["ill as the incident is, where its own kind is not known", "down", early, NOW, "still-ill"],
    ["unknown, where nothing can be seen", "inconclusive", would(), NOW, "unknown"],
    ["waited for, while it reads half well", "suspect", would(), NOW + 299_999, undefined],
    ["unknown, when it reads half well for as long again", "suspect", would(), NOW + 300_000, "unknown"],
    ["waited for, while only a certificate ends", "expiring", would(), NOW, undefined],
    ["waited for, while it is well: the incident's end judges it", "healthy", would(), NOW, undefined],
  ])("%s", (_name, state, open, now, score) => {
    expect(scored(state, open, now)).toBe(score);
  });

  it.each<[string, Partial<Attempt>, WouldHave["score"]]>([
    ["says nothing where something was called since", { callStartedAt: NOW - TAKES }, "unknown"],
    ["says nothing where something may have been called since", { at: NOW }, "unknown"],
    ["holds where the last call came before", { callStartedAt: NOW - TAKES - 1 }, "still-ill"],
    ["holds where what was decided since was never called", { at: NOW, mayHaveCalled: false }, "still-ill"],
  ])("%s", (_name, change, score) => {
    const attempts = [attemptOf(change)];
    const incident = incidentOf({ wouldHave: [would()], attempts });
    const draft: Draft = { item: { ...itemWith([]), incident }, because: [] };
    scoreShadow(draft, sceneOf("slow", { now: NOW, policy }));
    expect(draft.item.incident?.wouldHave[0]?.score).toBe(score);
    const atEnd = scoreAtEnd(incident, NOW, true).wouldHave[0]?.score;
    expect(atEnd).toBe(score === "unknown" ? "unknown" : "recovered");
  });

  it.each<[string, View, View, WouldHave["score"], WouldHave["score"]]>([
    ["still ill where it would have been called", "slow", "healthy", "still-ill", "still-ill"],
    ["well there, whatever is wrong elsewhere now: nobody sees how it ended", "healthy", "down", undefined, "unknown"],
  ])("by the site it was for, after the incident has moved: %s", (_name, there, here, score, atEnd) => {
    const health = (state: View) => ({ state, why: "", views: {}, observation: 0 });
    const sites = { primary: health(here), secondary: health(there) };
    const draft: Draft = { item: itemWith([would({ site: "secondary" })]), because: [] };
    scoreShadow(draft, sceneOf(here, { now: NOW, policy, sites }));
    expect(draft.item.incident?.wouldHave[0]?.score).toBe(score);
    if (draft.item.incident === undefined) throw new Error("the incident is gone");
    expect(scoreAtEnd(draft.item.incident, NOW, true).wouldHave[0]?.score).toBe(atEnd);
  });

  it("and where nothing is open, not at all", () => {
    const item = itemWith([would({ score: "worse" })]);
    const draft: Draft = { item, because: [] };
    scoreShadow(draft, sceneOf("down", { now: NOW, policy }));
    expect(draft).toEqual({ item, because: [] });
  });

  it.each([
    [true, "recovered"],
    [false, "unknown"],
  ])("at the incident's end (recovered: %s) as %s, what was judged before stays", (recovered, score) => {
    const judged = would({ score: "worse", scoredAt: 1 });
    expect(scoreAtEnd(incidentOf({ wouldHave: [judged, would()] }), NOW, recovered).wouldHave).toEqual([
      judged,
      { ...would(), score, scoredAt: NOW },
    ]);
  });
});

describe("what came of a kind that was left alone", () => {
  const over = (change: Partial<Incident>) => leftAlone(incidentOf({ endedAt: TAKES, ...change }), TAKES);
  const scored = (score: WouldHave["score"]) => would(score === undefined ? {} : { score });

  it.each<[string, Partial<Incident>, number, number]>([
    ["well again as soon as an attempt is judged", {}, 1, 1],
    ["ill for longer", { endedAt: TAKES + 1 }, 1, 0],
    ["called before that time was over: nobody knows", { attempts: [attemptOf({ callStartedAt: TAKES })] }, 0, 0],
    ["called only after it: ill for as long", { attempts: [attemptOf({ callStartedAt: TAKES + 1 })] }, 1, 0],
    ["the first call counts", { attempts: [attemptOf(), attemptOf({ callStartedAt: TAKES + 1 })] }, 0, 0],
    ["what was never called left it alone", { attempts: [attemptOf({ mayHaveCalled: false })] }, 1, 1],
    ["each score of observe counts", { wouldHave: [scored("still-ill"), scored("worse"), scored("recovered")] }, 3, 1],
    ["but not what nobody knows", { wouldHave: [scored("unknown"), scored(undefined)] }, 0, 0],
  ])("%s", (_name, change, left, soon) => {
    expect(over(change)).toEqual({ left, soon });
  });

  it("is not known while the incident is open", () => {
    expect(leftAlone(incidentOf(), TAKES)).toEqual({ left: 0, soon: 0 });
  });
});
