import { parseArgs } from "node:util";
import { violations } from "./invariants.ts";
import { type Ablation, World } from "./world.ts";

export interface Tally {
  readonly seeds: number;
  readonly broken: readonly { readonly seed: number; readonly violations: readonly string[] }[];
  readonly simulatedHours: number;
  readonly calls: number;
  readonly incidents: number;
  readonly healed: number;
  readonly largestItem: number;
}

export interface Plan {
  readonly from: number;
  readonly seeds: number;
  readonly ablation?: Ablation;
  /** Stop at the first seed that breaks a promise. */
  readonly untilBroken?: boolean;
  /** Only these count, by the beginning of their text. */
  readonly only?: readonly string[];
}

/** Runs seeds one after another, each from nothing but its number. */
export async function runSeeds(plan: Plan): Promise<Tally> {
  const broken: { seed: number; violations: readonly string[] }[] = [];
  let [seeds, simulatedHours, calls, incidents, healed, largestItem] = [0, 0, 0, 0, 0, 0];
  for (let seed = plan.from; seed < plan.from + plan.seeds; seed++) {
    const world = new World(seed, plan.ablation === undefined ? {} : { ablation: plan.ablation });
    await world.run();
    const found = (await violations(world)).filter(
      (text) => plan.only === undefined || plan.only.some((start) => text.startsWith(start)),
    );
    const all = await world.incidents();
    seeds++;
    simulatedHours += (world.ends - 1_800_000_000_000) / 3_600_000;
    calls += world.calls.length;
    incidents += all.length;
    healed += all.flatMap(({ attempts }) => attempts).filter(({ verdict }) => verdict === "healed").length;
    largestItem = Math.max(largestItem, world.largestItem);
    if (found.length > 0) broken.push({ seed, violations: found });
    if (found.length > 0 && plan.untilBroken === true) break;
  }
  return { seeds, broken, simulatedHours, calls, incidents, healed, largestItem };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: process.env.NEUROPILOT_SIM_SEEDS ?? "1000" },
      from: { type: "string", default: "1" },
      seed: { type: "string", default: process.env.NEUROPILOT_SIM_SEED ?? "" },
    },
  });
  const one = values.seed !== "";
  const began = Date.now();
  const tally = await runSeeds(
    one ? { from: Number(values.seed), seeds: 1 } : { from: Number(values.from), seeds: Number(values.seeds) },
  );
  for (const { seed, violations: found } of tally.broken)
    console.log(`seed ${seed}: ${found.join(" | ")}\n  again: NEUROPILOT_SIM_SEED=${seed} node test/simulation/run.ts`);
  const seconds = (Date.now() - began) / 1000;
  console.log(
    `${tally.seeds} seeds, ${Math.round(tally.simulatedHours)} simulated hours in ${seconds.toFixed(1)} s: ` +
      `${tally.incidents} incidents, ${tally.calls} calls, ${tally.healed} healed, largest item ${tally.largestItem} bytes, ` +
      `${tally.broken.length} seeds broke a promise`,
  );
  if (tally.broken.length > 0) process.exitCode = 1;
}
