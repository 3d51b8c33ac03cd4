import { describe, expect, it } from "vitest";
import {
  abandon,
  beginCall,
  cooldownAfterClaim,
  dropRequest,
  giveUpLostCall,
  lostCallMs,
  recordFollow,
  recordNotCalled,
  recordOutcome,
  requestKey,
  type Step,
  startVerifying,
} from "./attempt.ts";
import { attemptOf, fleet, incidentOf, remedyPolicy, targetConfig } from "./fixture.ts";
import { type Attempt, type AttemptState, type Cooldown, newTargetItem, type TargetItem } from "./item.ts";
import type { CallOutcome, FollowStatus } from "./outcome.ts";

const NOW = 1_800_000_000_000;
const ID = "att_api_1";
const config = fleet();
const target = targetConfig();
const BEFORE: Cooldown = { until: NOW - 5, streak: 1, lastClaimAt: NOW - 9 };
const HELD: Cooldown = { until: NOW + 900_000, streak: 2, lastClaimAt: NOW - 1 };
const STATES: readonly AttemptState[] = [
  "proposed",
  "claimed",
  "calling",
  "following",
  "verifying",
  "healed",
  "abandoned",
];

const CLAIM = { claimedAt: NOW - 1, callNotAfter: NOW + 150_000, previousCooldown: BEFORE };

/** An item with one attempt that was claimed just now, and its request. */
function claimed(change: Partial<Attempt> = {}, claim: Partial<Attempt> = CLAIM): TargetItem {
  const attempt = attemptOf({ state: "claimed", mayHaveCalled: false, ...claim, ...change });
  return {
    ...newTargetItem("api", NOW),
    incident: incidentOf({ openedAt: NOW - 60_000, attempts: [attempt] }),
    cooldowns: { restart: HELD, "purge-cache": HELD },
    outbox: {
      "request:att_api_1": { kind: "remediation.requested", attempt: ID, remedy: "restart", site: "primary", at: NOW },
      "request:att_api_0": {
        kind: "remediation.requested",
        attempt: "att_api_0",
        remedy: "restart",
        site: "primary",
        at: 0,
      },
    },
    recovery: { streak: 2, tick: NOW - 7, from: NOW - 8 },
  };
}

const calling = (change: Partial<Attempt> = {}) =>
  claimed({ state: "calling", run: "run_1", callStartedAt: NOW - 1, mayHaveCalled: true, ...change });

function taken(step: Step): TargetItem {
  if (!step.ok) throw new Error(`refused: ${step.reason}`);
  return step.item;
}

const only = ({ incident }: TargetItem) => incident?.attempts[0];
const lastText = ({ incident }: TargetItem) => incident?.timeline.at(-1)?.text;
const requests = ({ outbox }: TargetItem) => Object.keys(outbox).filter((key) => key.startsWith("request:"));

describe("the cooldown of a claim", () => {
  const policy = remedyPolicy({ cooldownMs: 600_000, cooldownCapMs: 4_000_000 });
  const day = 86_400_000;

  it.each<[string, number | undefined, number, number, number]>([
    ["the first", undefined, 0, 0, 600_000],
    ["the second", 0, 0, 1, 1_200_000],
    ["the third", 1, 0, 2, 2_400_000],
    ["the fourth, which is capped", 2, 0, 3, 4_000_000],
    ["one after very many", 2_000, 0, 2_001, 4_000_000],
    ["one after just less than a healthy day", 1, day - 1, 2, 2_400_000],
    ["one after a healthy day", 1, day, 0, 600_000],
  ])(
    "%s: grows with every claim, to a cap, and starts anew after a healthy day",
    (_name, streak, healthyMs, next, ms) => {
      const previous = streak === undefined ? undefined : { until: 0, streak, lastClaimAt: 0 };
      expect(cooldownAfterClaim(config, policy, previous, healthyMs, NOW)).toEqual({
        until: NOW + ms + 162_000,
        streak: next,
        lastClaimAt: NOW,
      });
    },
  );

  it("lasts longer than a lost call may live: the latest start, its timeout and the skew of clocks", () => {
    expect(lostCallMs(config)).toBe(150_000 + 10_000 + 2_000);
  });
});

describe("a call", () => {
  it("is begun by one run, which answers its request and counts as a call from then on", () => {
    const item = taken(beginCall(claimed(), ID, "run_1", NOW));
    expect(only(item)).toMatchObject({ state: "calling", run: "run_1", callStartedAt: NOW, mayHaveCalled: true });
    expect(requests(item)).toEqual(["request:att_api_0"]);
    expect(beginCall(item, ID, "run_1", NOW + 1)).toEqual({ ok: true, item });
    expect(beginCall(item, ID, "run_2", NOW + 1)).toEqual({ ok: false, reason: "the attempt is calling" });
  });

  it.each<[string, TargetItem, string]>([
    ["that is not there", { ...newTargetItem("api", NOW) }, "no such attempt is open"],
    ["of another id", claimed({ id: "att_api_2" }), "no such attempt is open"],
    ["that has no latest time", claimed({}, { claimedAt: NOW - 1 }), "too late to call"],
    ["a moment too late", claimed({ callNotAfter: NOW - 1 }), "too late to call"],
    ["of this run that has gone on", claimed({ state: "following", run: "run_1" }), "the attempt is following"],
  ])("is not begun for an attempt %s", (_name, item, reason) => {
    expect(beginCall(item, ID, "run_1", NOW)).toEqual({ ok: false, reason });
  });

  it("may be begun up to its latest moment", () => {
    expect(beginCall(claimed({ callNotAfter: NOW }), ID, "run_1", NOW).ok).toBe(true);
  });

  it.each(STATES)("is begun only once claimed, not when %s", (state) => {
    expect(beginCall(claimed({ state }), ID, "run_1", NOW).ok).toBe(state === "claimed");
  });
});

describe("what was provably not called", () => {
  it("gives its cooldown back, answers its request and says why", () => {
    const item = taken(abandon(claimed(), ID, "paused", NOW));
    expect(item.cooldowns).toEqual({ restart: BEFORE, "purge-cache": HELD });
    expect(only(item)).toMatchObject({ state: "abandoned", note: "paused", endedAt: NOW, mayHaveCalled: false });
    expect(requests(item)).toEqual(["request:att_api_0"]);
    expect(lastText(item)).toBe("restart was not called: paused");
    expect(item.incident?.timeline.at(-1)?.kind).toBe("attempt");
  });

  it("without a cooldown before it leaves none", () => {
    expect(taken(abandon(claimed({}, { claimedAt: NOW - 1 }), ID, "x", NOW)).cooldowns).toStrictEqual({
      "purge-cache": HELD,
    });
  });

  it("and never claimed, keeps the cooldown that another holds", () => {
    const item = taken(abandon(claimed({}, { previousCooldown: BEFORE }), ID, "x", NOW));
    expect(item.cooldowns).toEqual({ restart: HELD, "purge-cache": HELD });
  });

  it.each(STATES)("can be abandoned by anyone only while claimed, not when %s", (state) => {
    expect(abandon(claimed({ state, run: "run_1" }), ID, "x", NOW).ok).toBe(state === "claimed");
    expect(abandon(claimed({ state, run: "run_1" }), ID, "x", NOW, "run_2").ok).toBe(state === "claimed");
  });

  it("can be abandoned while calling by the run that has not called yet", () => {
    expect(only(taken(abandon(calling(), ID, "paused", NOW, "run_1")))).toMatchObject({
      state: "abandoned",
      mayHaveCalled: false,
    });
    expect(abandon(calling(), ID, "x", NOW)).toEqual({ ok: false, reason: "the attempt is calling" });
    expect(abandon(claimed({ state: "calling" }), ID, "x", NOW).ok).toBe(false);
    expect(abandon(claimed({ state: "following", run: "run_1" }), ID, "x", NOW, "run_1").ok).toBe(false);
    expect(abandon(newTargetItem("api", NOW), ID, "x", NOW)).toEqual({ ok: false, reason: "no such attempt is open" });
  });

  it.each<[string, Extract<CallOutcome, { kind: "rejected" | "retry-later" }>, Partial<Attempt>, string]>([
    [
      "is postponed for as long as the vendor asks",
      { kind: "retry-later", afterMs: 90_000, detail: "429" },
      { state: "retry-later", notBefore: NOW + 90_000, note: "429" },
      "restart: the vendor asks to wait 90 s (429)",
    ],
    [
      "is postponed by no more than an hour",
      { kind: "retry-later", afterMs: 2 ** 50, detail: "429" },
      { state: "retry-later", notBefore: NOW + 3_600_000 },
      "restart: the vendor asks to wait 60 min (429)",
    ],
    [
      "is not postponed into the past",
      { kind: "retry-later", afterMs: -5, detail: "429" },
      { state: "retry-later", notBefore: NOW },
      "restart: the vendor asks to wait 0 s (429)",
    ],
    [
      "and never will be calls for a person",
      { kind: "rejected", reason: "unauthorized", detail: "401" },
      { state: "rejected", note: "401" },
      "restart cannot be made: unauthorized (401)",
    ],
  ])("%s", (_name, outcome, attempt, text) => {
    for (const item of [
      taken(recordNotCalled(claimed(), ID, outcome, NOW)),
      taken(recordOutcome(config, target, calling(), ID, "run_1", outcome, NOW)),
    ]) {
      expect(only(item)).toMatchObject({ ...attempt, outcome, mayHaveCalled: false, endedAt: NOW });
      expect(lastText(item)).toBe(text);
      expect(item.incident?.timeline.at(-1)?.kind).toBe(outcome.kind === "rejected" ? "human" : "attempt");
      expect(item.cooldowns.restart).toEqual(BEFORE);
      expect(requests(item)).toEqual(["request:att_api_0"]);
      expect(item.incident?.unavailable).toEqual(outcome.kind === "rejected" ? ["restart"] : []);
      expect(item.incident?.needsHuman?.why).toBe(outcome.kind === "rejected" ? text : undefined);
    }
  });

  it("is told once where the vendor says no again", () => {
    const base = claimed();
    const item = { ...base, incident: incidentOf({ ...base.incident, unavailable: ["restart"] }) };
    const after = taken(recordNotCalled(item, ID, { kind: "rejected", reason: "not-found", detail: "404" }, NOW));
    expect(after.incident?.timeline).toEqual([]);
    expect(after.incident?.unavailable).toEqual(["restart"]);
    expect(only(after)?.state).toBe("rejected");
  });

  it.each(STATES)("is heard of only while claimed, not when %s", (state) => {
    const step = recordNotCalled(claimed({ state }), ID, { kind: "retry-later", afterMs: 1, detail: "" }, NOW);
    expect(step.ok).toBe(state === "claimed");
    if (!step.ok) expect(step.reason).toBe(`the attempt is ${state}`);
  });

  it("is not heard of for an attempt that is not open", () => {
    const step = recordNotCalled(newTargetItem("api", NOW), ID, { kind: "retry-later", afterMs: 1, detail: "" }, NOW);
    expect(step).toEqual({ ok: false, reason: "no such attempt is open" });
  });
});

describe("the outcome of a call", () => {
  const verifying = { state: "verifying", overAt: NOW, verifyFrom: NOW + 32_000, verifyUntil: NOW + 332_000 };

  it.each<[string, CallOutcome, object, string]>([
    [
      "accepted: its work is followed",
      { kind: "applied", reference: "dep" },
      { state: "following", followUntil: NOW + 300_000 },
      "restart: the vendor accepted it",
    ],
    [
      "accepted, with a word from the vendor",
      { kind: "applied", reference: "dep", detail: "queued" },
      { state: "following" },
      "restart: the vendor accepted it (queued)",
    ],
    [
      "done already: fresh samples decide",
      { kind: "already-done", reference: "dep" },
      verifying,
      "restart: the vendor says that nothing was left to do",
    ],
    [
      "unknown: fresh samples decide",
      { kind: "unknown", why: "timeout", detail: "10 s" },
      verifying,
      "restart: whether the vendor did it is unknown (timeout: 10 s); fresh samples decide",
    ],
  ])("%s", (_name, outcome, attempt, text) => {
    const item = taken(recordOutcome(config, target, calling(), ID, "run_1", outcome, NOW));
    expect(only(item)).toMatchObject({ ...attempt, outcome, mayHaveCalled: true });
    expect(item.incident?.timeline.map((entry) => [entry.kind, entry.text])).toEqual([["attempt", text]]);
    expect(item.cooldowns.restart).toEqual(HELD);
  });

  it.each<[string, TargetItem, string, string | undefined]>([
    ["from the run that called", calling(), "run_1", undefined],
    ["not from another", calling(), "run_2", "the attempt is calling"],
    ["not twice", claimed({ state: "following", run: "run_1" }), "run_1", "the attempt is following"],
    ["not before the call", claimed({ run: "run_1" }), "run_1", "the attempt is claimed"],
    ["not for what is not open", newTargetItem("api", NOW), "run_1", "no such attempt is open"],
    [
      "late, in the place of the guess that the run was lost",
      claimed({ state: "verifying", run: "run_1", outcome: { kind: "unknown", why: "runner-lost", detail: "" } }),
      "run_1",
      undefined,
    ],
    [
      "not from another run in the place of that guess",
      claimed({ state: "verifying", run: "run_1", outcome: { kind: "unknown", why: "runner-lost", detail: "" } }),
      "run_2",
      "the attempt is verifying",
    ],
    [
      "not in the place of what the vendor left unknown",
      claimed({ state: "verifying", run: "run_1", outcome: { kind: "unknown", why: "timeout", detail: "" } }),
      "run_1",
      "the attempt is verifying",
    ],
    [
      "not in the place of a known outcome",
      claimed({ state: "verifying", run: "run_1", outcome: { kind: "applied", reference: "" } }),
      "run_1",
      "the attempt is verifying",
    ],
    [
      "not after the verdict",
      claimed({
        state: "unknown",
        verdict: "unknown",
        run: "run_1",
        outcome: { kind: "unknown", why: "runner-lost", detail: "" },
      }),
      "run_1",
      "the attempt is unknown",
    ],
  ])("is taken %s", (_name, item, run, reason) => {
    const step = recordOutcome(config, target, item, ID, run, { kind: "applied", reference: "dep" }, NOW);
    expect(step.ok ? undefined : step.reason).toBe(reason);
    if (step.ok) expect(only(step.item)?.state).toBe("following");
  });
});

describe("the vendor's work", () => {
  const following = claimed({ state: "following", mayHaveCalled: true });

  it.each<[string, FollowStatus, string | undefined]>([
    ["is over", { kind: "over", detail: "SUCCESS" }, "restart: the vendor's work is over (SUCCESS)"],
    [
      "has failed",
      { kind: "failed", detail: "CRASHED" },
      "restart: the vendor's work is said to have failed (CRASHED)",
    ],
    ["goes on", { kind: "in-progress", detail: "BUILDING" }, undefined],
    ["cannot be asked after", { kind: "unavailable", afterMs: 1, detail: "503" }, undefined],
  ])("%s", (_name, status, text) => {
    const step = recordFollow(config, target, following, ID, status, NOW);
    if (text === undefined) expect(step).toEqual({ ok: false, reason: status.detail });
    else {
      expect(only(taken(step))).toMatchObject({ state: "verifying", note: status.detail, overAt: NOW });
      expect(taken(step).incident?.timeline.map((entry) => [entry.kind, entry.text])).toEqual([["attempt", text]]);
    }
  });

  it.each(STATES)("is followed only while following, not when %s", (state) => {
    const step = recordFollow(config, target, claimed({ state }), ID, { kind: "over", detail: "" }, NOW);
    expect(step.ok ? undefined : step.reason).toBe(state === "following" ? undefined : `the attempt is ${state}`);
  });

  it("of an attempt that is not open is nobody's", () => {
    const step = recordFollow(config, target, newTargetItem("api", NOW), ID, { kind: "over", detail: "" }, NOW);
    expect(step).toEqual({ ok: false, reason: "no such attempt is open" });
  });

  it("is followed by warm-up, skew and verification on fresh samples, and recovery starts anew", () => {
    const item = startVerifying(config, target, following, attemptOf({ state: "following" }), NOW);
    expect(item.evidenceFrom).toBe(NOW + 32_000);
    expect(item.recovery).toEqual({ streak: 0, tick: NOW - 7, from: 0 });
    expect(only(item)).toMatchObject({ state: "verifying", verifyFrom: NOW + 32_000, verifyUntil: NOW + 332_000 });
  });
});

describe("a call that nobody reported", () => {
  it("is taken as unknown when no call can be alive any more, not a moment earlier", () => {
    const deadline = NOW + 162_000;
    expect(giveUpLostCall(config, target, calling(), deadline)).toEqual(calling());
    const item = giveUpLostCall(config, target, calling(), deadline + 1);
    expect(only(item)).toMatchObject({
      state: "verifying",
      outcome: { kind: "unknown", why: "runner-lost", detail: "the run that called never wrote what came of it" },
    });
    expect(item.incident?.timeline.map((entry) => [entry.kind, entry.text])).toEqual([
      ["attempt", "restart: the call was begun and never reported; taken as unknown, fresh samples decide"],
    ]);
  });

  it.each<[string, TargetItem]>([
    ["that is not calling", claimed()],
    ["without a latest time", claimed({ state: "calling", run: "run_1" }, {})],
    ["without an incident", newTargetItem("api", NOW)],
  ])("is not an attempt %s", (_name, item) => {
    expect(giveUpLostCall(config, target, item, NOW + 10 * 86_400_000)).toBe(item);
  });
});

it("a request has a key of its own, and dropping one leaves the others", () => {
  expect(requestKey(ID)).toBe("request:att_api_1");
  expect(requests(dropRequest(claimed(), "att_api_0"))).toEqual(["request:att_api_1"]);
});
