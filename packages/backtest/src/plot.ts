import type { Scored } from "./tune.ts";

const WIDTH = 66;
const HEIGHT = 16;

interface Scale {
  readonly x: (leftMs: number) => number;
  readonly y: (falseActions: number) => number;
  readonly mostX: number;
  readonly mostY: number;
}

function scaleOf(all: readonly Scored[], width: number, height: number): Scale {
  const mostX = Math.max(1_000, ...all.map(({ leftMs }) => leftMs));
  const mostY = Math.max(1, ...all.map(({ falseActions }) => falseActions));
  return {
    x: (leftMs) => (leftMs / mostX) * width,
    y: (falseActions) => height - (falseActions / mostY) * height,
    mostX,
    mostY,
  };
}

/** How the points are marked: the front by number, as in the table; `P` and `N` for the present and the new policy. */
function markOf(each: Scored, front: readonly Scored[]): string {
  if (each.mark !== undefined) return each.mark === "present" ? "P" : "N";
  const index = front.indexOf(each);
  if (index < 0) return "·";
  return index < 9 ? String(index + 1) : "o";
}

/** In plain characters, 80 columns: the mean time an outage was left alone to the right, false actions upwards. */
export function plotText(all: readonly Scored[], front: readonly Scored[]): string {
  const { x, y, mostX, mostY } = scaleOf(all, WIDTH - 1, HEIGHT - 1);
  const cells = Array.from({ length: HEIGHT }, () => Array.from({ length: WIDTH }, () => " "));
  // The marked ones last, so that no dot hides them.
  const order = all.toSorted(
    (a, b) =>
      Number(markOf(a, front) !== "·") - Number(markOf(b, front) !== "·") ||
      Number(a.mark !== undefined) - Number(b.mark !== undefined),
  );
  for (const each of order) {
    const row = cells[Math.round(y(each.falseActions))];
    if (row !== undefined) row[Math.round(x(each.leftMs))] = markOf(each, front);
  }
  const label = (row: number) => (row === 0 ? String(mostY) : row === HEIGHT - 1 ? "0" : "").padStart(6);
  const lines = cells.map((row, index) => `${label(index)} |${row.join("")}`.trimEnd());
  const ends = `0 s${`${Math.round(mostX / 1000)} s`.padStart(WIDTH - 3)}`;
  return [
    "actions on what recovered alone",
    ...lines,
    `${"".padStart(6)} +${"-".repeat(WIDTH)}`,
    `${"".padStart(8)}${ends}`,
    "mean time that an outage was left alone".padStart(WIDTH + 8),
  ].join("\n");
}

const SVG = { width: 720, height: 440, left: 60, right: 20, top: 48, bottom: 56 } as const;
const TICKS = 5;

/** The same as a picture that needs nothing beside it: https://www.w3.org/TR/SVG2/ */
export function plotSvg(all: readonly Scored[], front: readonly Scored[], say: (each: Scored) => string): string {
  const { width, height, left, right, top, bottom } = SVG;
  const scale = scaleOf(all, width - left - right, height - top - bottom);
  const at = (each: Scored) => ({ x: left + scale.x(each.leftMs), y: top + scale.y(each.falseActions) });
  const line = front
    .toSorted((a, b) => a.leftMs - b.leftMs)
    .map((each) => `${round(at(each).x)},${round(at(each).y)}`)
    .join(" ");
  const order = all.toSorted(
    (a, b) =>
      Number(front.includes(a)) - Number(front.includes(b)) ||
      Number(a.mark !== undefined) - Number(b.mark !== undefined),
  );
  const points = order.map((each) => {
    const { x, y } = at(each);
    const colour = each.mark !== undefined ? "#c2410c" : front.includes(each) ? "#1d4ed8" : "#9ca3af";
    const size = each.mark !== undefined || front.includes(each) ? 6 : 3;
    const mark = markOf(each, front);
    const text = mark === "·" ? "" : `<text x="${round(x + 9)}" y="${round(y - 7)}">${mark}</text>`;
    return `<g><title>${escaped(say(each))}</title><circle cx="${round(x)}" cy="${round(y)}" r="${size}" fill="${colour}"/>${text}</g>`;
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${left}" y="26" font-size="16">Delay against false actions, one point a policy</text>`,
    ...ticks(scale),
    `<polyline points="${line}" fill="none" stroke="#1d4ed8" stroke-dasharray="4 4"/>`,
    ...points,
    `<text x="${(left + width - right) / 2}" y="${height - 12}" text-anchor="middle">mean time that an outage was left alone, seconds</text>`,
    `<text x="18" y="${(top + height - bottom) / 2}" text-anchor="middle" transform="rotate(-90 18 ${(top + height - bottom) / 2})">actions on what recovered alone</text>`,
    "</svg>",
  ].join("\n")}\n`;
}

function ticks({ mostX, mostY }: Scale): string[] {
  const { width, height, left, right, top, bottom } = SVG;
  const [w, h] = [width - left - right, height - top - bottom];
  const steps = Math.min(TICKS, mostY);
  const upwards = Array.from({ length: steps + 1 }, (_, index) => {
    const value = Math.round((mostY * index) / steps);
    const y = round(top + h - (value / mostY) * h);
    return `<line x1="${left}" y1="${y}" x2="${left + w}" y2="${y}" stroke="#e5e7eb"/><text x="${left - 8}" y="${y + 4}" text-anchor="end">${value}</text>`;
  });
  const along = Array.from({ length: TICKS + 1 }, (_, index) => {
    const x = round(left + (w * index) / TICKS);
    return `<line x1="${x}" y1="${top}" x2="${x}" y2="${top + h}" stroke="#e5e7eb"/><text x="${x}" y="${top + h + 20}" text-anchor="middle">${Math.round((mostX * index) / TICKS / 1000)}</text>`;
  });
  return [...upwards, ...along];
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
