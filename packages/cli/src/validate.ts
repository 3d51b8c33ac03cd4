import { type Config, MODES } from "@neuropilot/config";
import { explainProblems, readConfigFile } from "./config-file.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { type Terminal, table } from "./terminal.ts";

/** Prints every problem of a config at once, or what it means. `--json`: `{ valid, path, problems, notes }`. */
export async function validate(
  terminal: Terminal,
  options: { config: string; json: boolean; environment: Readonly<Record<string, string | undefined>> },
): Promise<ExitCode> {
  const read = await readConfigFile(options.config, options.environment);
  if (options.json)
    terminal.out(
      JSON.stringify(
        { valid: read.ok, path: read.path, problems: read.ok ? [] : read.problems, notes: read.ok ? read.notes : [] },
        null,
        2,
      ),
    );
  else if (!read.ok) terminal.err(explainProblems(read.path, read.problems));
  else {
    const { config, notes, path } = read;
    terminal.out(
      [
        `${terminal.paint("good", "valid")}  ${path}`,
        ...(config.targets.length === 0 ? [] : [targetsText(config)]),
        ...notes.map((note) => `  note: ${note}`),
      ].join("\n"),
    );
  }
  return read.ok ? EXIT.ok : EXIT.no;
}

const MOST_LISTED = 20;

/** Target by target, or in sum where that would fill the screen. */
function targetsText({ targets, intervalMs }: Config): string {
  const every = `every ${intervalMs / 1000} s`;
  if (targets.length <= MOST_LISTED)
    return table(
      targets.flatMap((target) =>
        target.sites.map((site) => [
          `  ${target.id}`,
          site.id,
          every,
          ...SHOWN.map((remedy) => `${remedy} ${target.remedies[remedy].mode}`),
        ]),
      ),
    );
  const sites = targets.reduce((sum, target) => sum + target.sites.length, 0);
  const modes = SHOWN.map((remedy) => {
    const counts = MODES.map((mode) => ({
      mode,
      count: targets.filter((target) => target.remedies[remedy].mode === mode).length,
    })).filter(({ count }) => count > 0);
    const most = counts.toSorted((a, b) => MODES.indexOf(b.mode) - MODES.indexOf(a.mode));
    return [`  ${remedy}`, most.map(({ mode, count }) => `${count} ${mode}`).join(", ")];
  });
  return [`  ${targets.length} targets at ${sites} sites, ${every}`, table(modes)].join("\n");
}

const SHOWN = ["restart", "purge-cache"] as const;
