import type { Config, IllKind, TargetConfig } from "@neuropilot/config";
import { describe, expect, it } from "vitest";
import { attemptOf, fleet, incidentOf, remedyPolicy, targetConfig, worldOf } from "./fixture.ts";
import {
  firstRefusal,
  GUARDS,
  type GuardContext,
  type GuardName,
  isCurable,
  modeOf,
  type Refusal,
  refusalBeforeCall,
  spent,
  type World,
} from "./guards.ts";
import type { Health } from "./health.ts";
import { type Incident, newTargetItem, type TargetItem } from "./item.ts";
import type { Heartbeat } from "./window.ts";

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;

const health = (state: Health["state"], why = "refused"): Health => ({ state, why, views: {}, observation: NOW });

interface Case {
  readonly config?: Partial<Config>;
  readonly target?: Partial<TargetConfig>;
  readonly item?: Partial<TargetItem>;
  readonly incident?: Partial<Incident>;
  readonly world?: Partial<World>;
  readonly health?: Health;
  readonly others?: GuardContext["others"];
  readonly remedy?: GuardContext["remedy"];
}

function contextOf(given: Case): GuardContext {
  const incident = incidentOf({ openedAt: NOW - 60_000, ...given.incident });
  return {
    config: fleet(given.config),
    target: targetConfig(given.target),
    item: { ...newTargetItem("api", NOW), incident, ...given.item },
    incident,
    world: { ...worldOf([]), ...given.world },
    health: given.health ?? health("down"),
    others: given.others ?? {},
    remedy: given.remedy ?? "restart",
    now: NOW,
  };
}

const refusalOf = (given: Case) => firstRefusal(contextOf(given));
const paused = (by: string, reason: string, until?: number) => ({
  paused: { at: NOW - 1, by, reason, ...(until === undefined ? {} : { until }) },
});
const remedies = (mode: "observe" | "approve") => ({
  ...targetConfig().remedies,
  restart: remedyPolicy({ mode }),
});
const kind = (name: IllKind): Case => ({ incident: { kind: name }, health: health(name) });
const uncalled = (count: number, endedAt: number, change: Partial<Incident["attempts"][number]> = {}) =>
  Array.from({ length: count }, (_, index) =>
    attemptOf({ id: `att_api_${index}`, state: "abandoned", mayHaveCalled: false, endedAt, ...change }),
  );

describe("what refuses a remedy, and in which words", () => {
  it.each<[string, Case, Refusal | undefined]>([
    ["nothing, at an outage", {}, undefined],
    [
      "a pause of everything",
      { world: { control: { global: paused("ada", "deploy"), target: {} } } },
      { guard: "paused", text: "paused by ada: deploy" },
    ],
    [
      "a pause of this target, and until when",
      { world: { control: { global: {}, target: paused("bob", "test", NOW + 1) } } },
      { guard: "paused", text: "paused by bob for this target: test", until: NOW + 1 },
    ],
    [
      "not a pause that is over",
      { world: { control: { global: paused("ada", "deploy", NOW), target: {} } } },
      undefined,
    ],
    [
      "the mode observe",
      { target: { remedies: remedies("observe") } },
      { guard: "observe", text: "the mode of restart is observe: decided and recorded, not called" },
    ],
    [
      "maintenance",
      { target: { maintenance: [{ fromMs: NOW - 1, toMs: NOW + 5, reason: "upgrade" }] } },
      { guard: "maintenance", text: "maintenance: upgrade", until: NOW + 5 },
    ],
    [
      "blindness",
      { health: health("inconclusive", "a: silent") },
      { guard: "inconclusive", text: "cannot tell: a: silent" },
    ],
    [
      "that it is well now",
      { health: health("healthy", "200 in 40 ms") },
      { guard: "inconclusive", text: "not sure that it is ill at this moment: 200 in 40 ms" },
    ],
    [
      "that it is only suspect now",
      { health: health("suspect", "1 of 3") },
      { guard: "inconclusive", text: "not sure that it is ill at this moment: 1 of 3" },
    ],
    [
      "that only its certificate ends now",
      { health: health("expiring", "3 days") },
      { guard: "inconclusive", text: "not sure that it is ill at this moment: 3 days" },
    ],
    [
      "a bot rule",
      kind("blocked"),
      { guard: "cause", text: "a bot rule or firewall answers us, so this says nothing about the service" },
    ],
    ["TLS and DNS", kind("misconfigured"), { guard: "cause", text: "TLS or DNS is at fault, which no restart cures" }],
    [
      "a certificate that ends",
      kind("expiring"),
      { guard: "cause", text: "the certificate is about to end, which no restart cures" },
    ],
    ["a database that lags", kind("lagging"), { guard: "cause", text: "a person should look at the database" }],
    [
      "that we could not see",
      { incident: { kind: "inconclusive" } },
      { guard: "cause", text: "we cannot see, so nothing is known to be ill" },
    ],
    [
      "overload, for a restart",
      kind("loaded"),
      { guard: "cause", text: "it is overloaded: a restart would throw away capacity" },
    ],
    ["not overload, for more capacity", { ...kind("loaded"), remedy: "scale" }, undefined],
    [
      "our own load test, at slowness",
      { ...kind("slow"), world: { benchmarkRunning: true } },
      { guard: "cause", text: "our own load test is running against it" },
    ],
    [
      "our own load test, at errors",
      { ...kind("failing"), world: { benchmarkRunning: true } },
      { guard: "cause", text: "our own load test is running against it" },
    ],
    [
      "our own load test, at load",
      { ...kind("loaded"), remedy: "scale", world: { benchmarkRunning: true } },
      { guard: "cause", text: "our own load test is running against it" },
    ],
    ["not our own load test, at an outage", { world: { benchmarkRunning: true } }, undefined],
    ["not a load test that is over", { ...kind("slow"), world: { benchmarkRunning: false } }, undefined],
    [
      "slowness at another site too, for a restart",
      { ...kind("slow"), others: { secondary: health("slow") } },
      { guard: "cause", text: "secondary is slow as well: a shared dependency is the likelier cause" },
    ],
    [
      "not slowness at another site, for a purge",
      { ...kind("slow"), remedy: "purge-cache", others: { secondary: health("slow") } },
      undefined,
    ],
    ["not slowness at another site, at an outage here", { others: { secondary: health("slow") } }, undefined],
    ["not another site that is well", { ...kind("slow"), others: { secondary: health("healthy") } }, undefined],
    [
      "an attempt in flight",
      { incident: { attempts: [attemptOf({ state: "following" })] } },
      { guard: "in-flight", text: "restart att_api_1 is following" },
    ],
    [
      "the vendor, who asked to wait",
      { incident: { attempts: uncalled(1, NOW - 9, { state: "retry-later", notBefore: NOW + 1, note: "429" }) } },
      { guard: "not-before", text: "the vendor asked to wait: 429", until: NOW + 1 },
    ],
    [
      "the vendor, who gave no reason",
      { incident: { attempts: uncalled(1, NOW - 9, { state: "retry-later", notBefore: NOW + 1 }) } },
      { guard: "not-before", text: "the vendor asked to wait: ", until: NOW + 1 },
    ],
    [
      "not the vendor when the wait is over",
      { incident: { attempts: uncalled(1, NOW - 9, { state: "retry-later", notBefore: NOW }) } },
      undefined,
    ],
    ["not one attempt that was not called", { incident: { attempts: uncalled(1, NOW) } }, undefined],
    [
      "two attempts in a row that were not called, for 30 s",
      { incident: { attempts: uncalled(2, NOW - 29_999) } },
      { guard: "not-before", text: "restart could not be called 2 times in a row", until: NOW + 1 },
    ],
    [
      "not two of which nobody knows when they ended",
      { incident: { attempts: [1, 2].map(() => attemptOf({ state: "abandoned", mayHaveCalled: false })) } },
      undefined,
    ],
    ["two attempts in a row, not longer", { incident: { attempts: uncalled(2, NOW - 30_000) } }, undefined],
    [
      "three, for a minute",
      { incident: { attempts: uncalled(3, NOW - 59_999) } },
      { guard: "not-before", text: "restart could not be called 3 times in a row", until: NOW + 1 },
    ],
    [
      "a great many, for half an hour",
      { incident: { attempts: uncalled(12, NOW - 1_799_999) } },
      { guard: "not-before", text: "restart could not be called 12 times in a row", until: NOW + 1 },
    ],
    ["a great many, not longer", { incident: { attempts: uncalled(12, NOW - 1_800_000) } }, undefined],
    [
      "its cooldown, and the skew of clocks after it",
      { item: { cooldowns: { restart: { until: NOW - 2_000, streak: 0, lastClaimAt: 0 } } } },
      { guard: "cooldown", text: "restart cools down", until: NOW - 2_000 },
    ],
    [
      "not a cooldown that is over",
      { item: { cooldowns: { restart: { until: NOW - 2_001, streak: 0, lastClaimAt: 0 } } } },
      undefined,
    ],
    [
      "not another remedy's cooldown",
      { item: { cooldowns: { "purge-cache": { until: NOW + HOUR, streak: 0, lastClaimAt: 0 } } } },
      undefined,
    ],
    [
      "the ladder's end",
      { incident: { ladderEnded: true } },
      { guard: "ladder-end", text: "the ladder is at its end: a person is needed" },
    ],
    [
      "the target's budget",
      {
        target: { budget: { max: 2, perMs: HOUR } },
        world: { budget: { target: { a: NOW, b: NOW - HOUR + 1 }, fleet: {} } },
      },
      { guard: "target-budget", text: "2 calls for this target within 60 min: its budget is spent" },
    ],
    [
      "not a budget with something left",
      {
        target: { budget: { max: 2, perMs: HOUR } },
        world: { budget: { target: { a: NOW, b: NOW - HOUR }, fleet: {} } },
      },
      undefined,
    ],
    [
      "the budget over all targets",
      { config: { fleetBudget: { max: 1, perMs: HOUR } }, world: { budget: { target: {}, fleet: { a: NOW } } } },
      { guard: "fleet-budget", text: "1 calls over all targets within 60 min: the budget is spent" },
    ],
    [
      "the mode approve",
      { target: { remedies: remedies("approve") } },
      { guard: "approval", text: "restart needs a person's yes" },
    ],
    [
      "a person's no",
      {
        target: { remedies: remedies("approve") },
        incident: { attempts: [attemptOf({ state: "denied", mayHaveCalled: false })] },
      },
      { guard: "approval", text: "a person said no" },
    ],
    [
      "not a person's no to something else",
      {
        target: { remedies: remedies("approve") },
        incident: { attempts: [attemptOf({ remedy: "purge-cache", state: "denied", mayHaveCalled: false })] },
      },
      { guard: "approval", text: "restart needs a person's yes" },
    ],
  ])("%s", (_name, given, refusal) => {
    expect(refusalOf(given)).toStrictEqual(refusal);
  });

  it("is the first in order where several would, and what is excepted is not asked", () => {
    const all: Case = {
      target: {
        remedies: remedies("approve"),
        budget: { max: 0, perMs: HOUR },
        maintenance: [{ fromMs: 0, toMs: NOW + 1, reason: "x" }],
      },
      config: { fleetBudget: { max: 0, perMs: HOUR } },
      world: {
        control: { global: { ...paused("ada", "x"), mode: "observe" }, target: {} },
        heartbeats: [beat({ ill: 5, total: 5 })],
      },
      incident: { ladderEnded: true, kind: "loaded", attempts: [attemptOf({ state: "calling" }), ...uncalled(2, NOW)] },
      item: { cooldowns: { restart: { until: NOW, streak: 0, lastClaimAt: 0 } } },
      health: health("inconclusive"),
    };
    const order: GuardName[] = [];
    for (;;) {
      const refusal = firstRefusal(contextOf(all), order);
      if (refusal === undefined) break;
      order.push(refusal.guard);
    }
    // Stale events never come as far, and of observe and approve only the more careful is in force.
    expect(order).toEqual(GUARDS.filter((guard) => guard !== "stale-event" && guard !== "approval"));
  });
});

function beat(change: Partial<Heartbeat>): Heartbeat {
  return {
    vantage: "local",
    shard: "0",
    tick: NOW,
    at: NOW,
    controls: { answered: 2, total: 2 },
    ill: 0,
    total: 10,
    ...change,
  };
}

describe("a fleet of which much turned ill together", () => {
  const text = (ill: number, total: number) =>
    `${ill} of ${total} targets turned ill within 5 min as seen from local: something shared is likelier`;

  it.each<[string, readonly Heartbeat[], string | undefined]>([
    ["three of ten", [beat({ ill: 3 })], text(3, 10)],
    ["two of two are too few to tell", [beat({ ill: 2, total: 2 })], undefined],
    ["three of eleven are less than the share", [beat({ ill: 3, total: 11 })], undefined],
    [
      "over two shards of one vantage",
      [beat({ ill: 2, total: 5 }), beat({ shard: "1", ill: 1, total: 5 })],
      text(3, 10),
    ],
    ["but not over two vantages that each see few", [beat({ ill: 2 }), beat({ vantage: "b", ill: 2 })], undefined],
    ["as an old heartbeat says", [beat({ ill: 9, at: NOW - 300_001 })], undefined],
    ["as a heartbeat of five minutes ago says", [beat({ ill: 3, at: NOW - 300_000 })], text(3, 10)],
    [
      "within five minutes of each other",
      [beat({ illSince: [NOW - 900_000, NOW - 600_000, NOW - 700_000] })],
      text(3, 10),
    ],
    ["spread over more than that", [beat({ illSince: [NOW - 900_001, NOW - 600_000, NOW - 700_000] })], undefined],
    [
      "of several, the most that came together",
      [beat({ illSince: [0, NOW - 3_000, NOW - 2_000, NOW - 1_000, NOW] })],
      text(4, 10),
    ],
    [
      "over shards, by when each turned ill",
      [beat({ total: 5, illSince: [NOW, NOW - 1] }), beat({ shard: "1", total: 5, illSince: [NOW - 2] })],
      text(3, 10),
    ],
    ["by the times where a heartbeat has them, not its count", [beat({ ill: 9, illSince: [NOW] })], undefined],
    [
      "from an earlier version's shard and a new one's",
      [beat({ ill: 2, total: 5 }), beat({ shard: "1", total: 5, illSince: [NOW] })],
      text(3, 10),
    ],
  ])("%s", (_name, heartbeats, expected) => {
    expect(refusalOf({ world: { heartbeats } })?.text).toBe(expected);
  });
});

describe("the mode in force", () => {
  it.each<[string, "observe" | "approve" | "auto", World["control"], string]>([
    ["is the config's", "auto", { global: {}, target: {} }, "auto"],
    ["is the operator's where that is more careful", "auto", { global: { mode: "approve" }, target: {} }, "approve"],
    [
      "is the target's own where that is more careful",
      "approve",
      { global: { mode: "auto" }, target: { mode: "observe" } },
      "observe",
    ],
    [
      "is the config's where that is more careful",
      "observe",
      { global: { mode: "auto" }, target: { mode: "auto" } },
      "observe",
    ],
  ])("%s", (_name, mode, control, expected) => {
    const target = targetConfig({ remedies: { ...targetConfig().remedies, restart: remedyPolicy({ mode }) } });
    expect(modeOf(target, "restart", control)).toBe(expected);
  });
});

describe("right before a call it is asked again", () => {
  const ask = (given: Case, attempt = "att_api_1") => refusalBeforeCall({ ...contextOf(given), attempt });

  it.each<[string, Case, string | undefined]>([
    ["nothing stands against it", {}, undefined],
    ["whether all is paused", { world: { control: { global: paused("ada", "x"), target: {} } } }, "paused by ada: x"],
    [
      "whether the mode is observe",
      { target: { remedies: remedies("observe") } },
      "the mode of restart is observe: decided and recorded, not called",
    ],
    [
      "whether it is maintenance",
      { target: { maintenance: [{ fromMs: 0, toMs: NOW + 1, reason: "x" }] } },
      "maintenance: x",
    ],
    ["whether it is still ill", { health: health("healthy", "200") }, "not sure that it is ill at this moment: 200"],
    ["whether a restart can cure it", kind("loaded"), "it is overloaded: a restart would throw away capacity"],
    [
      "whether much of the fleet is ill",
      { world: { heartbeats: [beat({ ill: 5 })] } },
      "5 of 10 targets turned ill within 5 min as seen from local: something shared is likelier",
    ],
    [
      "but not the attempt itself, which is in flight",
      { incident: { attempts: [attemptOf({ state: "calling" })] } },
      undefined,
    ],
    [
      "nor its own cooldown",
      { item: { cooldowns: { restart: { until: NOW + 1, streak: 0, lastClaimAt: NOW } } } },
      undefined,
    ],
    [
      "whether others have spent the target's budget",
      { target: { budget: { max: 1, perMs: HOUR } }, world: { budget: { target: { att_api_0: NOW }, fleet: {} } } },
      "the target's budget is spent",
    ],
    [
      "not counting its own unit of it",
      {
        target: { budget: { max: 1, perMs: HOUR } },
        world: { budget: { target: { att_api_1: NOW }, fleet: { att_api_1: NOW } } },
      },
      undefined,
    ],
    [
      "whether others have spent all targets' budget",
      {
        config: { fleetBudget: { max: 1, perMs: HOUR } },
        world: { budget: { target: {}, fleet: { att_web_1: NOW } } },
      },
      "the budget over all targets is spent",
    ],
    [
      "not counting what was an hour ago",
      {
        config: { fleetBudget: { max: 1, perMs: HOUR } },
        world: { budget: { target: {}, fleet: { att_web_1: NOW - HOUR } } },
      },
      undefined,
    ],
  ])("%s", (_name, given, text) => {
    const refusal = ask(given);
    expect(refusal?.text).toBe(text);
    if (text?.includes("budget"))
      expect(refusal?.guard).toBe(text.includes("all targets") ? "fleet-budget" : "target-budget");
  });
});

it("a budget counts the calls of a rolling window, but for an attempt's own", () => {
  const budget = { a: NOW, b: NOW - 999, c: NOW - 1_000, d: NOW - 5_000 };
  expect(spent(budget, 1_000, NOW)).toBe(2);
  expect(spent(budget, 1_000, NOW, "a")).toBe(1);
  expect(spent({}, 1_000, NOW)).toBe(0);
});

it("only overload, slowness, errors and outages can be cured", () => {
  const kinds: readonly IllKind[] = [
    "inconclusive",
    "expiring",
    "blocked",
    "misconfigured",
    "lagging",
    "loaded",
    "slow",
    "failing",
    "down",
  ];
  expect(kinds.filter(isCurable)).toEqual(["loaded", "slow", "failing", "down"]);
});
