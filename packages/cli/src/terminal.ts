import { styleText } from "node:util";

/** What the commands write to; tests and `--json` put others in its place. */
export interface Terminal {
  /** Text for people or JSON; control characters in it are taken out, because part of it comes from the services watched. */
  out(text: string): void;
  err(text: string): void;
  /** Colours only on a terminal that has them, and never with NO_COLOR. */
  paint(style: Style, text: string): string;
  readonly now: () => number;
}

export type Style = "good" | "bad" | "warn" | "dim" | "bold" | "info";

const FORMATS = {
  good: "green",
  bad: "red",
  warn: "yellow",
  dim: "gray",
  bold: "bold",
  info: "cyan",
} as const;

/**
 * The process's own terminal. A reader that goes away (`| head`) is no error, and must not end healing; an output that cannot
 * be written (a full disk) is told to `onLost`, once.
 */
export function processTerminal(onLost: (problem: string) => void): Terminal {
  let lost = false;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || lost) return;
    lost = true;
    onLost(`the output cannot be written: ${error.message}`);
  });
  process.stderr.on("error", () => {});
  return {
    out: (text) => void process.stdout.write(`${harmless(text)}\n`),
    err: (text) => void process.stderr.write(`${harmless(text)}\n`),
    paint: (style, text) => styleText(FORMATS[style], text, { stream: process.stdout, validateStream: true }),
    now: Date.now,
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what could take over a terminal.
const CONTROL = /\u001b(?!\[[0-9;]*m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;

/** Keeps line ends, tabs and colours. */
export function harmless(text: string): string {
  return text.replace(CONTROL, "");
}

/** Columns aligned by what one sees: colour codes take no room. The last column is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, width(cell));
    });
  return rows
    .map((row) =>
      row
        .map((cell, index) => (index === row.length - 1 ? cell : cell + " ".repeat((widths[index] ?? 0) - width(cell))))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what a colour code starts with.
const COLOUR = /\u001b\[[0-9;]*m/g;

function width(text: string): number {
  return [...text.replace(COLOUR, "")].length;
}

/** "3 min ago", or "in 2 h" for what is still to come. */
export function relative(at: number, now: number): string {
  const ms = now - at;
  const size = Math.abs(ms);
  const text =
    size < 1_000
      ? "now"
      : size < 90_000
        ? `${Math.round(size / 1_000)} s`
        : size < 5_400_000
          ? `${Math.round(size / 60_000)} min`
          : size < 172_800_000
            ? `${Math.round(size / 3_600_000)} h`
            : `${Math.round(size / 86_400_000)} days`;
  if (text === "now") return text;
  return ms >= 0 ? `${text} ago` : `in ${text}`;
}

/** UTC to the second: `2026-11-25 03:12:40Z`. */
export function exact(at: number): string {
  return new Date(at)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}

/** A relative time with the exact one beside it. */
export function when(at: number, now: number): string {
  return `${relative(at, now)} (${exact(at)})`;
}

/** UTC time of day, `03:12:40`. */
export function clockTime(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

/** Breaks between words, so that a long reason stays readable beside its time. */
export function wrap(text: string, room: number): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of text.split(" ")) {
    if (current !== "" && current.length + 1 + word.length > room) {
      lines.push(current);
      current = word;
    } else current = current === "" ? word : `${current} ${word}`;
  }
  return [...lines, current];
}
