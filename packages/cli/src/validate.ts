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
    const rows = config.targets.flatMap((target) =>
      target.sites.map((site) => [
        `  ${target.id}`,
        site.id,
        `every ${config.intervalMs / 1000} s`,
        `restart ${target.remedies.restart.mode}`,
        `purge-cache ${target.remedies["purge-cache"].mode}`,
      ]),
    );
    terminal.out(
      [
        `${terminal.paint("good", "valid")}  ${path}`,
        ...(rows.length > 0 ? [table(rows)] : []),
        ...notes.map((note) => `  note: ${note}`),
      ].join("\n"),
    );
  }
  return read.ok ? EXIT.ok : EXIT.no;
}
