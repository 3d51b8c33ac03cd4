import { ABLATIONS } from "./ablations.ts";
import type { HazardClass } from "./hazards.ts";
import { PROPERTIES } from "./invariants.ts";
import type { Caught } from "./run-ablation.ts";
import { flagsOf } from "./run-options.ts";
import { HAZARD_CLASSES, type RunSpec, silentClasses, type Tally } from "./run-seeds.ts";

/** What people read after a run, in at most 100 columns. */

/** So many failing seeds are named one by one. */
const MOST_NAMED = 20;

export function summaryOf(tally: Tally, spec: Omit<RunSpec, "seed">, seconds: number, jobs: number): string {
  const silent = silentClasses(tally, spec);
  const broken = tally.broken.length;
  return [
    `${tally.seeds} seeds on ${jobs} thread${jobs === 1 ? "" : "s"} in ${seconds.toFixed(1)} s: ${(tally.seeds / seconds).toFixed(1)} seeds/s, ${Math.round(tally.simulatedHours)} simulated hours`,
    `${tally.incidents} incidents, ${tally.calls} calls, ${tally.healed} healed; largest item ${tally.largestItem} bytes`,
    "",
    "What went wrong, how often:",
    ...hazardColumns(tally.hazards, spec.faults ?? HAZARD_CLASSES),
    ...silent.map((name) => `NEVER HAPPENED: ${name}. What cannot happen is not tested: mend the world's ${name}.`),
    "",
    ...brokenLines(tally, spec),
    broken === 0
      ? `${PROPERTIES.length} properties checked on every seed: all kept`
      : `${PROPERTIES.length} properties checked: ${broken} of ${tally.seeds} seeds broke a promise`,
  ].join("\n");
}

function hazardColumns(
  counts: Readonly<Record<HazardClass, number>>,
  names: readonly HazardClass[],
): readonly string[] {
  const cells = names.map((name) => `${name.padEnd(26)}${String(counts[name]).padStart(9)}`);
  const rows = Math.ceil(cells.length / 2);
  return Array.from({ length: rows }, (_, row) => `  ${cells[row] ?? ""}   ${cells[row + rows] ?? ""}`.trimEnd());
}

function brokenLines({ broken }: Tally, spec: Omit<RunSpec, "seed">): readonly string[] {
  const lines = broken
    .slice(0, MOST_NAMED)
    .flatMap(({ seed, violations }) => [
      `seed ${seed} broke ${[...new Set(violations.map(({ property, name }) => `${property} (${name})`))].join(", ")}`,
      ...violations.slice(0, 3).map(({ property, text }) => `  ${property}: ${text}`),
      `  again: ${commandOf({ ...spec, seed })}`,
    ]);
  const more = broken.length - MOST_NAMED;
  return [
    ...lines,
    ...(more > 0
      ? [
          `and ${more} seeds more: ${broken
            .slice(MOST_NAMED, MOST_NAMED + 30)
            .map(({ seed }) => seed)
            .join(", ")}`,
        ]
      : []),
  ];
}

/** What to type to play a run again. */
export function commandOf(spec: RunSpec): string {
  return `npm run simulate -- ${flagsOf(spec)}`;
}

export function ablationTable(all: readonly Caught[]): string {
  const rows = [
    ["taken away", "caught by", "after", "seed"],
    ...all.map(({ ablation, property, seeds, seed }) => [
      ablation,
      property === undefined ? "NOTHING" : `${property} ${PROPERTIES.find(({ id }) => id === property)?.name ?? ""}`,
      `${seeds} seed${seeds === 1 ? "" : "s"}`,
      property === undefined ? "" : String(seed),
    ]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const table = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const missed = all.filter(({ property }) => property === undefined).map(({ ablation }) => missedText(ablation));
  const caught = all.length - missed.length;
  return [...table, "", ...missed, `${caught} of ${all.length} ablations caught`].join("\n");
}

function missedText(name: Caught["ablation"]): string {
  const found = ABLATIONS.find((ablation) => ablation.name === name);
  return `NOT CAUGHT: ${name} (${found?.takesAway ?? ""}). Untested or needless: ${found?.caughtBy.join(" or ") ?? ""} should have noticed.`;
}
