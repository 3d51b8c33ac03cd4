import type { IllKind, TargetConfig } from "@neuropilot/config";
import { describe, expect, it } from "vitest";
import { attemptOf, fleet, incidentOf, sampleAt, sceneOf, targetConfig, windowAfter, worldOf } from "./fixture.ts";
import { type Attempt, type Incident, newTargetItem, type TargetItem } from "./item.ts";
import type { Outcome, Sample } from "./sample.ts";
import type { Draft, Input, Scene } from "./scene.ts";
import { hasRecovered, moveAttempt } from "./verify.ts";
import type { View } from "./view.ts";

const NOW = 1_800_000_000_000;
const WAKE: Input = { kind: "wake", at: NOW, cause: "tick" };
const RECONCILE: Input = { kind: "reconcile", at: NOW };

const ago = (ms: number, outcome: Outcome = "ok", change: Partial<Sample> = {}) => sampleAt(NOW - ms, outcome, change);
const every = (count: number, stepMs: number, fromMs: number, outcome: Outcome = "ok", change: Partial<Sample> = {}) =>
  Array.from({ length: count }, (_, index) => ago(fromMs - index * stepMs, outcome, change));

function scene(state: View, samples: readonly Sample[] = [], target: TargetConfig = targetConfig()): Scene {
  const world = worldOf([windowAfter(undefined, "local", NOW - 50_000, samples)]);
  return sceneOf(state, { now: NOW, world, policy: { config: fleet(), target } });
}

function itemWith(attempt: Attempt, change: Partial<TargetItem> = {}, incident: Partial<Incident> = {}): TargetItem {
  return {
    ...newTargetItem("api", NOW),
    incident: incidentOf({ openedAt: NOW - 900_000, attempts: [attempt], ...incident }),
    ...change,
  };
}

function moved(
  item: TargetItem,
  at: Scene,
  input: Input = WAKE,
): Draft & { texts: readonly (readonly string[])[]; attempt: Attempt | undefined } {
  const draft: Draft = { item, because: [] };
  moveAttempt(draft, at, input);
  const texts = draft.item.incident?.timeline.map(({ kind, text }) => [kind, text]) ?? [];
  return { ...draft, texts, attempt: draft.item.incident?.attempts[0] };
}

describe("an attempt that is under way", () => {
  it.each([
    [1_800_000, "proposed"],
    [1_800_001, "denied"],
  ])("and was proposed %s ms ago is %s", (ms, state) => {
    const { attempt, texts } = moved(
      itemWith(attemptOf({ state: "proposed", at: NOW - ms, mayHaveCalled: false })),
      scene("down"),
    );
    expect(attempt?.state).toBe(state);
    expect(texts).toEqual(
      state === "proposed"
        ? []
        : [
            ["attempt", "restart was not done: nobody said yes in time"],
            ["human", "restart was proposed and nobody answered within 30 min"],
          ],
    );
    if (state === "denied") expect(attempt).toMatchObject({ note: "nobody said yes in time", endedAt: NOW });
  });

  it.each([
    [NOW, "claimed"],
    [NOW - 1, "abandoned"],
  ])("and may be called until %s is %s", (callNotAfter, state) => {
    const { attempt, because, texts } = moved(itemWith(attemptOf({ state: "claimed", callNotAfter })), scene("down"));
    expect(attempt?.state).toBe(state);
    expect(because).toEqual(state === "claimed" ? [] : ["attempt: not called in time"]);
    expect(texts).toEqual(
      state === "claimed" ? [] : [["attempt", "restart was not called: no function took it up in time"]],
    );
  });

  it.each([
    [NOW, "following"],
    [NOW - 1, "verifying"],
  ])("and is followed until %s is %s, on what is seen from now on", (followUntil, state) => {
    const item = itemWith(attemptOf({ state: "following", followUntil }), {
      recovery: { streak: 2, tick: 5, from: 4 },
    });
    const { attempt, item: after, texts } = moved(item, scene("down"));
    expect(attempt?.state).toBe(state);
    if (state === "following") {
      expect(after).toBe(item);
      return;
    }
    expect(attempt).toMatchObject({
      verifyFrom: NOW + 2_000,
      verifyUntil: NOW + 302_000,
      note: "the vendor did not finish in time",
    });
    expect(attempt?.overAt).toBeUndefined();
    expect(after.evidenceFrom).toBe(NOW + 2_000);
    expect(after.recovery).toEqual({ streak: 0, tick: 5, from: 4 });
    expect(texts).toEqual([["attempt", "the vendor did not finish restart within 5 min"]]);
  });

  it.each<[string, Partial<Attempt>]>([
    ["claimed", { state: "claimed" }],
    ["following", { state: "following" }],
    ["verifying", { state: "verifying" }],
    ["verifying from", { state: "verifying", verifyFrom: 0 }],
    ["verifying until", { state: "verifying", verifyUntil: 0 }],
  ])("without its times stays as it is: %s", (_name, change) => {
    const item = itemWith(attemptOf(change));
    expect(moved(item, scene("down")).item).toBe(item);
  });

  it("is given up as lost by reconcile alone, when no call can be alive", () => {
    const lost = itemWith(attemptOf({ state: "calling", callNotAfter: NOW - 12_001 }));
    expect(moved(lost, scene("down")).item).toBe(lost);
    const { attempt, because } = moved(lost, scene("down"), RECONCILE);
    expect(attempt?.state).toBe("verifying");
    expect(because).toEqual(["attempt: the call was begun and never reported: unknown"]);
    const alive = itemWith(attemptOf({ state: "calling", callNotAfter: NOW - 12_000 }));
    expect(moved(alive, scene("down"), RECONCILE)).toMatchObject({ item: alive, because: [] });
  });

  it("is none: nothing is moved", () => {
    const item = newTargetItem("api", NOW);
    expect(moved(item, scene("down")).item).toBe(item);
  });
});

describe("the verdict", () => {
  const verifying = (change: Partial<Attempt> = {}) =>
    attemptOf({
      state: "verifying",
      callStartedAt: NOW - 400_000,
      overAt: NOW - 350_000,
      verifyFrom: NOW - 300_000,
      verifyUntil: NOW,
      ...change,
    });
  const well = { recovery: { streak: 3, tick: NOW, from: NOW - 200_000 } };
  const human = (text: string) => ["human", text];
  const said = (text: string) => ["attempt", `restart: ${text}`];

  it.each<[string, Attempt, Partial<TargetItem>, View, string, readonly (readonly string[])[]]>([
    [
      "healed, when three healthy observations came in a row",
      verifying(),
      well,
      "healthy",
      "healed",
      [said("healed (it is healthy)")],
    ],
    [
      "no-effect, when a quorum still sees it ill in the end",
      verifying(),
      {},
      "down",
      "no-effect",
      [said("no-effect (it is down)"), human("restart did not help (attempt 1)")],
    ],
    [
      "unknown, when it is ill and the vendor never finished",
      attemptOf({ state: "verifying", verifyFrom: NOW - 300_000, verifyUntil: NOW }),
      {},
      "down",
      "unknown",
      [said("unknown (it is down)"), human("restart cannot be shown to have helped (attempt 1)")],
    ],
    [
      "unknown, when nothing can be seen in the end",
      verifying(),
      {},
      "inconclusive",
      "unknown",
      [said("unknown (it is inconclusive)"), human("restart cannot be shown to have helped (attempt 1)")],
    ],
    [
      "worse, when it is graver in the end than it was",
      verifying({ kind: "slow" }),
      {},
      "down",
      "worse",
      [said("worse (it is down)"), human("restart made it worse: slow → down; nothing more will be tried")],
    ],
    ["open, while it reads as neither well nor ill", verifying(), {}, "suspect", "verifying", []],
    ["open, while only a certificate ends and it has not recovered", verifying(), {}, "expiring", "verifying", []],
    [
      "unknown, when it reads as neither for as long again",
      verifying({ verifyUntil: NOW - 300_000 }),
      {},
      "suspect",
      "unknown",
      [said("unknown (it is suspect)"), human("restart cannot be shown to have helped (attempt 1)")],
    ],
    ["open, a moment before that", verifying({ verifyUntil: NOW - 299_999 }), {}, "suspect", "verifying", []],
    ["open, while it is ill and there is time left", verifying({ verifyUntil: NOW + 1 }), {}, "down", "verifying", []],
    [
      "open, while nothing can be seen and there is time left",
      verifying({ verifyUntil: NOW + 1 }),
      {},
      "inconclusive",
      "verifying",
      [],
    ],
    [
      "open, before verification begins",
      verifying({ verifyFrom: NOW + 1, verifyUntil: NOW + 9 }),
      well,
      "healthy",
      "verifying",
      [],
    ],
    [
      "given at the moment verification begins",
      verifying({ verifyFrom: NOW, verifyUntil: NOW + 9 }),
      well,
      "healthy",
      "healed",
      [said("healed (it is healthy)")],
    ],
    [
      "open, when it is graver and there is time left, but a person hears",
      verifying({ kind: "slow", verifyUntil: NOW + 60_000 }),
      {},
      "down",
      "verifying",
      [
        human(
          "restart was followed by worse: slow → down (it is down); it may still be starting, which is awaited for 60 s more",
        ),
      ],
    ],
  ])("is %s", (_name, attempt, change, state, expected, texts) => {
    const samples = every(5, 10_000, 500_000, "refused");
    const draft = moved(itemWith(attempt, change), scene(state, samples));
    expect(draft.attempt?.state).toBe(expected);
    expect(draft.texts).toEqual(texts);
    const over = expected !== "verifying";
    expect(draft.attempt?.verdict).toBe(over ? expected : undefined);
    expect(draft.attempt?.endedAt).toBe(over ? NOW : undefined);
    expect(draft.item.incident?.ladderEnded).toBe(expected === "worse");
    expect(draft.item.effects?.[`restart/${attempt.kind}`]?.[expected as "healed"]).toBe(over ? 1 : undefined);
  });

  it("counts which attempt of the remedy it is, of those that were judged", () => {
    const item = itemWith(verifying());
    const earlier = [
      attemptOf({ id: "a", verdict: "no-effect" }),
      attemptOf({ id: "b", remedy: "purge-cache", verdict: "no-effect" }),
      attemptOf({ id: "c", state: "abandoned" }),
    ];
    const incident = incidentOf({ attempts: [...earlier, ...(item.incident?.attempts ?? [])] });
    expect(moved({ ...item, incident }, scene("down")).texts.at(-1)).toEqual(human("restart did not help (attempt 2)"));
  });

  it("tells a person of a graver kind again for another attempt", () => {
    const attempt = verifying({ id: "att_api_2", kind: "slow", verifyUntil: NOW + 60_000 });
    const item = itemWith(attempt, {}, { said: ["graver:att_api_1"] });
    expect(moved(item, scene("down")).texts.map(([kind]) => kind)).toEqual(["human"]);
  });

  it("reads what was before the call in the order of time, whichever vantage saw it", () => {
    const attempt = attemptOf({
      state: "verifying",
      callStartedAt: NOW - 400_000,
      verifyFrom: NOW - 300_000,
      verifyUntil: NOW,
    });
    const east = windowAfter(undefined, "east", NOW - 50_000, every(3, 1_000, 404_000));
    const west = windowAfter(undefined, "west", NOW - 50_000, every(9, 1_000, 500_000, "refused"));
    for (const windows of [
      [east, west],
      [west, east],
    ]) {
      const at = { ...scene("healthy"), world: worldOf(windows) };
      expect(moved(itemWith(attempt, well), at).attempt?.verdict).toBe("self-resolved");
    }
  });

  it("tells a person of a graver kind once an attempt", () => {
    const item = itemWith(verifying({ kind: "slow", verifyUntil: NOW + 60_000 }));
    const once = moved(item, scene("down")).item;
    expect(moved(once, scene("down")).item).toBe(once);
  });

  const down = every(9, 10_000, 500_000, "refused");
  it.each<[string, IllKind, readonly Sample[], number | undefined, string]>([
    [
      "good answers right before the call",
      "down",
      [...down, ...every(3, 1_000, 403_000)],
      NOW - 400_000,
      "self-resolved",
    ],
    ["too few of them", "down", every(2, 1_000, 403_000), NOW - 400_000, "healed"],
    [
      "a bad one among the newest",
      "down",
      [...every(2, 1_000, 403_000), ago(400_500, "status")],
      NOW - 400_000,
      "healed",
    ],
    [
      "a slow one among the newest",
      "down",
      [...every(2, 1_000, 403_000), ago(400_500, "ok", { ttfbMs: 401 })],
      NOW - 400_000,
      "healed",
    ],
    [
      "one at the threshold among the newest",
      "down",
      [...every(2, 1_000, 403_000), ago(400_500, "ok", { ttfbMs: 400 })],
      NOW - 400_000,
      "self-resolved",
    ],
    [
      "one that does not count among the newest",
      "down",
      [...every(3, 1_000, 404_000), ago(400_500, "local")],
      NOW - 400_000,
      "self-resolved",
    ],
    ["good answers only from the call on", "down", [...down, ...every(3, 1_000, 402_000)], NOW - 400_000, "healed"],
    ["no call", "down", down, undefined, "self-resolved"],
  ])("after %s is %s", (_name, kind, samples, called, verdict) => {
    const attempt = attemptOf({
      state: "verifying",
      kind,
      verifyFrom: NOW - 300_000,
      verifyUntil: NOW,
      ...(called === undefined ? {} : { callStartedAt: called }),
    });
    expect(moved(itemWith(attempt, well, { kind }), scene("healthy", samples)).attempt?.verdict).toBe(verdict);
  });

  it.each<[IllKind, number, number, string]>([
    ["failing", 20, 20, "self-resolved"],
    ["failing", 19, 20, "healed"],
    ["slow", 15, 15, "self-resolved"],
    ["slow", 14, 15, "healed"],
  ])("for %s takes %s good answers before the call, of %s that are needed, as %s", (kind, count, _needed, verdict) => {
    const attempt = attemptOf({
      state: "verifying",
      kind,
      callStartedAt: NOW - 300_000,
      verifyFrom: NOW - 300_000,
      verifyUntil: NOW,
    });
    const samples = [...every(count, 5_000, 300_000 + count * 5_000), ...every(25, 5_000, 150_000)];
    const draft = moved(itemWith(attempt, well, { kind }), scene("healthy", samples));
    expect(draft.attempt?.verdict).toBe(verdict);
  });
});

it("recovery is not judged by the windows of other sites", () => {
  const other = windowAfter(undefined, "west", NOW, every(15, 1_000, 100_000), "api/secondary");
  const item = {
    ...itemWith(attemptOf(), {}, { kind: "slow" }),
    recovery: { streak: 3, tick: NOW, from: NOW - 100_000 },
  };
  expect(hasRecovered(item, { ...scene("healthy"), world: worldOf([other]) })).toBe(false);
});

describe("recovery", () => {
  const recovered = (kind: IllKind | undefined, state: View, streak: number, samples: readonly Sample[] = []) => {
    const base = { ...newTargetItem("api", NOW), recovery: { streak, tick: NOW, from: NOW - 100_000 } };
    return hasRecovered(kind === undefined ? base : { ...base, incident: incidentOf({ kind }) }, scene(state, samples));
  };

  it.each<[string, () => boolean, boolean]>([
    ["three healthy observations", () => recovered("down", "healthy", 3), true],
    ["two", () => recovered("down", "healthy", 2), false],
    ["three, and ill again", () => recovered("down", "down", 3), false],
    ["three where only a certificate ends", () => recovered("down", "expiring", 3), true],
    ["a certificate that still ends", () => recovered("expiring", "expiring", 3), false],
    ["slowness: fifteen samples since", () => recovered("slow", "healthy", 3, every(15, 1_000, 100_000)), true],
    ["slowness: fourteen", () => recovered("slow", "healthy", 3, every(14, 1_000, 100_000)), false],
    ["slowness: one of them from before", () => recovered("slow", "healthy", 3, every(15, 1_000, 100_001)), false],
    ["errors: twenty samples since", () => recovered("failing", "healthy", 3, every(20, 1_000, 100_000)), true],
    ["errors: nineteen", () => recovered("failing", "healthy", 3, every(19, 1_000, 100_000)), false],
    [
      "errors: one failure in twenty, as the rule allows",
      () => recovered("failing", "healthy", 3, [...every(19, 1_000, 100_000), ago(9, "status")]),
      true,
    ],
    [
      "errors: two failures in twenty",
      () => recovered("failing", "healthy", 3, [...every(18, 1_000, 100_000), ago(9, "status"), ago(8, "status")]),
      false,
    ],
    [
      "errors: one of the twenty does not count",
      () => recovered("failing", "healthy", 3, [...every(19, 1_000, 100_000), ago(9, "local")]),
      false,
    ],
    ["no incident", () => recovered(undefined, "healthy", 3), true],
  ])("%s", (_name, has, expected) => {
    expect(has()).toBe(expected);
  });
});
