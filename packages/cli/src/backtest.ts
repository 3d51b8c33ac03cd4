import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import {
  atDensity,
  DEFAULT_TAKES_MS,
  type HistorySource,
  type HistorySummary,
  measureDensity,
  type Replay,
  type ReplayOptions,
  replay,
  tune,
} from "@neuropilot/backtest";
import type { Config } from "@neuropilot/config";
import { backtestReport } from "./backtest-json.ts";
import { backtestText } from "./backtest-text.ts";
import { tuneReport, tuneSvg, tuneText } from "./backtest-tune.ts";
import { explainProblems, readConfigFile } from "./config-file.ts";
import { DEFAULT_CONFIG } from "./default-config.ts";
import { CommandFailed, EXIT, type ExitCode } from "./exit-codes.ts";
import { nothingRecorded, readDuration, sinceWhen } from "./history.ts";
import { fileHistory, instanceHistory, textHistory } from "./history-source.ts";
import { checkTarget, configOf, withInstance } from "./open.ts";
import { exact, type Terminal } from "./terminal.ts";

export interface BacktestCommand {
  readonly config: string | undefined;
  readonly against: string | undefined;
  readonly from: string | undefined;
  readonly since: string | undefined;
  readonly target: string | undefined;
  readonly data: string;
  readonly json: boolean;
  readonly tune: boolean;
  readonly svg: string | undefined;
  readonly seed: number;
  readonly aloneWithin: string;
  readonly outage: string;
  readonly restartTakes: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A policy with a name for people. */
export interface NamedPolicy {
  readonly name: string;
  readonly config: Config;
}

export interface Backtest {
  readonly present: NamedPolicy | undefined;
  readonly proposed: NamedPolicy;
  readonly options: ReplayOptions;
  readonly everyMs: number | undefined;
  readonly notes: readonly string[];
}

interface Opened {
  readonly open: () => HistorySource | Promise<HistorySource>;
  /** What the instance ran with, where history is an instance's. */
  readonly instance: NamedPolicy | undefined;
  /** Standard input can be read once only. */
  readonly again: boolean;
}

/** Replays history through another policy beside the present one, or searches for better ones. Writes nothing but `--svg`. */
export async function backtest(terminal: Terminal, command: BacktestCommand): Promise<ExitCode> {
  if (command.svg !== undefined && !command.tune)
    throw new CommandFailed(EXIT.usage, "--svg draws what --tune finds: say --tune as well");
  const options = await readOptions(terminal, command);
  if (command.from === undefined)
    return withInstance(command.data, async (instance) => {
      const config = configOf(instance, command.data);
      const range = { from: options.from ?? 0, to: terminal.now() + 1, target: command.target };
      return run(terminal, command, options, {
        open: () => instanceHistory(instance, config, range),
        instance: { name: `what runs in ${command.data}`, config },
        again: true,
      });
    });
  const open = command.from === "-" ? () => textHistory("stdin", () => process.stdin) : await fileHistory(command.from);
  return run(terminal, command, options, { open, instance: undefined, again: command.from !== "-" });
}

async function readOptions(terminal: Terminal, command: BacktestCommand): Promise<ReplayOptions> {
  const restart = await readDuration("--restart-takes", command.restartTakes);
  return {
    aloneWithinMs: await readDuration("--alone-within", command.aloneWithin),
    outageMs: await readDuration("--outage", command.outage),
    takesMs: { ...DEFAULT_TAKES_MS, restart },
    ...(command.since === undefined ? {} : { from: await sinceWhen(command.since, terminal.now()) }),
    ...(command.target === undefined ? {} : { target: command.target }),
  };
}

async function run(
  terminal: Terminal,
  command: BacktestCommand,
  options: ReplayOptions,
  opened: Opened,
): Promise<ExitCode> {
  const policies = await readPolicies(command, opened.instance);
  const { config } = policies.proposed;
  checkTarget(config, command.target);
  const { everyMs, source } = await measureDensity(await opened.open());
  const at = (policy: NamedPolicy) => ({ ...policy, config: atDensity(policy.config, everyMs) });
  const test: Backtest = {
    present: policies.present === undefined ? undefined : at(policies.present),
    proposed: at(policies.proposed),
    options,
    everyMs,
    notes: notesOf(policies, everyMs),
  };
  return command.tune
    ? search(terminal, command, test, { ...opened, open: once(source, opened.open) })
    : compare(terminal, command, test, source);
}

/** The first time the history whose beginning has been read already, then the same from its start. */
function once(first: HistorySource, open: Opened["open"]): Opened["open"] {
  let used = false;
  return () => {
    if (used) return open();
    used = true;
    return first;
  };
}

async function compare(
  terminal: Terminal,
  command: BacktestCommand,
  test: Backtest,
  source: HistorySource,
): Promise<ExitCode> {
  const policies = [...(test.present === undefined ? [] : [test.present]), test.proposed];
  const result = await replay(
    source,
    policies.map(({ config }) => config),
    { ...test.options, progress: progressOf("replaying") },
  );
  clearProgress();
  const done = checked(terminal, command, test, result);
  const noted = withNotes(test, done.history);
  terminal.out(
    command.json ? JSON.stringify(backtestReport(noted, done), null, 2) : backtestText(terminal, noted, done),
  );
  return EXIT.ok;
}

const PER_PASS = 90;

async function search(
  terminal: Terminal,
  command: BacktestCommand,
  test: Backtest,
  { open, again }: Opened,
): Promise<ExitCode> {
  const { proposed } = test;
  const present = test.present ?? proposed;
  let pass = "";
  const result = await tune(open, present.config, proposed.config, {
    ...test.options,
    seed: command.seed,
    perPass: PER_PASS,
    passes: again ? 2 : 1,
    onPass: (number, count) => {
      pass = `pass ${number}: ${count} policies`;
    },
    progress: (at, samples) => progressOf(pass)(at, samples),
  });
  clearProgress();
  if (!result.ok) throw new CommandFailed(EXIT.failed, result.problem);
  const { tuning } = result;
  checked(terminal, command, test, { ok: true, replay: tuning.replay });
  const noted = withNotes(test, tuning.replay.history);
  if (command.svg !== undefined) await writeSvg(command.svg, tuneSvg(tuning));
  terminal.out(
    command.json
      ? JSON.stringify(tuneReport(noted, tuning, command.seed), null, 2)
      : tuneText(terminal, noted, tuning, command),
  );
  return EXIT.ok;
}

async function writeSvg(path: string, svg: string): Promise<void> {
  try {
    await writeFile(path, svg);
  } catch (error) {
    throw new CommandFailed(EXIT.failed, `--svg: ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface Policies {
  readonly present: NamedPolicy | undefined;
  readonly proposed: NamedPolicy;
}

/**
 * The new policy is what `--config` names; the present one what `--against` names, or what the instance ran with, or, for a
 * history from a file, the config of this folder.
 */
async function readPolicies(command: BacktestCommand, instance: NamedPolicy | undefined): Promise<Policies> {
  const { config, against, environment } = command;
  const own = existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined;
  const file = config ?? (instance === undefined || own !== undefined ? own : undefined);
  const proposed = file === undefined ? instance : await readPolicy(file, environment);
  if (proposed === undefined)
    throw new CommandFailed(EXIT.usage, `name the policy to try: --config new.ts, or have a ${DEFAULT_CONFIG} here`);
  if (against !== undefined) return { proposed, present: await readPolicy(against, environment) };
  if (instance !== undefined) return { proposed, present: instance === proposed ? undefined : instance };
  const other = own !== undefined && file !== undefined && resolve(own) !== resolve(file);
  return { proposed, present: other ? await readPolicy(own, environment) : undefined };
}

async function readPolicy(file: string, environment: BacktestCommand["environment"]): Promise<NamedPolicy> {
  const read = await readConfigFile(file, environment);
  if (read.ok) return { name: basename(file), config: read.config };
  throw new CommandFailed(EXIT.no, explainProblems(read.path, read.problems));
}

/** Refuses a history that says nothing about the policies. */
function checked(
  terminal: Terminal,
  command: BacktestCommand,
  test: Backtest,
  result: { readonly ok: true; readonly replay: Replay } | { readonly ok: false; readonly problem: string },
): Replay {
  if (!result.ok) throw new CommandFailed(EXIT.failed, `${result.problem}\nNothing was changed.`);
  const { history } = result.replay;
  for (const problem of history.leftOut) terminal.err(problem);
  if (history.leftOutCount > history.leftOut.length)
    terminal.err(`and ${history.leftOutCount - history.leftOut.length} more that cannot be read`);
  const common = test.proposed.config.targets.some(({ id }) => (history.targets[id] ?? 0) > 0);
  if (history.samples > 0 && common) return result.replay;
  throw new CommandFailed(EXIT.failed, whyNothing(command, test, history));
}

function whyNothing(
  command: BacktestCommand,
  test: Backtest,
  { targets: known, strangers, outside, leftOutCount }: HistorySummary,
): string {
  const seen = [...Object.keys(known), ...Object.keys(strangers)];
  const { targets, vantages } = test.proposed.config;
  if (seen.length > 0)
    return (
      `the history is of ${list(seen)}; ${test.proposed.name} has ${list(targets.map(({ id }) => id))}, watched from ${list(vantages)}: ` +
      "nothing in common. Give its targets, sites and vantages the names that the history has"
    );
  if (command.from === undefined) return nothingRecorded(command.since, test.proposed.config.history.keepMs);
  if (outside > 0 && command.since !== undefined)
    return `${command.from} has ${outside} samples, all from before ${exact(test.options.from ?? 0)}: take a longer --since, or leave it out`;
  const about = command.target === undefined ? "" : ` of ${command.target}`;
  return `${command.from} has no sample${about}${leftOutCount > 0 ? " that can be read" : ""}: there is nothing to replay`;
}

/** What one of the policies has no eye for, though the history shows it, and the other way round. */
function withNotes(test: Backtest, { targets, vantages }: HistorySummary): Backtest {
  const both = [...(test.present === undefined ? [] : [test.present]), test.proposed];
  const notes = both.flatMap(({ name, config }) => {
    const lacks = Object.keys(targets).filter((id) => !config.targets.some((target) => target.id === id));
    const silent = config.vantages.filter((vantage) => !vantages.includes(vantage));
    return [
      ...(lacks.length === 0 ? [] : [`${name} has no ${list(lacks)}: nothing comes of what happened there`]),
      ...(silent.length === 0 ? [] : [`${name} watches from ${list(silent)} as well, which is silent in this history`]),
    ];
  });
  return { ...test, notes: [...test.notes, ...notes] };
}

const MOST_NAMED = 6;

function list(names: readonly string[]): string {
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : "";
  return `${names.slice(0, MOST_NAMED).join(", ")}${more}`;
}

function notesOf({ present, proposed }: Policies, everyMs: number | undefined): string[] {
  const both = [proposed, ...(present === undefined ? [] : [present])];
  return both.flatMap(({ name, config }) =>
    everyMs === undefined || atDensity(config, everyMs) === config
      ? []
      : [
          `${name} looks every ${config.intervalMs / 1000} s, the history only every ${Math.round(everyMs / 1000)} s: replayed at the history's pace`,
        ],
  );
}

/** On a terminal only, on one line that the result takes the place of. */
function progressOf(what: string): (at: number, samples: number) => void {
  return (at, samples) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${what}, ${samples} samples, at ${exact(at)} `);
  };
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${" ".repeat(78)}\r`);
}
