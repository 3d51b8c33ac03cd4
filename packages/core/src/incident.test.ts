import { describe, expect, it } from "vitest";
import { decide, type Input, type SeenWorld } from "./decide.ts";
import { fleet, LADDERS, sampleAt, targetConfig, windowAfter, worldOf } from "./fixture.ts";
import { removeFromConfig } from "./incident.ts";
import { newTargetItem, type TargetItem } from "./item.ts";
import type { Outcome } from "./sample.ts";
import { siteKey, type WindowItem } from "./window.ts";

const START = 1_800_000_000_000;
const MINUTE = 60_000;

/** A target watched from one place; every minute brings a tick and a decision. */
class Watch {
  now = START;
  item: TargetItem = newTargetItem("api", START);
  window: WindowItem | undefined;
  world: Partial<SeenWorld> = {};
  because: readonly string[] = [];
  readonly config = fleet();
  readonly target;

  constructor(change: Parameters<typeof targetConfig>[0] = {}) {
    this.target = targetConfig(change);
  }

  minutes(count: number, outcome: Outcome, site = "primary"): this {
    for (let minute = 0; minute < count; minute++) {
      const samples = Array.from({ length: 11 }, (_, index) => sampleAt(this.now + index * 5_000, outcome));
      this.window = windowAfter(this.window, "local", this.now, samples, siteKey("api", site));
      this.now += 55_000;
      this.decide({ kind: "wake", at: this.now, cause: "tick" });
      this.now += 5_000;
    }
    return this;
  }

  decide(input: Input, target = this.target): this {
    const world = worldOf(this.window === undefined ? [] : [this.window], this.world);
    const { item, because } = decide({ config: this.config, target }, this.item, world, input, this.now);
    this.item = item;
    this.because = because;
    return this;
  }

  texts(kind: string): readonly string[] {
    return (this.item.incident?.timeline ?? []).filter((entry) => entry.kind === kind).map(({ text }) => text);
  }
}

const OBSERVE: SeenWorld["control"] = { global: { mode: "observe" }, target: {} };
const PAUSED: SeenWorld["control"] = { global: { paused: { at: 0, by: "ada", reason: "deploying" } }, target: {} };

describe("people", () => {
  it("hear of a refusal once, however often guards take turns", () => {
    const watch = new Watch();
    watch.world = { control: PAUSED };
    watch.minutes(3, "refused");
    for (let turn = 0; turn < 30; turn++) {
      watch.world = { control: turn % 2 === 0 ? OBSERVE : PAUSED };
      watch.minutes(1, "refused");
    }
    expect(watch.texts("refused")).toHaveLength(1);
    expect(watch.texts("human")).toHaveLength(1);
  });

  it("are called for when a target stays ill and nothing can be done, whatever the reason", () => {
    const watch = new Watch();
    watch.world = { control: OBSERVE };
    watch.minutes(16, "refused");
    expect(watch.item.incident?.needsHuman?.why).toContain("nothing could be done");
  });

  it("are heard once: the same acknowledgement again, or one from before the incident, changes nothing", () => {
    const watch = new Watch().minutes(2, "refused");
    const word = (at: number): Input => ({ kind: "operator", at, word: "acknowledge", by: "ada" });
    watch.decide(word(START - 10 * MINUTE));
    expect(watch.texts("operator")).toEqual([]);
    watch.decide(word(watch.now)).decide(word(watch.now));
    expect(watch.texts("operator")).toEqual(["ada has taken it"]);
  });

  it("do not approve by a word from before the proposal", () => {
    const watch = new Watch();
    watch.world = { control: { global: { mode: "approve" }, target: {} } };
    watch.minutes(2, "refused");
    watch.decide({ kind: "operator", at: START - MINUTE, word: "approve", by: "ada" });
    expect(watch.item.incident?.attempts.map(({ state }) => state)).toEqual(["proposed"]);
    watch.decide({ kind: "operator", at: watch.now, word: "approve", by: "ada" });
    expect(watch.item.incident?.attempts.map(({ state }) => state)).toEqual(["claimed"]);
  });
});

describe("an incident", () => {
  it("passes over a remedy that has no function yet, and says so", () => {
    const ladder = [{ remedy: "failover", times: 1 } as const, { remedy: "restart", times: 1 } as const];
    const watch = new Watch({ ladders: { ...LADDERS, down: ladder } }).minutes(2, "refused");
    expect(watch.texts("refused")).toEqual(["failover is not available in this version: passed over"]);
    expect(watch.item.incident?.attempts.map(({ remedy }) => remedy)).toEqual(["restart"]);
  });

  it("asks ever more rarely for a call that nobody makes, keeps few of them, and calls for a person", () => {
    const watch = new Watch().minutes(600, "refused");
    const attempts = watch.item.incident?.attempts ?? [];
    expect(watch.item.tokens).toBeLessThan(30);
    expect(attempts.length).toBeLessThanOrEqual(13);
    expect(watch.texts("human").join()).toContain("could not be called 3 times in a row");
  });

  it("moves to the site that serves when that is ill as well", () => {
    const sites = ["primary", "secondary"].map((id) => ({ id, url: `https://${id}.example.com` }));
    const watch = new Watch({ sites });
    watch.world = { control: PAUSED };
    for (let minute = 0; minute < 4; minute++) {
      watch.minutes(1, "ok");
      watch.now -= MINUTE;
      watch.minutes(1, "refused", "secondary");
    }
    expect(watch.item.incident?.site).toBe("secondary");
    for (let minute = 0; minute < 4; minute++) {
      watch.minutes(1, "refused");
      watch.now -= MINUTE;
      watch.minutes(1, "refused", "secondary");
    }
    expect(watch.item.incident?.site).toBe("primary");
  });

  it("closes when its site leaves the config, and people are asked to be told", () => {
    const watch = new Watch().minutes(2, "refused");
    const target = targetConfig({ sites: [{ id: "other", url: "https://other.example.com" }] });
    watch.decide({ kind: "wake", at: watch.now, cause: "test" }, target);
    expect(watch.item.incident).toBeUndefined();
    expect(watch.item.closed[0]).toMatchObject({ end: "target-removed", attempts: [{ state: "abandoned" }] });
    expect(Object.keys(watch.item.outbox)).toEqual(["incident:inc_api_1"]);
  });

  it("of a target that leaves the config keeps its cooldown, and a call under way ends as unknown", () => {
    const watch = new Watch().minutes(2, "refused");
    const incident = watch.item.incident;
    if (incident === undefined) throw new Error("no incident is open");
    const attempts = incident.attempts.map((attempt) => ({
      ...attempt,
      state: "calling" as const,
      mayHaveCalled: true,
    }));
    const removed = removeFromConfig({ ...watch.item, incident: { ...incident, attempts } }, watch.now);
    expect(removed.closed[0]).toMatchObject({ end: "target-removed", attempts: [{ verdict: "unknown" }] });
    expect(removed.cooldowns.restart).toBeDefined();
  });

  it("does not count what is seen during the warm-up towards recovery", () => {
    const watch = new Watch().minutes(2, "refused");
    watch.item = { ...watch.item, evidenceFrom: watch.now + 30 * MINUTE, recovery: { streak: 0, tick: 0, from: 0 } };
    watch.minutes(5, "ok");
    expect(watch.item.recovery.streak).toBe(0);
  });

  it("is due for reconcile however often it is woken in between", () => {
    const watch = new Watch().minutes(2, "refused");
    const due = watch.item.nextActionAt ?? 0;
    watch.minutes(3, "ok").minutes(1, "refused");
    expect(watch.item.nextActionAt).toBe(due);
  });
});

/** A vantage that holds five of ten targets to have turned ill at these times. */
function fleetBeat(watch: Watch, illSince: readonly number[]): Partial<SeenWorld> {
  const controls = { answered: 2, total: 2 };
  return {
    heartbeats: [
      { vantage: "local", shard: "0", tick: watch.now, at: watch.now + 50_000, controls, ill: 0, total: 10, illSince },
    ],
  };
}

it("a target that was ill before much of the fleet turned ill together is left alone as well", () => {
  const watch = new Watch();
  watch.world = { control: PAUSED };
  watch.minutes(20, "refused");
  const together = Array.from({ length: 4 }, (_, index) => watch.now - index * 1_000);
  for (let minute = 0; minute < 5; minute++) {
    watch.world = fleetBeat(watch, [START, ...together]);
    watch.minutes(1, "refused");
  }
  expect(watch.item.tokens).toBe(0);
  expect(watch.because.join()).toContain("fleet-unhealthy: 4 of 10");
});

it("targets that turned ill one after another, each on its own, are healed each on its own", () => {
  const watch = new Watch();
  const apart = Array.from({ length: 5 }, (_, index) => START - index * 6 * MINUTE);
  watch.minutes(2, "ok");
  for (let minute = 0; minute < 3; minute++) {
    watch.world = fleetBeat(watch, apart);
    watch.minutes(1, "refused");
  }
  expect(watch.item.incident?.attempts).toHaveLength(1);
});

it("a proposal that nobody answers calls a person when it lapses", () => {
  const watch = new Watch();
  watch.world = { control: { global: { mode: "approve" }, target: {} } };
  watch.minutes(30, "refused");
  expect(watch.texts("human")).toEqual([]);
  watch.minutes(5, "refused");
  expect(watch.texts("human")).toEqual(["restart was proposed and nobody answered within 30 min"]);
  expect(watch.texts("refused")).toEqual(["restart was not done: nobody said yes in time"]);
});

it("a fleet that turned ill at once is left alone for as long as it stays ill, not for five minutes only", () => {
  const watch = new Watch();
  watch.minutes(2, "ok");
  const began = watch.now + MINUTE;
  for (let minute = 0; minute < 20; minute++) {
    watch.world = {
      heartbeats: [
        {
          vantage: "local",
          shard: "0",
          tick: watch.now,
          at: watch.now + 50_000,
          controls: { answered: 2, total: 2 },
          ill: 0,
          total: 10,
          illSince: Array.from({ length: 5 }, () => began),
        },
      ],
    };
    watch.minutes(1, "refused");
  }
  expect(watch.item.tokens).toBe(0);
  expect(watch.because.join()).toContain("fleet-unhealthy: 5 of 10");
});
