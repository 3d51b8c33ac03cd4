import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { abandon, beginCall, recordFollow, recordNotCalled, recordOutcome } from "./attempt.ts";
import { brokenLink } from "./audit.ts";
import { decide, replay } from "./decide.ts";
import { fleet, sampleAt, targetConfig, windowAfter, worldOf } from "./fixture.ts";
import { firstRefusal } from "./guards.ts";
import { type Attempt, attemptInFlight, isInFlight, newTargetItem, type TargetItem } from "./item.ts";
import { usedRung } from "./ladder.ts";
import type { CallOutcome } from "./outcome.ts";
import { readRecord } from "./record.ts";
import { OUTCOMES } from "./sample.ts";
import { type Input, type Policy, type SeenWorld, see } from "./scene.ts";
import { appendSamples, type WindowItem } from "./window.ts";

const START = 1_800_000_000_000;
const VANTAGES = ["east", "west", "north"];

/** One thing that happens to a target: a look, a word, a step of a remedy, or time that passes. */
type Happening =
  | { readonly kind: "tick"; readonly vantage: number; readonly outcomes: readonly number[]; readonly slow: boolean }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "operator"; readonly word: "approve" | "deny" | "acknowledge"; readonly ageMs: number }
  | { readonly kind: "begin" }
  | { readonly kind: "outcome"; readonly outcome: CallOutcome }
  | { readonly kind: "not-called"; readonly afterMs: number }
  | { readonly kind: "abandon" }
  | { readonly kind: "follow"; readonly over: boolean }
  | { readonly kind: "control"; readonly mode: "observe" | "approve" | "auto"; readonly paused: boolean }
  | { readonly kind: "blind"; readonly answered: number };

const outcome: fc.Arbitrary<CallOutcome> = fc.oneof(
  fc.constant<CallOutcome>({ kind: "applied", reference: "dep" }),
  fc.constant<CallOutcome>({ kind: "already-done", reference: "dep" }),
  fc.constant<CallOutcome>({ kind: "rejected", reason: "unauthorized", detail: "no" }),
  fc
    .integer({ min: -1, max: 2 ** 40 })
    .map<CallOutcome>((afterMs) => ({ kind: "retry-later", afterMs, detail: "429" })),
  fc.constant<CallOutcome>({ kind: "unknown", why: "timeout", detail: "10 s" }),
);

const tick: fc.Arbitrary<Happening> = fc.record({
  kind: fc.constant("tick" as const),
  vantage: fc.nat({ max: 2 }),
  // Mostly all good or all bad, as services are; now and then a mixture of everything.
  outcomes: fc.oneof(
    { weight: 3, arbitrary: fc.constant([1, 1, 1, 1, 1, 1, 1, 1, 1]) },
    { weight: 3, arbitrary: fc.constant([0, 0, 0, 0, 0, 0, 0, 0, 0]) },
    { weight: 2, arbitrary: fc.array(fc.nat({ max: OUTCOMES.length - 1 }), { minLength: 1, maxLength: 12 }) },
  ),
  slow: fc.boolean(),
});

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 8, arbitrary: tick },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.constantFrom(1_000, 20_000, 60_000, 60_000, 200_000, 700_000, 86_400_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("operator" as const),
      word: fc.constantFrom("approve" as const, "deny" as const, "acknowledge" as const),
      ageMs: fc.constantFrom(0, 1_000, 600_000, 7_200_000),
    }),
  },
  { weight: 3, arbitrary: fc.constant<Happening>({ kind: "begin" }) },
  { weight: 3, arbitrary: outcome.map<Happening>((made) => ({ kind: "outcome", outcome: made })) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 0, max: 900_000 }).map<Happening>((afterMs) => ({ kind: "not-called", afterMs })),
  },
  { weight: 1, arbitrary: fc.constant<Happening>({ kind: "abandon" }) },
  { weight: 2, arbitrary: fc.boolean().map<Happening>((over) => ({ kind: "follow", over })) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("control" as const),
      mode: fc.constantFrom("observe" as const, "approve" as const, "auto" as const, "auto" as const),
      paused: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.nat({ max: 2 }).map<Happening>((answered) => ({ kind: "blind", answered })) },
);

const look = (vantage: number, index: number): Happening => ({
  kind: "tick",
  vantage,
  outcomes: Array.from({ length: 9 }, () => index),
  slow: false,
});
const pass = (ms: number): Happening => ({ kind: "pass", ms });
const OUTAGE = [look(0, 1), look(1, 1), look(2, 1)];
const CALL: Happening[] = [
  { kind: "begin" },
  { kind: "outcome", outcome: { kind: "applied", reference: "dep" } },
  { kind: "follow", over: true },
];

/** What belongs together, for chance alone seldom gets as far as a second call. */
const chapter: fc.Arbitrary<readonly Happening[]> = fc.oneof(
  { weight: 6, arbitrary: happening.map((one) => [one]) },
  { weight: 4, arbitrary: fc.constant(OUTAGE) },
  { weight: 2, arbitrary: fc.constant([look(0, 0), look(1, 0), look(2, 0), look(0, 0), look(1, 0), look(2, 0)]) },
  { weight: 4, arbitrary: fc.constant([...OUTAGE, ...CALL]) },
  { weight: 2, arbitrary: fc.constant([...CALL, pass(400_000), ...OUTAGE, pass(600_000), ...OUTAGE]) },
  { weight: 1, arbitrary: fc.constant<Happening[]>([{ kind: "begin" }, pass(200_000)]) },
);

const history = fc.array(chapter, { maxLength: 25 }).map((chapters) => chapters.flat());

/** A target's life, played through the pure core; `onDecide` sees every decision before it is taken. */
class Life {
  now = START;
  item: TargetItem = newTargetItem("api", START);
  windows: WindowItem[] = [];
  control: SeenWorld["control"] = { global: {}, target: {} };
  answered = 2;
  readonly policy: Policy = { config: fleet({ vantages: VANTAGES }), target: targetConfig() };

  world(): SeenWorld {
    const budget = Object.fromEntries(
      (this.item.incident?.attempts ?? [])
        .filter((attempt) => attempt.mayHaveCalled)
        .map((attempt) => [attempt.id, attempt.callStartedAt ?? 0]),
    );
    const world = worldOf(this.windows, { control: this.control, budget: { target: budget, fleet: budget } });
    return {
      ...world,
      heartbeats: world.heartbeats.map((beat) => ({ ...beat, controls: { answered: this.answered, total: 2 } })),
    };
  }

  play(events: readonly Happening[], onDecide?: (life: Life, input: Input) => void): this {
    for (const event of events) {
      this.#happen(event);
      const input = this.#input(event);
      onDecide?.(this, input);
      const { item } = decide(this.policy, this.item, this.world(), input, this.now);
      this.item = { ...item, version: this.item.version + 1 };
    }
    return this;
  }

  #input(event: Happening): Input {
    if (event.kind === "operator") return { kind: "operator", at: this.now - event.ageMs, word: event.word, by: "ada" };
    return event.kind === "pass"
      ? { kind: "reconcile", at: this.now }
      : { kind: "wake", at: this.now, cause: event.kind };
  }

  #happen(event: Happening): void {
    const { config, target } = this.policy;
    // What comes late comes for one that has ended.
    const id = attemptInFlight(this.item)?.id ?? this.item.incident?.attempts.at(-1)?.id ?? "att_none";
    switch (event.kind) {
      case "tick": {
        const vantage = VANTAGES[event.vantage] ?? "east";
        // The vantages look at the same time, each a little after the one before.
        const from = this.now - event.outcomes.length * 5_000;
        const samples = event.outcomes.map((index, place) =>
          sampleAt(from + place * 5_000, OUTCOMES[index], event.slow ? { ttfbMs: 900 } : {}),
        );
        const before = this.windows.find((window) => window.vantage === vantage);
        this.windows = [
          ...this.windows.filter((window) => window.vantage !== vantage),
          windowAfter(before, vantage, from, samples),
        ];
        this.now += 15_000;
        return;
      }
      case "pass":
        this.now += event.ms;
        return;
      case "begin":
        this.#take(beginCall(this.item, id, "run_1", this.now));
        return;
      case "outcome":
        this.#take(recordOutcome(config, target, this.item, id, "run_1", event.outcome, this.now));
        return;
      case "not-called": {
        const later = { kind: "retry-later" as const, afterMs: event.afterMs, detail: "429" };
        this.#take(recordNotCalled(this.item, id, later, this.now));
        return;
      }
      case "abandon":
        this.#take(abandon(this.item, id, "paused", this.now, "run_1"));
        return;
      case "follow":
        this.#take(
          recordFollow(
            config,
            target,
            this.item,
            id,
            { kind: event.over ? "over" : "in-progress", detail: "" },
            this.now,
          ),
        );
        return;
      case "control":
        this.control = {
          global: { mode: event.mode, ...(event.paused ? { paused: { at: this.now, by: "ada", reason: "x" } } : {}) },
          target: {},
        };
        return;
      case "blind":
        this.answered = event.answered;
        return;
      case "operator":
        return;
    }
  }

  #take(step: ReturnType<typeof beginCall>): void {
    if (step.ok) this.item = step.item;
  }
}

const wake = (life: Life): Input => ({ kind: "wake", at: life.now, cause: "again" });

function attemptsOf(item: TargetItem): readonly Attempt[] {
  return [...item.closed.flatMap((incident) => incident.attempts), ...(item.incident?.attempts ?? [])];
}

describe("decide", () => {
  it("never throws and is deterministic, whatever has happened", () => {
    fc.assert(
      fc.property(history, (events) => {
        new Life().play(events, (life, input) => {
          const world = life.world();
          const once = decide(life.policy, life.item, world, input, life.now);
          expect(decide(life.policy, structuredClone(life.item), structuredClone(world), input, life.now)).toEqual(
            once,
          );
        });
      }),
      { numRuns: 80 },
    );
  });

  it("changes nothing when it is woken again for the same", () => {
    fc.assert(
      fc.property(history, (events) => {
        const life = new Life().play(events);
        const first = decide(life.policy, life.item, life.world(), wake(life), life.now);
        const second = decide(life.policy, first.item, life.world(), wake(life), life.now);
        expect(second.changed).toBe(false);
        expect(second.item).toBe(first.item);
      }),
      { numRuns: 120 },
    );
  });

  it("does not depend on the order of windows and heartbeats", () => {
    fc.assert(
      fc.property(history, fc.constantFrom([1, 2, 0], [2, 1, 0], [0, 2, 1]), (events, order) => {
        const life = new Life().play(events);
        const world = life.world();
        const shuffled: SeenWorld = {
          ...world,
          windows: order.flatMap((index) => world.windows[index] ?? []),
          heartbeats: order.flatMap((index) => world.heartbeats[index] ?? []).reverse(),
        };
        const state = (seen: SeenWorld) => {
          const { item } = decide(life.policy, life.item, seen, wake(life), life.now);
          return [item.health.state, item.incident?.kind, attemptsOf(item).map((attempt) => attempt.state)];
        };
        expect(state(shuffled)).toEqual(state(world));
      }),
      { numRuns: 120 },
    );
  });

  it("reads a window the same however its samples came in", () => {
    const at = fc.uniqueArray(fc.nat({ max: 300_000 }), { maxLength: 40 });
    fc.assert(
      fc.property(at, fc.nat({ max: 40 }), (times, cut) => {
        const samples = times.map((time) => sampleAt(START + time, time % 3 === 0 ? "refused" : "ok"));
        const sorted = samples.toSorted((a, b) => a.startedAt - b.startedAt);
        const now = START + 310_000;
        expect(appendSamples(appendSamples([], samples.slice(0, cut), now), samples.slice(cut), now)).toEqual(sorted);
      }),
    );
  });

  it("never has two attempts in flight, and its tokens only grow", () => {
    fc.assert(
      fc.property(history, (events) => {
        let token = 0;
        const check = (life: Life) => {
          expect(attemptsOf(life.item).filter(isInFlight).length).toBeLessThanOrEqual(1);
          expect(life.item.tokens).toBeGreaterThanOrEqual(token);
          token = life.item.tokens;
        };
        check(new Life().play(events, check));
      }),
      { numRuns: 120 },
    );
  });

  it("claims nothing that any guard refuses", () => {
    let claims = 0;
    fc.assert(
      fc.property(history, (events) => {
        new Life().play(events, (life, input) => {
          const world = life.world();
          const { item } = decide(life.policy, life.item, world, input, life.now);
          const known = new Set(
            attemptsOf(life.item)
              .filter(({ state }) => state !== "proposed")
              .map(({ id }) => id),
          );
          const claimed = item.incident?.attempts.find(({ id, state }) => state === "claimed" && !known.has(id));
          if (claimed === undefined || item.incident === undefined) return;
          claims++;
          const scene = see(life.policy, life.item, world, life.now);
          // As it was the moment before: without the claim, its cooldown and its place among the attempts.
          const attempts = item.incident.attempts.filter(({ id }) => id !== claimed.id);
          const { [claimed.remedy]: _, ...others } = item.cooldowns;
          const held = claimed.previousCooldown;
          const cooldowns = held === undefined ? others : { ...others, [claimed.remedy]: held };
          const before = { ...life.item, cooldowns, incident: { ...item.incident, attempts } };
          const refusal = firstRefusal(
            {
              ...life.policy,
              item: before,
              incident: before.incident,
              world,
              health: scene.sites[claimed.site] ?? scene.health,
              others: {},
              remedy: claimed.remedy,
              now: life.now,
            },
            input.kind === "operator" ? ["approval"] : [],
          );
          expect(refusal).toBeUndefined();
        });
      }),
      { numRuns: 300 },
    );
    expect(claims).toBeGreaterThan(0);
  });

  it("keeps calls of one remedy a cooldown apart, whatever vendors and functions do", () => {
    let pairs = 0;
    fc.assert(
      fc.property(history, (events) => {
        const claims = new Map<string, number>();
        const check = (life: Life) => {
          for (const { id, remedy, callStartedAt, mayHaveCalled } of attemptsOf(life.item))
            if (mayHaveCalled && callStartedAt !== undefined) claims.set(`${remedy} ${id}`, callStartedAt);
            else claims.delete(`${remedy} ${id}`);
        };
        const life = new Life().play(events, check);
        check(life);
        for (const remedy of ["restart", "purge-cache"] as const) {
          const times = [...claims].filter(([key]) => key.startsWith(`${remedy} `)).map(([, at]) => at);
          times.sort((a, b) => a - b);
          for (const [index, at] of times.entries())
            if (index > 0 && ++pairs)
              expect(at - (times[index - 1] ?? 0)).toBeGreaterThanOrEqual(
                life.policy.target.remedies[remedy].cooldownMs,
              );
        }
      }),
      { numRuns: 300 },
    );
    expect(pairs).toBeGreaterThan(0);
  });

  it("records what it saw, so that every decision can be made again from the audit log, byte for byte, and the chain holds", () => {
    fc.assert(
      fc.property(history, (events) => {
        const life = new Life().play(events);
        expect(brokenLink(life.item.audit.pending)).toBeUndefined();
        for (const { body } of life.item.audit.pending) {
          const read = readRecord(body);
          if (!read.ok || read.record.kind === "step") throw new Error(`${body} is no decision`);
          const { record } = read;
          if (record.kind === "policy") continue;
          const { because, state, result } = replay(life.policy, record);
          expect({ because, state, result }).toEqual({
            because: record.because,
            state: record.state,
            result: record.result,
          });
          expect(record.policy).toBe(life.item.policy);
        }
      }),
      { numRuns: 100 },
    );
  });

  it("counts every verdict of a remedy once, whatever is repeated", () => {
    let verdicts = 0;
    fc.assert(
      fc.property(history, (events) => {
        const life = new Life();
        const seen = new Map<string, string>();
        const note = () => {
          for (const { id, remedy, kind, verdict } of attemptsOf(life.item))
            if (verdict !== undefined) seen.set(id, `${remedy}/${kind} ${verdict}`);
        };
        life.play(
          events.flatMap((event) => [event, { kind: "pass", ms: 0 } as const]),
          note,
        );
        note();
        const counted = Object.entries(life.item.effects ?? {}).flatMap(([key, tally]) =>
          Object.entries(tally).flatMap(([verdict, times]) => Array.from({ length: times }, () => `${key} ${verdict}`)),
        );
        expect(counted.sort()).toEqual([...seen.values()].sort());
        verdicts += counted.length;
      }),
      { numRuns: 150 },
    );
    expect(verdicts).toBeGreaterThan(0);
  });

  it("counts every end of an incident once, whatever is repeated, and what was left alone", () => {
    let [alone, called] = [0, 0];
    fc.assert(
      fc.property(history, (events) => {
        const life = new Life();
        life.play(events.flatMap((event) => [event, { kind: "pass", ms: 0 } as const]));
        const ended = life.item.closed.filter(({ end }) => end === "healed" || end === "recovered");
        const sums = Object.values(life.item.endings ?? {});
        const sum = (of: (one: (typeof sums)[number]) => number) => sums.reduce((total, one) => total + of(one), 0);
        const uncalled = ended.filter(({ attempts }) => !attempts.some(usedRung));
        expect([sum((one) => one.ended), sum((one) => one.alone)]).toEqual([ended.length, uncalled.length]);
        for (const { left, soon } of sums) expect(soon).toBeLessThanOrEqual(left);
        const scores = ended.flatMap(({ wouldHave }) => wouldHave.map(({ score }) => score));
        expect(scores).not.toContain(undefined);
        expect(sum(({ soon }) => soon)).toBeGreaterThanOrEqual(scores.filter((score) => score === "recovered").length);
        alone += uncalled.length;
        called += ended.length - uncalled.length;
      }),
      { numRuns: 150 },
    );
    expect(Math.min(alone, called)).toBeGreaterThan(0);
  });

  it("keeps an item small through the longest incident", () => {
    const life = new Life();
    const bad: Happening = { kind: "tick", vantage: 0, outcomes: [1, 1, 1, 1, 1, 1, 1, 1, 1], slow: false };
    for (let round = 0; round < 1_500; round++) {
      life.play([bad, { ...bad, vantage: 1 }, { kind: "not-called", afterMs: 1_000 }, { kind: "pass", ms: 200_000 }]);
      // The archive takes these; here nobody copies them out.
      life.item = { ...life.item, audit: { ...life.item.audit, pending: [] } };
    }
    expect(life.item.incident?.openedAt).toBeLessThan(life.now - 86_400_000);
    expect(JSON.stringify(life.item).length).toBeLessThan(60_000);
    expect(life.item.incident?.needsHuman).toBeDefined();
  });
});

describe("wake-ups and words", () => {
  it("ask for the same however often each comes", () => {
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.nat({ max: 3 })), (events, chance) => {
        const [once, often] = [new Life(), new Life()];
        const earlier: Input[] = [];
        for (const event of events) {
          const inputs: Input[] = [];
          once.play([event]);
          often.play([event], (_, input) => void inputs.push(input, named(input, often.item)));
          const more = earlier.filter(() => chance.next().value === 0);
          for (const input of [...inputs, ...more]) {
            const { item, changed } = decide(often.policy, often.item, often.world(), input, often.now);
            expect(changed).toBe(false);
            often.item = item;
          }
          // Reconcile is a timer, no event: nothing delivers yesterday's again.
          earlier.push(...inputs.filter(({ kind }) => kind !== "reconcile"));
          expect(often.item).toEqual(once.item);
        }
        const requests = ({ item }: Life) => decide(once.policy, item, once.world(), wake(once), once.now).requests;
        expect(requests(often)).toEqual(requests(once));
      }),
      { numRuns: 150 },
    );
  });
});

/** As a button sends it: a word is about the attempt that it was shown with. */
function named(input: Input, item: TargetItem): Input {
  return input.kind === "operator" ? { ...input, attempt: attemptInFlight(item)?.id ?? "att_none" } : input;
}
