import { describe, expect, it } from "vitest";
import { between, OPTIONS, planted, policy, sourceOf } from "./planted.ts";
import { plotSvg, plotText } from "./plot.ts";
import { frontOf, type Scored, tune } from "./tune.ts";

const SEARCH = { ...OPTIONS, seed: 1, perPass: 25, passes: 2 };

/** Outages that want to be acted on, and blips of 48 s that pass by themselves. */
const HISTORY = planted({
  everyMs: 12_000,
  minutes: 430,
  what: (at, vantage, index) =>
    [between(20, 20.8), between(80, 80.8), between(160, 172), between(400, 412)]
      .map((what) => what(at, vantage, index))
      .find((found) => found !== "ok") ?? "ok",
});

describe("tune", () => {
  it("finds that a longer hold spares the blips, and what it costs", async () => {
    const result = await tune(() => sourceOf(HISTORY), policy(), policy(), SEARCH);
    if (!result.ok) throw new Error(result.problem);
    const { all, front, outages } = result.tuning;
    expect(outages).toBe(2);
    const present = all.find(({ mark }) => mark === "present");
    expect(present).toMatchObject({ falseActions: 2, missed: 0 });
    const patient = front.find(({ falseActions, missed }) => falseActions === 0 && missed === 0);
    expect(patient?.changes.map(({ name }) => name)).toContain("rules.down.hold");
    expect(patient?.leftMs).toBeGreaterThan(present?.leftMs ?? Number.POSITIVE_INFINITY);
    for (const each of front) expect(all.some((other) => beats(other, each))).toBe(false);
    expect(new Set(all.map(({ config }) => JSON.stringify(config.targets[0]?.rules))).size).toBe(all.length);
  });

  it("tries the same policies for the same seed, and others for another", async () => {
    const quiet = planted({ minutes: 10, what: () => "ok" });
    const tried = async (seed: number) => {
      const result = await tune(() => sourceOf(quiet), policy(), policy(), {
        ...SEARCH,
        seed,
        perPass: 60,
        passes: 1,
      });
      return result.ok ? result.tuning.all.map(({ changes }) => changes) : [];
    };
    expect(await tried(3)).toEqual(await tried(3));
    expect(await tried(4)).not.toEqual(await tried(3));
  });

  it("stops after one pass where there is nothing to learn from", async () => {
    const passes: number[] = [];
    const quiet = planted({ minutes: 30, what: () => "ok" });
    const result = await tune(() => sourceOf(quiet), policy(), policy(), {
      ...SEARCH,
      onPass: (pass) => passes.push(pass),
    });
    expect(passes).toEqual([1]);
    expect(result.ok && result.tuning.outages).toBe(0);
  });

  it("gives the history's problem, and no front", async () => {
    const broken = async function* () {
      yield { kind: "broken" as const, problem: "h.jsonl:7: it is not JSON" };
    };
    expect(await tune(broken, policy(), policy(), SEARCH)).toEqual({ ok: false, problem: "h.jsonl:7: it is not JSON" });
  });
});

function beats(a: Scored, b: Scored): boolean {
  const [x, y] = [a, b].map((each) => [each.falseActions, each.missed, Math.round(each.leftMs / 1000)]);
  const pairs = (x ?? []).map((value, index) => [value, y?.[index] ?? 0] as const);
  return pairs.every(([left, right]) => left <= right) && pairs.some(([left, right]) => left < right);
}

describe("the front and its plots", () => {
  it("is drawn within 80 columns, with the present policy marked, and as a picture that escapes what it says", async () => {
    const result = await tune(() => sourceOf(HISTORY), policy(), policy(), { ...SEARCH, passes: 1 });
    if (!result.ok) throw new Error(result.problem);
    const { all, front } = result.tuning;
    expect(frontOf(all)).toEqual(front);
    const text = plotText(all, front);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(text).toContain("P");
    const svg = plotSvg(all, front, () => "a < b & c");
    expect(svg).toContain("<title>a &lt; b &amp; c</title>");
    expect(svg.match(/<circle/g)).toHaveLength(all.length);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });
});
