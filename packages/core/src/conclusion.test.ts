import { describe, expect, it } from "vitest";
import { fleet, sampleAt, targetConfig } from "./fixture.ts";
import type { Outcome, Sample } from "./sample.ts";
import { type Conclusion, conclude, describe as inWords, type Look, seconds } from "./view.ts";

const NOW = 1_800_000_000_000;
const target = targetConfig();
const three = fleet({ vantages: ["a", "b", "c"] });

/** A sample so many milliseconds ago. */
const ago = (ms: number, outcome: Outcome = "ok", change: Partial<Sample> = {}) => sampleAt(NOW - ms, outcome, change);

function look(samples: readonly Sample[], change: Partial<Look> = {}, config = fleet()): Conclusion {
  return conclude(config, target, { samples, tick: NOW - 30_000, evidenceFrom: 0, ...change }, NOW);
}

/** Slow answers in these fifths of the window, the newest being 0, with so many samples a fifth. */
function slowIn(fifths: readonly number[], each = 4, slowOf = each): Sample[] {
  return [4, 3, 2, 1, 0].flatMap((fifth) =>
    Array.from({ length: each }, (_, index) => {
      const slow = fifths.includes(fifth) && index < slowOf;
      return ago(fifth * 60_000 + 50_000 - index * 10_000, "ok", slow ? { ttfbMs: 600 } : {});
    }),
  );
}

describe("what one vantage concludes", () => {
  it.each<[string, () => Conclusion, Conclusion]>([
    ["of nothing", () => look([]), { view: "inconclusive", why: "no fresh sample that counts", holding: false }],
    ["of a good answer", () => look([ago(1_000)]), { view: "healthy", why: "200 in 40 ms", holding: false }],
    [
      "of one failure",
      () => look([ago(60_000), ago(1_000, "refused")]),
      { view: "suspect", why: "1 failures in a row, the last: refused", badSince: NOW - 1_000, holding: false },
    ],
    [
      "of two failures, however far apart",
      () => look([ago(80_000, "refused"), ago(1_000, "refused")], {}, three),
      { view: "suspect", why: "2 failures in a row, the last: refused", badSince: NOW - 80_000, holding: false },
    ],
    [
      "of three that are not yet long enough",
      () => look([ago(20_000, "refused"), ago(10_000, "refused"), ago(1_000, "status", { status: 503 })], {}, three),
      { view: "suspect", why: "3 failures in a row, the last: status 503", badSince: NOW - 20_000, holding: true },
    ],
    [
      "of three over exactly the hold",
      () => look([ago(30_050, "refused"), ago(10_000, "refused"), ago(100, "refused")], {}, three),
      {
        view: "down",
        why: "3 failures in a row over 30 s, the last: refused",
        badSince: NOW - 30_050,
        badUntil: NOW - 50,
        holding: false,
      },
    ],
    [
      "of three over just less than the hold",
      () => look([ago(30_049, "refused"), ago(10_000, "refused"), ago(100, "refused")], {}, three),
      { view: "suspect", why: "3 failures in a row, the last: refused", badSince: NOW - 30_049, holding: true },
    ],
    [
      "of three over exactly the hold of a vantage that is alone",
      () => look([ago(90_050, "refused"), ago(10_000, "refused"), ago(100, "refused")]),
      {
        view: "down",
        why: "3 failures in a row over 90 s, the last: refused",
        badSince: NOW - 90_050,
        badUntil: NOW - 50,
        holding: false,
      },
    ],
    [
      "of a failure in this tick that a good answer followed",
      () => look([ago(20_000, "refused"), ago(10_000)]),
      { view: "suspect", why: "1 of 2 bad in this tick", holding: false },
    ],
    [
      "of a failure in an earlier tick",
      () => look([ago(30_001, "refused"), ago(10_000)]),
      { view: "healthy", why: "200 in 40 ms", holding: false },
    ],
    [
      "of a failure at this tick's very start",
      () => look([ago(30_000, "refused"), ago(10_000)]),
      { view: "suspect", why: "1 of 2 bad in this tick", holding: false },
    ],
    [
      "of a tick that is mostly slow",
      () => look([ago(40_000), ago(20_000, "ok", { ttfbMs: 401 }), ago(10_000, "ok", { ttfbMs: 401 }), ago(1_000)]),
      { view: "suspect", why: "2 of 3 slow in this tick", holding: false },
    ],
    [
      "of a tick that is half slow",
      () => look([ago(20_000, "ok", { ttfbMs: 401 }), ago(10_000)]),
      { view: "healthy", why: "200 in 40 ms", holding: false },
    ],
    [
      "of a certificate that ends",
      () => look([ago(10_000, "ok", { certificateDays: 13 })]),
      { view: "expiring", why: "the certificate ends in 13 days", holding: false },
    ],
    [
      "of a certificate that ends and a failure in this tick",
      () => look([ago(20_000, "refused"), ago(10_000, "ok", { certificateDays: 2 })]),
      { view: "suspect", why: "1 of 2 bad in this tick", holding: false },
    ],
    [
      "of slowness in the last four fifths of the window",
      () => look(slowIn([0, 1, 2, 3])),
      { view: "slow", why: "16 of 20 answers above 400 ms within 5 min, in 4 of 5 parts of it", holding: false },
    ],
  ])("%s", (_name, concluded, expected) => {
    expect(concluded()).toEqual(expected);
  });

  it.each<[string, readonly Sample[], Partial<Look>, string]>([
    ["a sample of just ninety seconds ago is fresh", [ago(90_000)], {}, "healthy"],
    ["an older one is not", [ago(90_001)], {}, "inconclusive"],
    ["a sample from just after a remedy counts", [ago(10_000)], { evidenceFrom: NOW - 10_000 }, "healthy"],
    ["one from just before does not", [ago(10_000)], { evidenceFrom: NOW - 9_999 }, "inconclusive"],
    ["a clock two minutes ahead is believed", [ago(-120_000)], {}, "healthy"],
    ["one further ahead is not", [ago(-120_001)], {}, "inconclusive"],
    [
      "what is slow and fails is judged by the failures",
      [...slowIn([0, 1, 2, 3, 4]), ago(5_000, "refused")],
      {},
      "slow",
    ],
  ])("%s", (_name, samples, change, view) => {
    expect(look(samples, change).view).toBe(view);
  });

  it("takes failures more than two ticks apart for two troubles, not one", () => {
    const apart = (gap: number) => [ago(gap + 20_000, "refused"), ago(20_000, "refused"), ago(10_000, "refused")];
    expect(look(apart(120_000)).view).toBe("down");
    expect(look(apart(120_001)).view).toBe("suspect");
  });

  it.each<[string, readonly Outcome[], string]>([
    ["more that a restart can cure", ["refused", "tls", "refused", "timeout"], "down"],
    ["half that it cannot", ["refused", "tls", "refused", "dns"], "misconfigured"],
    ["half of those a bot rule's", ["blocked", "tls", "blocked", "dns"], "blocked"],
    ["fewer of those a bot rule's", ["blocked", "tls", "redirect", "dns"], "misconfigured"],
    ["only a few a bot rule's, of few that it cannot cure", ["blocked", "refused", "blocked", "refused"], "blocked"],
  ])("names a mixture with %s for what it is", (_name, outcomes, view) => {
    expect(
      look(
        outcomes.map((outcome, index) => ago(40_000 - index * 13_000, outcome)),
        {},
        three,
      ).view,
    ).toBe(view);
  });
});

describe("slowness", () => {
  it.each<[string, readonly Sample[], boolean]>([
    ["in all five parts", slowIn([0, 1, 2, 3, 4]), true],
    ["in the last four", slowIn([0, 1, 2, 3]), true],
    ["in the last three", slowIn([0, 1, 2]), false],
    ["in the first four, and over since", slowIn([1, 2, 3, 4]), false],
    ["of exactly three in five answers", slowIn([0, 1, 2, 3, 4], 5, 3), true],
    ["of fewer", slowIn([0, 1, 2, 3, 4], 5, 2), false],
    ["of fifteen answers", slowIn([0, 1, 2, 3, 4], 3), true],
    ["of fourteen answers", slowIn([0, 1, 2, 3, 4], 3).slice(1), false],
    ["where the last part's is too little", [...slowIn([1, 2, 3, 4]), ...slowIn([0], 4, 2).slice(-4)], false],
    [
      "where failures make up the number",
      slowIn([0, 1, 2, 3, 4], 3).map((one, index) => (index === 0 ? { ...one, outcome: "refused" as const } : one)),
      false,
    ],
    [
      "of answers just within the window",
      slowIn([0, 1, 2, 3, 4], 3).map((one, index) => (index === 0 ? ago(299_999, "ok", { ttfbMs: 600 }) : one)),
      true,
    ],
    [
      "in four parts, of too few answers over all",
      [...Array.from({ length: 60 }, (_, index) => ago(290_000 - index * 100)), ...slowIn([0, 1, 2, 3]).slice(4)],
      false,
    ],
    ["in three parts, with nothing seen in the others", slowIn([0, 1, 2], 5).slice(10), false],
    [
      "in three parts, and less of it in the others",
      [...slowIn([3, 4], 5, 2).slice(0, 10), ...slowIn([0, 1, 2], 5).slice(10)],
      false,
    ],
    [
      "of answers just outside of it",
      slowIn([0, 1, 2, 3, 4], 3).map((one, index) => (index === 0 ? ago(300_000, "ok", { ttfbMs: 600 }) : one)),
      false,
    ],
    ["with nothing seen in the last minute, judged by the minute before", slowIn([1, 2, 3, 4]).slice(0, 16), true],
  ])("%s: %s", (_name, samples, slow) => {
    expect(look(samples).view === "slow").toBe(slow);
  });

  it("by a clock ahead of ours belongs to the present", () => {
    const samples = slowIn([0, 1, 2, 3]).map((one, index) =>
      index >= 16 ? { ...one, startedAt: NOW + 60_000 + index } : one,
    );
    expect(look(samples).view).toBe("slow");
  });

  it("that was over in the last part that anything was seen in is over", () => {
    const three = targetConfig({ rules: { ...target.rules, slow: { ...target.rules.slow, minParts: 3, share: 0.5 } } });
    const samples = slowIn([2, 3, 4], 5).slice(0, 20);
    expect(conclude(fleet(), three, { samples, tick: NOW, evidenceFrom: 0 }, NOW).view).not.toBe("slow");
    const still = slowIn([1, 3, 4], 5).slice(0, 20);
    expect(conclude(fleet(), three, { samples: still, tick: NOW, evidenceFrom: 0 }, NOW).view).toBe("slow");
  });

  it("in a part without any answers is no slowness there", () => {
    const none = targetConfig({ rules: { ...target.rules, slow: { ...target.rules.slow, minSamples: 0, share: 0 } } });
    const fast = conclude(fleet(), none, { samples: slowIn([]), tick: NOW, evidenceFrom: 0 }, NOW);
    expect(fast.view).not.toBe("slow");
  });
});

describe("in words", () => {
  it.each<[string, Sample, string]>([
    ["an answer", ago(0, "ok", { ttfbMs: 41.6 }), "200 in 42 ms"],
    ["a failure with a detail", ago(0, "tls", { detail: "the certificate ended" }), "the certificate ended"],
    ["a failure with a status", ago(0, "status", { status: 502 }), "status 502"],
    ["a failure without one", ago(0, "timeout"), "timeout"],
  ])("%s", (_name, sample, text) => {
    expect(inWords(sample)).toBe(text);
  });

  it.each([
    [0, "0 s"],
    [1_250, "1.3 s"],
    [9_999, "10 s"],
    [10_000, "10 s"],
    [10_500, "11 s"],
    [119_000, "119 s"],
    [119_999, "120 s"],
    [120_000, "2 min"],
    [7_199_999, "120 min"],
    [7_200_000, "2 h"],
    [86_400_000, "24 h"],
  ])("%s ms are %s", (ms, text) => {
    expect(seconds(ms)).toBe(text);
  });
});
