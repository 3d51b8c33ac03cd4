import { DURING, NOISES, type Row } from "./compared.ts";
import { OUTAGES } from "./delays.ts";
import type { FalseActions } from "./false-actions.ts";
import type { Delay, Rate } from "./statistics.ts";

/** The tables of docs/detection.md, which a terminal shows as well. */
export function tables(rows: readonly Row[]): string {
  const wrong = table(
    ["from", "rule", ...Object.keys(NOISES)],
    rows.map(({ place, rule, falseActions }) => [
      place,
      rule,
      ...Object.keys(NOISES).map((name) => cellOf(falseActions[name], wrongCell)),
    ]),
  );
  const late = Object.entries(DURING).map(([noise, words]) => `Under ${words}:\n\n${lateTable(rows, noise)}`);
  return ["### False actions a target-year", wrong, "### Delay in seconds: mean / p99 / worst", ...late].join("\n\n");
}

function lateTable(rows: readonly Row[], noise: string): string {
  return table(
    ["from", "rule", ...Object.keys(OUTAGES)],
    rows.map(({ place, rule, delays }) => [
      place,
      rule,
      ...Object.keys(OUTAGES).map((name) => cellOf(delays[noise]?.[name], delayCell)),
    ]),
  );
}

function cellOf<T>(value: T | undefined, write: (value: T) => string): string {
  return value === undefined ? "" : write(value);
}

/** Restarts, and purges where there were any, each with its interval. */
function wrongCell({ restarts, purges }: FalseActions): string {
  return purges.events === 0 ? perYear(restarts) : `${perYear(restarts)}; purges ${perYear(purges)}`;
}

/** A rate with its interval: `0.02 (0.01–0.05)`; with the upper end alone where nothing was seen. */
export function perYear({ events, perYear: rate, low, high }: Rate): string {
  return events === 0 ? `0 (<${short(high)})` : `${short(rate)} (${short(low)}–${short(high)})`;
}

function short(value: number): string {
  if (value >= 10) return value.toFixed(0);
  if (value >= 1) return value.toFixed(1);
  return value < 0.01 ? value.toFixed(3) : value.toFixed(2);
}

function delayCell({ meanMs, p99Ms, worstMs, missed, runs }: Delay): string {
  if (missed === runs) return "never";
  const [mean, p99] = [meanMs, p99Ms].map((ms) => String(Math.round(ms / 1_000)));
  if (missed === 0) return `${mean} / ${p99} / ${Math.round(worstMs / 1_000)}`;
  const share = (100 * missed) / runs;
  return `${mean} / ${p99} / ${share < 1 ? share.toFixed(1) : share.toFixed(0)} % missed`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, index) => Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" | ")} |`;
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)].join("\n");
}

export const MARKS = {
  from: "<!-- figures: npm run bench:detection -- --write -->",
  to: "<!-- end of figures -->",
} as const;

/** The document with what stands between its marks replaced. */
export function withFigures(document: string, figures: string): string {
  const [before, rest] = document.split(MARKS.from);
  const after = rest?.split(MARKS.to)[1];
  if (before === undefined || after === undefined)
    throw new Error(`docs/detection.md must have the marks ${MARKS.from} and ${MARKS.to}, in this order`);
  return `${before}${MARKS.from}\n\n${figures}\n\n${MARKS.to}${after}`;
}
