import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkBars, type Verdict } from "./bars.ts";
import { type Effort, measure, type Row } from "./compared.ts";
import { plot } from "./plot.ts";
import { tables, withFigures } from "./table.ts";

const USAGE = `Usage: npm run bench:detection -- [flags]

How often each rule acts on a service that is well, and how long it takes to act on one that is not: the product's own code, beside
rules as they are written by hand, on the same noise and the same outages. docs/detection.md says what is measured.

  --years <n>   years of health for each kind of noise (100)
  --runs <n>    outages of each kind (300)
  --seed <n>    which ones (1)
  --quick       few of both, to see that it runs
  --write       puts the tables and the plot into docs/
  --help        this

Example: npm run bench:detection -- --years 20 --runs 100
Exit code: 0 all bars hold, 1 a bar is missed, 2 the flags are wrong.`;

const EXIT = { ok: 0, missed: 1, usage: 2 } as const;
const QUICK = { years: 0.2, runs: 4, bars: { years: 10, runs: 20 } } as const;
const DOCS = join(import.meta.dirname, "../../../docs");

/** The command line is wrong; the message names the flag, what it got and what it wants. */
class WrongFlags extends Error {
  override readonly name = "WrongFlags";
}

interface Asked extends Effort {
  readonly help: boolean;
  readonly write: boolean;
  readonly bars: Effort;
}

function readFlags(args: readonly string[]): Asked {
  const { values } = parsed(args);
  const seed = whole("--seed", values.seed ?? "1", 0, 2 ** 32 - 1);
  const rest = { seed, help: values.help === true, write: values.write === true };
  if (values.quick === true) {
    if (values.years !== undefined || values.runs !== undefined || rest.write)
      throw new WrongFlags(
        "--quick has its own years and runs, too few to be written: leave out --years, --runs and --write",
      );
    return { ...rest, ...QUICK, bars: { ...QUICK.bars, seed } };
  }
  const years = whole("--years", values.years ?? "100", 1, 100_000);
  const runs = whole("--runs", values.runs ?? "300", 1, 1_000_000);
  // The rate is far below its bar: it takes many years to see one.
  return { ...rest, years, runs, bars: { years: years * 5, runs, seed } };
}

function parsed(args: readonly string[]) {
  const flag = { type: "string" } as const;
  const toggle = { type: "boolean" } as const;
  const options = { years: flag, runs: flag, seed: flag, quick: toggle, write: toggle, help: toggle };
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false });
  } catch (error) {
    const why = error instanceof Error ? (error.message.split(". ")[0] ?? "") : String(error);
    const known = Object.keys(options).map((name) => `--${name}`);
    throw new WrongFlags(`${why}. There are: ${known.join(", ")}`);
  }
}

function whole(flag: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new WrongFlags(`${flag} wants a whole number from ${least} to ${most}; got "${text}"`);
}

/** Does what the command line asks for, and answers the exit code. Throws `WrongFlags`. */
export async function bench(
  args: readonly string[],
  out: (text: string) => void,
  progress: (text: string) => void = () => undefined,
): Promise<number> {
  const asked = readFlags(args);
  if (asked.help) {
    out(USAGE);
    return EXIT.ok;
  }
  const rows = await measure(asked, progress);
  progress("the bars ...");
  const verdict = await checkBars(asked.bars);
  out(`${tables(rows)}\n\n${verdict.said.join("\n")}`);
  if (asked.write) writeDocs(rows, asked, verdict);
  for (const bar of verdict.broken) out(`NOT held: ${bar}`);
  if (verdict.broken.length > 0) return EXIT.missed;
  out("all bars held");
  return EXIT.ok;
}

function writeDocs(rows: readonly Row[], { seed, years, runs }: Effort, { said }: Verdict): void {
  const path = join(DOCS, "detection.md");
  const how = `Seed ${seed}, ${years} years of each noise (a twentieth of them for 1 %), ${runs} outages of each kind.`;
  const bars = `### The bars\n\n${said.map((line) => `- ${line}`).join("\n")}`;
  writeFileSync(path, withFigures(readFileSync(path, "utf8"), [how, tables(rows), bars].join("\n\n")));
  writeFileSync(join(DOCS, "detection.svg"), plot(rows));
}

if (import.meta.main) {
  const progress = (text: string) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${text.padEnd(60)}\r`);
  };
  try {
    process.exitCode = await bench(process.argv.slice(2), console.log, progress);
  } catch (error) {
    if (!(error instanceof WrongFlags)) throw error;
    console.error(error.message);
    process.exitCode = EXIT.usage;
  }
}
