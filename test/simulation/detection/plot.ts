import { OURS, type Row } from "./compared.ts";

/** Delay against false actions for each rule, drawn by hand: an SVG that is legible on light and on dark. */

const [WIDTH, HEIGHT] = [800, 460];
const BOX = { left: 70, right: 560, top: 44, bottom: 400 } as const;
/** False actions a year: below the least it is drawn at the least. */
const [LEAST, MOST] = [0.001, 10_000];
const SECONDS = [0, 60, 120, 180, 240] as const;
const COLOURS = ["#2f81f7", "#d29922", "#a371f7", "#3fb950", "#f85149", "#8b949e"] as const;

interface Mark {
  readonly rule: string;
  readonly several: boolean;
  readonly wrong: number;
  readonly none: boolean;
  readonly mean: number;
  readonly p99: number;
}

/** For a service that refuses, under 0.1 % of failures in bursts of a minute. */
export function plot(rows: readonly Row[]): string {
  const marks = rows.flatMap((row) => markOf(row));
  const rules = [...new Set(marks.map(({ rule }) => rule))];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="Delay until a remedy is called against false actions a year">`,
    "<style>text{fill:#57606a}.line{stroke:#8b949e;stroke-opacity:.35}.own{font-weight:600}.title{font-size:15px;font-weight:600}.title,.own{fill:#1f2328}@media(prefers-color-scheme:dark){text{fill:#9198a1}.title,.own{fill:#e6edf3}}</style>",
    `<text class="title" x="${BOX.left}" y="24">A service that refuses: how long until the call, and at which price</text>`,
    ...axes(),
    ...marks.map((mark) => drawn(mark, colourOf(rules, mark.rule))),
    ...legend(rules),
    "</svg>",
    "",
  ].join("\n");
}

function markOf({ place, rule, falseActions, delays }: Row): Mark[] {
  const wrong = falseActions.bursts;
  const late = delays.bursts?.hard;
  if (wrong === undefined || late === undefined || late.missed === late.runs) return [];
  return [
    {
      rule,
      several: place !== "1 vantage",
      wrong: wrong.restarts.perYear + wrong.purges.perYear,
      none: wrong.restarts.events + wrong.purges.events === 0,
      mean: late.meanMs / 1_000,
      p99: late.p99Ms / 1_000,
    },
  ];
}

function colourOf(rules: readonly string[], rule: string): string {
  return COLOURS[rules.indexOf(rule) % COLOURS.length] ?? COLOURS[0];
}

function xOf(perYear: number): number {
  const share = Math.log10(Math.max(LEAST, Math.min(MOST, perYear)) / LEAST) / Math.log10(MOST / LEAST);
  return round(BOX.left + share * (BOX.right - BOX.left));
}

function yOf(seconds: number): number {
  const most = SECONDS.at(-1) ?? 1;
  return round(BOX.bottom - (Math.min(seconds, most) / most) * (BOX.bottom - BOX.top));
}

const round = (value: number) => Math.round(value * 10) / 10;

function axes(): string[] {
  const columns = [0.001, 0.01, 0.1, 1, 10, 100, 1_000, 10_000].map((perYear) => {
    const x = xOf(perYear);
    const text = perYear === LEAST ? "none seen" : perYear.toLocaleString("en");
    return `<line class="line" x1="${x}" x2="${x}" y1="${BOX.top}" y2="${BOX.bottom}"/><text x="${x}" y="${BOX.bottom + 20}" text-anchor="middle">${text}</text>`;
  });
  const lines = SECONDS.map((seconds) => {
    const y = yOf(seconds);
    return `<line class="line" x1="${BOX.left}" x2="${BOX.right}" y1="${y}" y2="${y}"/><text x="${BOX.left - 8}" y="${y + 4}" text-anchor="end">${seconds} s</text>`;
  });
  const middle = (BOX.left + BOX.right) / 2;
  return [
    ...columns,
    ...lines,
    `<text x="${middle}" y="${BOX.bottom + 44}" text-anchor="middle">false restarts and purges a target-year, at 0.1 % of failures in bursts of a minute</text>`,
  ];
}

const RADIUS = 7;

/** A dot at the mean, a line up to the 99th percentile; filled where three vantages watch. Ours says its name. */
function drawn({ rule, wrong, none, mean, p99, several }: Mark, colour: string): string {
  const [x, y, top] = [xOf(none ? LEAST : wrong), yOf(mean), yOf(p99)];
  const fill = several ? colour : "none";
  const name = `<text class="own" x="${x + 12}" y="${y + 4}">${rule}</text>`;
  return [
    y - RADIUS > top
      ? `<line x1="${x}" x2="${x}" y1="${y - RADIUS}" y2="${top}" stroke="${colour}" stroke-width="2" stroke-opacity=".7"/>`
      : "",
    `<circle cx="${x}" cy="${y}" r="${RADIUS}" fill="${fill}" stroke="${colour}" stroke-width="2.5"/>`,
    rule === OURS ? name : "",
  ].join("");
}

function legend(rules: readonly string[]): string[] {
  const x = BOX.right + 28;
  const entries = rules.map((rule, index) => {
    const y = BOX.top + 14 + index * 24;
    return `<circle cx="${x}" cy="${y - 4}" r="6" fill="${colourOf(rules, rule)}"/><text x="${x + 16}" y="${y}">${rule.replace(">", "&gt;")}</text>`;
  });
  const notes = ["filled: three vantages", "hollow: one", "dot: mean; line: to the p99", "not drawn: never acts"];
  const from = BOX.top + 38 + rules.length * 24;
  return [...entries, ...notes.map((text, index) => `<text x="${x - 6}" y="${from + index * 20}">${text}</text>`)];
}
