import fc from "fast-check";
import { beforeEach, inject, vi } from "vitest";

/**
 * For mutants only. A mutant must meet the same examples each time, and what fails is not shrunk: nobody reads it. What needs
 * thousands of steps says little about one mutant that a short test does not, and would be run for each of them.
 */
fc.configureGlobal({ seed: 20_270_307, numRuns: 8, endOnFailure: true });

const LONG = [
  "10,000 simulated hours",
  "keeps an item small through the longest incident",
  "asks ever more rarely for a call that nobody makes",
];

beforeEach(({ task, skip }) => {
  skip(
    LONG.some((part) => task.name.includes(part)),
    "too long to be run for every mutant",
  );
});

declare module "vitest" {
  interface ProvidedContext {
    /** Stryker's: `static` for what is evaluated when a module is loaded, such as a table. */
    readonly mutantActivation?: "static" | "runtime";
    readonly activeMutant?: string;
  }
}

/** Modules stay loaded from one mutant to the next. One in what is evaluated on loading needs its own, and leaves them dirty. */
const loaded: { mutant?: string } = vi.hoisted(() => {
  const KEY = Symbol.for("neuropilot.mutation.loaded");
  const all: typeof globalThis & { [KEY]?: { mutant?: string } } = globalThis;
  all[KEY] ??= {};
  return all[KEY];
});
const wanted = inject("mutantActivation") === "static" ? `static ${inject("activeMutant")}` : "";
if ((loaded.mutant ?? "") !== wanted) vi.resetModules();
loaded.mutant = wanted;
