import { sampleAt, targetConfig } from "@neuropilot/core/fixture";
import { describe, expect, it } from "vitest";
import { type HistoryEntry, sampleEntry } from "./entry.ts";
import {
  between,
  MINUTE,
  NOON,
  OPTIONS,
  planted,
  policy,
  policyWith,
  replayed,
  sourceOf,
  VANTAGES,
} from "./planted.ts";
import { replay } from "./replay.ts";
import { differences, summarise } from "./summary.ts";

const SECOND = 1_000;

describe("planted histories have known answers", () => {
  it("an outage of ten minutes is one incident, and is acted on at the right second", async () => {
    const result = await replayed(planted({ minutes: 30, what: between(10, 20) }));
    const [only, ...others] = result.policies[0]?.incidents ?? [];
    expect(others).toEqual([]);
    // Looks at 0, 12, 24 and 36 s of the outage: the fourth shows 36 s of it, known 50 ms later; the call a second after.
    const opened = NOON + 10 * MINUTE + 36 * SECOND + 50;
    expect(only).toMatchObject({
      target: "api",
      kinds: ["down"],
      firstBadAt: NOON + 10 * MINUTE,
      openedAt: opened,
      realCall: false,
    });
    expect(only?.actions[0]).toMatchObject({
      remedy: "restart",
      how: "called",
      at: opened + SECOND,
      aftermath: "needed",
    });
    expect(result.troubles).toEqual([
      {
        target: "api",
        site: "primary",
        kind: "outage",
        from: NOON + 10 * MINUTE,
        to: NOON + 20 * MINUTE - 12 * SECOND + 50,
      },
    ]);
    expect(summarise(result, policy(), 0)).toMatchObject({
      incidents: 1,
      endedAlone: 1,
      missed: [],
      troubles: { outage: 1, errors: 0, slowness: 0 },
      delay: { count: 1, meanMs: 37 * SECOND + 50 },
      left: { count: 1, meanMs: 37 * SECOND + 50 },
    });
  });

  it.each([
    ["a blip of 24 s", between(10, 10.4)],
    [
      "trouble that one vantage sees alone",
      (at: number, vantage: string) => (vantage === "east" ? between(10, 20)(at, vantage, 0) : "ok"),
    ],
    [
      "blindness of all, whose failures are tainted, shorter than its hold",
      (at: number) => (between(10, 12)(at, "", 0) === "ok" ? "ok" : { outcome: "timeout" as const, tainted: true }),
    ],
  ] as const)("%s is nothing", async (_, what) => {
    const result = await replayed(planted({ minutes: 30, what }));
    expect(result.policies[0]?.incidents).toEqual([]);
    expect(result.troubles).toEqual([]);
  });

  it("what recovered soon after an action recovered alone", async () => {
    const result = await replayed(planted({ minutes: 30, what: between(10, 12) }));
    const [incident] = result.policies[0]?.incidents ?? [];
    expect(incident?.actions).toHaveLength(1);
    const at = NOON + 12 * MINUTE - 12 * SECOND + 50;
    expect(incident?.actions[0]).toMatchObject({ aftermath: "alone", recoveredAt: at });
    // Two minutes are no outage, so there was nothing to miss.
    expect(summarise(result, policy(), 0)).toMatchObject({ troubles: { outage: 0 }, aftermath: { alone: 1 } });
  });

  it("after a call that was really made nobody knows, and the incident did not end alone", async () => {
    const call: HistoryEntry = {
      kind: "call",
      target: "api",
      site: "primary",
      remedy: "restart",
      at: NOON + 11 * MINUTE,
    };
    const entries = [...planted({ minutes: 30, what: between(10, 12) }), call].sort((a, b) => a.at - b.at);
    const result = await replayed(entries);
    const [incident] = result.policies[0]?.incidents ?? [];
    expect(incident).toMatchObject({ realCall: true });
    expect(incident?.actions[0]).toMatchObject({ aftermath: "real-call" });
    expect(summarise(result, policy(), 0)).toMatchObject({ endedAlone: 0, aftermath: { alone: 0, "real-call": 1 } });
    // Another site's call, or one long before, is no excuse.
    const other = [...planted({ minutes: 30, what: between(10, 12) }), { ...call, at: NOON + 2 * MINUTE }];
    expect((await replayed(other.sort((a, b) => a.at - b.at))).policies[0]?.incidents[0]?.actions[0]?.aftermath).toBe(
      "alone",
    );
  });

  it("slow for ten minutes is slow, from its first slow answer", async () => {
    const what = (at: number) => (between(10, 20)(at, "", 0) === "ok" ? "ok" : { ttfbMs: 900, totalMs: 950 });
    const result = await replayed(planted({ minutes: 40, what }));
    const [incident] = result.policies[0]?.incidents ?? [];
    expect(incident).toMatchObject({ kinds: ["slow"], firstBadAt: NOON + 10 * MINUTE });
    expect(incident?.actions[0]).toMatchObject({ remedy: "restart", kind: "slow" });
    expect(result.troubles).toMatchObject([{ kind: "slowness", from: NOON + 10 * MINUTE }]);
  });

  it("a third of all requests failing is an error rate", async () => {
    const bad = between(10, 25, "status");
    const what = (at: number, vantage: string, index: number) =>
      (index + VANTAGES.indexOf(vantage)) % 3 === 0 ? bad(at, vantage, index) : "ok";
    const result = await replayed(planted({ minutes: 50, what }));
    expect(result.policies[0]?.incidents[0]).toMatchObject({
      kinds: ["failing"],
      actions: [{ remedy: "purge-cache" }, { remedy: "restart" }],
    });
    expect(result.troubles).toMatchObject([{ kind: "errors" }]);
  });

  it("a target that flaps is not restarted in a loop: cooldowns and the budget hold", async () => {
    const what = (at: number) => (Math.floor((at - NOON) / (2 * MINUTE)) % 2 === 1 ? "refused" : "ok");
    const result = await replayed(planted({ minutes: 180, what }));
    const calls = (result.policies[0]?.incidents ?? [])
      .flatMap(({ actions }) => actions.map(({ at }) => at))
      .sort((a, b) => a - b);
    expect(calls.length).toBeGreaterThan(1);
    for (const [index, at] of calls.entries()) {
      expect(at - (calls[index - 1] ?? 0)).toBeGreaterThan(10 * MINUTE);
      expect(calls.filter((other) => other > at - 60 * MINUTE && other <= at).length).toBeLessThanOrEqual(4);
    }
  });

  it("in maintenance nothing is called, and nothing is missed", async () => {
    const maintenance = [{ fromMs: NOON, toMs: NOON + 60 * MINUTE, reason: "migration" }];
    const config = policy({ targets: [targetConfig({ maintenance })] });
    const result = await replayed(planted({ minutes: 30, what: between(10, 20) }), [config, policy()]);
    expect(result.policies[0]?.incidents).toEqual([]);
    expect(result.policies[1]?.incidents).toHaveLength(1);
    expect(summarise(result, config, 0)).toMatchObject({ missed: [], troubles: { outage: 0 } });
  });

  it("an outage that a policy does not see is missed, and was left alone to its end", async () => {
    const blind = policyWith({ down: { holdMs: 3_600_000, holdAloneMs: 3_600_000, reprobeMs: 5_000 } });
    const result = await replayed(planted({ minutes: 30, what: between(10, 18) }), [policy(), blind]);
    expect(summarise(result, blind, 1)).toMatchObject({
      incidents: 0,
      missed: [{ kind: "outage" }],
      left: { meanMs: 8 * MINUTE - 12 * SECOND + 50 },
    });
    expect(differences(result.policies[0]?.incidents ?? [], result.policies[1]?.incidents ?? [])).toMatchObject([
      { target: "api", at: NOON + 10 * MINUTE, present: [{ kinds: ["down"] }], proposed: [] },
    ]);
  });

  it.each([
    ["observe", "would-have"],
    ["approve", "proposed"],
  ] as const)("in the mode %s an action is %s, and not called", async (mode, how) => {
    const target = targetConfig();
    const remedies = { ...target.remedies, restart: { ...target.remedies.restart, mode } };
    const result = await replayed(planted({ minutes: 30, what: between(10, 20) }), [
      policy({ targets: [{ ...target, remedies }] }),
    ]);
    expect(result.policies[0]?.incidents[0]?.actions).toMatchObject([{ remedy: "restart", how }]);
  });

  it("the guard of the whole fleet stands in the way where all turn ill at once", async () => {
    const ids = ["a", "b", "c", "d"];
    const config = policy({ targets: ids.map((id) => targetConfig({ id })) });
    const entries = ids
      .flatMap((target) => planted({ minutes: 30, what: between(10, 20), target }))
      .sort((a, b) => a.at - b.at);
    const result = await replayed(entries, [config]);
    const refusals = (result.policies[0]?.incidents ?? []).flatMap((incident) => incident.refusals);
    expect(refusals).toContain("fleet-unhealthy");
    expect((result.policies[0]?.incidents ?? []).flatMap(({ actions }) => actions).length).toBeLessThan(4);
  });

  it("what one vantage alone holds to be ill counts for that guard", async () => {
    const ids = ["a", "b", "c", "d"];
    const config = policy({ targets: ids.map((id) => targetConfig({ id })) });
    const slow = { ttfbMs: 900, totalMs: 950 };
    const others = (at: number, vantage: string) => (vantage === "east" && at >= NOON + 5 * MINUTE ? slow : "ok");
    const entries = ids
      .flatMap((target) => planted({ minutes: 20, what: target === "d" ? between(9, 20) : others, target }))
      .sort((a, b) => a.at - b.at);
    const result = await replayed(entries, [config]);
    expect(result).toEqual(await replayed(entries, [config], { everyLook: true }));
    expect(result.policies[0]?.incidents).toMatchObject([{ target: "d", actions: [], refusals: ["fleet-unhealthy"] }]);
  });

  it("certificates that end on one day do not, and what is wrong besides is acted on", async () => {
    const ids = ["a", "b", "c", "d"];
    const config = policy({ targets: ids.map((id) => targetConfig({ id })) });
    const entries = ids
      .flatMap((target) =>
        planted({ minutes: 20, what: target === "d" ? between(9, 20) : () => ({ certificateDays: 5 }), target }),
      )
      .sort((a, b) => a.at - b.at);
    const result = await replayed(entries, [config]);
    expect(result).toEqual(await replayed(entries, [config], { everyLook: true }));
    const outage = result.policies[0]?.incidents.find(({ target }) => target === "d");
    expect(outage).toMatchObject({ actions: [{ remedy: "restart", how: "called" }], kinds: ["down"] });
  });

  it("silence of all vantages is a recorder that was off, and no blindness", async () => {
    const what = (at: number) => (at > NOON + 10 * MINUTE && at < NOON + 8 * 60 * MINUTE ? undefined : "ok");
    const result = await replayed(planted({ minutes: 9 * 60, what }));
    expect(result.policies[0]?.incidents).toEqual([]);
  });
});

describe("the order of a history", () => {
  const well = planted({ minutes: 5, what: () => "ok" });

  it("a clock that goes back ends it with the place, and answers nothing else", async () => {
    const back = sampleEntry("api", "primary", "east", sampleAt(NOON - 60 * MINUTE));
    const result = await replay(sourceOf([...well, back]), [policy()], OPTIONS);
    expect(result.ok).toBe(false);
    expect(result.ok ? "" : result.problem).toMatch(
      /^entry 76: the clock goes back: 2026-01-01T11:00:00.000Z comes after 2026-01-01T12:04:48.000Z/,
    );
  });

  it("a vantage that writes a minute late is put in order", async () => {
    const writtenAt = (entry: HistoryEntry) =>
      entry.at + (entry.kind === "sample" && entry.vantage === "west" ? MINUTE : 0);
    const shuffled = well.toSorted((a, b) => writtenAt(a) - writtenAt(b));
    expect(shuffled).not.toEqual(well);
    expect(await replayed(shuffled)).toEqual(await replayed(well));
  });

  it("what no policy has a place for is counted and left out", async () => {
    const stranger = planted({ minutes: 5, target: "shop", what: () => "refused" });
    const far = planted({ minutes: 5, vantages: ["moon"], what: () => "refused" });
    const { history, policies } = await replayed([...well, ...stranger, ...far].sort((a, b) => a.at - b.at));
    expect(history).toMatchObject({ samples: 75, strangers: { "shop/primary": 75, "api/primary from moon": 25 } });
    expect(policies[0]?.incidents).toEqual([]);
  });
});
