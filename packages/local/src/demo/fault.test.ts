import { describe, expect, it } from "vitest";
import { type DemoFault, describeFault, fatesUnder, parseFault } from "./fault.ts";

const every: readonly DemoFault[] = [
  { kind: "refused" },
  { kind: "hang" },
  { kind: "5xx" },
  { kind: "5xx", status: 502 },
  { kind: "slow", ms: 800 },
  { kind: "errors", share: 0.1, seed: 7 },
  { kind: "crash" },
  { kind: "leak" },
  { kind: "leak", mbPerSecond: 1, maxMb: 2 },
  { kind: "blip", requests: 2 },
];

describe("a fault from outside", () => {
  it.each(every.map((fault) => [JSON.stringify(fault), fault] as const))("%s is read as it is", (_, fault) => {
    expect(parseFault(structuredClone(fault))).toEqual({ ok: true, fault });
  });

  it.each([
    ["nothing", undefined, /kind: found nothing, wanted one of refused, hang/],
    ["an unknown kind", { kind: "fire" }, /kind: found "fire", wanted one of/],
    ["an inherited name as its kind", { kind: "toString" }, /wanted one of/],
    ["a missing delay", { kind: "slow" }, /ms: .*Example: \{"kind":"slow","ms":800\}/],
    ["a negative delay", { kind: "slow", ms: -1 }, /ms: /],
    ["a share above one", { kind: "errors", share: 10 }, /share: .*Example/],
    ["a status that is no failure", { kind: "5xx", status: 200 }, /status: /],
    ["a field that it does not have", { kind: "hang", ms: 5 }, /"ms"/],
    ["half a request", { kind: "blip", requests: 0.5 }, /requests: /],
  ])("%s is refused, with the field and an example", (_, value, problem) => {
    const parsed = parseFault(value);
    expect(parsed.ok ? "accepted" : parsed.problem).toMatch(problem);
  });

  it.each(every.map((fault) => [fault.kind, fault] as const))("%s can be told in words", (_, fault) => {
    expect(describeFault(fault)).toMatch(/^[a-z].{4,}/);
  });
});

describe("what becomes of requests", () => {
  const first = (fault: DemoFault | undefined, count: number) => {
    const fates = fatesUnder(fault);
    return Array.from({ length: count }, () => fates.next());
  };

  it("without a fault every request is answered", () => {
    expect(first(undefined, 3)).toEqual([{ kind: "answer" }, { kind: "answer" }, { kind: "answer" }]);
  });

  it.each([
    [{ kind: "hang" }, { kind: "hold" }],
    [{ kind: "refused" }, { kind: "hold" }],
    [{ kind: "5xx" }, { kind: "fail", status: 503 }],
    [
      { kind: "5xx", status: 502 },
      { kind: "fail", status: 502 },
    ],
    [
      { kind: "slow", ms: 70 },
      { kind: "late", ms: 70 },
    ],
    [{ kind: "leak" }, { kind: "answer" }],
  ] satisfies [DemoFault, object][])("%j makes each %j", (fault, fate) => {
    expect(first(fault, 2)).toEqual([fate, fate]);
  });

  it.each([1, 3])("a blip fails exactly the next %i requests, and is over with the last of them", (requests) => {
    const fates = fatesUnder({ kind: "blip", requests });
    for (let n = 1; n <= requests; n++) {
      expect(fates.over()).toBe(false);
      expect(fates.next()).toEqual({ kind: "fail", status: 500 });
    }
    expect(fates.over()).toBe(true);
    expect(fates.next()).toEqual({ kind: "answer" });
  });

  it.each([
    [0, 0, 0],
    [0.1, 150, 250],
    [1, 2000, 2000],
  ])("a share of %f fails from %i to %i of 2000 requests, the same ones for the same seed", (share, least, most) => {
    const failing = (seed: number) =>
      first({ kind: "errors", share, seed }, 2000).flatMap((fate, n) => (fate.kind === "fail" ? [n] : []));
    expect(failing(3).length).toBeGreaterThanOrEqual(least);
    expect(failing(3).length).toBeLessThanOrEqual(most);
    expect(failing(3)).toEqual(failing(3));
    if (share > 0 && share < 1) expect(failing(4)).not.toEqual(failing(3));
  });
});
