import type { Remedy, Rung } from "@neuropilot/config";
import { describe, expect, it } from "vitest";
import { attemptOf, incidentOf, LADDERS, targetConfig } from "./fixture.ts";
import type { Attempt, AttemptState, Incident } from "./item.ts";
import { isCallable, nextRung, usedRung } from "./ladder.ts";

const tried = (remedy: Remedy, change: Partial<Attempt> = {}) => attemptOf({ remedy, ...change });
const incidentWith = (attempts: readonly Attempt[], change: Partial<Incident> = {}) =>
  incidentOf({ attempts, ...change });

const times = (count: number, attempt: Attempt) => Array.from({ length: count }, () => attempt);
const restart = (step: number) => ({ kind: "remedy", remedy: "restart", step });
const purge = (step: number) => ({ kind: "remedy", remedy: "purge-cache", step });
const PAGE = { kind: "page" };

describe("the next rung", () => {
  it.each<[string, Incident, object]>([
    ["is the first at first", incidentWith([]), restart(0)],
    ["is the same while it has tries left", incidentWith(times(2, tried("restart"))), restart(2)],
    ["is a person when all tries are used", incidentWith(times(3, tried("restart"))), PAGE],
    [
      "does not count what was never called",
      incidentWith(times(3, tried("restart", { mayHaveCalled: false, state: "abandoned" }))),
      restart(0),
    ],
    [
      "counts what a person denied",
      incidentWith(times(3, tried("restart", { mayHaveCalled: false, state: "denied" }))),
      PAGE,
    ],
    [
      "does not count what was tried at another site",
      incidentWith(times(3, tried("restart", { site: "secondary" }))),
      restart(0),
    ],
    ["does not count another remedy's tries", incidentWith(times(3, tried("purge-cache"))), restart(0)],
    ["counts tries made for another kind", incidentWith([tried("purge-cache")], { kind: "failing" }), restart(0)],
    [
      "counts the purge selectors that were tried",
      incidentWith([tried("restart"), tried("purge-cache", { site: "secondary" })], { kind: "failing" }),
      purge(0),
    ],
    [
      "passes over what the vendor will not do",
      incidentWith([], { kind: "failing", unavailable: ["purge-cache"] }),
      restart(0),
    ],
    [
      "is a person where the vendor will do nothing",
      incidentWith([], { kind: "failing", unavailable: ["purge-cache", "restart"] }),
      PAGE,
    ],
    ["is nothing where the ladder is empty", incidentWith([], { kind: "blocked" }), { kind: "none" }],
    ["is a person where the ladder says so first", incidentWith([], { kind: "loaded" }), PAGE],
  ])("%s", (_name, incident, rung) => {
    expect(nextRung(targetConfig(), incident)).toEqual(rung);
  });

  const twice: readonly Rung[] = [
    { remedy: "restart", times: 1 },
    { remedy: "purge-cache", times: 2 },
    { remedy: "restart", times: 2 },
  ];
  it.each<[string, readonly Attempt[], object]>([
    ["goes on below", [tried("restart")], purge(0)],
    ["comes back to a remedy that stands twice", [tried("restart"), ...times(2, tried("purge-cache"))], restart(1)],
    ["for as many times as both say", [...times(2, tried("restart")), ...times(2, tried("purge-cache"))], restart(2)],
    [
      "and is a person at the end, also where the ladder does not say so",
      [...times(3, tried("restart")), ...times(2, tried("purge-cache"))],
      PAGE,
    ],
  ])("%s", (_name, attempts, rung) => {
    const target = targetConfig({ ladders: { ...LADDERS, down: twice } });
    expect(nextRung(target, incidentWith(attempts))).toEqual(rung);
  });
});

it.each<[boolean, AttemptState, boolean]>([
  [true, "unknown", true],
  [false, "denied", true],
  [false, "abandoned", false],
])("a call that may have been made (%s) or that was %s uses up a rung: %s", (mayHaveCalled, state, used) => {
  expect(usedRung(tried("restart", { mayHaveCalled, state }))).toBe(used);
});

it("only remedies with a function can be called", () => {
  const all: readonly Remedy[] = ["restart", "purge-cache", "scale", "failover", "rollback"];
  expect(all.filter(isCallable)).toEqual(["restart", "purge-cache"]);
});
