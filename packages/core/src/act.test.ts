import type { Mode, Remedy, Rung, TargetConfig } from "@neuropilot/config";
import { describe, expect, it } from "vitest";
import { act, hearOperator } from "./act.ts";
import { attemptOf, fleet, incidentOf, LADDERS, remedyPolicy, sceneOf, targetConfig, worldOf } from "./fixture.ts";
import type { Refusal } from "./guards.ts";
import { type Incident, newTargetItem, type TargetItem } from "./item.ts";
import type { Draft, Input, Scene, SeenWorld } from "./scene.ts";

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;

interface Setting {
  readonly incident?: Partial<Incident>;
  readonly item?: Partial<TargetItem>;
  readonly world?: Partial<SeenWorld>;
  readonly target?: Partial<TargetConfig>;
  readonly state?: Scene["health"]["state"];
  readonly sites?: Scene["sites"];
}

function sceneFor({ world, target, state = "down", sites }: Setting): Scene {
  const policy = { config: fleet(), target: targetConfig(target) };
  const scene = sceneOf(state, { now: NOW, policy, world: worldOf([], world) });
  return { ...scene, sites: { ...scene.sites, ...sites } };
}

function draftFor({ incident, item }: Setting): Draft {
  const open = incidentOf({ openedAt: NOW - MINUTE, ...incident });
  return { item: { ...newTargetItem("api", NOW), tokens: 6, incident: open, ...item }, because: [] };
}

function acted(setting: Setting = {}, times = 1) {
  const draft = draftFor(setting);
  for (let time = 0; time < times; time++) act(draft, sceneFor(setting));
  const { incident, outbox } = draft.item;
  const texts = incident?.timeline.map(({ kind, text }) => `${kind}: ${text}`) ?? [];
  const requests = Object.values(outbox).filter(({ kind }) => kind === "remediation.requested");
  return { ...draft, incident, texts, requests, attempt: incident?.attempts.at(-1) };
}

const NO_TALLY = { healed: 0, "self-resolved": 0, "no-effect": 0, worse: 0, unknown: 0 };
const mode = (name: Mode, remedy: Remedy = "restart"): Partial<TargetConfig> => ({
  remedies: { ...targetConfig().remedies, [remedy]: remedyPolicy({ mode: name }) },
});
const ladder = (...down: readonly Rung[]): Partial<TargetConfig> => ({ ladders: { ...LADDERS, down } });
const uncalled = (count: number, note?: string) =>
  Array.from({ length: count }, (_, index) =>
    attemptOf({
      id: `att_api_${index}`,
      state: "abandoned",
      mayHaveCalled: false,
      endedAt: NOW - 3_600_000,
      ...(note === undefined ? {} : { note }),
    }),
  );
const three = [1, 2, 3].map((index) => attemptOf({ id: `att_api_${index}` }));
const OBSERVE = { control: { global: { mode: "observe" as const }, target: {} } };
const paused = (until?: number): Partial<SeenWorld> => ({
  control: {
    global: { paused: { at: 0, by: "ada", reason: "deploy", ...(until === undefined ? {} : { until }) } },
    target: {},
  },
});

describe("a claim", () => {
  it("takes a token, the cooldown and a latest time, and asks for the call, all in one write", () => {
    const { item, because, attempt, texts, requests } = acted();
    expect(attempt).toEqual({
      id: "att_api_7",
      remedy: "restart",
      site: "primary",
      kind: "down",
      state: "claimed",
      token: 7,
      at: NOW,
      because: "it is down",
      claimedAt: NOW,
      callNotAfter: NOW + 150_000,
      mayHaveCalled: false,
      step: 0,
    });
    expect(item.tokens).toBe(7);
    expect(item.cooldowns).toEqual({ restart: { until: NOW + 762_000, streak: 0, lastClaimAt: NOW } });
    expect(requests).toEqual([
      { kind: "remediation.requested", attempt: "att_api_7", remedy: "restart", site: "primary", at: NOW },
    ]);
    expect(item.outbox["request:att_api_7"]).toEqual(requests[0]);
    expect(texts).toEqual(["attempt: restart of primary is decided: nothing stands against it (att_api_7)"]);
    expect(because).toEqual([...texts, "claimed restart as att_api_7"]);
  });

  it("forgets the refusal before it, and keeps other requests and cooldowns", () => {
    const held = { until: NOW + 9, streak: 0, lastClaimAt: 0 };
    const other = { kind: "incident.changed" as const, incident: "inc_api_0", seq: 1, at: 0 };
    const { item, incident } = acted({
      incident: { lastRefusal: { guard: "paused", text: "", at: 0 } },
      item: { cooldowns: { "purge-cache": held }, outbox: { "incident:inc_api_0": other } },
    });
    expect(incident?.lastRefusal).toBeUndefined();
    expect(item.cooldowns["purge-cache"]).toBe(held);
    expect(item.outbox["incident:inc_api_0"]).toBe(other);
  });

  const previous = { until: NOW - 3_000, streak: 0, lastClaimAt: NOW - 10 * 86_400_000 };
  it.each<[string, Partial<TargetItem>, number]>([
    ["after ten healthy days starts the cooldown anew", {}, 0],
    ["after an incident an hour ago doubles it", { wellSince: NOW - 3_600_000 }, 1],
    [
      "after a claim an hour ago doubles it",
      { cooldowns: { restart: { ...previous, lastClaimAt: NOW - 3_600_000 } } },
      1,
    ],
  ])("%s", (_name, change, streak) => {
    const { item, attempt } = acted({ item: { cooldowns: { restart: previous }, ...change } });
    expect(item.cooldowns.restart?.streak).toBe(streak);
    expect(attempt?.previousCooldown).toEqual((change.cooldowns ?? { restart: previous }).restart);
  });

  const tally = { healed: 5, "self-resolved": 0, "no-effect": 1, worse: 0, unknown: 0 };

  it("tells beside it how often the same kind was well as soon when left alone", () => {
    const endings = {
      slow: { ended: 9, alone: 9, left: 9, soon: 9 },
      down: { ended: 12, alone: 3, left: 9, soon: 2 },
    };
    expect(acted({ item: { effects: { "restart/down": tally }, endings } }).attempt?.record).toBe(
      "restart has helped 5 of 6 times here when down; left alone, 2 of 9 were well as soon",
    );
  });

  it("tells how the remedy has done here before", () => {
    const { attempt, texts } = acted({ item: { effects: { "restart/down": tally } } });
    expect(attempt?.record).toBe("restart has helped 5 of 6 times here when down");
    expect(texts).toEqual([
      "attempt: restart of primary is decided: nothing stands against it; restart has helped 5 of 6 times here when down (att_api_7)",
    ]);
  });
});

describe("nothing is done, and the reason is", () => {
  it.each<[string, Setting, readonly string[]]>([
    ["an attempt in flight", { incident: { attempts: [attemptOf({ state: "following" })] } }, ["in-flight: following"]],
    [
      "the end of the ladder",
      { incident: { ladderEnded: true } },
      ["ladder-end: nothing more is tried, a person has been called"],
    ],
    [
      "a bot rule, for which there is no ladder",
      { incident: { kind: "blocked" } },
      ["cause: a bot rule or firewall answers the probe: let it through; nothing was restarted"],
    ],
    [
      "TLS or DNS",
      { incident: { kind: "misconfigured" } },
      ["cause: TLS or DNS is at fault: no restart can cure it, so none was made"],
    ],
    [
      "blindness",
      { incident: { kind: "inconclusive" } },
      ["cause: we cannot see the target from here: nothing is known to be ill, and nothing was restarted"],
    ],
    ["a certificate", { incident: { kind: "expiring" } }, ["cause: the certificate must be renewed"]],
    [
      "a kind without a remedy in the config",
      { incident: { kind: "lagging" } },
      ["cause: there is no remedy for lagging in the config"],
    ],
  ])("%s", (_name, setting, because) => {
    const made = acted(setting);
    expect(made.because).toEqual(because);
    expect([made.requests, made.texts]).toEqual([[], []]);
  });

  it("that there is no incident, unless something else was said", () => {
    const quiet: Draft = { item: newTargetItem("api", NOW), because: [] };
    act(quiet, sceneFor({ state: "suspect" }));
    expect(quiet.because).toEqual(["no incident: suspect"]);
    const told: Draft = { item: newTargetItem("api", NOW), because: ["resolved: healthy again"] };
    act(told, sceneFor({ state: "healthy" }));
    expect(told.because).toEqual(["resolved: healthy again"]);
  });
});

describe("the end of the ladder calls a person", () => {
  it.each<[string, Setting, string]>([
    ["when every remedy was tried", { incident: { attempts: three } }, "every remedy on the ladder was tried"],
    [
      "when the config has none",
      { target: ladder({ remedy: "page", times: 1 }) },
      "there is no remedy for down in the config",
    ],
    [
      "when the vendor would do none, with its reason",
      {
        target: ladder({ remedy: "restart", times: 1 }),
        incident: {
          unavailable: ["restart"],
          attempts: [
            attemptOf({ id: "a", state: "rejected", mayHaveCalled: false, note: "400" }),
            attemptOf({ id: "b", state: "rejected", mayHaveCalled: false, note: "401: no token" }),
            attemptOf({ id: "c", remedy: "purge-cache", state: "rejected", mayHaveCalled: false, note: "other" }),
            attemptOf({ id: "d", state: "abandoned", mayHaveCalled: false, note: "late" }),
          ],
        },
      },
      "no remedy could be made (restart: 401: no token)",
    ],
    [
      "when some were tried and the rest cannot be made",
      {
        target: ladder({ remedy: "restart", times: 3 }, { remedy: "purge-cache", times: 1 }),
        incident: { attempts: three, unavailable: ["purge-cache", "scale"] },
      },
      "no remedy is left (purge-cache: not available; scale: not available)",
    ],
  ])("%s", (_name, setting, why) => {
    const { incident, because, texts } = acted(setting, 2);
    expect(incident?.ladderEnded).toBe(true);
    expect(incident?.needsHuman).toEqual({ at: NOW, why });
    expect(texts).toEqual([`human: ${why}`]);
    expect(because).toEqual([
      "ladder-end: no remedy is left",
      `human: ${why}`,
      "ladder-end: nothing more is tried, a person has been called",
    ]);
  });

  it("once for each kind of ill health", () => {
    const { texts } = acted({ incident: { attempts: three, said: ["page:down"] } });
    expect(texts).toEqual([]);
  });
});

describe("a remedy", () => {
  it("without a function is passed over, and people hear it once", () => {
    const target = ladder(
      { remedy: "failover", times: 1 },
      { remedy: "scale", times: 1 },
      { remedy: "restart", times: 1 },
    );
    const { texts, incident, attempt } = acted({ target }, 2);
    expect(texts.slice(0, 2)).toEqual([
      "refused: failover is not available in this version: passed over",
      "refused: scale is not available in this version: passed over",
    ]);
    expect(texts.length).toBe(3);
    expect(incident?.unavailable).toEqual(["failover", "scale"]);
    expect(attempt).toMatchObject({ remedy: "restart", state: "claimed" });
  });

  const tally = { ...NO_TALLY, "no-effect": 12 };
  const why = "it helped 0 of 12 times here when down, so in at most 24 %, and the config skips it below 30 %";
  const skip = { ...targetConfig().remedies, restart: remedyPolicy({ skipBelow: 0.3 }) };

  it("that has proven useless is passed over, as the config says", () => {
    const target = { remedies: skip, ...ladder({ remedy: "restart", times: 3 }, { remedy: "purge-cache", times: 1 }) };
    const setting = { target, item: { effects: { "restart/down": tally } } };
    const { texts, attempt, incident } = acted(setting, 2);
    expect(texts[0]).toBe(`refused: restart was passed over: ${why}`);
    expect(texts.length).toBe(2);
    expect(attempt).toMatchObject({ remedy: "purge-cache", state: "claimed" });
    expect(incident?.unavailable).toEqual([]);
  });

  it("that has proven useless is named where nothing else is left, once", () => {
    const target = {
      remedies: skip,
      ...ladder({ remedy: "restart", times: 3 }, { remedy: "restart", times: 1 }, { remedy: "page", times: 1 }),
    };
    const { incident } = acted({ target, item: { effects: { "restart/down": tally } } });
    expect(incident?.needsHuman?.why).toBe(`no remedy could be made (restart: ${why})`);
  });

  it.each([
    [2, undefined],
    [3, "restart could not be called 3 times in a row: no function took it up"],
  ])("that could not be called %s times in a row calls a person: %s", (count, text) => {
    const { incident } = acted({ incident: { attempts: uncalled(count, "no function took it up") } }, 2);
    expect(incident?.needsHuman?.why).toBe(text);
  });

  it("that could not be called, nobody knows why, still calls a person", () => {
    expect(acted({ incident: { attempts: uncalled(3) } }).incident?.needsHuman?.why).toBe(
      "restart could not be called 3 times in a row: ",
    );
  });
});

describe("a refusal", () => {
  const fleetIll = worldOf([]).heartbeats.concat({
    vantage: "local",
    shard: "0",
    tick: NOW,
    at: NOW,
    controls: { answered: 1, total: 1 },
    ill: 5,
    total: 10,
  });
  const spent = { a: NOW, b: NOW, c: NOW, d: NOW, e: NOW, f: NOW };

  it.each<[string, Setting, Refusal["guard"], string]>([
    ["of a pause is told", { world: paused() }, "paused", "refused: restart was not done: paused by ada: deploy"],
    [
      "with an end tells how long it lasts",
      { world: paused(NOW + 5 * MINUTE) },
      "paused",
      "refused: restart was not done: paused by ada: deploy (5 min more)",
    ],
    [
      "of a cooldown whose end has just passed tells no time",
      { item: { cooldowns: { restart: { until: NOW, streak: 0, lastClaimAt: 0 } } } },
      "cooldown",
      "refused: restart was not done: restart cools down",
    ],
    [
      "of a sick fleet calls a person",
      { world: { heartbeats: fleetIll } },
      "fleet-unhealthy",
      "human: restart was not done: 5 of 10 targets turned ill within 5 min as seen from local: something shared is likelier",
    ],
    [
      "of a spent budget calls a person",
      { world: { budget: { target: spent, fleet: {} } } },
      "target-budget",
      "human: restart was not done: 6 calls for this target within 60 min: its budget is spent",
    ],
    [
      "of all targets' spent budget calls a person",
      { world: { budget: { target: {}, fleet: spent } } },
      "fleet-budget",
      "human: restart was not done: 6 calls over all targets within 60 min: the budget is spent",
    ],
    [
      "of a cause that no restart cures calls a person",
      {
        incident: { kind: "loaded" },
        state: "loaded",
        target: { ladders: { ...LADDERS, loaded: [{ remedy: "restart", times: 1 }] } },
      },
      "cause",
      "human: restart was not done: it is overloaded: a restart would throw away capacity",
    ],
    [
      "of blindness is told",
      { state: "inconclusive" },
      "inconclusive",
      "refused: restart was not done: cannot tell: it is inconclusive",
    ],
    [
      "of slowness elsewhere names the other site",
      {
        incident: { kind: "slow" },
        state: "slow",
        sites: { secondary: { state: "slow", why: "", views: {}, observation: 0 } },
      },
      "cause",
      "human: restart was not done: secondary is slow as well: a shared dependency is the likelier cause",
    ],
  ])("%s, once", (_name, setting, guard, text) => {
    const { texts, because, incident, requests } = acted(setting, 3);
    expect(texts).toEqual([text]);
    expect(requests).toEqual([]);
    const reason = text.replace(/^\w+: restart was not done: /, "");
    expect(because.filter((line) => line === `${guard}: ${reason}`).length).toBe(3);
    expect(incident?.said).toEqual([`asked:${guard}:restart`, `${guard}:restart`]);
    expect(incident?.lastRefusal).toMatchObject({ guard, text: reason.replace(/ \(.*more\)$/, ""), at: NOW });
  });

  it("remembers until when it is worth asking again, and since when it refuses", () => {
    const { incident } = acted({ world: paused(NOW + 9) });
    expect(incident?.lastRefusal).toEqual({ guard: "paused", text: "paused by ada: deploy", at: NOW, until: NOW + 9 });
    const since = { guard: "paused", text: "paused by ada: deploy", at: NOW - 5 };
    expect(acted({ world: paused(), incident: { lastRefusal: since } }).incident?.lastRefusal).toEqual(since);
    const other = { guard: "cooldown", text: "restart cools down", at: NOW - 5 };
    expect(acted({ world: paused(), incident: { lastRefusal: other } }).incident?.lastRefusal).toEqual({
      guard: "paused",
      text: "paused by ada: deploy",
      at: NOW,
    });
  });

  it.each(["healthy", "suspect"] as const)("because it reads as %s between two looks is told to nobody", (state) => {
    const { texts, because, incident } = acted({ state });
    expect(texts).toEqual([]);
    expect(because).toEqual([`inconclusive: not sure that it is ill at this moment: it is ${state}`]);
    expect(incident?.lastRefusal?.guard).toBe("inconclusive");
  });

  const longAgo = { openedAt: NOW - 10 * MINUTE };
  it.each<[string, Setting, string | undefined]>([
    [
      "after ten minutes",
      { world: paused(NOW + MINUTE), incident: longAgo },
      "ill for 10 min and nothing could be done: paused by ada: deploy (60 s more)",
    ],
    ["not before", { world: paused(), incident: { openedAt: NOW - 10 * MINUTE + 1 } }, undefined],
    [
      "not in maintenance",
      { target: { maintenance: [{ fromMs: 0, toMs: NOW + 1, reason: "x" }] }, incident: longAgo },
      undefined,
    ],
    [
      "also in observe",
      { world: OBSERVE, incident: longAgo },
      "ill for 10 min and nothing could be done: the mode of restart is observe: decided and recorded, not called",
    ],
    [
      "also where it reads half well",
      { state: "suspect", incident: longAgo },
      "ill for 10 min and nothing could be done: not sure that it is ill at this moment: it is suspect",
    ],
    [
      "also where it was told before",
      { world: paused(), incident: { ...longAgo, said: ["paused:restart"] } },
      "ill for 10 min and nothing could be done: paused by ada: deploy",
    ],
    [
      "not where one was called before",
      { world: paused(), incident: { ...longAgo, needsHuman: { at: 5, why: "before" } } },
      "before",
    ],
  ])("for which nothing can be done calls a person %s", (_name, setting, why) => {
    expect(acted(setting).incident?.needsHuman?.why).toBe(why);
  });
});

describe("in observe", () => {
  const would = (setting: Setting) => {
    const { texts, incident } = acted({ ...setting, world: { ...OBSERVE, ...setting.world } });
    return { texts: texts.filter((text) => text.startsWith("would-have")), incident };
  };

  it("what it would have done is recorded and told, and nothing is asked for", () => {
    const { texts, incident } = would({});
    expect(texts).toEqual(["would-have: would restart now; the mode is observe"]);
    expect(incident?.wouldHave).toEqual([{ remedy: "restart", at: NOW, site: "primary", kind: "down" }]);
    expect(incident?.attempts).toEqual([]);
  });

  it.each<[string, Setting, readonly string[]]>([
    [
      "again, when the one before is judged and its cooldown is over",
      { incident: { wouldHave: [{ remedy: "restart", at: 0, score: "still-ill" }] } },
      ["would-have: would restart again now; the mode is observe"],
    ],
    ["not while the one before is not judged", { incident: { wouldHave: [{ remedy: "restart", at: 0 }] } }, []],
    [
      "not while it would cool down",
      { item: { shadowCooldowns: { restart: { until: NOW, streak: 0, lastClaimAt: 0 } } } },
      [],
    ],
    ["not while a guard stands against it", { target: { budget: { max: 0, perMs: 1 } } }, []],
    ["not when the target's budget would be spent", { item: { shadowCalls: [1, 2, 3, 4].map(() => NOW - 1) } }, []],
    [
      "again, when the budget's window is over",
      { item: { shadowCalls: [1, 2, 3, 4].map(() => NOW - 3_600_000) } },
      ["would-have: would restart now; the mode is observe"],
    ],
    [
      "what comes after one that has no function, as the real ladder would",
      {
        target: ladder(
          { remedy: "restart", times: 1 },
          { remedy: "failover", times: 1 },
          { remedy: "purge-cache", times: 1 },
        ),
        incident: { wouldHave: [{ remedy: "restart", at: 0, score: "still-ill" }] },
      },
      ["would-have: would purge-cache now; the mode is observe"],
    ],
    [
      "what comes after one that has proven useless",
      {
        target: {
          ...ladder(
            { remedy: "restart", times: 1 },
            { remedy: "purge-cache", times: 1 },
            { remedy: "restart", times: 1 },
          ),
          remedies: { ...targetConfig().remedies, "purge-cache": remedyPolicy({ skipBelow: 0.5 }) },
        },
        item: { effects: { "purge-cache/down": { ...NO_TALLY, "no-effect": 9 } } },
        incident: { wouldHave: [{ remedy: "restart", at: 0, score: "still-ill" }] },
      },
      ["would-have: would restart again now; the mode is observe"],
    ],
    [
      "though it would need a person's yes as well",
      { target: mode("approve") },
      ["would-have: would restart now; the mode is observe"],
    ],
    [
      "not what has no function",
      {
        target: ladder({ remedy: "restart", times: 1 }, { remedy: "failover", times: 1 }),
        incident: { wouldHave: [{ remedy: "restart", at: 0, score: "still-ill" }] },
      },
      [],
    ],
    [
      "not at the end of the ladder",
      {
        incident: {
          wouldHave: [1, 2, 3].map(() => ({ remedy: "restart" as const, at: 0, score: "still-ill" as const })),
        },
      },
      [],
    ],
  ])("%s", (_name, setting, texts) => {
    expect(would(setting).texts).toEqual(texts);
  });

  it("a remedy lower on the ladder whose mode is auto is no shadow", () => {
    const target = {
      ...mode("observe"),
      ...ladder({ remedy: "restart", times: 1 }, { remedy: "purge-cache", times: 1 }),
    };
    const { texts } = acted({ target, incident: { wouldHave: [{ remedy: "restart", at: 0, score: "still-ill" }] } });
    expect(texts.filter((text) => text.startsWith("would-have"))).toEqual([]);
  });
});

describe("in approve", () => {
  it("a person is asked, once, and nothing is called", () => {
    const { attempt, texts, item, because, requests } = acted({ target: mode("approve") }, 2);
    expect(attempt).toMatchObject({ id: "att_api_7", state: "proposed", token: 7 });
    expect(item.tokens).toBe(7);
    expect(texts).toEqual(["attempt: restart is proposed and needs a person's yes (att_api_7)"]);
    expect(because).toEqual(["approval: restart needs a person's yes", ...texts, "in-flight: proposed"]);
    expect([requests, item.cooldowns]).toEqual([[], {}]);
  });

  it("a no holds for this remedy until the incident is over, and people hear it", () => {
    const denied = attemptOf({ state: "denied", mayHaveCalled: false });
    const { texts, attempt } = acted(
      { target: { ...mode("approve"), ...ladder({ remedy: "restart", times: 3 }) }, incident: { attempts: [denied] } },
      2,
    );
    expect(attempt).toBe(denied);
    expect(texts).toEqual(["refused: restart was not done: a person said no"]);
  });

  it("a no to another remedy is none to this one", () => {
    const denied = attemptOf({ remedy: "purge-cache", state: "denied", mayHaveCalled: false });
    expect(acted({ target: mode("approve"), incident: { attempts: [denied] } }).attempt?.state).toBe("proposed");
  });
});

describe("a person's word", () => {
  const proposed = attemptOf({
    id: "att_api_6",
    state: "proposed",
    mayHaveCalled: false,
    at: NOW - MINUTE,
    token: 6,
    because: "refused",
  });
  type Word = Extract<Input, { kind: "operator" }>;

  function heard(
    change: Partial<Word>,
    setting: Setting = { target: mode("approve"), incident: { attempts: [proposed] } },
  ) {
    const draft = draftFor(setting);
    const input: Word = { kind: "operator", at: NOW, word: "approve", by: "ada", ...change };
    hearOperator(draft, sceneFor(setting), input);
    const texts = draft.item.incident?.timeline.map(({ kind, text }) => `${kind}: ${text}`) ?? [];
    return { ...draft, texts, attempt: draft.item.incident?.attempts.at(-1) };
  }

  it("of yes claims what was proposed, under its own id", () => {
    const { attempt, texts, item } = heard({});
    expect(attempt).toMatchObject({
      id: "att_api_6",
      state: "claimed",
      token: 6,
      claimedAt: NOW,
      because: "refused; ada said yes",
    });
    expect(item.tokens).toBe(6);
    expect(item.incident?.attempts.length).toBe(1);
    expect(texts).toEqual(["attempt: restart of primary is decided: nothing stands against it (att_api_6)"]);
  });

  it("of yes, when something stands against it by now, ends the proposal and says what", () => {
    const { attempt, texts, because, item } = heard(
      {},
      { world: paused(), target: mode("approve"), incident: { attempts: [proposed] } },
    );
    expect(attempt).toMatchObject({
      state: "abandoned",
      note: "ada said yes, but paused by ada: deploy",
      endedAt: NOW,
    });
    expect(texts).toEqual(["attempt: restart was not called: ada said yes, but paused by ada: deploy"]);
    expect(because[0]).toBe("paused: paused by ada: deploy");
    expect(item.outbox["request:att_api_6"]).toBeUndefined();
  });

  it("of no ends the proposal", () => {
    const { attempt, texts } = heard({ word: "deny" });
    expect(attempt).toMatchObject({ state: "denied", note: "ada said no", endedAt: NOW });
    expect(texts).toEqual(["attempt: restart was not done: ada said no"]);
  });

  it.each<[string, Partial<Word>, Setting | undefined, boolean]>([
    ["about what was proposed", { attempt: "att_api_6" }, undefined, true],
    ["about another attempt", { attempt: "att_api_5" }, undefined, false],
    ["about this incident", { incident: "inc_api_1" }, undefined, true],
    ["about another incident", { incident: "inc_api_0" }, undefined, false],
    ["from before the proposal, as far as clocks differ", { at: NOW - MINUTE - 2_000 }, undefined, true],
    ["from before the proposal", { at: NOW - MINUTE - 2_001 }, undefined, false],
    ["when nothing is proposed", {}, {}, false],
    ["when it is claimed already", {}, { incident: { attempts: [attemptOf({ state: "claimed" })] } }, false],
  ])("%s counts: %s", (_name, change, setting, counts) => {
    for (const word of ["approve", "deny"] as const) {
      const { attempt, because, texts } = heard({ ...change, word }, setting);
      expect(attempt?.state).toBe(
        counts
          ? word === "approve"
            ? "claimed"
            : "denied"
          : (setting?.incident?.attempts?.[0]?.state ?? (setting === undefined ? "proposed" : undefined)),
      );
      if (counts) continue;
      expect(texts).toEqual([]);
      const nothing =
        change.incident === undefined
          ? "nothing waits for ada's word"
          : "no such incident is open, so ada's word changes nothing";
      expect(because).toEqual([`operator: ${nothing}`]);
    }
  });

  it("without an incident changes nothing, and says so", () => {
    const draft: Draft = { item: newTargetItem("api", NOW), because: [] };
    const { item } = draft;
    hearOperator(draft, sceneFor({}), { kind: "operator", at: NOW, word: "acknowledge", by: "ada" });
    expect(draft).toEqual({ item, because: ["operator: no such incident is open, so ada's word changes nothing"] });
  });

  it.each<[string, Partial<Word>, Partial<Incident>, string | undefined]>([
    ["is told", {}, {}, "ada"],
    ["of a second person is told as well", {}, { acknowledged: { by: "bob", at: 0 } }, "ada"],
    ["from before the incident, as far as clocks differ, is told", { at: NOW - MINUTE - 2_000 }, {}, "ada"],
    ["from before the incident is about another", { at: NOW - MINUTE - 2_001 }, {}, undefined],
  ])("that they take it %s", (_name, change, incident, by) => {
    const { item, texts } = heard({ word: "acknowledge", ...change }, { incident });
    expect(item.incident?.acknowledged?.by).toBe(by);
    expect(texts).toEqual(by === undefined ? [] : ["operator: ada has taken it"]);
  });

  it("that they take it changes nothing the second time", () => {
    const { item, texts } = heard({ word: "acknowledge" }, { incident: { acknowledged: { by: "ada", at: 5 } } });
    expect(item.incident?.acknowledged).toEqual({ by: "ada", at: 5 });
    expect(texts).toEqual([]);
  });
});
