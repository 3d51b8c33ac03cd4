import { describe, expect, it } from "vitest";
import { decide } from "./decide.ts";
import { attemptOf, fleet, incidentOf, sampleAt, sceneOf, targetConfig, worldOf } from "./fixture.ts";
import { newTargetItem, type TargetItem } from "./item.ts";
import { policyDigest, readDecision, readRecord, resultDigest, stateOf, writeDecision, writePolicy } from "./record.ts";
import type { SeenWorld } from "./scene.ts";
import type { Heartbeat, SiteWindow, WindowItem } from "./window.ts";

const NOW = 1_800_000_000_000;
const policy = { config: fleet(), target: targetConfig() };
const rest = { input: { kind: "reconcile" as const, at: NOW }, because: ["x"], state: "s", result: "r" };
const item = newTargetItem("api", NOW);

function site(count: number, detail = "d"): SiteWindow {
  const samples = Array.from({ length: count }, (_, index) =>
    sampleAt(NOW - (count - index) * 1_000, "status", { status: 500, detail }),
  );
  return { samples, view: "down", since: NOW, tick: NOW };
}

function windowOf(shard: string, sites: WindowItem["sites"]): WindowItem {
  return { vantage: "local", shard, tick: NOW, step: 1, run: "run_1", at: NOW, ended: true, sites };
}

const beat = (shard: string, change: Partial<Heartbeat> = {}): Heartbeat => ({
  vantage: "local",
  shard,
  tick: NOW,
  at: NOW,
  controls: { answered: 1, total: 1 },
  ill: 1,
  total: 10,
  ...change,
});

function recorded(world: Partial<SeenWorld>, before: TargetItem = item) {
  return readDecision(writeDecision(sceneOf("down", { now: NOW, policy, world: worldOf([], world) }), before, rest));
}

describe("a decision's record", () => {
  it("holds what it was made from, under which policy, and what came of it", () => {
    expect(recorded({})).toEqual({
      kind: "decision",
      now: NOW,
      policy: policyDigest(policy),
      ...rest,
      item,
      world: worldOf([]),
    });
  });

  it("holds the windows of this target alone, sample for sample", () => {
    const own = site(3);
    const { windows } = recorded({ windows: [windowOf("0", { "api/primary": own, "web/primary": site(2) })] }).world;
    expect(windows).toEqual([windowOf("0", { "api/primary": own })]);
  });

  it("holds the calls that still count, and no older ones", () => {
    const hour = 3_600_000;
    const { budget } = recorded({
      budget: { target: { a: NOW, b: NOW - hour }, fleet: { c: NOW - hour, d: NOW - hour - 1 } },
    }).world;
    expect(budget).toEqual({ target: { a: NOW }, fleet: {} });
  });

  it("holds its own shard's heartbeat, and the others of a vantage as one sum", () => {
    const heartbeats = [
      beat("0", { ill: 2 }),
      beat("1", { ill: 3, total: 20, at: NOW - 5, illSince: [NOW - 1] }),
      beat("2", { ill: 4, total: 30, at: NOW - 9, illSince: [NOW - 2, NOW - 3] }),
      beat("3", { vantage: "far", ill: 5, total: 40 }),
      beat("4", { at: NOW - 300_001, ill: 9 }),
      beat("5", { vantage: "edge", at: NOW - 300_000, ill: 1 }),
    ];
    const windows = [windowOf("0", { "api/primary": site(1) }), windowOf("1", { "web/primary": site(1) })];
    expect(recorded({ heartbeats, windows }).world.heartbeats).toEqual([
      beat("0", { ill: 2 }),
      beat("others", { ill: 7, total: 50, at: NOW - 9, illSince: [NOW - 1, NOW - 2, NOW - 3] }),
      beat("others", { vantage: "far", ill: 5, total: 40, illSince: [] }),
      beat("others", { vantage: "edge", at: NOW - 300_000, ill: 1, illSince: [] }),
    ]);
  });

  it("holds at most 200 of the others' times", () => {
    const heartbeats = [beat("1", { illSince: Array.from({ length: 300 }, (_, index) => NOW - index) })];
    expect(recorded({ heartbeats }).world.heartbeats[0]?.illSince?.length).toBe(200);
  });

  it("leaves out what deciding never reads: timelines, archives and the log itself", () => {
    const entry = { at: 0, seq: 1, kind: "opened" as const, text: "down" };
    const before: TargetItem = {
      ...item,
      incident: incidentOf({ seq: 1, timeline: [entry], attempts: [attemptOf()] }),
      closed: [incidentOf()],
      audit: { n: 1, head: "h", pending: [{ n: 1, at: 0, previous: "", hash: "h", body: "" }] },
    };
    expect(recorded({}, before).item).toEqual({
      ...before,
      closed: [],
      audit: { n: 1, head: "h", pending: [] },
      incident: incidentOf({ seq: 1, attempts: [attemptOf()] }),
    });
  });

  it("of too much holds the newest samples, and says so", () => {
    const targets = Array.from({ length: 40 }, (_, index) => ({ id: `s${index}`, url: "https://api.example.com" }));
    const wide = { config: fleet(), target: targetConfig({ sites: targets }) };
    const sites = Object.fromEntries(targets.map(({ id }) => [`api/${id}`, site(160)]));
    const world = worldOf([windowOf("0", sites)]);
    const read = readDecision(writeDecision(sceneOf("down", { now: NOW, policy: wide, world }), item, rest));
    expect(read.abridged).toBe(true);
    expect(read.world.windows[0]?.sites["api/s7"]?.samples).toEqual(site(160).samples.slice(-40));
    expect(recorded({ windows: [windowOf("0", { "api/primary": site(160) })] }).abridged).toBeUndefined();
  });
});

describe("reading a record", () => {
  it.each<[string, string, string]>([
    ["of a kind to come", '{"kind":"verdict"}', 'it is of the kind "verdict", which this version does not know'],
    ["without a kind", "{}", 'it is of the kind "object", which this version does not know'],
    ["that is a number", "7", 'it is of the kind "number", which this version does not know'],
    ["that is null", "null", 'it is of the kind "object", which this version does not know'],
  ])("%s is a problem in words", (_name, body, problem) => {
    expect(readRecord(body)).toEqual({ ok: false, problem });
    expect(() => readDecision(body)).toThrow("this audit entry is not a decision's record");
  });

  it("that is no JSON, or holds windows that cannot be read, is a problem, never an exception", () => {
    expect(readRecord("{")).toMatchObject({ ok: false, problem: expect.stringContaining("JSON") });
    const broken = '{"kind":"decision","world":{"windows":[{"sites":{"api/primary":{"samples":"[1]"}}}]}}';
    expect(readRecord(broken)).toEqual({ ok: false, problem: "packed samples must be [text, details]" });
  });

  it("knows steps, policies and decisions", () => {
    const step = { kind: "step", now: NOW, attempt: "att_api_1", state: "calling" };
    expect(readRecord(JSON.stringify(step))).toEqual({ ok: true, record: step });
    expect(readRecord(writePolicy(policy, NOW))).toEqual({
      ok: true,
      record: { kind: "policy", now: NOW, digest: policyDigest(policy), config: fleet({ targets: [policy.target] }) },
    });
    const body = writeDecision(sceneOf("down", { now: NOW, policy }), item, rest);
    expect(readRecord(body)).toEqual({ ok: true, record: readDecision(body) });
  });
});

describe("the digest", () => {
  it("of a policy changes with whatever deciding reads, and not with other targets", () => {
    const digest = policyDigest(policy);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(policyDigest({ ...policy, config: fleet({ reconcileMs: 1 }) })).not.toBe(digest);
    expect(policyDigest({ ...policy, target: targetConfig({ timeoutMs: 1 }) })).not.toBe(digest);
    expect(policyDigest({ ...policy, config: fleet({ targets: [] }) })).toBe(digest);
  });

  const entry = (seq: number, text = "x") => ({ at: 0, seq, kind: "changed" as const, text });
  const before: TargetItem = {
    ...item,
    incident: incidentOf({ seq: 2, timeline: [entry(1), entry(2)] }),
    closed: [incidentOf({ id: "inc_api_0" })],
  };
  const after: TargetItem = { ...before, incident: incidentOf({ seq: 3, timeline: [entry(1), entry(2), entry(3)] }) };
  const digestOf = (one: TargetItem, was = before, because: readonly string[] = ["x"]) =>
    resultDigest(was, one, Object.values(one.outbox), because);

  it.each<[string, TargetItem, boolean]>([
    [
      "what was said now",
      { ...after, incident: incidentOf({ seq: 3, timeline: [entry(1), entry(2), entry(3, "y")] }) },
      true,
    ],
    ["an attempt", { ...after, incident: incidentOf({ seq: 3, timeline: [entry(3)], attempts: [attemptOf()] }) }, true],
    ["a request", { ...after, outbox: { a: { kind: "incident.changed", incident: "i", seq: 1, at: 0 } } }, true],
    ["a cooldown", { ...after, cooldowns: { restart: { until: 1, streak: 0, lastClaimAt: 0 } } }, true],
    [
      "an incident that was closed now",
      { ...after, closed: [...before.closed, incidentOf({ id: "inc_api_9" })] },
      true,
    ],
    [
      "what was said before",
      { ...after, incident: incidentOf({ seq: 3, timeline: [entry(1, "y"), entry(3)] }) },
      false,
    ],
    ["what was closed before", { ...after, closed: [] }, false],
    ["the log", { ...after, audit: { n: 9, head: "h", pending: [] } }, false],
    ["when it is looked at again", { ...after, nextActionAt: 9 }, false],
    ["the policy that the log holds", { ...after, policy: "p" }, false],
  ])("of a result changes with %s: %s", (_name, one, changes) => {
    expect(digestOf(one) !== digestOf(after)).toBe(changes);
  });

  it("of a result changes with the reasons, and holds all that a new incident says", () => {
    expect(digestOf(after, before, ["y"])).not.toBe(digestOf(after));
    const opened = { ...item, incident: incidentOf({ id: "inc_api_2", seq: 1, timeline: [entry(0), entry(1)] }) };
    const other = { ...item, incident: incidentOf({ id: "inc_api_2", seq: 1, timeline: [entry(0, "y"), entry(1)] }) };
    expect(digestOf(opened)).not.toBe(digestOf(other));
    expect(digestOf(opened, item)).not.toBe(digestOf(other, item));
    expect(digestOf(item, item)).not.toBe(digestOf(opened, item));
  });

  it("of a closed incident holds what was said in it since, not before", () => {
    const closing = (text: string, early = "x") => {
      const { incident: _, ...well } = before;
      return {
        ...well,
        closed: [...before.closed, incidentOf({ seq: 3, timeline: [entry(1, early), entry(3, text)] })],
      };
    };
    expect(digestOf(closing("y"))).not.toBe(digestOf(closing("x")));
    expect(digestOf(closing("x", "y"))).toBe(digestOf(closing("x")));
  });
});

it("the state in short names the incident, its kind and number, every attempt and what was closed", () => {
  const attempts = [attemptOf({ id: "a" }), attemptOf({ id: "b", state: "calling" })];
  const closed = [incidentOf({ id: "inc_api_0", end: "healed" }), incidentOf({ id: "inc_api_9" })];
  expect(stateOf({ ...item, incident: incidentOf({ seq: 4, attempts }), closed })).toBe(
    "inc_api_1 down 4 a=no-effect b=calling inc_api_0=healed inc_api_9=",
  );
  expect(stateOf(item)).toBe("  ");
  expect(stateOf(decide(policy, item, worldOf([]), { kind: "reconcile", at: NOW }, NOW).item)).toBe("  ");
});
