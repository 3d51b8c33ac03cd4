import { describe, expect, it } from "vitest";
import { attemptOf, fleet, incidentOf, sceneOf, targetConfig } from "./fixture.ts";
import { newTargetItem, type TargetItem, type WouldHave } from "./item.ts";
import type { Draft } from "./scene.ts";
import { asIfCalled, scoreAtEnd, scoreShadow, shadowRefusal, shadowTakesMs, withShadow } from "./shadow.ts";
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
