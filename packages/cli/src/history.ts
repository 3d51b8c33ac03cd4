import { once } from "node:events";
import type { Writable } from "node:stream";
import { writeLine } from "@neuropilot/backtest";
import { CommandFailed, EXIT, type ExitCode } from "./exit-codes.ts";
import { instanceHistory } from "./history-source.ts";
import { checkTarget, configOf, withInstance } from "./open.ts";
import type { Terminal } from "./terminal.ts";

/** Writes what was recorded as JSON lines, as fast as they are read and no faster. */
export async function history(
  terminal: Terminal,
  options: {
    readonly data: string;
    readonly since: string | undefined;
    readonly target: string | undefined;
    readonly output: Writable;
  },
): Promise<ExitCode> {
  const now = terminal.now();
  const from = await sinceWhen(options.since, now);
  return withInstance(options.data, async (instance) => {
    const config = configOf(instance, options.data);
    checkTarget(config, options.target);
    const source = await instanceHistory(instance, config, { from, to: now + 1, target: options.target });
    let lines = 0;
    for await (const chunk of source) {
      if (chunk.kind !== "entries") {
        terminal.err(chunk.problem);
        continue;
      }
      if (chunk.entries.length === 0) continue;
      lines += chunk.entries.length;
      if (!(await write(options.output, `${chunk.entries.map(writeLine).join("\n")}\n`))) return EXIT.ok;
    }
    if (lines > 0) return EXIT.ok;
    throw new CommandFailed(EXIT.failed, nothingRecorded(options.since, config.history.keepMs));
  });
}

/** A reader that goes away (`| head`) ends it: answers false. */
async function write(output: Writable, text: string): Promise<boolean> {
  if (output.destroyed) return false;
  if (output.write(text)) return true;
  await Promise.race([once(output, "drain"), once(output, "close"), once(output, "error")]).catch(() => undefined);
  return !output.destroyed;
}

export function nothingRecorded(since: string | undefined, keepMs: number): string {
  if (keepMs === 0)
    return "no history is kept: the config says `history: { keepDays: 0 }`. Set it to a number of days, and run it for a while";
  return since === undefined
    ? "nothing is recorded yet: history is written every few minutes while it runs"
    : `nothing is recorded since ${since} ago (history is written every few minutes while it runs): take a longer time, such as --since 14d, or leave it out for all there is`;
}

/** The start of a range, from a duration as people write it; all there is without one. */
export async function sinceWhen(since: string | undefined, now: number): Promise<number> {
  return since === undefined ? 0 : now - (await readDuration("--since", since));
}

export async function readDuration(flag: string, text: string): Promise<number> {
  const { parseDuration } = await import("@neuropilot/config/define");
  const read = parseDuration(text);
  if (read.ok) return read.value;
  throw new CommandFailed(EXIT.usage, `${flag}: ${text} is no duration. Write it as 30m, 12h or 14d, at most 366d`);
}
