import { describe, expect, it } from "vitest";
import { decide, replay } from "./decide.ts";
import { attemptOf, fleet, incidentOf, sampleAt, sceneOf, targetConfig, windowAfter, worldOf } from "./fixture.ts";
import { newTargetItem, type TargetItem } from "./item.ts";
import {
  configDigest,
  policyDigest,
  readDecision,
  readRecord,
  recordedPolicy,
  resultDigest,
  resultParts,
  stateOf,
  writeDecision,
  writePolicy,
} from "./record.ts";
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

  it("holds its own shard's heartbeat, and the others of a vantage as one sum, in the order of the first of each", () => {
    const heartbeats = [
      beat("3", { vantage: "far", ill: 5, total: 40 }),
      beat("1", { ill: 3, total: 20, at: NOW - 5, illSince: [NOW - 1], suspects: ["web/primary"] }),
      beat("0", { ill: 2 }),
      beat("2", { ill: 4, total: 30, at: NOW - 9, illSince: [NOW - 2, NOW - 3] }),
      beat("3", { ill: 1, total: 3 }),
      beat("7", { vantage: "far", ill: 2, total: 4, at: NOW + 2 }),
      beat("4", { at: NOW - 300_001, ill: 9 }),
      beat("5", { vantage: "edge", at: NOW - 300_000, ill: 1, illSince: [] }),
    ];
    const windows = [windowOf("0", { "api/primary": site(1) }), windowOf("1", { "web/primary": site(1) })];
    expect(recorded({ heartbeats, windows }).world.heartbeats).toEqual([
      beat("others", { vantage: "far", ill: 7, total: 44 }),
      beat("others", { ill: 7, total: 50, at: NOW - 9, illSince: [NOW - 1, NOW - 2, NOW - 3] }),
      beat("0", { ill: 2 }),
      beat("others", { ill: 1, total: 3 }),
      beat("others", { vantage: "edge", at: NOW - 300_000, ill: 1, illSince: [] }),
    ]);
  });

  it("holds all of the others' times, and the first 200 of a fleet that would be too much", () => {
    const ill = (count: number) => [beat("1", { illSince: Array.from({ length: count }, (_, index) => NOW - index) })];
    const held = (count: number) => recorded({ heartbeats: ill(count) }).world.heartbeats[0]?.illSince;
    expect(held(3_000)).toEqual(ill(3_000)[0]?.illSince);
    expect(held(5_000)).toEqual(ill(200)[0]?.illSince);
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

  const wide = (count: number) => {
    const sites = Array.from({ length: count }, (_, index) => ({ id: `s${index}`, url: "https://api.example.com" }));
    const windows = [windowOf("0", Object.fromEntries(sites.map(({ id }) => [`api/${id}`, site(160)])))];
    return { policy: { config: fleet(), target: targetConfig({ sites }) }, world: worldOf(windows) };
  };

  it.each([
    [1, 160],
    [40, 40],
    [80, 20],
    [160, 10],
    [250, 5],
    [450, 0],
  ])("of %i sites holds the newest %i samples each, so that it stays within bounds", (count, kept) => {
    const body = writeDecision(sceneOf("down", { now: NOW, ...wide(count) }), item, rest);
    expect(body.length).toBeLessThanOrEqual(60_000);
    const samples = readDecision(body).world.windows[0]?.sites[`api/s${count - 1}`]?.samples;
    expect(samples).toEqual(kept === 0 ? [] : site(160).samples.slice(-kept));
  });
});

describe("a decision about which one entry cannot hold all", () => {
  const samples = Array.from({ length: 23 }, (_, index) => sampleAt(NOW - 115_000 + index * 5_000, "refused"));
  const windows = [windowAfter(undefined, "local", NOW - 55_000, samples)];
  const recordOf = (ill: number) => {
    const illSince = Array.from({ length: ill }, (_, index) => NOW - index);
    const own = worldOf(windows).heartbeats;
    const world = worldOf(windows, { heartbeats: [...own, beat("1", { ill, illSince, total: 6_000 })] });
    const body = decide(policy, item, world, { kind: "reconcile", at: NOW }, NOW).item.audit.pending[1]?.body;
    return readDecision(body ?? "");
  };

  it("says so where it comes out otherwise from what the entry holds, and only there", () => {
    const [few, many] = [recordOf(3_000), recordOf(5_000)];
    expect(few.because.join()).toMatch(/3000 of 6001 targets turned ill/);
    expect(few.abridged).toBeUndefined();
    expect(replay(policy, few).result).toBe(few.result);
    expect(many.because.join()).toMatch(/5000 of 6001 targets turned ill/);
    expect(many.abridged).toBe(true);
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
      record: { kind: "policy", now: NOW, digest: policyDigest(policy), config: recordedPolicy(policy).config },
    });
    const body = writeDecision(sceneOf("down", { now: NOW, policy }), item, rest);
    expect(readRecord(body)).toEqual({ ok: true, record: readDecision(body) });
  });
});

describe("a policy's record", () => {
  const asked = targetConfig({
    sites: [{ id: "primary", url: "https://ada:hush@api.example.com/?key=hush" }],
    headers: { authorization: "Bearer hush" },
    expect: [{ kind: "header", name: "x-token", contains: "hush" }],
  });
  const config = fleet({
    targets: [asked, targetConfig({ id: "web", headers: { cookie: "hush" } })],
    controls: { endpoints: [{ id: "c", url: "https://hush.example.com" }], allowPrivate: false, timeoutMs: 1 },
  });

  it("holds this target alone, and nothing of how it is asked, for that may be a credential", () => {
    const body = writePolicy({ config, target: asked }, NOW);
    expect(body).not.toContain("hush");
    const read = readRecord(body);
    if (!read.ok || read.record.kind !== "policy") throw new Error("it is no policy");
    expect(configDigest(read.record.config)).toBe(read.record.digest);
    const target = { ...asked, sites: [{ id: "primary", url: "" }], headers: {}, expect: [] };
    expect(read.record.config).toEqual({
      ...config,
      controls: { ...config.controls, endpoints: [] },
      targets: [target],
    });
  });

  it("has the same digest as what was read back, whatever the credentials are by now", () => {
    const digest = policyDigest({ config, target: asked });
    expect(policyDigest(recordedPolicy({ config, target: asked }))).toBe(digest);
    expect(policyDigest({ config, target: { ...asked, headers: { authorization: "Bearer new" } } })).toBe(digest);
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

  it.each<[string, Partial<TargetItem>, readonly string[]]>([
    ["nothing", {}, []],
    ["a cooldown", { cooldowns: { restart: { until: 1, streak: 0, lastClaimAt: 0 } } }, ["cooldowns"]],
    ["what is absent otherwise", { wellSince: 1 }, ["wellSince"]],
    [
      "an attempt",
      { incident: { ...incidentOf(), ...after.incident, attempts: [attemptOf()] } },
      ["incident.attempts"],
    ],
    ["two things", { tokens: 9, incidents: 9 }, ["incidents", "tokens"]],
    ["what a record does not hold", { audit: { n: 9, head: "h", pending: [] }, policy: "p", nextActionAt: 1 }, []],
  ])("of each part shows where a result differs in %s", (_name, change, names) => {
    const [one, other] = [resultParts(before, after), resultParts(before, { ...after, ...change })];
    expect(Object.keys({ ...one, ...other }).filter((name) => one[name] !== other[name])).toEqual(names);
    expect(Object.values(one).every((part) => /^[0-9a-f]{8}$/.test(part))).toBe(true);
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
