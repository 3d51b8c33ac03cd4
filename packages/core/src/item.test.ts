import { describe, expect, it } from "vitest";
import { attemptOf, incidentOf } from "./fixture.ts";
import {
  ATTEMPT_STATES,
  type Attempt,
  attemptInFlight,
  findAttempt,
  isInFlight,
  isPaused,
  newTargetItem,
  uncalledInARow,
  withAttempt,
  withNewAttempt,
} from "./item.ts";

const NOW = 1_800_000_000_000;
const ids = (attempts: readonly Attempt[]) => attempts.map(({ id }) => id);

describe("an attempt", () => {
  it("is in flight until it has ended; unknown without a verdict has not", () => {
    const states = ATTEMPT_STATES.filter((state) => isInFlight(attemptOf({ state })));
    expect(states).toEqual(["proposed", "claimed", "calling", "following", "verifying", "unknown"]);
    expect(isInFlight(attemptOf({ state: "unknown", verdict: "unknown" }))).toBe(false);
    expect(isInFlight(attemptOf({ state: "healed" }))).toBe(false);
  });

  it("is found by its id, and the one in flight by its state", () => {
    const attempts = [attemptOf({ id: "a" }), attemptOf({ id: "b", state: "calling" }), attemptOf({ id: "c" })];
    const item = { ...newTargetItem("api", NOW), incident: incidentOf({ attempts }) };
    expect(attemptInFlight(item)?.id).toBe("b");
    expect(findAttempt(item, "c")?.id).toBe("c");
    expect(findAttempt(item, "d")).toBeUndefined();
    const well = newTargetItem("api", NOW);
    expect([attemptInFlight(well), findAttempt(well, "a")]).toEqual([undefined, undefined]);
    expect(withAttempt(well, attemptOf())).toBe(well);
  });

  it("is replaced by its id; one that is not there changes nothing", () => {
    const attempts = [attemptOf({ id: "a" }), attemptOf({ id: "b" })];
    const item = { ...newTargetItem("api", NOW), incident: incidentOf({ attempts }) };
    const changed = withAttempt(item, attemptOf({ id: "b", state: "healed" }));
    expect(changed.incident?.attempts).toEqual([attemptOf({ id: "a" }), attemptOf({ id: "b", state: "healed" })]);
    expect(withAttempt(item, attemptOf({ id: "c" })).incident?.attempts).toEqual(attempts);
  });

  it.each([
    [11, 12],
    [12, 13],
    [13, 13],
    [40, 13],
  ])("that is new is kept with twelve of %s that were never called, which makes %s", (before, kept) => {
    const uncalled = Array.from({ length: before }, (_, index) =>
      attemptOf({ id: `att_${index}`, state: "abandoned", mayHaveCalled: false }),
    );
    const { attempts } = withNewAttempt(incidentOf({ attempts: uncalled }), attemptOf({ id: "att_new" }));
    expect(attempts.length).toBe(kept);
    expect(ids(attempts)).toEqual([...ids(uncalled).slice(-12), "att_new"]);
  });

  it("that was called, denied or is in flight is never forgotten for a new one", () => {
    const uncalled = Array.from({ length: 30 }, (_, index) =>
      attemptOf({ id: `att_${index}`, state: "retry-later", mayHaveCalled: false }),
    );
    const kept = [
      attemptOf({ id: "called" }),
      attemptOf({ id: "denied", state: "denied", mayHaveCalled: false }),
      attemptOf({ id: "proposed", state: "proposed", mayHaveCalled: false }),
    ];
    const { attempts } = withNewAttempt(incidentOf({ attempts: [...kept, ...uncalled] }), attemptOf({ id: "att_new" }));
    expect(ids(attempts).slice(0, 3)).toEqual(["called", "denied", "proposed"]);
    expect(attempts.length).toBe(3 + 12 + 1);
  });

  it("that is there already is moved, not doubled", () => {
    const { attempts } = withNewAttempt(
      incidentOf({ attempts: [attemptOf({ id: "a", state: "proposed" }), attemptOf({ id: "b" })] }),
      attemptOf({ id: "a", state: "claimed" }),
    );
    expect(attempts.map(({ id, state }) => [id, state])).toEqual([
      ["b", "no-effect"],
      ["a", "claimed"],
    ]);
  });
});

describe("attempts without a call, in a row", () => {
  const uncalled = (id: string, change: Partial<Attempt> = {}) =>
    attemptOf({ id, state: "abandoned", mayHaveCalled: false, ...change });

  it.each<[string, readonly Attempt[], readonly string[]]>([
    ["none", [], []],
    ["all, where none was called", [uncalled("a"), uncalled("b", { state: "retry-later" })], ["a", "b"]],
    ["those since the last that was called", [uncalled("a"), attemptOf({ id: "b" }), uncalled("c")], ["c"]],
    ["none after a call", [uncalled("a"), attemptOf({ id: "b" })], []],
    ["none after a rejection", [uncalled("a"), uncalled("b", { state: "rejected" })], []],
    ["not another remedy's", [uncalled("a", { remedy: "purge-cache" }), uncalled("b")], ["b"]],
    [
      "not interrupted by another remedy's call",
      [uncalled("a"), attemptOf({ id: "b", remedy: "purge-cache" }), uncalled("c")],
      ["a", "c"],
    ],
    ["not another site's", [uncalled("a", { site: "secondary" }), uncalled("b")], ["b"]],
    ["not the one in flight", [uncalled("a"), uncalled("b", { state: "claimed" })], ["a"]],
  ])("are %s", (_name, attempts, expected) => {
    expect(ids(uncalledInARow(incidentOf({ attempts }), "restart"))).toEqual(expected);
  });
});

describe("a pause", () => {
  const pause = { at: 0, by: "ada", reason: "x" };

  it.each<[string, Parameters<typeof isPaused>[0], boolean]>([
    ["is none", {}, false],
    ["lasts until it is taken back", { paused: pause }, true],
    ["lasts until its end", { paused: { ...pause, until: NOW + 1 } }, true],
    ["is over at its end", { paused: { ...pause, until: NOW } }, false],
  ])("%s", (_name, control, expected) => {
    expect(isPaused(control, NOW)).toBe(expected);
  });
});

it("a new target is not yet known to be anything", () => {
  expect(newTargetItem("api", NOW)).toEqual({
    schema: 1,
    target: "api",
    version: 0,
    health: { state: "suspect", since: NOW, why: "not yet seen", site: "" },
    recovery: { streak: 0, tick: 0, from: 0 },
    evidenceFrom: 0,
    incidents: 0,
    tokens: 0,
    closed: [],
    cooldowns: {},
    outbox: {},
    audit: { n: 0, head: "", pending: [] },
  });
});
