import { describe, expect, it } from "vitest";
import { fleet, sampleAt, targetConfig } from "./fixture.ts";
import { OUTCOMES, type Outcome, type Sample } from "./sample.ts";
import {
  appendSamples,
  compareSamples,
  counts,
  freshMs,
  isBad,
  isSlow,
  isSuspicious,
  meaningOf,
  samplesPerSuspiciousTick,
  seesControls,
  siteKey,
} from "./window.ts";

const NOW = 1_800_000_000_000;
const target = targetConfig();

describe("a window", () => {
  it.each<[string, number, boolean]>([
    ["from just under ten minutes ago", -599_999, true],
    ["from ten minutes ago", -600_000, false],
    ["from a clock two minutes ahead", 120_000, true],
    ["from a clock further ahead", 120_001, false],
  ])("of samples %s (%s ms) is kept: %s", (_name, offset, kept) => {
    expect(appendSamples([], [sampleAt(NOW + offset)], NOW).length).toBe(kept ? 1 : 0);
    expect(appendSamples([sampleAt(NOW + offset)], [], NOW).length).toBe(kept ? 1 : 0);
  });

  it("keeps the newest 160 samples, oldest first", () => {
    const all = Array.from({ length: 200 }, (_, index) => sampleAt(NOW - index * 1_000));
    const held = appendSamples(all.slice(0, 50), all.slice(50), NOW);
    expect(held.map(({ startedAt }) => startedAt)).toEqual(
      Array.from({ length: 160 }, (_, index) => NOW - (159 - index) * 1_000),
    );
  });

  it("keeps a sample once however often it comes, and two that differ in anything it keeps", () => {
    const one = sampleAt(NOW, "status", { status: 500, detail: "b", certificateDays: 9 });
    const others: readonly Partial<Sample>[] = [
      { outcome: "refused" },
      { status: 503 },
      { ttfbMs: 1 },
      { totalMs: 51 },
      { tainted: true },
      { reused: true },
      { certificateDays: 8 },
      { detail: "a" },
    ];
    expect(appendSamples([one, one], [{ ...one }, one], NOW)).toEqual([one]);
    for (const change of others) {
      const other = { ...one, ...change };
      expect(appendSamples([one], [other], NOW).length).toBe(2);
      expect(appendSamples([one], [other], NOW)).toEqual(appendSamples([other], [one], NOW));
      expect(Math.sign(compareSamples(one, other))).toBe(-Math.sign(compareSamples(other, one)));
    }
  });
});

describe("what a sample says", () => {
  const meanings: readonly [Outcome, string][] = [
    ["ok", "good"],
    ["refused", "ill"],
    ["timeout", "ill"],
    ["status", "ill"],
    ["assertion", "ill"],
    ["blocked", "not-curable"],
    ["tls", "not-curable"],
    ["dns", "not-curable"],
    ["forbidden", "not-curable"],
    ["redirect", "not-curable"],
    ["local", "nothing"],
  ];

  it.each(meanings)("%s is %s", (outcome, meaning) => {
    expect(meaningOf(outcome)).toBe(meaning);
    expect(counts(sampleAt(NOW, outcome))).toBe(meaning !== "nothing");
    expect(isBad(sampleAt(NOW, outcome))).toBe(meaning !== "nothing" && meaning !== "good");
  });

  it("is known for every outcome", () => {
    expect(meanings.map(([outcome]) => outcome).toSorted()).toEqual([...OUTCOMES].toSorted());
  });

  it("is nothing where our own event loop was late", () => {
    const late = { tainted: true, ttfbMs: 900 };
    expect(
      OUTCOMES.filter((outcome) => counts(sampleAt(NOW, outcome, late)) || isBad(sampleAt(NOW, outcome, late))),
    ).toEqual([]);
    expect(isSlow(sampleAt(NOW, "ok", late), 400)).toBe(false);
  });

  it.each<[string, Sample, boolean]>([
    ["an answer at the threshold", sampleAt(NOW, "ok", { ttfbMs: 400 }), false],
    ["an answer above it", sampleAt(NOW, "ok", { ttfbMs: 401 }), true],
    ["a failure, however long it took", sampleAt(NOW, "timeout", { ttfbMs: 9_000 }), false],
  ])("%s is slow: %s", (_name, sample, slow) => {
    expect(isSlow(sample, 400)).toBe(slow);
  });
});

describe("suspicion", () => {
  it.each<[string, Sample, boolean]>([
    ["a bad sample just now", sampleAt(NOW - 1, "refused"), true],
    ["a slow one just now", sampleAt(NOW - 1, "ok", { ttfbMs: 401 }), true],
    ["a bad one just under five minutes ago", sampleAt(NOW - 299_999, "dns"), true],
    ["a bad one five minutes ago", sampleAt(NOW - 300_000, "dns"), false],
    ["a slow one five minutes ago", sampleAt(NOW - 300_000, "ok", { ttfbMs: 401 }), false],
    ["a good one", sampleAt(NOW - 1), false],
    ["one that does not count", sampleAt(NOW - 1, "local"), false],
  ])("after %s: %s", (_name, sample, suspicious) => {
    expect(isSuspicious([sampleAt(NOW - 400_000), sample, sampleAt(NOW)], target, NOW)).toBe(suspicious);
  });

  it.each([
    [1, 12],
    [2, 6],
    [3, 4],
    [0, 12],
    [24, 1],
  ])("with %s vantages at work takes %s samples a tick: 24 in the window of an error rate", (atWork, samples) => {
    expect(samplesPerSuspiciousTick(fleet(), target, atWork)).toBe(samples);
  });

  it("takes at least one sample a tick, and by default counts on every vantage", () => {
    expect(samplesPerSuspiciousTick(fleet({ intervalMs: 1 }), target)).toBe(1);
    expect(samplesPerSuspiciousTick(fleet({ vantages: ["a", "b", "c"] }), target)).toBe(4);
    const none = targetConfig({ rules: { ...target.rules, failing: { ...target.rules.failing, minSamples: 0 } } });
    expect(samplesPerSuspiciousTick(fleet(), none)).toBe(1);
  });
});

it.each([
  [0, 0, true],
  [1, 2, true],
  [0, 1, false],
  [1, 3, false],
  [2, 3, true],
])("%s of %s controls that answer are enough to trust our network: %s", (answered, total, enough) => {
  expect(seesControls({ answered, total })).toBe(enough);
});

it("a view is fresh for one and a half ticks, and a window's site has a name of its own", () => {
  expect(freshMs(fleet())).toBe(90_000);
  expect(siteKey("api", "primary")).toBe("api/primary");
});
