/**
 * `npm run mutate`: changes one thing at a time in packages/core (a comparison, a constant, a branch) and runs the tests on each
 * change. A change that no test notices survives: either a guarantee is untested, or the change is harmless and stands, with the
 * reason, in harmless.json. Fails under 90 % caught, at a survivor that is not listed, and at a listed one that is caught.
 *
 *   npm run mutate -- view.ts health.ts     only these files
 *   npm run mutate -- --concurrency 2       so many mutants at a time (1)
 *   npm run mutate -- --again               only what changed since the last run of these files
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { compare, type Harmless, mutantsIn, type Verdict } from "./survivors.ts";

const HERE = import.meta.dirname;
const SOURCE = join(HERE, "../../packages/core/src");
/** Named like the product's own data, so that neither git nor the linter looks into it. */
const WORK = join(HERE, ".neuropilot");
const COPY = join(WORK, "src");
/** Types, lists of exports and what only tests use. */
const NOT_MUTATED = new Set(["fixture.ts", "index.ts", "outcome.ts"]);
const BAR_PCT = 90;

function install(): void {
  if (existsSync(join(HERE, "node_modules/@stryker-mutator/vitest-runner"))) return;
  console.log("Installing Stryker (once) ...");
  const npm = spawnSync("npm", ["ci", "--loglevel=error"], {
    cwd: HERE,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (npm.status !== 0) throw new Error(`npm ci failed in ${HERE}`);
}

/**
 * A copy, so that the checkout is never seen mutated. Properties run few times there, for they run for every mutant, and do not
 * ask how often their case came up.
 */
function copySource(): void {
  rmSync(COPY, { recursive: true, force: true });
  cpSync(SOURCE, COPY, { recursive: true });
  for (const file of readdirSync(COPY).filter((name) => name.endsWith(".test.ts"))) {
    const text = readFileSync(join(COPY, file), "utf8");
    if (!text.includes("fast-check")) continue;
    const quick = text
      .replaceAll(/numRuns: [\d_]+/g, "numRuns: 8")
      .replaceAll(/\.toBeGreaterThan\(\d{2,}\)/g, ".toBeGreaterThan(-1)");
    writeFileSync(join(COPY, file), quick);
  }
}

function mutable(): readonly string[] {
  return readdirSync(SOURCE)
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !NOT_MUTATED.has(file))
    .sort();
}

function runStryker(files: readonly string[], concurrency: number, again: boolean): void {
  const config = {
    mutate: files.map((file) => `src/${file}`),
    testRunner: "vitest",
    plugins: ["@stryker-mutator/vitest-runner"],
    vitest: { configFile: "vitest.config.ts", pool: "threads", related: false },
    coverageAnalysis: "perTest",
    concurrency,
    timeoutMS: 5_000,
    inPlace: true,
    incremental: again,
    incrementalFile: "incremental.json",
    reporters: ["json", "progress-append-only"],
    jsonReporter: { fileName: "report.json" },
    allowConsoleColors: false,
  };
  writeFileSync(join(WORK, "stryker.json"), JSON.stringify(config, null, 2));
  cpSync(join(HERE, "vitest.config.ts"), join(WORK, "vitest.config.ts"));
  cpSync(join(HERE, "setup.ts"), join(WORK, "setup.ts"));
  const stryker = join(HERE, "node_modules/@stryker-mutator/core/bin/stryker.js");
  const run = spawnSync(process.execPath, [stryker, "run", "stryker.json"], { cwd: WORK, stdio: "inherit" });
  if (run.status !== 0) throw new Error(`Stryker ended with ${run.status ?? run.signal}`);
}

function show({ rows, unlisted, needless, scorePct }: Verdict): void {
  console.log(`\n${"file".padEnd(24)}${"mutants".padStart(8)}${"caught".padStart(8)}${"left".padStart(6)}   %`);
  for (const { file, all, caught } of rows)
    console.log(
      `${file.padEnd(24)}${String(all).padStart(8)}${String(caught).padStart(8)}${String(all - caught).padStart(6)}   ${((100 * caught) / Math.max(1, all)).toFixed(1)}`,
    );
  for (const { file, line, source, mutator, original, replacement } of unlisted)
    console.log(
      `\nsurvived  packages/core/src/${file}:${line}  ${mutator}\n  ${source}\n  ${original} → ${replacement}`,
    );
  for (const { file, source, original, replacement } of needless)
    console.log(`\nlisted as harmless, but caught or gone  ${file}\n  ${source}\n  ${original} → ${replacement}`);
  console.log(
    `\n${scorePct.toFixed(1)} % caught (at least ${BAR_PCT}); ${unlisted.length} survivors not listed, ${needless.length} listed that need not be.`,
  );
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { concurrency: { type: "string", default: "1" }, again: { type: "boolean", default: false } },
});
const known = mutable();
const wanted = positionals.map((name) => basename(name));
const strange = wanted.filter((name) => !known.includes(name));
const concurrency = Number(values.concurrency);
if (strange.length > 0 || !Number.isInteger(concurrency) || concurrency < 1) {
  console.error(
    strange.length > 0
      ? `no such file to mutate: ${strange.join(", ")}. There are: ${known.join(", ")}`
      : `--concurrency must be a whole number of at least 1, not "${values.concurrency}"`,
  );
  process.exit(2);
}
install();
mkdirSync(WORK, { recursive: true });
const started = Date.now();
copySource();
const files = wanted.length > 0 ? wanted : known;
runStryker(files, concurrency, values.again);
const harmless: readonly Harmless[] = JSON.parse(readFileSync(join(HERE, "harmless.json"), "utf8"));
const verdict = compare(mutantsIn(readFileSync(join(WORK, "report.json"), "utf8"), files), harmless, BAR_PCT);
show(verdict);
console.log(`${Math.round((Date.now() - started) / 1000)} s`);
process.exit(verdict.passed ? 0 : 1);
