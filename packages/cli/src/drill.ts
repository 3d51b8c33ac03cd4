import { type DrillResult, runDrill, SCENARIOS, type Scenario } from "@neuropilot/local";
import { CommandFailed, EXIT, type ExitCode } from "./exit-codes.ts";
import { listed, suggestion } from "./nearest.ts";
import { type Terminal, table } from "./terminal.ts";

export interface DrillCommand {
  readonly scenario: string | undefined;
  readonly all: boolean;
  readonly list: boolean;
  readonly json: boolean;
  readonly keep: boolean;
  readonly jobs: number;
  /** How to run this command line again, for the isolated instance. */
  readonly command: readonly [string, ...string[]];
}

/** Runs one scenario or all; `--json` prints one array of results, in the order of the list. */
export async function drill(terminal: Terminal, options: DrillCommand): Promise<ExitCode> {
  if (options.list) {
    terminal.out(
      options.json
        ? JSON.stringify(
            SCENARIOS.map(({ name, expected }) => ({ scenario: name, expected })),
            null,
            2,
          )
        : table(SCENARIOS.map(({ name, expected }) => [name, expected])),
    );
    return EXIT.ok;
  }
  const chosen = choose(options);
  const results = await runAll(
    chosen,
    options,
    (result) => {
      if (!options.json) terminal.out(renderResult(terminal, result));
    },
    (scenario, folder) => terminal.err(`${scenario}: its state and log stay in ${folder}`),
  );
  if (options.json) terminal.out(JSON.stringify(results, null, 2));
  const failed = results.filter((result) => !result.passed);
  if (!options.json && results.length > 1)
    terminal.out(
      failed.length === 0
        ? terminal.paint("good", `All ${results.length} drills passed.`)
        : terminal.paint(
            "bad",
            `${failed.length} of ${results.length} drills failed: ${failed.map((result) => result.scenario).join(", ")}`,
          ),
    );
  return failed.length === 0 ? EXIT.ok : EXIT.no;
}

function choose(options: DrillCommand): readonly Scenario[] {
  if (options.all && options.scenario !== undefined)
    throw new CommandFailed(EXIT.usage, "say either a scenario or --all, not both");
  if (options.all) return SCENARIOS;
  if (options.scenario === undefined)
    throw new CommandFailed(EXIT.usage, "say which scenario, or --all; `neuropilot drill --list` names them");
  const names = SCENARIOS.map((scenario) => scenario.name);
  const one = SCENARIOS.find((scenario) => scenario.name === options.scenario);
  if (one === undefined)
    throw new CommandFailed(
      EXIT.usage,
      `no scenario is called "${options.scenario}"${suggestion(options.scenario, names)}. ${listed(names)}`,
    );
  return [one];
}

async function runAll(
  scenarios: readonly Scenario[],
  options: DrillCommand,
  onResult: (result: DrillResult) => void,
  onFolder: (scenario: string, folder: string) => void,
): Promise<readonly DrillResult[]> {
  const results: DrillResult[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < scenarios.length; index = next++) {
      const scenario = scenarios[index];
      if (scenario === undefined) return;
      const result = await runDrill(scenario, { command: options.command, keep: options.keep, onFolder });
      results[index] = result;
      onResult(result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.jobs, scenarios.length) }, worker));
  return results;
}

function renderResult(terminal: Terminal, result: DrillResult): string {
  const mark = result.passed ? terminal.paint("good", "pass") : terminal.paint("bad", "FAIL");
  const calls = Object.values(result.calls)
    .flatMap((operations) => Object.entries(operations))
    .filter(([operation]) => !operation.startsWith("chat."))
    .map(([operation, count]) => `${operation} ×${count}`);
  const since = (at: string | null) =>
    at === null || result.failedAt === null
      ? undefined
      : `${((Date.parse(at) - Date.parse(result.failedAt)) / 1000).toFixed(1)} s`;
  const times = [
    ["seen", since(result.seenAt)],
    ["called", since(result.calledAt)],
    ["healed", since(result.healedAt)],
  ].flatMap(([what, time]) => (time === undefined ? [] : [`${what} after ${time}`]));
  const facts = [calls.join(", ") || "no call", result.verdict ?? "", ...times].filter((fact) => fact !== "");
  return [
    `${mark}  ${result.scenario.padEnd(24)} ${facts.join(" · ")}`,
    `      ${terminal.paint("dim", result.expected)}`,
    ...result.problems.map((problem) => `      ${terminal.paint("bad", problem)}`),
  ].join("\n");
}
