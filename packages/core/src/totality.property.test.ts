import type { IllKind, MaintenanceWindow, Mode, Remedy, Rung } from "@neuropilot/config";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decide, type Input, replay, type SeenWorld } from "./decide.ts";
import { fleet, LADDERS, remedyPolicy, sampleAt, targetConfig } from "./fixture.ts";
import { ATTEMPT_STATES, type Attempt, type Incident, type OutboxEntry, type TargetItem } from "./item.ts";
import { type CallOutcome, REJECTED_REASONS, UNKNOWN_REASONS } from "./outcome.ts";
import { packSamples, unpackSamples } from "./packed.ts";
import { type DecisionRecord, readRecord, recordedPolicy } from "./record.ts";
import { OUTCOMES, type Sample } from "./sample.ts";
import type { Policy } from "./scene.ts";
import type { Heartbeat, SiteWindow, WindowItem } from "./window.ts";

/**
 * Items and worlds that no run of ours would have written: any states, times in any order, clocks that are days off. What stands
 * in the table was perhaps written by another version, and deciding must still end in a decision.
 */
const NOW = 1_800_000_000_000;
const SITES = ["primary", "secondary"];
const VANTAGES = ["east", "west", "north"];
const KINDS = Object.keys(LADDERS).filter((kind): kind is IllKind => kind in LADDERS);
const REMEDIES: readonly Remedy[] = ["restart", "purge-cache", "scale", "failover", "rollback"];
const MODES: readonly Mode[] = ["observe", "approve", "auto"];

const time = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: NOW - 700_000, max: NOW + 200_000 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, NOW - 1, NOW, NOW + 1, NOW - 86_400_000, NOW + 86_400_000) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 43 }) },
);
const few = <T>(one: fc.Arbitrary<T>, maxLength = 4) => fc.array(one, { maxLength });
const word = fc.constantFrom("", "x", "att_api_1", "inc_api_1", "restart", "§ ü 漢", "y".repeat(700));
const remedy = fc.constantFrom(...REMEDIES);
const kind = fc.constantFrom(...KINDS);
const site = fc.constantFrom(...SITES, "gone");
const count = fc.nat({ max: 40 });

const sample: fc.Arbitrary<Sample> = fc.record(
  {
    startedAt: time,
    outcome: fc.constantFrom(...OUTCOMES),
    status: fc.constantFrom(0, 200, 500),
    ttfbMs: fc.constantFrom(0, 40, 400, 401, 5_000),
    totalMs: fc.constantFrom(0, 50, 10_000),
    tainted: fc.boolean(),
    reused: fc.boolean(),
    certificateDays: fc.integer({ min: -3, max: 40 }),
    detail: word,
  },
  { requiredKeys: ["startedAt", "outcome", "status", "ttfbMs", "totalMs", "tainted", "reused"] },
);

/** Also what looks like a real outage or slowness, which chance alone would never put together. */
const series: fc.Arbitrary<readonly Sample[]> = fc
  .record({
    outcome: fc.constantFrom(...OUTCOMES),
    ttfbMs: fc.constantFrom(40, 900),
    everyMs: fc.integer({ min: 1, max: 30_000 }),
  })
  .map(({ outcome, ttfbMs, everyMs }) =>
    Array.from({ length: 40 }, (_, index) => sampleAt(NOW - (39 - index) * everyMs, outcome, { ttfbMs })),
  );

const siteWindow: fc.Arbitrary<SiteWindow> = fc.record({
  samples: fc.oneof(few(sample, 30), series),
  view: fc.constantFrom("healthy", "suspect", "down"),
  since: time,
  tick: time,
});

const windowItem: fc.Arbitrary<WindowItem> = fc.record({
  vantage: fc.constantFrom(...VANTAGES, "elsewhere"),
  shard: fc.constantFrom("0", "1"),
  tick: time,
  step: count,
  run: word,
  at: time,
  ended: fc.boolean(),
  sites: fc.dictionary(fc.constantFrom("api/primary", "api/secondary", "web/primary"), siteWindow),
});

const heartbeat: fc.Arbitrary<Heartbeat> = fc.record(
  {
    vantage: fc.constantFrom(...VANTAGES),
    shard: fc.constantFrom("0", "1"),
    tick: time,
    at: fc.oneof({ weight: 4, arbitrary: fc.constant(NOW - 1_000) }, time),
    controls: fc.record({ answered: fc.nat({ max: 3 }), total: fc.nat({ max: 3 }) }),
    ill: count,
    total: count,
    illSince: few(time),
  },
  { requiredKeys: ["vantage", "shard", "tick", "at", "controls", "ill", "total"] },
);

const control = fc.record(
  {
    mode: fc.constantFrom(...MODES),
    paused: fc.record({ at: time, by: word, reason: word, until: time }, { requiredKeys: ["at", "by", "reason"] }),
  },
  { requiredKeys: [] },
);
const budget = fc.dictionary(fc.constantFrom("att_api_1", "att_api_2", "att_web_1"), time);

const world: fc.Arbitrary<SeenWorld> = fc.record(
  {
    control: fc.record({ global: control, target: control }),
    budget: fc.record({ target: budget, fleet: budget }),
    heartbeats: few(heartbeat, 6),
    windows: few(windowItem, 5),
    benchmarkRunning: fc.boolean(),
    told: fc.dictionary(fc.constantFrom("inc_api_1", "inc_api_2"), count),
  },
  { requiredKeys: ["control", "budget", "heartbeats", "windows", "told"] },
);

const outcome: fc.Arbitrary<CallOutcome> = fc.oneof(
  fc.record({ kind: fc.constantFrom("applied" as const, "already-done" as const), reference: word }),
  fc.record({ kind: fc.constant("rejected" as const), reason: fc.constantFrom(...REJECTED_REASONS), detail: word }),
  fc.record({ kind: fc.constant("retry-later" as const), afterMs: fc.integer(), detail: word }),
  fc.record({ kind: fc.constant("unknown" as const), why: fc.constantFrom(...UNKNOWN_REASONS), detail: word }),
);
const cooldown = fc.record({ until: time, streak: fc.nat({ max: 2_000 }), lastClaimAt: time });

const attempt: fc.Arbitrary<Attempt> = fc.record(
  {
    id: fc.constantFrom("att_api_1", "att_api_2", "att_api_3"),
    remedy,
    site,
    kind,
    state: fc.constantFrom(...ATTEMPT_STATES),
    token: count,
    at: time,
    because: word,
    claimedAt: time,
    callNotAfter: time,
    notBefore: time,
    run: word,
    callStartedAt: time,
    mayHaveCalled: fc.boolean(),
    outcome,
    followUntil: time,
    overAt: time,
    verifyFrom: time,
    verifyUntil: time,
    verdict: fc.constantFrom("healed" as const, "no-effect" as const, "worse" as const, "unknown" as const),
    endedAt: time,
    note: word,
    previousCooldown: cooldown,
    step: count,
  },
  { requiredKeys: ["id", "remedy", "site", "kind", "state", "token", "at", "because", "mayHaveCalled", "step"] },
);

const incident: fc.Arbitrary<Incident> = fc.record(
  {
    id: fc.constantFrom("inc_api_1", "inc_api_2"),
    target: fc.constant("api"),
    site,
    kind,
    why: word,
    openedAt: time,
    failedAt: time,
    seq: count,
    attempts: few(attempt),
    timeline: few(fc.record({ at: time, seq: count, kind: fc.constant("attempt" as const), text: word })),
    unavailable: few(remedy, 2),
    needsHuman: fc.record({ at: time, why: word }),
    ladderEnded: fc.boolean(),
    wouldHave: few(fc.record({ remedy, at: time, site, kind }, { requiredKeys: ["remedy", "at"] }), 2),
    lastRefusal: fc.record({ guard: word, text: word, at: time }),
    said: few(word),
    acknowledged: fc.record({ by: word, at: time }),
  },
  {
    requiredKeys: [
      "id",
      "target",
      "site",
      "kind",
      "why",
      "openedAt",
      "seq",
      "attempts",
      "timeline",
      "unavailable",
      "ladderEnded",
      "wouldHave",
    ],
  },
);

const outboxEntry: fc.Arbitrary<OutboxEntry> = fc.oneof(
  fc.record({ kind: fc.constant("remediation.requested" as const), attempt: word, remedy, site, at: time }),
  fc.record({ kind: fc.constant("incident.changed" as const), incident: word, seq: count, at: time }),
);

const item: fc.Arbitrary<TargetItem> = fc.record(
  {
    schema: fc.constant(1 as const),
    target: fc.constant("api"),
    version: count,
    health: fc.record(
      {
        state: fc.constantFrom("healthy" as const, "suspect" as const, ...KINDS),
        since: time,
        why: word,
        site,
        lookedAt: time,
      },
      { requiredKeys: ["state", "since", "why", "site"] },
    ),
    recovery: fc.record({ streak: fc.nat({ max: 5 }), tick: time, from: time }),
    evidenceFrom: time,
    incidents: count,
    tokens: count,
    wellSince: time,
    incident,
    closed: few(incident, 2),
    cooldowns: fc.dictionary(remedy, cooldown),
    outbox: fc.dictionary(
      fc.constantFrom("request:att_api_1", "incident:inc_api_1", "incident:inc_api_0"),
      outboxEntry,
    ),
    audit: fc.record({ n: count, head: word, pending: fc.constant([]) }),
    nextActionAt: time,
  },
  {
    requiredKeys: [
      "schema",
      "target",
      "version",
      "health",
      "recovery",
      "evidenceFrom",
      "incidents",
      "tokens",
      "closed",
      "cooldowns",
      "outbox",
      "audit",
    ],
  },
);

const input: fc.Arbitrary<Input> = fc.oneof(
  fc.record({ kind: fc.constant("wake" as const), at: time, cause: word }),
  fc.record({ kind: fc.constant("reconcile" as const), at: time }),
  fc.record(
    {
      kind: fc.constant("operator" as const),
      at: time,
      word: fc.constantFrom("approve" as const, "deny" as const, "acknowledge" as const),
      attempt: word,
      incident: word,
      by: word,
    },
    { requiredKeys: ["kind", "at", "word", "by"] },
  ),
);

const rung: fc.Arbitrary<Rung> = fc.oneof(
  fc.record({ remedy, times: fc.integer({ min: 1, max: 3 }) }),
  fc.constant<Rung>({ remedy: "page", times: 1 }),
);
const maintenance: fc.Arbitrary<MaintenanceWindow> = fc.oneof(
  fc.record({ fromMs: time, toMs: time, reason: word }),
  fc.record({
    weekdays: few(fc.nat({ max: 6 })),
    fromOfDayMs: fc.nat({ max: 86_400_000 }),
    toOfDayMs: fc.nat({ max: 86_400_000 }),
    reason: word,
  }),
);

const policy: fc.Arbitrary<Policy> = fc
  .record({
    vantages: fc.subarray(VANTAGES, { minLength: 1 }),
    sites: fc.subarray(SITES, { minLength: 1 }),
    ladders: fc.record({
      inconclusive: few(rung),
      expiring: few(rung),
      blocked: few(rung),
      misconfigured: few(rung),
      lagging: few(rung),
      loaded: few(rung),
      slow: few(rung),
      failing: few(rung),
      down: few(rung),
    }),
    mode: fc.constantFrom(...MODES),
    windows: few(maintenance, 2),
    max: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ vantages, sites, ladders, mode, windows, max }) => {
    const one = remedyPolicy({ mode });
    const target = targetConfig({
      sites: sites.map((id) => ({ id, url: `https://${id}.example.com/health` })),
      ladders,
      remedies: { restart: one, "purge-cache": one, scale: one, failover: one, rollback: one },
      maintenance: windows,
      budget: { max, perMs: 3_600_000 },
    });
    return { config: fleet({ vantages, targets: [target] }), target };
  });

/** Our clock, near the samples' or days away from them. */
const clock = fc.oneof(
  { weight: 4, arbitrary: fc.constant(NOW) },
  fc.constantFrom(0, NOW - 86_400_000, NOW - 150_000, NOW + 150_000, NOW + 400 * 86_400_000),
);

function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const part of Object.values(value)) freeze(part);
  return Object.freeze(value);
}

describe("decide, whatever stands in the table and whatever the clock says", () => {
  it("decides, the same twice, and touches nothing that it was given", () => {
    fc.assert(
      fc.property(policy, item, world, input, clock, (under, before, seen, why, now) => {
        const given = freeze({ under, before, seen, why });
        const once = decide(given.under, given.before, given.seen, given.why, now);
        const again = structuredClone(given);
        expect(decide(again.under, again.before, again.seen, again.why, now)).toEqual(once);
        if (!once.changed) expect(once.item).toBe(before);
      }),
      { numRuns: 400 },
    );
  });

  it("never speaks of what is undefined or no number", () => {
    fc.assert(
      fc.property(policy, item, world, input, clock, (under, before, seen, why, now) => {
        const { because, item: after } = decide(under, before, seen, why, now);
        expect(because.length).toBeGreaterThan(0);
        for (const text of [...because, ...(after.incident?.timeline ?? []).map((entry) => entry.text)])
          expect(text).not.toMatch(/undefined|NaN|\[object/);
      }),
      { numRuns: 200 },
    );
  });

  it("records nothing that does not replay to the same, byte for byte, from the record and its policy alone", () => {
    let compared = 0;
    fc.assert(
      fc.property(policy, item.map(wellFormed), world.map(asRead), input, clock, (under, before, seen, why, now) => {
        const record = recordOf(decide(under, before, seen, why, now).item);
        if (record === undefined) return;
        compared++;
        expect(record.abridged).toBeUndefined();
        expect(replay(recordedPolicy(under), record)).toMatchObject(cameOf(record));
      }),
      { numRuns: 200 },
    );
    expect(compared).toBeGreaterThan(20);
  });

  it("says of a record that does not replay to the same that it does not", () => {
    fc.assert(
      fc.property(policy, item, world, input, clock, (under, before, seen, why, now) => {
        const record = recordOf(decide(under, before, seen, why, now).item);
        if (record === undefined) return;
        const same = replay(recordedPolicy(under), record).result === record.result;
        expect(record.abridged).toBe(same ? undefined : true);
      }),
      { numRuns: 200 },
    );
  });
});

function recordOf({ audit }: TargetItem): DecisionRecord | undefined {
  const last = audit.pending.at(-1);
  if (last === undefined) return undefined;
  const read = readRecord(last.body);
  if (!read.ok) throw new Error(read.problem);
  return read.record.kind === "decision" ? read.record : undefined;
}

function cameOf({ because, state, result = "", parts = {} }: DecisionRecord) {
  return { because, state, result, parts };
}

/** As it comes out of the table, where a sample's detail is cut. */
function asRead(seen: SeenWorld): SeenWorld {
  const read = (site: SiteWindow) => ({ ...site, samples: unpackSamples(packSamples(site.samples)) });
  const windows = seen.windows.map((window) => ({
    ...window,
    sites: Object.fromEntries(Object.entries(window.sites).map(([key, site]) => [key, read(site)])),
  }));
  return { ...seen, windows };
}

/** What every version has written: an incident's number is its newest entry's or above, and no two incidents share an id. */
function wellFormed(one: TargetItem): TargetItem {
  const closed = one.closed.slice(0, 1).map((incident) => ({ ...incident, id: "inc_api_0" }));
  if (one.incident === undefined) return { ...one, closed };
  const seq = Math.max(one.incident.seq, ...one.incident.timeline.map((entry) => entry.seq));
  return { ...one, closed, incident: { ...one.incident, seq } };
}
