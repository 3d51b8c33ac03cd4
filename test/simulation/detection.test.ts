import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkBars } from "./detection/bars.ts";
import { bench } from "./detection/bench.ts";
import { DURING, measure, NOISES, OURS, PLACES } from "./detection/compared.ts";
import { delays, naiveDelays, OUTAGES } from "./detection/delays.ts";
import {
  clusterOf,
  couldActOn,
  couldActOnCluster,
  falseActions,
  naiveFalseActions,
  playBursts,
  playCluster,
} from "./detection/false-actions.ts";
import { NAIVE_RULES } from "./detection/naive.ts";
import { burstsOf, groupsOf, MINUTE_MS, streamOf, YEAR_MS } from "./detection/noise.ts";
import { plot } from "./detection/plot.ts";
import { defaultPolicy } from "./detection/policy.ts";
import { delayOf, rateOf } from "./detection/statistics.ts";
import { MARKS, tables, withFigures } from "./detection/table.ts";
import { MINUTE, START } from "./plan.ts";
import { World } from "./world.ts";

const DOCS = join(import.meta.dirname, "../../docs");
const VANTAGES = PLACES["3 vantages"];

describe("detection, with three vantages at 60 s", () => {
  it("restarts what refuses within 100 s and 65 s on average, and what is well less than once a target-year", async () => {
    const { said, broken } = await checkBars({ runs: 60, years: 10, seed: 1 });
    expect(broken, said.join("\n")).toEqual([]);
    expect(said).toHaveLength(4);
  }, 120_000);

  it("misses its bars under rules that are too slow or too rash, and says which", async () => {
    const slow = await checkBars({ runs: 10, years: 1, seed: 1 }, { down: { holdMs: 120_000, holdAloneMs: 120_000 } });
    expect(slow.broken.join("\n")).toMatch(/ticks together: [\d.]+ s at worst[\s\S]*on average, the bar is 65\.0 s/);
    const rash = await checkBars({ runs: 10, years: 3, seed: 1 }, { down: { holdMs: 5_000, holdAloneMs: 5_000 } });
    expect(rash.broken.join("\n")).toMatch(/false actions a target-year, the bar is 1$/);
  }, 120_000);

  it("is as late here as in a whole simulated world", async () => {
    const found: number[] = [];
    for (let seed = 1; seed <= 20; seed++) {
      const chance = streamOf(seed, "world");
      const from = START + 4 * MINUTE + chance.between(0, MINUTE);
      const fault = { from, kind: "refused", cure: "restart", share: 1, until: Number.MAX_SAFE_INTEGER } as const;
      const phases = VANTAGES.map(() => chance.between(0, MINUTE));
      const scenario = { vantages: VANTAGES, phases, faults: [fault], bursts: new Map(), forMs: 9 * MINUTE };
      const world = new World(seed, { scenario });
      await world.run();
      for (const { at } of world.calls.slice(0, 1)) found.push(at - from);
    }
    const whole = delayOf(found, 20, 30 * MINUTE_MS);
    const here = await delays(defaultPolicy(VANTAGES), NOISES["0.1 % alone"], "hard", 60, 1);
    expect(whole.missed).toBe(0);
    // Three standard errors of the difference.
    expect(Math.abs(whole.meanMs - here.meanMs)).toBeLessThan(15_000);
  }, 120_000);
});

describe("a healthy service under 0.1 % independent probe failures", () => {
  it.each(Object.entries(PLACES))(
    "is left alone in a hundred years, from %s",
    async (_, vantages) => {
      const { restarts, purges } = await falseActions(defaultPolicy(vantages), NOISES["0.1 % alone"], 100, 1);
      expect(restarts.years).toBeGreaterThan(99.9);
      expect(restarts.events + purges.events).toBe(0);
    },
    120_000,
  );
});

describe("what is not played could not have led to an action", () => {
  it.each(Object.entries(PLACES))(
    "bursts, from %s",
    async (_, vantages) => {
      const policy = defaultPolicy(vantages);
      const chance = streamOf(1, "left out");
      const groups = groupsOf(burstsOf(chance, NOISES.bursts, vantages, YEAR_MS), 7 * MINUTE_MS);
      const leftOut = groups.filter((group) => !couldActOn(policy, group)).slice(0, 100);
      expect(leftOut).toHaveLength(100);
      for (const group of leftOut) expect(await playBursts(policy, group, chance)).toEqual([]);
    },
    120_000,
  );

  it.each(Object.entries(PLACES))(
    "samples lost by themselves, from %s",
    async (_, vantages) => {
      const policy = defaultPolicy(vantages);
      const chance = streamOf(1, "left out");
      const clusters = Array.from({ length: 1_000 }, () => clusterOf(chance, 0.01, 96));
      const leftOut = clusters.filter((cluster) => cluster.length > 0 && !couldActOnCluster(policy, cluster));
      for (const cluster of leftOut.slice(0, 50)) {
        const { actions, ms } = await playCluster(policy, cluster, chance);
        expect(actions).toEqual([]);
        expect(ms).toBeGreaterThanOrEqual(5 * MINUTE_MS);
      }
    },
    120_000,
  );
});

describe("rules written by hand are measured as their formulas say", () => {
  const alone = PLACES["1 vantage"];

  it.each([
    ["1 in a row", 1, 520],
    ["2 in a row", 2, 0.525],
  ] as const)("%s", (rule, wanted, perYear) => {
    const { restarts } = naiveFalseActions(rule, alone, NOISES["0.1 % alone"], 20, 1);
    expect(restarts.low).toBeLessThan(perYear);
    expect(restarts.high).toBeGreaterThan(perYear);
    const quiet = { kind: "independent", share: 1e-9 } as const;
    const { meanMs, worstMs } = naiveDelays(rule, alone, quiet, "hard", 500, 1);
    expect(meanMs / MINUTE_MS).toBeCloseTo(wanted - 0.5, 1);
    expect(worstMs).toBeLessThanOrEqual(wanted * MINUTE_MS);
  });
});

describe("docs/detection.md", () => {
  const document = readFileSync(join(DOCS, "detection.md"), "utf8");
  const rows = Object.keys(PLACES).flatMap((place) => [OURS, ...Object.keys(NAIVE_RULES)].map((rule) => [place, rule]));
  /** Once for false actions, and once for each noise that delays are measured under. */
  const times = 1 + Object.keys(DURING).length;

  /** How many rows of a text's tables begin with these cells. */
  function countOf(text: string, cells: readonly string[] | undefined): number {
    const starts = text.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
    return starts.filter(([, place, rule]) => place === cells?.[0] && rule === cells?.[1]).length;
  }

  it("has a row for every rule and place, and a column for every noise and outage", () => {
    const figures = document.slice(document.indexOf(MARKS.from), document.indexOf(MARKS.to));
    for (const row of rows) expect(countOf(figures, row), row.join(", ")).toBe(times);
    for (const name of [...Object.keys(NOISES), ...Object.keys(OUTAGES)]) expect(figures).toContain(`| ${name}`);
    expect(readFileSync(join(DOCS, "detection.svg"), "utf8")).toMatch(/^<svg[\s\S]*NeuroPilot[\s\S]*<\/svg>\n$/);
  });

  it("is what --quick prints, with other figures", async () => {
    const printed: string[] = [];
    expect(await bench(["--quick"], (text) => printed.push(text))).toBe(0);
    for (const row of rows) expect(countOf(printed.join("\n"), row), row.join(", ")).toBe(times);
    expect(printed.at(-1)).toBe("all bars held");
  }, 120_000);

  it("is the same for a seed", async () => {
    const effort = { years: 0.02, runs: 1, seed: 5 };
    const [once, again] = [await measure(effort, () => undefined), await measure(effort, () => undefined)];
    expect(tables(once)).toBe(tables(again));
    expect(plot(once)).toBe(plot(again));
    const { restarts } = naiveFalseActions("1 in a row", VANTAGES.slice(0, 1), NOISES.bursts, 1, 6);
    expect(restarts).not.toEqual(naiveFalseActions("1 in a row", VANTAGES.slice(0, 1), NOISES.bursts, 1, 5).restarts);
  }, 120_000);

  it("keeps what stands around the figures", () => {
    expect(withFigures(`a ${MARKS.from} old ${MARKS.to} z`, "new")).toBe(`a ${MARKS.from}\n\nnew\n\n${MARKS.to} z`);
    expect(() => withFigures("no marks", "new")).toThrow(/must have the marks/);
  });
});

describe("the command's flags", () => {
  it.each([
    [["--runs", "0"], /--runs wants a whole number from 1 to 1000000; got "0"/],
    [["--years", "ten"], /--years wants a whole number from 1 to 100000; got "ten"/],
    [["--seed", "-1"], /--seed/],
    [["--quick", "--write"], /--quick has its own years and runs/],
    [["--fast"], /Unknown option '--fast'. There are: --years, --runs/],
    [["now"], /There are: --years/],
  ])("%j are refused with the reason", async (args, why) => {
    await expect(bench(args, () => undefined)).rejects.toThrow(why);
  });
});

describe("a rate of rare events", () => {
  // Garwood's exact limits, as tabulated for Poisson means.
  it.each([
    [0, 0, 3.689],
    [1, 0.0253, 5.572],
    [10, 4.795, 18.39],
    [1_000, 938.97, 1_063.95],
  ])("of %i in a year is %f to %f", (events, low, high) => {
    const rate = rateOf(events, 1);
    expect(rate.low).toBeCloseTo(low, 1);
    expect(rate.high).toBeCloseTo(high, 1);
  });
});
