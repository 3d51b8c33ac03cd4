import {
  type Explained,
  type ExplainedDecision,
  type Incident,
  type Input,
  Retelling,
  seconds,
  type Told,
  withTimeline,
} from "@neuropilot/core";
import type { OpenInstance } from "@neuropilot/local/instance";
import { type CheckedLog, checkLog } from "./audit-log.ts";
import { CommandFailed, EXIT, type ExitCode } from "./exit-codes.ts";
import { type FoundIncident, outcomeOf, readIncidents, readTellings, withTold } from "./incidents.ts";
import { suggestion } from "./nearest.ts";
import { configOf, withInstance } from "./open.ts";
import { clockTime, exact, type Terminal, table, wrap } from "./terminal.ts";

interface Story extends FoundIncident {
  readonly story: readonly Told[];
  readonly log: CheckedLog;
}

const COLUMNS = 108;

/** Tells an incident from its audit log, making every decision again; exits with 1 if one comes out otherwise. */
export async function explain(
  terminal: Terminal,
  options: { readonly data: string; readonly json: boolean; readonly id: string },
): Promise<ExitCode> {
  const told = await withInstance(options.data, (instance) => retell(instance, options.data, options.id));
  terminal.out(options.json ? JSON.stringify(reportOf(told), null, 2) : render(terminal, told));
  const { differs, unreadable } = tally(told.story);
  return differs.length + unreadable.length + told.log.damage.length === 0 ? EXIT.ok : EXIT.no;
}

async function retell(instance: OpenInstance, data: string, id: string): Promise<Story> {
  const config = configOf(instance, data);
  const all = await readIncidents(instance, data);
  const known = all.find((incident) => incident.id === id);
  const found = known === undefined ? await findArchived(instance, id) : await withTold(instance.state, known);
  if (found === undefined) throw unknown(id, all);
  const target = config.targets.find((candidate) => candidate.id === found.incident.target);
  const retelling = new Retelling(found.incident, target === undefined ? undefined : { config, target });
  const story: Explained[] = [];
  const log = await checkLog(instance.state, found.incident.target, (row) => void story.push(...retelling.hear(row)));
  const tellings = await readTellings(instance.state, id);
  return { ...found, story: withTimeline(story, found.incident, tellings), log };
}

/** Also of a target that left the config. */
async function findArchived({ state }: OpenInstance, id: string): Promise<FoundIncident | undefined> {
  const incident = await state.readArchivedIncident(id);
  return incident === undefined ? undefined : { incident, told: [] };
}

function unknown(id: string, all: readonly Incident[]): CommandFailed {
  const ids = all.map((incident) => incident.id);
  const newest = ids.length === 0 ? "; there are none" : `. The newest: ${ids.slice(0, 3).join(", ")}`;
  return new CommandFailed(EXIT.usage, `no incident is called "${id}"${suggestion(id, ids)}${newest}`);
}

function tally(story: readonly Told[]) {
  const decisions = story.filter((entry) => entry.kind === "decision");
  const of = (kind: ExplainedDecision["comparison"]["kind"]) =>
    decisions.filter(({ comparison }) => comparison.kind === kind).map(({ n }) => n);
  const unreadable = story.flatMap((entry) => (entry.kind === "unreadable" ? [entry.n] : []));
  return {
    decisions: decisions.length,
    same: of("same"),
    differs: of("differs"),
    notCompared: of("not-compared"),
    unreadable,
  };
}

function reportOf({ incident, told, story, log }: Story) {
  const { decisions, same, differs, notCompared, unreadable } = tally(story);
  return {
    incident: incident.id,
    target: incident.target,
    decisions,
    same: same.length,
    differs,
    notCompared,
    unreadable,
    auditLog: { whole: log.damage.length === 0, entries: log.end.n },
    told,
    story: story.map((entry) =>
      entry.kind === "unreadable" ? entry : { ...entry, at: new Date(entry.at).toISOString() },
    ),
  };
}

function render(terminal: Terminal, told: Story): string {
  let day = dayOf(told.incident.openedAt);
  const story = told.story.flatMap((entry) => {
    const today = entry.kind === "unreadable" ? day : dayOf(entry.at);
    const turn = today === day ? [] : [terminal.paint("dim", today)];
    day = today;
    return [...turn, ...lines(terminal, entry, told.incident)];
  });
  return [...heading(terminal, told), "", ...story, "", ...ending(terminal, told)].join("\n");
}

function dayOf(at: number): string {
  return exact(at).slice(0, 10);
}

function heading(terminal: Terminal, { incident }: Story): string[] {
  const began = incident.failedAt ?? incident.openedAt;
  const lasted = incident.endedAt === undefined ? "" : ` after ${seconds(incident.endedAt - began)}`;
  const times = [
    ...(incident.failedAt === undefined ? [] : [`failed ${exact(incident.failedAt)}`]),
    `seen ${exact(incident.openedAt)}`,
    ...(incident.endedAt === undefined ? [] : [`ended ${exact(incident.endedAt)}`]),
  ];
  return [
    `${terminal.paint("bold", incident.id)}: ${incident.target} was ${incident.kind} at ${incident.site}: ${outcomeOf(terminal, incident)}${lasted}`,
    terminal.paint("dim", times.join(", ")),
  ];
}

function lines(terminal: Terminal, entry: Told, incident: Incident): string[] {
  switch (entry.kind) {
    case "decision":
      return decisionLines(terminal, entry, incident);
    case "step": {
      const run = entry.run === undefined ? "" : terminal.paint("dim", ` (${entry.run})`);
      return [head(terminal, entry.at, entry.n, `${entry.attempt} is ${terminal.paint("info", entry.state)}${run}`)];
    }
    case "policy":
      return [
        head(
          terminal,
          entry.at,
          entry.n,
          terminal.paint("dim", `the policy from here on: ${entry.digest.slice(0, 12)}`),
        ),
      ];
    case "said":
      return beside(terminal, entry.at, `${entry.what}: ${entry.text}`);
    case "told":
      return beside(terminal, entry.at, `${entry.channel} was told: ${plain(entry.text)}`);
    case "unreadable": {
      const [first = "", ...rest] = wrap(`cannot be read: ${entry.problem}`, COLUMNS - INDENT.length - 2);
      return [
        `${" ".repeat(10)}${numbered(entry.n)} ${terminal.paint("bad", first)}`,
        ...rest.map((line) => `${INDENT}  ${terminal.paint("bad", line)}`),
      ];
    }
  }
}

function numbered(n: number): string {
  return (n === 0 ? "" : `#${n}`).padEnd(5);
}

function head(terminal: Terminal, at: number, n: number, text: string): string {
  return `${terminal.paint("dim", clockTime(at))}  ${numbered(n)} ${text}`;
}

/** What stands in no entry of the log: no number before it. */
function beside(terminal: Terminal, at: number, text: string): string[] {
  const [first = "", ...rest] = wrap(text, COLUMNS - INDENT.length - 2);
  return [head(terminal, at, 0, first), ...rest.map((line) => `${INDENT}  ${line}`)];
}

/** As it read in the channel: https://docs.slack.dev/messaging/formatting-message-text#escaping */
function plain(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

const INDENT = " ".repeat(16);

function decisionLines(terminal: Terminal, entry: ExplainedDecision, incident: Incident): string[] {
  const several = new Set(entry.seen.map(({ site }) => site)).size > 1;
  const seen = entry.seen.map(({ vantage, site, view, why }) => [
    several ? `${vantage} (${site})` : vantage,
    view,
    why,
  ]);
  const reasons = [...entry.because, ...entry.verified.map((text) => `verified: ${text}`)];
  const site = incident.site === entry.site || entry.site === "" ? "" : ` at ${entry.site}`;
  const seenAs = entry.health === undefined ? "" : `: ${terminal.paint("bold", `${entry.health}${site}`)}`;
  return [
    head(terminal, entry.at, entry.n, `${whatFor(entry.input)}${seenAs}`),
    ...(seen.length === 0
      ? []
      : table(seen)
          .split("\n")
          .flatMap((line) => block(line, INDENT, "    "))),
    ...reasons.flatMap((reason) => block(`→ ${reason}`, INDENT, "  ")),
    ...comparisonLines(terminal, entry),
  ];
}

function whatFor(input: Input): string {
  switch (input.kind) {
    case "wake":
      return "woken";
    case "reconcile":
      return "looked by itself";
    case "operator":
      return `${input.by} said ${input.word}`;
  }
}

function comparisonLines(terminal: Terminal, { comparison }: ExplainedDecision): string[] {
  switch (comparison.kind) {
    case "same":
      return [];
    case "differs":
      return block(terminal.paint("bad", `made again it differs: ${comparison.where}`), INDENT, "  ");
    case "not-compared":
      return block(terminal.paint("warn", `not compared byte for byte: ${comparison.why}`), INDENT, "  ");
  }
}

function block(text: string, indent: string, hanging: string): string[] {
  const [first = "", ...rest] = wrap(text, COLUMNS - indent.length - hanging.length);
  return [`${indent}${first}`, ...rest.map((line) => `${indent}${hanging}${line}`)];
}

function ending(terminal: Terminal, { told, story, log }: Story): string[] {
  const { decisions, same, differs, notCompared, unreadable } = tally(story);
  const list = (numbers: readonly number[]) => numbers.map((n) => (n === 0 ? "a stray row" : `#${n}`)).join(", ");
  const made = `${decisions} ${decisions === 1 ? "decision" : "decisions"} made again`;
  const found: string[] = [];
  if (same.length === decisions && decisions > 0)
    found.push(terminal.paint("good", `${made}: ${decisions === 1 ? "" : "all "}the same, byte for byte.`));
  else found.push(`${made}: ${same.length} the same, byte for byte.`);
  if (differs.length > 0) found.push(terminal.paint("bad", `Different: ${list(differs)}.`));
  if (notCompared.length > 0) found.push(terminal.paint("warn", `Not compared byte for byte: ${list(notCompared)}.`));
  if (unreadable.length > 0) found.push(terminal.paint("bad", `Cannot be read: ${list(unreadable)}.`));
  found.push(
    log.damage.length === 0
      ? `The audit log is whole: ${log.end.n} entries.`
      : terminal.paint("bad", `The audit log is broken: \`neuropilot audit verify ${log.target}\` says where.`),
  );
  for (const { channel, upToDate, problem } of told)
    found.push(
      upToDate
        ? `People have been told all of it (${channel}).`
        : `People have not been told all of it yet (${channel}${problem === null ? "" : `: ${problem}`}).`,
    );
  return found;
}
