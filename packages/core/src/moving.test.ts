import type { IllKind, TargetConfig } from "@neuropilot/config";
import { describe, expect, it } from "vitest";
import { attemptOf, fleet, incidentOf, sceneOf, targetConfig } from "./fixture.ts";
import type { Health } from "./health.ts";
import { closeIfRecovered, moveIncident, noRemedy, observeHealth, removeFromConfig } from "./incident.ts";
import { type Attempt, type Incident, newTargetItem, type TargetItem } from "./item.ts";
import type { Draft, Scene } from "./scene.ts";
import type { View } from "./view.ts";

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;
const SITES = ["primary", "secondary", "third"].map((id) => ({ id, url: `https://${id}.example.com` }));

const healthy = (state: View, change: Partial<Health> = {}): Health => ({
  state,
  why: `it is ${state}`,
  views: {},
  observation: NOW - 1_000,
  ...change,
});

/** The states of the sites in their order; the scene looks at the first, or at the one named. */
function sceneWith(
  states: readonly View[],
  site = "primary",
  target: Partial<TargetConfig> = {},
  change: Partial<Health> = {},
): Scene {
  const sites = Object.fromEntries(states.map((state, index) => [SITES[index]?.id ?? "", healthy(state, change)]));
  const policy = { config: fleet(), target: targetConfig({ sites: SITES.slice(0, states.length), ...target }) };
  return sceneOf("healthy", { now: NOW, policy, sites, site, health: sites[site] ?? healthy("inconclusive", change) });
}

function itemWith(incident?: Partial<Incident>, change: Partial<TargetItem> = {}): TargetItem {
  const item = { ...newTargetItem("api", NOW - 10 * MINUTE), ...change };
  return incident === undefined ? item : { ...item, incident: incidentOf({ openedAt: NOW - 5 * MINUTE, ...incident }) };
}

const texts = ({ timeline }: Incident) => timeline.map(({ kind, text }) => `${kind}: ${text}`);

describe("what is remembered of a target's health", () => {
  const before: TargetItem["health"] = { state: "healthy", since: 5, why: "then", site: "primary" };
  const observed = (
    state: View,
    health: TargetItem["health"],
    change: Partial<TargetItem> = {},
    incident?: Partial<Incident>,
  ) => {
    const draft: Draft = { item: itemWith(incident, { health, ...change }), because: [] };
    observeHealth(draft, sceneWith([state]));
    return draft.item.health;
  };

  it.each<[string, () => TargetItem["health"], TargetItem["health"]]>([
    ["its beginning, while it stays as it is", () => observed("healthy", before), before],
    [
      "a new beginning, when it changes",
      () => observed("down", before),
      { state: "down", since: NOW, why: "it is down", site: "primary" },
    ],
    [
      "a new beginning, at another site",
      () => observed("healthy", { ...before, site: "secondary" }),
      { state: "healthy", since: NOW, why: "it is healthy", site: "primary" },
    ],
    [
      "that nothing can be seen, and when it was last looked",
      () => observed("inconclusive", before),
      { state: "inconclusive", since: NOW, why: "it is inconclusive", site: "primary", lookedAt: NOW },
    ],
  ])("%s", (_name, health, expected) => {
    expect(health()).toEqual(expected);
  });

  const blind = (lookedAt?: number): TargetItem["health"] => ({
    state: "inconclusive",
    since: 5,
    why: "then",
    site: "primary",
    ...(lookedAt === undefined ? {} : { lookedAt }),
  });
  it.each<[string, TargetItem["health"], number]>([
    ["it has lasted, while somebody looks", blind(NOW - 6 * MINUTE), 5],
    ["it lasts only since somebody looks again, after a longer gap", blind(NOW - 6 * MINUTE - 1), NOW],
    ["it lasts only since now, where nobody knows when it was looked", blind(), NOW],
  ])("how long it has been blind: %s", (_name, health, since) => {
    expect(observed("inconclusive", health)).toEqual({
      ...health,
      since,
      lookedAt: NOW,
      why: since === NOW ? "it is inconclusive" : "then",
    });
  });

  it("the gap is at least a view's freshness and two of reconcile's rounds", () => {
    const target = { rules: { ...targetConfig().rules, inconclusive: { holdMs: 1 } } };
    const look = (gap: number) => {
      const draft: Draft = { item: itemWith(undefined, { health: blind(NOW - gap) }), because: [] };
      observeHealth(draft, sceneWith(["inconclusive"], "primary", target));
      return draft.item.health.since;
    };
    expect([look(210_000), look(210_001)]).toEqual([5, NOW]);
  });

  it("blindness during an incident is not the incident's beginning anew", () => {
    expect(observed("inconclusive", blind(0), {}, {})).toEqual(blind(0));
    expect(observed("inconclusive", before, {}, {})).toEqual({
      state: "inconclusive",
      since: NOW,
      why: "it is inconclusive",
      site: "primary",
    });
  });

  it("is kept short", () => {
    const draft: Draft = { item: itemWith(), because: [] };
    observeHealth(draft, sceneWith(["down"], "primary", {}, { why: "w".repeat(900) }));
    expect(draft.item.health.why.length).toBe(300);
  });
});

describe("healthy observations in a row", () => {
  const recovery = (
    state: View,
    change: Partial<TargetItem>,
    incident?: Partial<Incident>,
    observation = NOW - 1_000,
  ) => {
    const draft: Draft = { item: itemWith(incident, change), because: [] };
    observeHealth(draft, sceneWith([state], "primary", {}, { observation }));
    return draft.item.recovery;
  };
  const at = (streak: number, tick: number, from = 3) => ({ recovery: { streak, tick, from } });

  it.each<[string, () => TargetItem["recovery"], TargetItem["recovery"]]>([
    ["begin with the first", () => recovery("healthy", at(0, 0)), { streak: 1, tick: NOW - 1_000, from: NOW }],
    ["go on with the next", () => recovery("healthy", at(1, 7)), { streak: 2, tick: NOW - 1_000, from: 3 }],
    ["count each once", () => recovery("healthy", at(1, NOW - 1_000)), { streak: 1, tick: NOW - 1_000, from: 3 }],
    [
      "do not count what is older than the last",
      () => recovery("healthy", at(1, NOW)),
      { streak: 1, tick: NOW, from: 3 },
    ],
    [
      "do not count what is seen during the warm-up",
      () => recovery("healthy", { ...at(1, 7), evidenceFrom: NOW + 1 }),
      { streak: 1, tick: 7, from: 3 },
    ],
    [
      "count from the warm-up's end",
      () => recovery("healthy", { ...at(1, 7), evidenceFrom: NOW }),
      { streak: 2, tick: NOW - 1_000, from: 3 },
    ],
    ["end with anything else", () => recovery("suspect", at(2, 7)), { streak: 0, tick: NOW - 1_000, from: 0 }],
    [
      "end, and what was counted is not counted again",
      () => recovery("suspect", at(2, NOW)),
      { streak: 0, tick: NOW, from: 0 },
    ],
    ["that have not begun do not end", () => recovery("down", at(0, 7)), { streak: 0, tick: 7, from: 3 }],
    [
      "of an outage go on while only a certificate ends",
      () => recovery("expiring", at(1, 7), { kind: "down" }),
      { streak: 2, tick: NOW - 1_000, from: 3 },
    ],
    [
      "of a certificate do not",
      () => recovery("expiring", at(1, 7), { kind: "expiring" }),
      { streak: 0, tick: NOW - 1_000, from: 0 },
    ],
    [
      "outlive a clock that was set back by two minutes",
      () => recovery("healthy", at(1, NOW + 120_000)),
      { streak: 1, tick: NOW + 120_000, from: 3 },
    ],
    [
      "begin to count again after one that was set back further",
      () => recovery("healthy", at(1, NOW + 120_001)),
      { streak: 2, tick: NOW - 1_000, from: 3 },
    ],
  ])("%s", (_name, after, expected) => {
    expect(after()).toEqual(expected);
  });
});

describe("an incident opens", () => {
  const opened = (scene: Scene, change: Partial<TargetItem> = {}) => {
    const draft: Draft = { item: itemWith(undefined, { incidents: 4, ...change }), because: [] };
    moveIncident(draft, scene);
    return draft;
  };

  it("with its kind, site, beginning and number, and people are told", () => {
    const { item, because } = opened(
      sceneWith(["down"], "primary", {}, { badSince: NOW - 40_000, why: "w".repeat(400) }),
    );
    expect(item.incidents).toBe(5);
    expect(item.incident).toEqual({
      ...incidentOf({ id: "inc_api_5", openedAt: NOW, why: `${"w".repeat(299)}…`, failedAt: NOW - 40_000, seq: 1 }),
      timeline: [{ at: NOW, seq: 1, kind: "opened", text: `${`down at primary: ${"w".repeat(400)}`.slice(0, 299)}…` }],
    });
    expect(because).toEqual([`opened: down at primary: ${"w".repeat(400)}`]);
    expect(Object.keys(item.outbox)).toEqual(["incident:inc_api_5"]);
  });

  it("without a beginning where nobody can name it", () => {
    expect(opened(sceneWith(["slow"])).item.incident).not.toHaveProperty("failedAt");
  });

  it.each<[string, View, readonly string[]]>([
    [
      "for a person, where no remedy cures it",
      "blocked",
      [
        "opened: blocked at primary: it is blocked",
        "human: a bot rule or firewall answers the probe: let it through; nothing was restarted",
      ],
    ],
    ["for remedies", "down", ["opened: down at primary: it is down"]],
    ["not when it is well", "healthy", []],
    ["not when it is suspect", "suspect", []],
  ])("%s", (_name, state, expected) => {
    const { incident } = opened(sceneWith([state])).item;
    expect(incident === undefined ? [] : texts(incident)).toEqual(expected);
  });

  it.each([
    [180_000, true],
    [179_999, false],
  ])("for blindness of %s ms: %s", (ms, opens) => {
    const health = { state: "inconclusive" as const, since: NOW - ms, why: "", site: "" };
    const { incident } = opened(sceneWith(["inconclusive"]), { health }).item;
    expect(incident?.kind).toBe(opens ? "inconclusive" : undefined);
  });

  it("not in maintenance, and says so", () => {
    const maintenance = [{ fromMs: 0, toMs: NOW + 1, reason: "x" }];
    const { item, because } = opened(sceneWith(["down"], "primary", { maintenance }));
    expect(item.incident).toBeUndefined();
    expect(because).toEqual(["maintenance: down at primary is not an incident now"]);
    expect(opened(sceneWith(["healthy"], "primary", { maintenance })).because).toEqual([]);
  });
});

describe("an open incident", () => {
  const moved = (scene: Scene, incident: Partial<Incident>, change: Partial<TargetItem> = {}) => {
    const draft: Draft = { item: itemWith(incident, { incidents: 1, ...change }), because: [] };
    const at = moveIncident(draft, scene);
    return { ...draft, at, incident: draft.item.incident, closed: draft.item.closed.at(-1) };
  };

  it("stays as it is while the target is as it was, well or unseen", () => {
    for (const state of ["down", "healthy", "suspect", "inconclusive", "expiring"] as const) {
      const { item, because } = moved(sceneWith([state]), {});
      expect(item).toEqual(itemWith({}, { incidents: 1 }));
      expect(because).toEqual([]);
    }
  });

  it.each<[string, Partial<Incident>, View, boolean, readonly string[]]>([
    ["follows a graver kind", { kind: "slow" }, "down", false, ["changed: slow → down: it is down"]],
    ["follows a milder kind", { kind: "down" }, "slow", false, ["changed: down → slow: it is slow"]],
    [
      "calls a person for a kind without a remedy",
      { kind: "down" },
      "blocked",
      false,
      [
        "changed: down → blocked: it is blocked",
        "human: a bot rule or firewall answers the probe: let it through; nothing was restarted",
      ],
    ],
    ["tells each change once", { kind: "slow", said: ["changed:slow:down"] }, "down", false, []],
    [
      "begins a graver kind's ladder, where the old one ended",
      { kind: "slow", ladderEnded: true },
      "down",
      false,
      ["changed: slow → down: it is down"],
    ],
    [
      "does not begin a milder kind's",
      { kind: "down", ladderEnded: true },
      "slow",
      true,
      ["changed: down → slow: it is slow"],
    ],
    [
      "does not begin an equal kind's",
      { kind: "misconfigured", ladderEnded: true, said: ["changed:x"] },
      "blocked",
      true,
      [
        "changed: misconfigured → blocked: it is blocked",
        "human: a bot rule or firewall answers the probe: let it through; nothing was restarted",
      ],
    ],
    [
      "begins none after one made it worse",
      { kind: "slow", ladderEnded: true, attempts: [attemptOf({ state: "worse", verdict: "worse" })] },
      "down",
      true,
      ["changed: slow → down: it is down"],
    ],
  ])("%s", (_name, given, state, ladderEnded, expected) => {
    const { incident, because } = moved(sceneWith([state]), given);
    expect(incident).toMatchObject({ kind: state, ladderEnded, why: `it is ${state}` });
    expect(incident === undefined ? [] : texts(incident)).toEqual(expected);
    expect(because[0]).toBe(`changed: ${given.kind} → ${state}`);
  });

  it("does not change its kind while an attempt is under way", () => {
    const given = { kind: "slow" as const, attempts: [attemptOf({ state: "verifying" })] };
    expect(moved(sceneWith(["down"]), given).incident?.kind).toBe("slow");
  });

  it.each<[string, readonly View[], string, IllKind, string]>([
    ["moves to the site that serves first, when that is as ill", ["down", "down"], "secondary", "down", "primary"],
    ["moves there when that is more ill", ["down", "slow"], "secondary", "slow", "primary"],
    ["stays when that is less ill", ["slow", "down"], "secondary", "down", "secondary"],
    ["stays when that is well", ["healthy", "down"], "secondary", "down", "secondary"],
    ["stays when that cannot be seen", ["inconclusive", "down"], "secondary", "down", "secondary"],
    ["stays when only one that serves later is ill", ["healthy", "down"], "primary", "down", "primary"],
    ["moves past one that is well", ["healthy", "down", "down"], "third", "down", "secondary"],
  ])("%s", (_name, states, site, kind, expected) => {
    const given = { site, kind, ladderEnded: true };
    const { at, incident, item } = moved(sceneWith(states, site), given, {
      evidenceFrom: 9,
      recovery: { streak: 1, tick: 9, from: 9 },
    });
    expect([at.site, incident?.site]).toEqual([expected, expected]);
    expect(at.health).toBe(at.sites[expected]);
    if (site === expected) {
      expect(item.evidenceFrom).toBe(9);
      return;
    }
    expect([item.evidenceFrom, item.recovery]).toEqual([0, { streak: 0, tick: 0, from: 0 }]);
    expect(incident?.ladderEnded).toBe(false);
    expect(incident === undefined ? [] : texts(incident)[0]).toBe(
      `changed: ${expected} is ill as well as ${site}, and matters more`,
    );
  });

  it.each<[string, Partial<Incident>, readonly View[], boolean]>([
    ["of a certificate gives way to an outage", { kind: "expiring" }, ["down"], true],
    ["of a certificate gives way to any fault elsewhere", { kind: "expiring" }, ["expiring", "blocked"], true],
    ["of a certificate stays for another's certificate", { kind: "expiring" }, ["healthy", "expiring"], false],
    ["of blindness gives way to an outage", { kind: "inconclusive" }, ["down"], true],
    ["of blindness stays for an outage elsewhere", { kind: "inconclusive" }, ["inconclusive", "down"], false],
    ["of a bot rule stays for what no remedy cures", { kind: "blocked" }, ["misconfigured"], false],
    ["of a bot rule gives way to slowness", { kind: "blocked" }, ["slow"], true],
    ["in which something was tried stays one", { kind: "blocked", attempts: [attemptOf()] }, ["down"], false],
    ["that has been both stays one", { kind: "blocked", said: ["changed:down:blocked"] }, ["down"], false],
    ["that has said other things gives way", { kind: "blocked", said: ["page:blocked"] }, ["down"], true],
    ["of an outage stays for slowness", { kind: "down" }, ["slow"], false],
  ])("%s", (_name, given, states, gives) => {
    const { incident, closed, at, because } = moved(sceneWith(states), given);
    expect(incident?.id).toBe(gives ? "inc_api_2" : "inc_api_1");
    if (!gives) return;
    const site = states.length === 1 ? "primary" : "secondary";
    const state = states.at(-1);
    expect(closed).toMatchObject({ id: "inc_api_1", end: "superseded", endedAt: NOW });
    const text = `${state} at ${site} came, and is an incident of its own`;
    expect(closed === undefined ? [] : texts(closed)).toEqual([`resolved: ${text}`]);
    expect(because[0]).toBe(`resolved: ${text}`);
    expect([at.site, incident?.site, incident?.kind]).toEqual([site, site, state]);
  });

  it("does not give way in maintenance", () => {
    const maintenance = [{ fromMs: 0, toMs: NOW + 1, reason: "x" }];
    expect(moved(sceneWith(["down"], "primary", { maintenance }), { kind: "blocked" }).incident?.id).toBe("inc_api_1");
  });

  it("that gave way is no healthy stretch", () => {
    expect(moved(sceneWith(["down"]), { kind: "expiring" }, { wellSince: 7 }).item.wellSince).toBe(7);
  });

  it.each<[string, readonly Attempt[], boolean]>([
    ["at once", [], true],
    [
      "though a call is claimed, which is not made",
      [attemptOf({ state: "claimed", claimedAt: NOW, mayHaveCalled: false })],
      true,
    ],
    ["though one is proposed", [attemptOf({ state: "proposed", mayHaveCalled: false })], true],
    ["not before a call that is under way has its verdict", [attemptOf({ state: "calling" })], false],
  ])("whose site left the config closes %s", (_name, attempts, closes) => {
    const { closed, incident } = moved(sceneWith(["healthy"]), { site: "gone", attempts });
    expect(incident === undefined).toBe(closes);
    expect(closed?.end).toBe(closes ? "target-removed" : undefined);
    if (closed === undefined) return;
    const said = texts(closed);
    expect(said.at(-1)).toBe("resolved: gone left the config");
    expect(said.slice(0, -1)).toEqual(
      attempts.length === 0 ? [] : ["attempt: restart was not called: the incident ended before the call"],
    );
  });
});

describe("an incident closes", () => {
  const ready = { recovery: { streak: 3, tick: NOW, from: NOW } };
  const closed = (incident: Partial<Incident>, change: Partial<TargetItem> = ready, state: View = "healthy") => {
    const draft: Draft = { item: itemWith(incident, change), because: [] };
    closeIfRecovered(draft, sceneWith([state]));
    return { ...draft, last: draft.item.closed.at(-1) };
  };
  const done = attemptOf({ state: "healed", verdict: "healed" });

  it.each<[string, Partial<Incident>, string, string]>([
    ["as healed", { attempts: [attemptOf(), done] }, "healed", "healthy again after 5 min"],
    ["as recovered by itself", { attempts: [] }, "recovered", "healthy again after 5 min, by itself"],
    [
      "as recovered, where a remedy was made and cannot claim it",
      { attempts: [attemptOf()] },
      "recovered",
      "healthy again after 5 min, and no remedy can claim it",
    ],
    [
      "with its length from the first failure",
      { failedAt: NOW - 7 * MINUTE },
      "recovered",
      "healthy again after 7 min, by itself",
    ],
  ])("%s", (_name, incident, end, text) => {
    const { item, last, because } = closed(incident);
    expect(item.incident).toBeUndefined();
    expect(last).toMatchObject({ id: "inc_api_1", end, endedAt: NOW });
    expect(last === undefined ? [] : texts(last)).toEqual([`resolved: ${text}`]);
    expect(because).toEqual([`resolved: ${text}`]);
    expect(item.wellSince).toBe(NOW);
    expect(Object.keys(item.outbox)).toEqual(["incident:inc_api_1"]);
  });

  it.each<[string, Partial<Incident>, Partial<TargetItem>, View]>([
    ["before it has recovered", {}, { recovery: { streak: 2, tick: NOW, from: NOW } }, "healthy"],
    ["while it is ill", {}, ready, "down"],
    ["while a call is under way", { attempts: [attemptOf({ state: "following" })] }, ready, "healthy"],
  ])("not %s", (_name, incident, change, state) => {
    const { item, because } = closed(incident, change, state);
    expect(item).toEqual(itemWith(incident, change));
    expect(because).toEqual([]);
  });

  it("with a call that is not made any more", () => {
    const claimed = attemptOf({ state: "claimed", claimedAt: NOW, mayHaveCalled: false });
    const { last } = closed({ attempts: [claimed] });
    expect(last?.attempts[0]).toMatchObject({ state: "abandoned", note: "the incident ended before the call" });
  });

  it("and how it ended is counted by kind: with and without a call", () => {
    const alone = closed({}).item.endings;
    expect(alone).toEqual({ down: { ended: 1, alone: 1, left: 1, soon: 1 } });
    const endings = {
      slow: { ended: 9, alone: 9, left: 9, soon: 9 },
      down: { ended: 2, alone: 1, left: 5, soon: 3 },
    };
    expect(closed({}, { ...ready, endings }).item.endings).toEqual({
      ...endings,
      down: { ended: 3, alone: 2, left: 6, soon: 4 },
    });
    const long = closed({ openedAt: NOW - 9_999_999 }, { ...ready, endings });
    expect(long.item.endings?.down).toMatchObject({ left: 6, soon: 3 });
    expect(closed({ attempts: [attemptOf()] }, { ...ready, endings }).item.endings).toEqual({
      ...endings,
      down: { ended: 3, alone: 1, left: 5, soon: 3 },
    });
  });

  it("with nothing to close is nothing", () => {
    const item = itemWith(undefined, ready);
    const draft: Draft = { item, because: [] };
    closeIfRecovered(draft, sceneWith(["healthy"]));
    expect(draft).toEqual({ item, because: [] });
  });
});

describe("a target that left the config", () => {
  const gone = (attempts?: readonly Attempt[]) =>
    removeFromConfig(
      itemWith(attempts === undefined ? undefined : { attempts }, {
        health: { state: "inconclusive", since: 1, why: "w", site: "primary", lookedAt: 5 },
      }),
      NOW,
    );

  it("is watched for blindness no more", () => {
    const item = gone();
    expect(item.health).toEqual({ state: "suspect", since: 1, why: "w", site: "primary" });
    expect(item.closed).toEqual([]);
  });

  it.each<[string, readonly Attempt[], readonly string[], Partial<Attempt>]>([
    ["closes its incident", [attemptOf()], [], { state: "no-effect" }],
    [
      "ends what was claimed without a call",
      [attemptOf({ state: "claimed", claimedAt: 0, mayHaveCalled: false })],
      ["attempt: restart was not called: the target left the config"],
      { state: "abandoned", note: "the target left the config" },
    ],
    [
      "ends a call under way as unknown",
      [attemptOf({ state: "calling" })],
      [],
      { state: "unknown", verdict: "unknown", endedAt: NOW },
    ],
  ])("%s, and people are told", (_name, attempts, before, attempt) => {
    const item = gone(attempts);
    const [incident] = item.closed;
    expect(item.incident).toBeUndefined();
    expect(incident).toMatchObject({ end: "target-removed", endedAt: NOW });
    expect(incident === undefined ? [] : texts(incident)).toEqual([...before, "resolved: the target left the config"]);
    expect(incident?.attempts[0]).toMatchObject(attempt);
    expect(item.effects?.["restart/down"]?.unknown).toBe(attempt.state === "unknown" ? 1 : undefined);
    expect(item.endings).toBeUndefined();
    expect(item.wellSince).toBe(NOW);
  });

  it("drops the request of a call that is under way", () => {
    const item = itemWith(
      { attempts: [attemptOf({ state: "calling" })] },
      {
        outbox: {
          "request:att_api_1": {
            kind: "remediation.requested",
            attempt: "att_api_1",
            remedy: "restart",
            site: "primary",
            at: 0,
          },
        },
      },
    );
    expect(Object.keys(removeFromConfig(item, NOW).outbox)).toEqual(["incident:inc_api_1"]);
  });
});

it.each<[IllKind, string]>([
  ["blocked", "a bot rule or firewall answers the probe: let it through; nothing was restarted"],
  ["misconfigured", "TLS or DNS is at fault: no restart can cure it, so none was made"],
  ["inconclusive", "we cannot see the target from here: nothing is known to be ill, and nothing was restarted"],
  ["expiring", "the certificate must be renewed"],
  ["lagging", "there is no remedy for lagging in the config"],
  ["loaded", "there is no remedy for loaded in the config"],
  ["slow", "there is no remedy for slow in the config"],
  ["failing", "there is no remedy for failing in the config"],
  ["down", "there is no remedy for down in the config"],
])("why nothing is done about %s", (kind, text) => {
  expect(noRemedy(kind)).toBe(text);
});
