import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { ABLATIONS, type Ablation } from "./ablations.ts";
import { HAZARDS, type HazardClass } from "./hazards.ts";
import { HAZARD_CLASSES, isHazardClass, type RunSpec } from "./run-seeds.ts";

export const USAGE = `Usage: npm run simulate -- [flags]

Plays whole installations on seeded worlds and checks every promise. A seed alone replays exactly.

  --seeds <n>          how many seeds (1000); with --ablation or --ablations, at most so many each (200)
  --from <n>           the first of them (1)
  --seed <n>           only this seed, with its story
  --hours <h>          length of the rough part of each run, 0.05 to 48 (the seed's own choice)
  --faults <a,b,…>     only these classes of hazards, or none
  --only <a:1,b:2,…>   with --seed: only these hazards, as a shrunk run names them; or none
  --jobs <n>           threads, 1 to 64 (one per core)
  --ablations          take one protection away after the other: each must be missed
  --ablation <name>    take this protection away
  --no-shrink          do not shrink what failed to a short story
  --json               one JSON object; docs/simulation.md has its shape
  --help               this

Example: npm run simulate -- --seeds 10000
Exit code: 0 every promise was kept (or every ablation caught), 1 not so, 2 the flags are wrong.`;

/** What the command line asks for. */
export interface Asked {
  readonly kind: "seeds" | "seed" | "ablations" | "help";
  readonly from: number;
  readonly seeds: number;
  readonly spec: Omit<RunSpec, "seed">;
  readonly ablations: readonly Ablation[];
  readonly jobs: number;
  readonly shrink: boolean;
  readonly json: boolean;
}

/** The command line is wrong; the message names the flag, what it got and what it wants. */
export class WrongFlags extends Error {
  override readonly name = "WrongFlags";
}

const FLAGS = {
  seeds: { type: "string" },
  from: { type: "string" },
  seed: { type: "string" },
  hours: { type: "string" },
  faults: { type: "string" },
  only: { type: "string" },
  jobs: { type: "string" },
  ablations: { type: "boolean" },
  ablation: { type: "string" },
  "no-shrink": { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean" },
} as const;

const MOST_SEED = 2 ** 32 - 1;
const DEFAULT_SEEDS = 1_000;
const DEFAULT_ABLATION_SEEDS = 200;

/** Reads the flags. Throws `WrongFlags`. */
export function readFlags(args: readonly string[]): Asked {
  const values = valuesOf(args);
  const ablation = values.ablation === undefined ? undefined : ablationOf(values.ablation);
  const seed = values.seed === undefined ? undefined : whole("--seed", values.seed, 0, MOST_SEED);
  const every = values.ablations === true;
  refuse(values.only !== undefined && seed === undefined, "--only goes with --seed: its ids are those of one run");
  refuse(
    every && (seed !== undefined || ablation !== undefined),
    "--ablations takes all of them on many seeds: leave out --seed and --ablation",
  );
  refuse(
    seed !== undefined && (values.seeds !== undefined || values.from !== undefined),
    "--seed is one seed: leave out --seeds and --from",
  );
  const overSeeds = every || (ablation !== undefined && seed === undefined);
  refuse(
    overSeeds && (values.hours !== undefined || values.faults !== undefined),
    "an ablation has a world of its own in which it matters: leave out --hours and --faults, or name a --seed",
  );
  const most = overSeeds ? DEFAULT_ABLATION_SEEDS : DEFAULT_SEEDS;
  const seeds = seed === undefined ? whole("--seeds", values.seeds ?? String(most), 1, 10_000_000) : 1;
  const from = seed ?? whole("--from", values.from ?? "1", 0, MOST_SEED);
  return {
    kind: values.help === true ? "help" : overSeeds ? "ablations" : seed === undefined ? "seeds" : "seed",
    from,
    seeds,
    spec: {
      ...(ablation === undefined ? {} : { ablation }),
      ...(values.hours === undefined ? {} : { hours: hoursOf(values.hours) }),
      ...(values.faults === undefined ? {} : { faults: faultsOf(values.faults) }),
      ...(values.only === undefined ? {} : { only: onlyOf(values.only) }),
    },
    ablations: ablation === undefined ? ABLATIONS.map(({ name }) => name) : [ablation],
    jobs: whole("--jobs", values.jobs ?? String(Math.min(64, availableParallelism())), 1, 64),
    shrink: values["no-shrink"] !== true,
    json: values.json === true,
  };
}

function valuesOf(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, allowPositionals: false }).values;
  } catch (error) {
    const why = error instanceof Error ? (error.message.split(". ")[0] ?? "") : String(error);
    const flags = Object.keys(FLAGS).map((name) => `--${name}`);
    throw new WrongFlags(`${why}. There are: ${flags.join(", ")}`);
  }
}

function refuse(wrong: boolean, why: string): void {
  if (wrong) throw new WrongFlags(why);
}

function whole(flag: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  refuse(!(value >= least && value <= most), `${flag} wants a whole number from ${least} to ${most}; got "${text}"`);
  return value;
}

function hoursOf(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  refuse(!(value >= 0.05 && value <= 48), `--hours wants a number from 0.05 to 48, such as 0.5; got "${text}"`);
  return value;
}

function ablationOf(text: string): Ablation {
  const found = ABLATIONS.find(({ name }) => name === text);
  if (found !== undefined) return found.name;
  throw new WrongFlags(
    `--ablation wants the name of one; got "${text}". There are: ${ABLATIONS.map(({ name }) => name).join(", ")}`,
  );
}

function faultsOf(text: string): readonly HazardClass[] {
  const names = listOf(text);
  const unknown = names.find((name) => !isHazardClass(name));
  refuse(names.length === 0 && text !== "none", `--faults wants classes with commas between, or none; got "${text}"`);
  if (unknown === undefined) return names.filter(isHazardClass);
  const lines = HAZARD_CLASSES.map((name) => `  ${name.padEnd(26)} ${HAZARDS[name]}`);
  throw new WrongFlags(
    `--faults wants classes of hazards with commas between; got "${unknown}". There are:\n${lines.join("\n")}`,
  );
}

function onlyOf(text: string): readonly string[] {
  const ids = listOf(text);
  const wrong = ids.find((id) => !/^[a-z0-9-]+:[1-9]\d*$/.test(id) || !isHazardClass(id.slice(0, id.indexOf(":"))));
  refuse(wrong !== undefined, `--only wants hazards by class and number, such as crash:3,drop:1; got "${wrong}"`);
  refuse(ids.length === 0 && text !== "none", `--only wants hazards such as crash:3,drop:1, or none; got "${text}"`);
  return ids;
}

function listOf(text: string): readonly string[] {
  return text === "none"
    ? []
    : text
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== "");
}

/** The flags that play a run again. */
export function flagsOf({ seed, ablation, hours, faults, only }: RunSpec): string {
  return [
    `--seed ${seed}`,
    ablation === undefined ? "" : `--ablation ${ablation}`,
    hours === undefined ? "" : `--hours ${hours}`,
    faults === undefined ? "" : `--faults ${faults.join(",") || "none"}`,
    only === undefined ? "" : `--only ${only.join(",") || "none"}`,
  ]
    .filter((flag) => flag !== "")
    .join(" ");
}
