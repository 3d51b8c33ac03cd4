import type { Ablation } from "./ablations.ts";
import type { HazardClass } from "./hazards.ts";
import { HAZARDS } from "./hazards.ts";
import { type Violation, violations } from "./invariants.ts";
import { HOUR, START, World, type WorldOptions } from "./world.ts";

/** Everything that makes a run what it is, as plain data, so that a worker can be told it and a command line can say it. */
export interface RunSpec {
  readonly seed: number;
  readonly ablation?: Ablation;
  readonly hours?: number;
  /** Classes that are switched on; all of them, if absent. */
  readonly faults?: readonly HazardClass[];
  /** Ids of the hazards that may happen; all of them, if absent. */
  readonly only?: readonly string[];
}

/** What came of one seed. */
export interface SeedResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** How often something of a class really happened; classes of which nothing did are absent. */
  readonly hazards: Readonly<Partial<Record<HazardClass, number>>>;
  readonly simulatedHours: number;
  readonly calls: number;
  readonly incidents: number;
  readonly healed: number;
  readonly largestItem: number;
}

/** Every id but these. */
class AllBut extends Set<string> {
  readonly #kept: ReadonlySet<string>;

  constructor(kept: readonly string[]) {
    super();
    this.#kept = new Set(kept);
  }

  override has(id: string): boolean {
    return !this.#kept.has(id);
  }
}

export function optionsOf({ ablation, hours, faults, only }: RunSpec): WorldOptions {
  return {
    ...(ablation === undefined ? {} : { ablation }),
    ...(hours === undefined ? {} : { hours }),
    ...(faults === undefined ? {} : { faults: new Set(faults) }),
    ...(only === undefined ? {} : { suppress: new AllBut(only) }),
  };
}

/** Plays one run to its end; the same `spec` comes to the same world, to the last byte of its trace. */
export async function play(spec: RunSpec): Promise<{ world: World; violations: readonly Violation[] }> {
  const world = new World(spec.seed, optionsOf(spec));
  await world.run();
  return { world, violations: await violations(world) };
}

export async function runSeed(spec: RunSpec): Promise<SeedResult> {
  const { world, violations: found } = await play(spec);
  const incidents = await world.incidents();
  const hazards: Partial<Record<HazardClass, number>> = {};
  for (const hazard of world.hazards) hazards[hazard.class] = (hazards[hazard.class] ?? 0) + 1;
  return {
    seed: spec.seed,
    violations: found,
    hazards,
    simulatedHours: (world.ends - START) / HOUR,
    calls: world.calls.length,
    incidents: incidents.length,
    healed: incidents.flatMap(({ attempts }) => attempts).filter(({ verdict }) => verdict === "healed").length,
    largestItem: world.largestItem,
  };
}

/** Everything that happened in a run, as text: what must be the same whenever and wherever a seed is played. */
export async function traceOf(spec: RunSpec): Promise<string> {
  const { world, violations: found } = await play(spec);
  const { hazards, calls, heard, looks } = world;
  return JSON.stringify({
    hazards,
    calls,
    heard,
    looks,
    incidents: await world.incidents(),
    audit: await world.audit(),
    found,
  });
}

/** Sums over seeds. */
export interface Tally {
  seeds: number;
  simulatedHours: number;
  calls: number;
  incidents: number;
  healed: number;
  largestItem: number;
  readonly hazards: Record<HazardClass, number>;
  readonly broken: { readonly seed: number; readonly violations: readonly Violation[] }[];
}

export function emptyTally(): Tally {
  return {
    seeds: 0,
    simulatedHours: 0,
    calls: 0,
    incidents: 0,
    healed: 0,
    largestItem: 0,
    hazards: noHazards(),
    broken: [],
  };
}

/** Zero for every class there is. */
function noHazards(): Record<HazardClass, number> {
  return Object.fromEntries(HAZARD_CLASSES.map((name) => [name, 0])) as Record<HazardClass, number>;
}

/** The keys of an object literal are those of its type. */
export const HAZARD_CLASSES: readonly HazardClass[] = Object.keys(HAZARDS).filter(isHazardClass);

export function isHazardClass(name: string): name is HazardClass {
  return Object.hasOwn(HAZARDS, name);
}

export function add(tally: Tally, result: SeedResult): void {
  tally.seeds++;
  tally.simulatedHours += result.simulatedHours;
  tally.calls += result.calls;
  tally.incidents += result.incidents;
  tally.healed += result.healed;
  tally.largestItem = Math.max(tally.largestItem, result.largestItem);
  for (const name of HAZARD_CLASSES) tally.hazards[name] += result.hazards[name] ?? 0;
  if (result.violations.length > 0) tally.broken.push({ seed: result.seed, violations: result.violations });
}

/** Runs seeds one after another, each from nothing but its number. */
export async function runSeeds(from: number, seeds: number, spec: Omit<RunSpec, "seed"> = {}): Promise<Tally> {
  const tally = emptyTally();
  for (let seed = from; seed < from + seeds; seed++) add(tally, await runSeed({ ...spec, seed }));
  return tally;
}

/** So many seeds must show something of every class that was switched on. */
export const ENOUGH_SEEDS = 1_000;

/** Classes of which nothing happened though it should have: what cannot happen is not tested. */
export function silentClasses(tally: Tally, { faults, only, hours }: Omit<RunSpec, "seed">): readonly HazardClass[] {
  if (tally.seeds < ENOUGH_SEEDS || only !== undefined || hours !== undefined) return [];
  return (faults ?? HAZARD_CLASSES).filter((name) => tally.hazards[name] === 0);
}
