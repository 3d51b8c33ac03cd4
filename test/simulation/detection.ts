import { parseArgs } from "node:util";
import { Chance } from "./engine.ts";
import { LADDERS } from "./policy.ts";
import { type Burst, bursts } from "./service.ts";
import { HOUR, MINUTE, type Scenario, START, World } from "./world.ts";

const VANTAGES = ["east", "west", "north"];
const YEAR_MS = 365.25 * 24 * HOUR;

export interface Delays {
  readonly runs: number;
  readonly missed: number;
  readonly meanMs: number;
  readonly worstMs: number;
}

/** From the first refused connection to the restart call, for a service that breaks at any moment of the tick. */
export async function delays(runs: number, phase: "together" | "spread" | "random", from = 1): Promise<Delays> {
  const found: number[] = [];
  for (let seed = from; seed < from + runs; seed++) {
    const chance = new Chance(seed * 7 + 3);
    const broke = START + 4 * MINUTE + chance.between(0, MINUTE);
    const offset = chance.between(0, MINUTE);
    const phases = VANTAGES.map((_, index) =>
      phase === "together"
        ? offset
        : phase === "spread"
          ? (offset + index * 20_000) % MINUTE
          : chance.between(0, MINUTE),
    );
    const fault = { from: broke, kind: "refused", cure: "restart", share: 1, until: Number.MAX_SAFE_INTEGER } as const;
    const world = new World(seed, {
      scenario: { vantages: VANTAGES, phases, faults: [fault], bursts: new Map(), forMs: 9 * MINUTE },
    });
    await world.run();
    const call = world.calls[0];
    if (call !== undefined) found.push(call.at - broke);
  }
  return {
    runs,
    missed: runs - found.length,
    meanMs: found.reduce((sum, delay) => sum + delay, 0) / Math.max(1, found.length),
    worstMs: Math.max(...found),
  };
}

export interface FalseCalls {
  readonly years: number;
  readonly episodes: number;
  readonly restarts: number;
  readonly perYear: number;
}

const EPISODE_BEFORE_MS = 2 * MINUTE;
const EPISODE_AFTER_MS = 6 * MINUTE;

/**
 * Restarts of a service that is well, when each vantage loses 0.1 % of its time in bursts with a mean of 60 s, independently.
 * Nothing can be called while only one vantage sees trouble, so only where the bursts of two meet is played through; the
 * bursts spare the controls, and the target has no cache to purge first, both for the worse.
 */
export async function falseRestarts(years: number, seed = 1): Promise<FalseCalls> {
  const chance = new Chance(seed);
  let [episodes, restarts] = [0, 0];
  // A year at a time, so that the bursts need no more room.
  for (let year = 0; year < years; year++) {
    const all = VANTAGES.flatMap((vantage) =>
      bursts(chance, 0, YEAR_MS, { share: 0.001, meanMs: MINUTE, whole: 0 }).map((burst) => ({ ...burst, vantage })),
    ).sort((a, b) => a.from - b.from);
    for (const group of groupsOf(all)) {
      if (new Set(group.map(({ vantage }) => vantage)).size < 2) continue;
      episodes++;
      restarts += await playEpisode(group, chance);
    }
  }
  return { years, episodes, restarts, perYear: restarts / years };
}

type VantageBurst = Burst & { readonly vantage: string };

/** Bursts that a window of samples could hold together. */
function groupsOf(all: readonly VantageBurst[]): VantageBurst[][] {
  const groups: VantageBurst[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const burst of all) {
    const group = burst.from < end + 3 * MINUTE ? groups.at(-1) : undefined;
    if (group === undefined) groups.push([burst]);
    else group.push(burst);
    end = Math.max(end, burst.to);
  }
  return groups;
}

async function playEpisode(group: readonly VantageBurst[], chance: Chance): Promise<number> {
  const first = group[0]?.from ?? 0;
  const last = Math.max(...group.map(({ to }) => to));
  const shift = START + EPISODE_BEFORE_MS - first;
  const byVantage = new Map<string, Burst[]>();
  for (const { vantage, from, to, whole } of group)
    byVantage.set(vantage, [...(byVantage.get(vantage) ?? []), { from: from + shift, to: to + shift, whole }]);
  const scenario: Scenario = {
    vantages: VANTAGES,
    phases: VANTAGES.map(() => chance.between(0, MINUTE)),
    faults: [],
    bursts: byVantage,
    forMs: EPISODE_BEFORE_MS + (last - first) + EPISODE_AFTER_MS,
    ladders: {
      ...LADDERS,
      failing: [
        { remedy: "restart", times: 2 },
        { remedy: "page", times: 1 },
      ],
    },
  };
  const world = new World(chance.integer(1, 2 ** 30), { scenario });
  await world.run();
  return world.calls.length;
}

export interface HealthyHours {
  readonly hours: number;
  readonly episodes: number;
  readonly calls: number;
  readonly incidents: number;
}

/**
 * A healthy service of which each probe fails by itself once in a thousand. While a tick's one sample is good nothing
 * happens, so the time to the next bad one is drawn, and the real ticks run from there until suspicion is over.
 */
export async function healthyHours(hours: number, vantages: readonly string[], seed = 1): Promise<HealthyHours> {
  const chance = new Chance(seed);
  const share = 0.001;
  let [minutes, episodes, calls, incidents] = [0, 0, 0, 0];
  while (minutes < hours * 60) {
    minutes += Math.ceil(Math.log(1 - chance.next()) / Math.log(1 - share) / vantages.length);
    const surely = chance.pick(vantages);
    const lost = { share, surely, from: START + MINUTE };
    const forMs = 9 * MINUTE;
    const phases = vantages.map(() => chance.between(0, MINUTE));
    const world = new World(chance.integer(1, 2 ** 30), {
      scenario: { vantages, phases, faults: [], bursts: new Map(), lost, forMs },
    });
    await world.run();
    episodes++;
    minutes += forMs / MINUTE;
    calls += world.calls.length;
    incidents += (await world.incidents()).length;
  }
  return { hours: Math.round(minutes / 60), episodes, calls, incidents };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "300" },
      years: { type: "string", default: "100" },
      hours: { type: "string", default: "10000" },
    },
  });
  for (const phase of ["together", "spread", "random"] as const) {
    const { runs, missed, meanMs, worstMs } = await delays(Number(values.runs), phase);
    console.log(
      `refused → restart called, three vantages ${phase}: mean ${(meanMs / 1000).toFixed(1)} s, worst ${(worstMs / 1000).toFixed(1)} s (${runs} runs, ${missed} without a call)`,
    );
  }
  const wrong = await falseRestarts(Number(values.years));
  console.log(
    `false restarts at 0.1 % in 60 s bursts: ${wrong.perYear.toFixed(3)} per target-year (${wrong.restarts} in ${wrong.years} years, ${wrong.episodes} episodes played)`,
  );
  for (const vantages of [["alone"], VANTAGES]) {
    const well = await healthyHours(Number(values.hours), vantages);
    console.log(
      `healthy at 0.1 % independent failures, ${vantages.length} vantage(s): ${well.calls} calls, ${well.incidents} incidents in ${well.hours} hours (${well.episodes} episodes played)`,
    );
  }
}
