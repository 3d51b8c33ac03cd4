/**
 * The gate: `npm run check`, and what continuous integration runs. Every step runs even after one failed, so that one
 * run shows all there is to mend. Words after `--` choose steps: `npm run check -- types`.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

interface Step {
  readonly name: string;
  /** The tool's script, run by the Node that runs this, below the root. */
  readonly script: string;
  readonly args: readonly string[];
}

const root = join(import.meta.dirname, "../..");

/** One TypeScript project per `tsconfig*.json` at the root: SST's types need other settings than ours. */
function typeSteps(): Step[] {
  return readdirSync(root)
    .filter((file) => /^tsconfig(\..+)?\.json$/.test(file))
    .sort((a, b) => b.length - a.length)
    .reverse()
    .map((file) => ({
      name: file === "tsconfig.json" ? "types" : `types of ${file.split(".")[1]}`,
      script: "node_modules/typescript/bin/tsc",
      args: ["-p", file],
    }));
}

const steps: readonly Step[] = [
  {
    name: "format, lint and boundaries",
    script: "node_modules/@biomejs/biome/bin/biome",
    args: ["check", "--max-diagnostics=200", "--error-on-warnings", "."],
  },
  ...typeSteps(),
  {
    name: "dead code",
    script: "node_modules/knip/bin/knip.js",
    args: ["--no-progress", "--no-config-hints"],
  },
];

/** Runs one step, shows what it says, and returns whether it passed. */
function run(step: Step): boolean {
  const start = performance.now();
  const { status, signal, error } = spawnSync(process.execPath, [join(root, step.script), ...step.args], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const passed = status === 0;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const why = error?.message ?? signal ?? `exit ${status}`;
  console.log(`${passed ? "pass" : "FAIL"}  ${step.name}  ${seconds} s${passed ? "" : `  (${why})`}`);
  return passed;
}

const wanted = process.argv.slice(2);
const chosen = steps.filter((step) => wanted.length === 0 || wanted.some((word) => step.name.includes(word)));
if (chosen.length === 0) {
  console.error(`No step is named so. Steps: ${steps.map((step) => step.name).join("; ")}`);
  process.exit(2);
}
const failed = chosen.filter((step) => !run(step));
process.exit(failed.length === 0 ? 0 : 1);
