import { describe, expect, it } from "vitest";
import { brokenLink } from "./audit.ts";
import { decide, type Input, replay, withNextAction } from "./decide.ts";
import { attemptOf, fleet, incidentOf, sampleAt, targetConfig, windowAfter, worldOf } from "./fixture.ts";
import { newTargetItem, type OutboxEntry, type TargetItem } from "./item.ts";
import { readRecord } from "./record.ts";
import type { Outcome } from "./sample.ts";
import type { SeenWorld } from "./scene.ts";

const NOW = 1_800_000_000_000;
const policy = { config: fleet(), target: targetConfig() };

function world(outcome: Outcome, change: Partial<SeenWorld> = {}): SeenWorld {
  const samples = Array.from({ length: 23 }, (_, index) => sampleAt(NOW - 115_000 + index * 5_000, outcome));
  return worldOf([windowAfter(undefined, "local", NOW - 55_000, samples)], change);
}

const wake = (ageMs = 0): Input => ({ kind: "wake", at: NOW - ageMs, cause: "tick" });
const acknowledge = (ageMs: number): Input => ({ kind: "operator", at: NOW - ageMs, word: "acknowledge", by: "ada" });
const told = (incident: string, seq: number): OutboxEntry => ({ kind: "incident.changed", incident, seq, at: 0 });
const request: OutboxEntry = {
  kind: "remediation.requested",
  attempt: "att_api_1",
  remedy: "restart",
  site: "primary",
  at: 0,
};
const known: TargetItem = {
  ...newTargetItem("api", 0),
  health: { state: "healthy", since: 0, why: "", site: "primary" },
};

describe("an event", () => {
  it.each<[string, Input, boolean]>([
    ["a wake-up of three minutes ago", wake(180_000), true],
    ["an older wake-up", wake(180_001), false],
    ["a word of half an hour ago", acknowledge(1_800_000), true],
    ["an older word", acknowledge(1_800_001), false],
    ["reconcile, whenever it was meant to come", { kind: "reconcile", at: 0 }, true],
  ])("%s is acted on: %s", (_name, input, acted) => {
    const item = newTargetItem("api", NOW);
    const decision = decide(policy, item, world("refused"), input, NOW);
    expect(decision.changed).toBe(acted);
    if (acted) expect(decision.requests.length).toBe(2);
    else expect(decision).toEqual({ item, requests: [], because: ["stale-event: too old to act on"], changed: false });
  });
});

describe("what people have been told", () => {
  it.each<[string, number | undefined, boolean]>([
    ["nothing", undefined, true],
    ["less", 4, true],
    ["this", 5, false],
    ["more", 6, false],
  ])("%s of it by now: it is asked for again", (_name, seq, asked) => {
    const outbox = { "incident:inc_api_0": told("inc_api_0", 5), "request:att_api_1": request };
    const seen = world("ok", { told: { ...(seq === undefined ? {} : { inc_api_0: seq }), inc_api_9: 9 } });
    const { item, requests } = decide(policy, { ...known, outbox }, seen, wake(), NOW);
    expect(Object.keys(item.outbox)).toEqual(
      asked ? ["incident:inc_api_0", "request:att_api_1"] : ["request:att_api_1"],
    );
    expect(requests).toEqual(Object.values(item.outbox));
  });

  it("first of an incident is asked for though its number is nought", () => {
    const outbox = { "incident:inc_api_0": told("inc_api_0", 0) };
    expect(Object.keys(decide(policy, { ...known, outbox }, world("ok"), wake(), NOW).item.outbox)).toEqual([
      "incident:inc_api_0",
    ]);
    expect(
      decide(policy, { ...known, outbox }, world("ok", { told: { inc_api_0: 0 } }), wake(), NOW).item.outbox,
    ).toEqual({});
  });
});

describe("when reconcile must look again", () => {
  const base = { ...known, nextActionAt: NOW + 5_000 };
  const waiting: readonly [string, Partial<TargetItem>][] = [
    ["an incident is open", { incident: incidentOf() }],
    ["a request waits", { outbox: { "request:att_api_1": request } }],
    ["a closed incident waits for its archive", { closed: [incidentOf()] }],
    [
      "the audit log waits to be copied out",
      { audit: { n: 1, head: "", pending: [{ n: 1, at: 0, previous: "", hash: "", body: "" }] } },
    ],
    ["nothing can be seen", { health: { state: "inconclusive", since: 0, why: "", site: "" } }],
  ];

  it.each(waiting)("while %s: within a minute, and only its own look puts that off", (_name, change) => {
    const item = { ...base, ...change };
    const { nextActionAt: _, ...none } = item;
    expect(withNextAction(item, 60_000, NOW, false).nextActionAt).toBe(NOW + 5_000);
    expect(withNextAction(item, 60_000, NOW, true).nextActionAt).toBe(NOW + 60_000);
    expect(withNextAction({ ...item, nextActionAt: NOW + 900_000 }, 60_000, NOW, false).nextActionAt).toBe(
      NOW + 60_000,
    );
    expect(withNextAction(none, 60_000, NOW, false).nextActionAt).toBe(NOW + 60_000);
  });

  it("is never where all is well and nothing waits", () => {
    expect(withNextAction(base, 60_000, NOW, false)).toEqual(known);
    expect(withNextAction(base, 60_000, NOW, true)).toEqual(known);
  });

  it("is put off by reconcile's own look alone", () => {
    const item = { ...newTargetItem("api", NOW), nextActionAt: NOW + 5_000 };
    expect(decide(policy, item, world("refused"), { kind: "reconcile", at: NOW }, NOW).item.nextActionAt).toBe(
      NOW + 60_000,
    );
    expect(decide(policy, item, world("refused"), wake(), NOW).item.nextActionAt).toBe(NOW + 5_000);
  });
});

describe("the audit log", () => {
  const bodies = ({ audit }: TargetItem) =>
    audit.pending.map(({ body }) => {
      const read = readRecord(body);
      if (!read.ok) throw new Error(read.problem);
      return read.record;
    });

  it("gets the policy before the first decision under it, and again only when it changes", () => {
    const first = decide(policy, newTargetItem("api", NOW), world("refused"), wake(), NOW).item;
    expect(bodies(first).map(({ kind }) => kind)).toEqual(["policy", "decision"]);
    const paused = { control: { global: { paused: { at: 0, by: "ada", reason: "x" } }, target: {} } };
    const abandoned = { ...first, incident: incidentOf({ ...first.incident, attempts: [] }) };
    const second = decide(policy, abandoned, world("refused", paused), wake(), NOW + 1).item;
    expect(bodies(second).map(({ kind }) => kind)).toEqual(["policy", "decision", "decision"]);
    const changed = { ...policy, config: fleet({ reconcileMs: 30_000 }) };
    const third = decide(changed, abandoned, world("refused", paused), wake(), NOW + 1).item;
    expect(bodies(third).map(({ kind }) => kind)).toEqual(["policy", "decision", "policy", "decision"]);
    expect(brokenLink(third.audit.pending)).toBeUndefined();
  });

  it("cannot keep a decision from being made: what it cannot hold is said to be left out", () => {
    const seen = world("refused");
    const [window] = seen.windows;
    const site = window?.sites["api/primary"];
    if (window === undefined || site === undefined) throw new Error("there is no window");
    const [first = sampleAt(0), ...rest] = site.samples;
    const samples = [{ ...first, ttfbMs: Number.NaN }, ...rest];
    const odd = { ...seen, windows: [{ ...window, sites: { "api/primary": { ...site, samples } } }] };
    const { item } = decide(policy, newTargetItem("api", NOW), odd, wake(), NOW);
    expect(item.incident?.attempts.map(({ state }) => state)).toEqual(["claimed"]);
    expect(JSON.parse(item.audit.pending.at(-1)?.body ?? "")).toMatchObject({ kind: "decision", abridged: true });
  });

  it("gets nothing where nothing happened", () => {
    const { item, changed } = decide(policy, known, world("ok"), wake(), NOW);
    expect([changed, item.audit.pending]).toEqual([true, []]);
  });

  it("gets what a replay comes to again, whatever had been closed before", () => {
    const closed = [incidentOf({ id: "inc_api_0", end: "healed" })];
    const { item } = decide(policy, { ...newTargetItem("api", NOW), closed }, world("refused"), wake(), NOW);
    const record = bodies(item)[1];
    if (record?.kind !== "decision") throw new Error("no decision was recorded");
    expect(record.state).toBe("inc_api_1 down 2 att_api_1=claimed");
    const again = replay(policy, record);
    expect([again.state, again.result, again.because]).toEqual([record.state, record.result, record.because]);
    const other = replay(
      { ...policy, target: targetConfig({ maintenance: [{ fromMs: 0, toMs: NOW + 1, reason: "x" }] }) },
      record,
    );
    expect(other.result).not.toBe(record.result);
  });

  it("hears of the first refusal of each kind", () => {
    const item = { ...known, incident: incidentOf({ openedAt: NOW, attempts: [attemptOf()] }), policy: "" };
    const paused = { control: { global: { paused: { at: 0, by: "ada", reason: "x" } }, target: {} } };
    const once = decide(policy, item, world("refused", paused), wake(), NOW).item;
    const twice = decide(policy, once, world("refused", paused), wake(), NOW).item;
    expect(once.audit.n).toBe(2);
    expect(twice.audit.n).toBe(2);
  });
});

describe("what an attempt or an incident held in place moves on in the decision that ends it", () => {
  const again = (item: TargetItem, seen: SeenWorld) => decide(policy, item, seen, wake(), NOW);

  it("to the kind of ill health that it is by now", () => {
    const attempt = attemptOf({
      state: "verifying",
      callStartedAt: NOW - 400_000,
      overAt: NOW - 390_000,
      verifyFrom: NOW - 300_000,
      verifyUntil: NOW,
    });
    const incident = incidentOf({ kind: "slow", openedAt: NOW - 500_000, attempts: [attempt] });
    const item = { ...known, tokens: 1, incident };
    const { item: after, because } = again(item, world("refused"));
    expect(after.incident?.kind).toBe("down");
    expect(after.incident?.attempts.map(({ state }) => state)).toEqual(["no-effect", "claimed"]);
    expect(because).toContain("changed: slow → down");
    expect(again(after, world("refused"))).toMatchObject({ changed: false });
  });

  it("to an incident of what is wrong besides", () => {
    const samples = Array.from({ length: 23 }, (_, index) =>
      sampleAt(NOW - 115_000 + index * 5_000, "ok", { certificateDays: 3 }),
    );
    const seen = worldOf([windowAfter(undefined, "local", NOW - 55_000, samples)]);
    const incident = incidentOf({ openedAt: NOW - 500_000 });
    const item = { ...known, incidents: 1, incident, recovery: { streak: 2, tick: 1, from: 1 } };
    const { item: after } = again(item, seen);
    expect(after.closed.map(({ id, end }) => [id, end])).toEqual([["inc_api_1", "recovered"]]);
    expect([after.incident?.id, after.incident?.kind]).toEqual(["inc_api_2", "expiring"]);
    expect(again(after, seen)).toMatchObject({ changed: false });
  });
});
