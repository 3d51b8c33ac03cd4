import { play, type RunSpec } from "./run-seeds.ts";

export interface Shrunk {
  readonly spec: RunSpec & { readonly only: readonly string[] };
  readonly property: string;
  readonly text: string;
  /** How many hazards there were before, and how many worlds were run. */
  readonly from: number;
  readonly runs: number;
}

/** A shrink that takes longer than this stops with what it has: it is for reading, not for proof. */
const MOST_RUNS = 800;

/**
 * Takes away from a failing run whatever is not needed for it to break the same promise: hazards by halves and ever smaller
 * parts (Zeller and Hildebrandt's ddmin, https://doi.org/10.1109/32.988498), among them the faults of services, then time.
 * Undefined if the run breaks nothing, or not `property`.
 */
export async function shrink(spec: RunSpec, property?: string, mostRuns = MOST_RUNS): Promise<Shrunk | undefined> {
  const first = await play(spec);
  const broken = first.violations.find((found) => property === undefined || found.property === property);
  if (broken === undefined) return undefined;
  const all = first.world.hazards.map(({ id }) => id);
  const search = new Search(spec, broken.property, mostRuns);
  search.text = broken.text;
  let only: readonly string[] = all;
  if (await search.breaks(only, spec.hours)) {
    only = await search.withoutClasses(only, spec.hours);
    only = await search.least(only, spec.hours);
  }
  const hours = await search.lessTime(only, spec.hours);
  if (hours !== spec.hours) only = await search.least(only, hours);
  const least = { ...spec, ...(hours === undefined ? {} : { hours }), only };
  return { spec: least, property: broken.property, text: search.text, from: all.length, runs: search.runs };
}

class Search {
  runs = 0;
  /** How the promise was broken in the last run that broke it. */
  text = "";
  readonly #spec: RunSpec;
  readonly #property: string;
  readonly #mostRuns: number;

  constructor(spec: RunSpec, property: string, mostRuns: number) {
    this.#spec = spec;
    this.#property = property;
    this.#mostRuns = mostRuns;
  }

  async breaks(only: readonly string[], hours: number | undefined): Promise<boolean> {
    if (this.runs >= this.#mostRuns) return false;
    this.runs++;
    const { violations } = await play({ ...this.#spec, only, ...(hours === undefined ? {} : { hours }) });
    const broken = violations.find(({ property }) => property === this.#property);
    if (broken !== undefined) this.text = broken.text;
    return broken !== undefined;
  }

  /** Whole classes first: most of them have nothing to do with it. */
  async withoutClasses(ids: readonly string[], hours: number | undefined): Promise<readonly string[]> {
    let kept = ids;
    for (const name of new Set(ids.map(classOf))) {
      const less = kept.filter((id) => classOf(id) !== name);
      if (await this.breaks(less, hours)) kept = less;
    }
    return kept;
  }

  /** ddmin: no part of the result can be left out alone. */
  async least(ids: readonly string[], hours: number | undefined): Promise<readonly string[]> {
    let [kept, parts] = [ids, 2];
    while (kept.length > 0) {
      const size = Math.ceil(kept.length / parts);
      const less = await this.#firstThatBreaks(kept, size, hours);
      if (less !== undefined) [kept, parts] = [less, Math.max(parts - 1, 2)];
      else if (size <= 1) break;
      else parts = Math.min(kept.length, parts * 2);
    }
    return kept;
  }

  async #firstThatBreaks(kept: readonly string[], size: number, hours: number | undefined) {
    for (let from = 0; from < kept.length; from += size) {
      const less = kept.toSpliced(from, size);
      if (await this.breaks(less, hours)) return less;
    }
    return undefined;
  }

  /** The shortest of a few lengths; what is planned for a run depends on its length, so that any of them may do. */
  async lessTime(only: readonly string[], hours: number | undefined): Promise<number | undefined> {
    for (const less of [0.1, 0.2, 0.3, 0.4, 0.6, 0.8])
      if ((hours === undefined || less < hours) && (await this.breaks(only, less))) return less;
    return hours;
  }
}

function classOf(id: string): string {
  return id.slice(0, id.indexOf(":"));
}
