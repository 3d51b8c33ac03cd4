import { describe, expect, it } from "vitest";
import {
  abandon,
  beginCall,
  giveUpLostCall,
  lostCallMs,
  recordFollow,
  recordNotCalled,
  recordOutcome,
} from "./attempt.ts";
import { decide, type SeenWorld } from "./decide.ts";
import { fleet, sampleAt, targetConfig, windowAfter, worldOf } from "./fixture.ts";
import { attemptInFlight, newTargetItem, type TargetItem } from "./item.ts";
import type { Outcome, Sample } from "./sample.ts";
import { siteKey, type WindowItem } from "./window.ts";

const START = 1_800_000_000_000;

/** A service watched from one place, tick by tick, with every write going through decide. */
class Story {
  now = START;
  item: TargetItem = newTargetItem("api", START);
  windows: WindowItem[] = [];
  world: Partial<SeenWorld> = {};
  because: readonly string[] = [];
  readonly config = fleet();
  readonly target;

  constructor(change: Parameters<typeof targetConfig>[0] = {}) {
    this.target = targetConfig(change);
  }

  /** A tick of 60 s with samples every 5 s. */
  tick(make: (at: number, index: number) => Sample, input: "wake" | "reconcile" = "wake"): this {
    const tick = this.now;
    const samples = Array.from({ length: 11 }, (_, index) => make(tick + index * 5_000, index));
    this.windows = [windowAfter(this.windows[0], "local", tick, samples)];
    this.now = tick + 55_000;
    this.decide(input);
    this.now = tick + 60_000;
    return this;
  }

  ticks(count: number, outcome: Outcome, change: Partial<Sample> = {}): this {
    for (let index = 0; index < count; index++) this.tick((at) => sampleAt(at, outcome, change));
    return this;
  }

  decide(input: "wake" | "reconcile" = "wake"): this {
    const wake =
      input === "wake"
        ? { kind: "wake" as const, at: this.now, cause: "test" }
        : { kind: "reconcile" as const, at: this.now };
    const decision = decide(
      { config: this.config, target: this.target },
      this.item,
      worldOf(this.windows, this.world),
      wake,
      this.now,
    );
    this.item = { ...decision.item, version: this.item.version + 1 };
    this.because = decision.because;
    return this;
  }

  get attempt() {
    const attempt = attemptInFlight(this.item);
    if (attempt === undefined) throw new Error(`no attempt is in flight: ${this.because.join("; ")}`);
    return attempt;
  }

  /** The call is made and the vendor's work is over at once. */
  call(): this {
    const { id } = this.attempt;
    this.take(beginCall(this.item, id, "run_1", this.now));
    this.take(
      recordOutcome(this.config, this.target, this.item, id, "run_1", { kind: "applied", reference: "dep" }, this.now),
    );
    this.take(recordFollow(this.config, this.target, this.item, id, { kind: "over", detail: "SUCCESS" }, this.now));
    return this;
  }

  take(step: ReturnType<typeof beginCall>): void {
    if (!step.ok) throw new Error(step.reason);
    this.item = step.item;
  }

  get verdicts() {
    return [...this.item.closed, ...(this.item.incident === undefined ? [] : [this.item.incident])].flatMap(
      (incident) => incident.attempts.map((attempt) => `${attempt.remedy} ${attempt.state}`),
    );
  }
}

describe("the original's faults", () => {
  it("a healthy API is never restarted (the original read a 200 as a latency of 200,000 ms)", () => {
    const story = new Story().ticks(60, "ok");
    expect(story.item.incident).toBeUndefined();
    expect(story.verdicts).toEqual([]);
  });

  it("a refused connection is down (the original called it healthy)", () => {
    const story = new Story().ticks(3, "refused");
    expect(story.item.incident?.kind).toBe("down");
    expect(story.attempt.remedy).toBe("restart");
  });

  it("one slow sample restarts nothing (the original fired on one)", () => {
    const story = new Story()
      .ticks(5, "ok")
      .tick((at, index) => sampleAt(at, "ok", { ttfbMs: index === 3 ? 5_000 : 40 }))
      .ticks(5, "ok");
    expect(story.verdicts).toEqual([]);
  });
});

describe("healing", () => {
  it("restarts once, verifies on fresh samples, and closes as healed", () => {
    const story = new Story().ticks(2, "ok").ticks(2, "refused");
    expect(story.attempt).toMatchObject({ remedy: "restart", state: "claimed" });
    story.call().ticks(1, "ok").ticks(5, "ok");
    expect(story.verdicts).toEqual(["restart healed"]);
    expect(story.item.incident).toBeUndefined();
    expect(story.item.closed[0]).toMatchObject({ end: "healed" });
  });

  it("purges before it restarts when some requests fail", () => {
    const failing = (at: number, index: number) => sampleAt(at, index % 5 === 0 ? "status" : "ok");
    const story = new Story().tick(failing).tick(failing).tick(failing);
    expect(story.item.incident?.kind).toBe("failing");
    expect(story.attempt.remedy).toBe("purge-cache");
    story.call();
    for (let index = 0; index < 6; index++) story.tick(failing);
    expect(story.verdicts).toEqual(["purge-cache no-effect", "restart claimed"]);
    expect(story.item.incident?.needsHuman?.why).toContain("did not help");
  });

  it("counts nothing as healed that a lucky moment shows: few samples are not enough for an error rate", () => {
    const story = new Story()
      .tick((at, index) => sampleAt(at, index % 5 === 0 ? "status" : "ok"))
      .tick((at, index) => sampleAt(at, index % 5 === 0 ? "status" : "ok"))
      .call();
    story.tick((at, index) => (index < 2 ? sampleAt(at) : sampleAt(at, "ok", { tainted: true })));
    expect(story.verdicts).toEqual(["purge-cache verifying"]);
  });

  it("tells a person at the first no-effect, keeps cooldowns, ends the ladder, and calls no more", () => {
    const story = new Story().ticks(2, "refused");
    const calls: number[] = [];
    for (let minute = 0; minute < 120; minute++) {
      if (story.item.incident !== undefined && attemptInFlight(story.item)?.state === "claimed") {
        calls.push(story.now);
        story.call();
      }
      story.ticks(1, "refused");
    }
    expect(calls).toHaveLength(3);
    expect((calls[1] ?? 0) - (calls[0] ?? 0)).toBeGreaterThanOrEqual(600_000);
    expect((calls[2] ?? 0) - (calls[1] ?? 0)).toBeGreaterThanOrEqual(1_200_000);
    expect(story.item.incident).toMatchObject({ ladderEnded: true });
    const told = story.item.incident?.timeline.filter((entry) => entry.kind === "human") ?? [];
    expect(told[0]?.text).toContain("did not help (attempt 1)");
  });

  it("ends the ladder at the first worse", () => {
    const slow = { ttfbMs: 900 };
    const story = new Story().ticks(5, "ok", slow);
    expect(story.attempt.kind).toBe("slow");
    story.call().ticks(7, "refused");
    expect(story.verdicts).toEqual(["restart worse"]);
    expect(story.item.incident).toMatchObject({ ladderEnded: true, kind: "down" });
  });

  it("says unknown, not no-effect, when nothing can be seen after the call", () => {
    const story = new Story().ticks(2, "refused").call();
    story.windows = [];
    for (let minute = 0; minute < 12; minute++) {
      story.now += 60_000;
      story.decide("reconcile");
    }
    expect(story.verdicts[0]).toBe("restart unknown");
  });

  it("calls it self-resolved when it was well before the call", () => {
    const story = new Story().ticks(2, "refused");
    const { id } = story.attempt;
    story.take(beginCall(story.item, id, "run_1", story.now));
    // The answer is lost; the service had been well for a minute when the call went out.
    const called = { ...story.attempt, callStartedAt: story.now + 60_000 };
    story.item = {
      ...story.item,
      incident:
        story.item.incident === undefined ? story.item.incident : { ...story.item.incident, attempts: [called] },
    } as TargetItem;
    story.ticks(1, "ok");
    story.take(
      recordOutcome(
        story.config,
        story.target,
        story.item,
        id,
        "run_1",
        { kind: "unknown", why: "timeout", detail: "" },
        story.now,
      ),
    );
    story.ticks(5, "ok");
    expect(story.verdicts).toEqual(["restart self-resolved"]);
  });
});

describe("not acting", () => {
  it.each<[string, Partial<SeenWorld>, Parameters<typeof targetConfig>[0], string]>([
    [
      "paused",
      { control: { global: { paused: { at: START, by: "ada", reason: "deploying" } }, target: {} } },
      {},
      "paused",
    ],
    ["observe by an operator", { control: { global: { mode: "observe" }, target: {} } }, {}, "observe"],
    [
      "the target's budget spent",
      { budget: { target: { a: START, b: START, c: START, d: START }, fleet: {} } },
      {},
      "target-budget",
    ],
    [
      "the fleet's budget spent",
      { budget: { target: {}, fleet: { a: START, b: START, c: START, d: START, e: START, f: START } } },
      {},
      "fleet-budget",
    ],
    ["our own load test at slowness only", { benchmarkRunning: true }, {}, ""],
  ])("%s is a named reason", (_name, world, change, guard) => {
    const story = new Story(change);
    story.world = world;
    story.ticks(3, "refused");
    if (guard === "") expect(story.attempt.remedy).toBe("restart");
    else {
      expect(attemptInFlight(story.item)).toBeUndefined();
      expect(story.because.join()).toContain(guard);
    }
  });

  it("does nothing in maintenance, and what is still ill when it ends is an incident then", () => {
    const story = new Story({ maintenance: [{ fromMs: START, toMs: START + 600_000, reason: "upgrade" }] });
    story.ticks(9, "refused");
    expect(story.item.incident).toBeUndefined();
    story.ticks(3, "refused");
    expect(story.item.incident?.kind).toBe("down");
  });

  it.each<[Outcome, string]>([
    ["blocked", "bot rule"],
    ["tls", "TLS or DNS"],
    ["dns", "TLS or DNS"],
  ])("never calls for %s, and the incident says why", (outcome, why) => {
    const story = new Story().ticks(6, outcome);
    expect(story.verdicts).toEqual([]);
    expect(story.item.incident?.needsHuman?.why).toContain(why);
  });

  it("does not act on our own blindness, and says that we cannot see", () => {
    const story = new Story().ticks(2, "ok");
    for (let index = 0; index < 6; index++) {
      story.tick((at) => sampleAt(at, "timeout"));
      story.world = {
        heartbeats: [
          {
            vantage: "local",
            shard: "0",
            tick: story.now,
            at: story.now + 55_000,
            controls: { answered: 0, total: 3 },
            ill: 1,
            total: 1,
          },
        ],
      };
    }
    expect(story.verdicts.filter((verdict) => verdict.includes("call"))).toEqual([]);
  });

  it("records once what it would have done in observe", () => {
    const story = new Story();
    story.world = { control: { global: { mode: "observe" }, target: {} } };
    story.ticks(8, "refused");
    expect(story.item.incident?.wouldHave).toHaveLength(1);
  });

  it("restarts nothing when much of the fleet turned ill at once", () => {
    const story = new Story();
    story.ticks(1, "refused");
    story.world = {
      heartbeats: [
        {
          vantage: "local",
          shard: "0",
          tick: START,
          at: START + 120_000,
          controls: { answered: 2, total: 2 },
          ill: 5,
          total: 10,
        },
      ],
    };
    story.ticks(2, "refused");
    expect(story.verdicts).toEqual([]);
    expect(story.because.join()).toContain("5 of 10");
  });

  it("waits for a person's yes in approve, and runs the guards again on it", () => {
    const story = new Story();
    story.world = { control: { global: { mode: "approve" }, target: {} } };
    story.ticks(2, "refused");
    expect(story.attempt.state).toBe("proposed");
    const say = (word: "approve" | "deny") =>
      decide(
        { config: story.config, target: story.target },
        story.item,
        worldOf(story.windows, story.world),
        { kind: "operator", at: story.now, word, by: "ada" },
        story.now,
      ).item;
    expect(attemptInFlight(say("approve"))?.state).toBe("claimed");
    expect(attemptInFlight(say("deny"))).toBeUndefined();
    story.world = { control: { global: { mode: "approve", paused: { at: 0, by: "bob", reason: "no" } }, target: {} } };
    expect(attemptInFlight(say("approve"))).toBeUndefined();
  });
});

describe("an attempt", () => {
  it("is called by one run only, and not too late", () => {
    const story = new Story().ticks(2, "refused");
    const { id } = story.attempt;
    const late = story.now + story.config.healing.callNotAfterMs + 60_000;
    expect(beginCall(story.item, id, "run_1", late)).toMatchObject({ ok: false });
    story.take(beginCall(story.item, id, "run_1", story.now));
    expect(beginCall(story.item, id, "run_2", story.now)).toMatchObject({ ok: false });
    const stolen = recordOutcome(
      story.config,
      story.target,
      story.item,
      id,
      "run_2",
      { kind: "applied", reference: "x" },
      story.now,
    );
    expect(stolen).toMatchObject({ ok: false });
  });

  it("gives its cooldown back when it was provably not called", () => {
    const story = new Story().ticks(2, "refused");
    expect(story.item.cooldowns.restart).toBeDefined();
    story.take(abandon(story.item, story.attempt.id, "it recovered", story.now));
    expect(story.item.cooldowns.restart).toBeUndefined();
  });

  it("that the vendor postponed is followed by another, not before the vendor's time", () => {
    const story = new Story().ticks(2, "refused");
    story.take(
      recordNotCalled(story.item, story.attempt.id, { kind: "retry-later", afterMs: 90_000, detail: "429" }, story.now),
    );
    story.ticks(1, "refused");
    expect(attemptInFlight(story.item)).toBeUndefined();
    story.ticks(2, "refused");
    expect(story.attempt.state).toBe("claimed");
    expect(story.verdicts).toEqual(["restart retry-later", "restart claimed"]);
  });

  it("that the vendor rejected ends with a person, without another call", () => {
    const story = new Story().ticks(2, "refused");
    story.take(
      recordNotCalled(
        story.item,
        story.attempt.id,
        { kind: "rejected", reason: "unauthorized", detail: "Not Authorized" },
        story.now,
      ),
    );
    story.ticks(3, "refused");
    expect(story.verdicts).toEqual(["restart rejected"]);
    expect(story.item.incident?.needsHuman?.why).toContain("restart");
  });

  it("left in calling by a lost run becomes unknown only when no call can be alive, and is then verified", () => {
    const story = new Story().ticks(2, "refused");
    story.take(beginCall(story.item, story.attempt.id, "run_1", story.now));
    const claimed = story.attempt.claimedAt ?? 0;
    expect(giveUpLostCall(story.config, story.target, story.item, claimed + lostCallMs(story.config))).toBe(story.item);
    while (attemptInFlight(story.item)?.state === "calling") story.tick((at) => sampleAt(at, "refused"), "reconcile");
    expect(story.now).toBeGreaterThan(claimed + lostCallMs(story.config));
    expect(story.attempt.state).toBe("verifying");
    const late = recordOutcome(
      story.config,
      story.target,
      story.item,
      story.attempt.id,
      "run_1",
      { kind: "applied", reference: "d" },
      story.now,
    );
    expect(late).toMatchObject({ ok: true });
  });

  it("holds its cooldown longer than a lost call can live", () => {
    const story = new Story().ticks(2, "refused");
    const held = (story.item.cooldowns.restart?.until ?? 0) - (story.attempt.claimedAt ?? 0);
    expect(held).toBe(600_000 + lostCallMs(story.config));
  });
});

it("calls nothing in 10,000 simulated hours of a healthy service under 0.1 % independent probe failures", () => {
  // A small linear congruential generator: the run is the same every time.
  let seed = 20_261_124;
  const random = () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32;
  };
  const config = fleet();
  const target = targetConfig();
  const key = siteKey("api", "primary");
  let item = newTargetItem("api", START);
  let window: WindowItem | undefined;
  let calls = 0;
  for (let minute = 0; minute < 600_000; minute++) {
    const tick = START + minute * 60_000;
    const suspicious = (window?.sites[key]?.samples ?? []).some(
      (sample) => sample.outcome !== "ok" && sample.startedAt > tick - 300_000,
    );
    const count = suspicious ? 12 : 1;
    const samples: Sample[] = [];
    for (let index = 0; index < count || (samples.at(-1)?.outcome !== "ok" && index < 10); index++)
      samples.push(sampleAt(tick + index * 4_000, random() < 0.001 ? "timeout" : "ok"));
    window = windowAfter(window, "local", tick, samples);
    if (samples.every((sample) => sample.outcome === "ok") && !suspicious) continue;
    const now = tick + 50_000;
    const decision = decide({ config, target }, item, worldOf([window]), { kind: "wake", at: now, cause: "tick" }, now);
    item = decision.item;
    if (attemptInFlight(item) !== undefined) calls++;
  }
  expect(calls).toBe(0);
  expect(item.incidents).toBe(0);
});

describe("observe keeps score", () => {
  const observing = () => {
    const story = new Story();
    story.world = { control: { global: { mode: "observe" }, target: {} } };
    return story;
  };
  const wouldHave = (story: Story) =>
    [...story.item.closed, ...(story.item.incident === undefined ? [] : [story.item.incident])].flatMap(
      (incident) => incident.wouldHave,
    );

  it("says that it recovered alone, and after how long, where it did before a real restart would have been judged", () => {
    const story = observing().ticks(4, "refused").ticks(5, "ok");
    expect(story.item.incident).toBeUndefined();
    const [only, ...more] = wouldHave(story);
    expect(more).toEqual([]);
    expect(only).toMatchObject({ remedy: "restart", kind: "down", site: "primary", score: "recovered" });
    expect((only?.scoredAt ?? 0) - (only?.at ?? 0)).toBe(300_000);
    expect(story.item.endings).toEqual({ down: { ended: 1, alone: 1, left: 1, soon: 1 } });
  });

  it("goes up the ladder as a real policy would: the cooldown apart, growing, and no further than its end", () => {
    const story = observing().ticks(400, "refused");
    const would = wouldHave(story);
    expect(would.map(({ remedy, score }) => `${remedy} ${score}`)).toEqual([
      "restart still-ill",
      "restart still-ill",
      "restart still-ill",
    ]);
    const { cooldownMs } = story.target.remedies.restart;
    const gaps = would.slice(1).map(({ at }, index) => at - (would[index]?.at ?? 0));
    expect(gaps[0]).toBeGreaterThanOrEqual(cooldownMs + lostCallMs(story.config));
    expect(gaps[1]).toBeGreaterThanOrEqual(2 * cooldownMs + lostCallMs(story.config));
    expect(story.item.tokens).toBe(0);
    expect(story.item.cooldowns).toEqual({});
  });

  it("would call nobody's service again in the cooldown of the incident before", () => {
    const story = observing().ticks(4, "refused").ticks(4, "ok").ticks(4, "refused").ticks(4, "ok");
    expect(story.item.incidents).toBe(2);
    expect(wouldHave(story)).toHaveLength(1);
  });

  it("does not claim to know what nobody saw", () => {
    const story = observing().ticks(3, "refused");
    expect(wouldHave(story)).toHaveLength(1);
    const blind = { answered: 0, total: 3 };
    for (let minute = 0; minute < 12; minute++) {
      const { now } = story;
      story.world = {
        ...story.world,
        heartbeats: [{ vantage: "local", shard: "0", tick: now, at: now + 55_000, controls: blind, ill: 0, total: 1 }],
      };
      story.ticks(1, "refused");
    }
    expect(wouldHave(story)[0]).toMatchObject({ score: "unknown" });
  });

  it("begins nothing anew when the mode is changed to auto: the real ladder has all its rungs", () => {
    const story = observing().ticks(4, "refused");
    expect(wouldHave(story)).toHaveLength(1);
    story.world = {};
    story.ticks(1, "refused");
    expect(story.attempt).toMatchObject({ remedy: "restart", state: "claimed" });
  });
});

describe("a remedy's record", () => {
  /** A restart that changes nothing, or heals. */
  const tried = (story: Story, helps: boolean) => {
    story.ticks(3, "refused").call();
    return helps ? story.ticks(8, "ok") : story.ticks(9, "refused");
  };

  it("stands in the next decision, for people, and counts the attempt once", () => {
    const story = tried(new Story(), true);
    expect(story.item.effects).toMatchObject({ "restart/down": { healed: 1 } });
    story.now += 2 * 86_400_000;
    story.ticks(3, "refused");
    expect(story.attempt.record).toBe("restart has helped 1 of 1 times here when down");
    expect(story.item.incident?.timeline.at(-1)?.text).toMatch(
      /; restart has helped 1 of 1 times here when down \(att_/,
    );
  });

  it("passes a remedy over where the config says so and it has proven useless, says so once, and calls a person", () => {
    const useless = { healed: 0, "self-resolved": 0, "no-effect": 20, worse: 0, unknown: 0 };
    const remedies = new Story().target.remedies;
    const skipping = { remedies: { ...remedies, restart: { ...remedies.restart, skipBelow: 0.2 } } };
    for (const [change, called] of [
      [skipping, false],
      [{}, true],
    ] as const) {
      const story = new Story(change);
      story.item = { ...story.item, effects: { "restart/down": useless } };
      story.ticks(6, "refused");
      expect(story.verdicts.length > 0).toBe(called);
      if (called) continue;
      const texts = story.item.incident?.timeline.map(({ text }) => text) ?? [];
      expect(texts.filter((text) => text.startsWith("restart was passed over: it helped 0 of 20"))).toHaveLength(1);
      expect(story.item.incident?.needsHuman?.why).toMatch(/restart/);
    }
  });
});
