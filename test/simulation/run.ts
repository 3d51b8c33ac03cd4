import type { Caught } from "./run-ablation.ts";
import { type Asked, readFlags, USAGE, WrongFlags } from "./run-options.ts";
import { onThreads } from "./run-pool.ts";
import { ablationTable, commandOf, summaryOf } from "./run-report.ts";
import { add, emptyTally, type RunSpec, silentClasses, type Tally } from "./run-seeds.ts";
import { type Shrunk, shrink } from "./shrink.ts";
import { storyOf } from "./story.ts";
import type { Job } from "./worker.ts";

/** `npm run simulate`: see docs/simulation.md. */

const EXIT = { ok: 0, broken: 1, usage: 2 } as const;
type Exit = (typeof EXIT)[keyof typeof EXIT];

/** Seeds that a thread takes at once. */
const AT_ONCE = 20;
/** So many broken properties are shrunk, each on one seed. */
const MOST_SHRUNK = 3;

interface Output {
  readonly out: (text: string) => void;
  /** Shown while it lasts, on a terminal only. */
  readonly progress: (text: string) => void;
}

/** Does what the command line asks for, and answers the exit code. */
export async function simulate(args: readonly string[], output: Output): Promise<Exit> {
  const asked = readFlags(args);
  switch (asked.kind) {
    case "help":
      output.out(USAGE);
      return EXIT.ok;
    case "seeds":
      return manySeeds(asked, output);
    case "seed":
      return oneSeed(asked, output);
    case "ablations":
      return everyAblation(asked, output);
  }
}

async function manySeeds(asked: Asked, output: Output): Promise<Exit> {
  const { spec, jobs } = asked;
  const began = performance.now();
  const tally = emptyTally();
  const seconds = () => (performance.now() - began) / 1_000;
  await onThreads(jobs, jobsOf(asked), (answer) => {
    if (answer.kind !== "seeds") return;
    for (const result of answer.results) add(tally, result);
    output.progress(
      `${tally.seeds} of ${asked.seeds} seeds, ${(tally.seeds / seconds()).toFixed(0)}/s, ${tally.broken.length} broken`,
    );
  });
  tally.broken.sort((a, b) => a.seed - b.seed);
  const took = seconds();
  const shrunk = asked.shrink ? await shrinkSome(tally, spec, output) : [];
  const silent = silentClasses(tally, spec);
  if (asked.json) output.out(JSON.stringify({ ...tally, seconds: took, jobs, silent, shrunk: shrunk.map(jsonOf) }));
  else output.out([summaryOf(tally, spec, took, jobs), ...(await Promise.all(shrunk.map(shrunkText)))].join("\n"));
  return tally.broken.length > 0 || silent.length > 0 ? EXIT.broken : EXIT.ok;
}

function* jobsOf({ from, seeds, spec }: Asked): Generator<Job> {
  for (let next = from; next < from + seeds; next += AT_ONCE)
    yield { kind: "seeds", from: next, seeds: Math.min(AT_ONCE, from + seeds - next), spec };
}

/** One seed for each property that was broken. */
async function shrinkSome(tally: Tally, spec: Omit<RunSpec, "seed">, output: Output): Promise<readonly Shrunk[]> {
  const seeds = new Map<string, number>();
  for (const { seed, violations } of tally.broken)
    for (const { property } of violations) if (!seeds.has(property)) seeds.set(property, seed);
  const found: Shrunk[] = [];
  for (const [property, seed] of [...seeds].slice(0, MOST_SHRUNK)) {
    output.progress(`shrinking seed ${seed}, which broke ${property}`);
    const shrunk = await shrink({ ...spec, seed }, property);
    if (shrunk !== undefined) found.push(shrunk);
  }
  return found;
}

function jsonOf({ spec, property, text, from, runs }: Shrunk) {
  return { ...spec, property, text, hazardsBefore: from, runs, again: commandOf(spec) };
}

async function shrunkText(shrunk: Shrunk): Promise<string> {
  const { spec, property, from, runs } = shrunk;
  return [
    "",
    `Shrunk: ${property} is broken by ${spec.only.length} of ${from} hazards (${runs} runs). Times are since the beginning.`,
    await storyOf(spec, property),
    `again: ${commandOf(spec)}`,
  ].join("\n");
}

async function oneSeed(asked: Asked, output: Output): Promise<Exit> {
  const spec: RunSpec = { ...asked.spec, seed: asked.from };
  const tally = emptyTally();
  await onThreads(1, jobsOf(asked), (answer) => {
    if (answer.kind === "seeds") for (const result of answer.results) add(tally, result);
  });
  const shrunk = asked.shrink && spec.only === undefined ? await shrinkSome(tally, asked.spec, output) : [];
  if (asked.json) output.out(JSON.stringify({ ...tally, shrunk: shrunk.map(jsonOf) }));
  else if (shrunk.length === 0) output.out(await storyOf(spec));
  else for (const one of shrunk) output.out(await shrunkText(one));
  return tally.broken.length > 0 ? EXIT.broken : EXIT.ok;
}

async function everyAblation(asked: Asked, output: Output): Promise<Exit> {
  const { ablations, seeds: most, from } = asked;
  const all: Caught[] = [];
  const jobs = ablations.map((ablation): Job => ({ kind: "ablation", ablation, from, most }));
  await onThreads(Math.min(asked.jobs, jobs.length), jobs, (answer) => {
    if (answer.kind !== "ablation") return;
    all.push(answer.caught);
    output.progress(`${all.length} of ${ablations.length} ablations`);
  });
  all.sort((a, b) => ablations.indexOf(a.ablation) - ablations.indexOf(b.ablation));
  const missed = all.filter(({ property }) => property === undefined);
  const [only] = all;
  const shrunk =
    asked.shrink && all.length === 1 && only?.property !== undefined
      ? await shrink({ seed: only.seed, ablation: only.ablation }, only.property)
      : undefined;
  if (asked.json)
    output.out(JSON.stringify({ ablations: all, ...(shrunk === undefined ? {} : { shrunk: jsonOf(shrunk) }) }));
  else output.out([ablationTable(all), ...(shrunk === undefined ? [] : [await shrunkText(shrunk)])].join("\n"));
  return missed.length > 0 ? EXIT.broken : EXIT.ok;
}

const CLEAR_LINE = "\r\u001b[K";

async function main(): Promise<void> {
  const { stderr } = process;
  // A reader that goes away (`| head`) is no error.
  process.stdout.on("error", () => process.exit());
  const output: Output = {
    out: (text) => {
      if (stderr.isTTY) stderr.write(CLEAR_LINE);
      console.log(text);
    },
    progress: (text) => void (stderr.isTTY && stderr.write(`${CLEAR_LINE}${text}`)),
  };
  try {
    process.exitCode = await simulate(process.argv.slice(2), output);
  } catch (error) {
    if (!(error instanceof WrongFlags)) throw error;
    console.error(`${error.message}\n(--help shows what there is)`);
    process.exitCode = EXIT.usage;
  }
}

if (import.meta.main) await main();
