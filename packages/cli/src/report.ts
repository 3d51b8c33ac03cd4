import { seconds } from "@neuropilot/core";
import type { OpenInstance } from "@neuropilot/local/instance";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { sinceWhen } from "./history.ts";
import { readIncidents } from "./incidents.ts";
import { checkTarget, configOf, withInstance } from "./open.ts";
import {
  type BudgetUse,
  type Effect,
  figuresOf,
  type Shadow,
  type Spread,
  type TargetFigures,
} from "./report-figures.ts";
import { type Terminal, table, wrap } from "./terminal.ts";

const COLUMNS = 108;

export interface ReportOptions {
  readonly data: string;
  readonly json: boolean;
  readonly target: string | undefined;
  readonly since: string;
}

/** What happened to each target, how well each remedy has done, and what observe would have done. */
export async function report(terminal: Terminal, options: ReportOptions): Promise<ExitCode> {
  const since = await sinceWhen(options.since, terminal.now());
  return withInstance(options.data, (instance) => reportOn(terminal, instance, options, since));
}

/** The same of an instance that is open; `since` is epoch milliseconds. */
export async function reportOn(
  terminal: Terminal,
  instance: OpenInstance,
  options: ReportOptions,
  since: number,
): Promise<ExitCode> {
  const now = terminal.now();
  const config = configOf(instance, options.data);
  checkTarget(config, options.target);
  const incidents = await readIncidents(instance, options.data);
  const targets = config.targets.filter(({ id }) => options.target === undefined || id === options.target);
  const figures = await Promise.all(
    targets.map(async ({ id, budget }) => {
      const item = await instance.state.readTarget(id, now);
      const own = incidents.filter(({ target }) => target === id);
      return figuresOf(item, own, budget, since, now);
    }),
  );
  terminal.out(
    options.json
      ? JSON.stringify({ since: new Date(since).toISOString(), targets: figures.map(jsonOf) }, null, 2)
      : figures.map((one) => render(terminal, one, options.since)).join("\n\n"),
  );
  return EXIT.ok;
}

/** The stable shape of `report --json`: fields are added, never changed. Durations in milliseconds, shares from 0 to 1. */
function jsonOf({ effects, shadow, detect, recover, ...rest }: TargetFigures) {
  return {
    ...rest,
    detect: detect ?? null,
    recover: recover ?? null,
    effects: effects.map(({ tally, low, high, ...effect }) => ({ ...effect, ...tally, wilson: { low, high } })),
    shadow: shadow.map((one) => ({ ...one, recoveredAfter: one.recoveredAfter ?? null })),
  };
}

function render(terminal: Terminal, figures: TargetFigures, range: string): string {
  const { target, incidents, effects, shadow } = figures;
  const title = `${terminal.paint("bold", target)}  ${terminal.paint("dim", `last ${range}`)}`;
  return [
    title,
    ...(incidents === 0 ? [`  no incident in the last ${range}`] : indent(table(factsOf(figures)))),
    ...(effects.length === 0
      ? []
      : ["", ...indent(table(effectRows(terminal, effects))), ...legend(terminal), ...smallNumbers(effects)]),
    ...(shadow.length === 0 ? [] : ["", ...shadow.flatMap((one) => shadowLines(terminal, one))]),
  ].join("\n");
}

function indent(text: string): string[] {
  return text.split("\n").map((line) => `  ${line}`);
}

function factsOf(figures: TargetFigures): string[][] {
  const { incidents, byKind, endings, illMs, detect, recover, calls, budget, neededHuman, refusals } = figures;
  return [
    ["incidents", `${incidents}: ${counted(byKind)}; ill for ${seconds(illMs)} in all`],
    ["ended", counted(endings)],
    ...(detect === undefined ? [] : [["seen", spread(detect)]]),
    ...(recover === undefined ? [] : [["over", spread(recover)]]),
    ["calls", Object.keys(calls).length === 0 ? "none" : `${counted(calls)}; ${budgetIn(budget)}`],
    ...(neededHuman === 0 ? [] : [["people", `were called in ${neededHuman} of ${incidents}`]]),
    ...(Object.keys(refusals).length === 0
      ? []
      : [
          [
            "refused",
            `${Object.entries(refusals)
              .map(([guard, times]) => `${guard} in ${times}`)
              .join(", ")} (incidents)`,
          ],
        ]),
  ];
}

function budgetIn({ max, perMs, most }: BudgetUse): string {
  return `at most ${most} within ${seconds(perMs)}, where the budget allows ${max}`;
}

function counted(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, times]) => `${times} ${name}`)
    .join(", ");
}

function spread({ count, mean, worst }: Spread): string {
  return count === 1
    ? `after ${seconds(mean)} from the first bad sample (once)`
    : `after ${seconds(mean)} on average from the first bad sample, ${seconds(worst)} at worst (${count} times)`;
}

function effectRows(terminal: Terminal, effects: readonly Effect[]): string[][] {
  const titles = [
    "REMEDY",
    "WHEN",
    "CALLS",
    "HELPED",
    "95 % INTERVAL",
    "NO EFFECT",
    "WORSE",
    "UNKNOWN",
    "TOO LATE",
    "ALONE",
  ];
  const rows = effects.map(({ remedy, kind, tally, calls, tries, low, high, left, soon }) => [
    remedy,
    kind,
    String(calls),
    `${tally.healed} of ${tries}`,
    tries === 0 ? "nothing known" : `${Math.round(low * 100)} to ${Math.round(high * 100)} %`,
    String(tally["no-effect"]),
    String(tally.worse),
    String(tally.unknown),
    String(tally["self-resolved"]),
    left === 0 ? "not known" : `${soon} of ${left}`,
  ]);
  return [titles.map((text) => terminal.paint("dim", text)), ...rows];
}

function legend(terminal: Terminal): string[] {
  const text =
    "All calls ever. HELPED: of those of which it can be said. ALONE: how often it was well as soon without one.";
  return [`  ${terminal.paint("dim", text)}`];
}

function smallNumbers(effects: readonly Effect[]): string[] {
  const few = effects.filter(({ tries }) => tries > 0 && tries < 5);
  if (few.length === 0) return [];
  return [
    `  Of fewer than five tries little can be said: ${few.map(({ remedy, kind }) => `${remedy} when ${kind}`).join(", ")}.`,
  ];
}

const WOULD: Readonly<Record<Shadow["remedy"], string>> = {
  restart: "restarted it",
  "purge-cache": "purged its cache",
  scale: "scaled it",
  failover: "failed over",
  rollback: "rolled back",
};

function shadowLines(terminal: Terminal, shadow: Shadow): string[] {
  const { remedy, kind, times, incidents, recovered, recoveredAfter, stillIll, worse, unknown, notYet, advice } =
    shadow;
  const parts = [
    recoveredAfter === undefined
      ? `${recovered} recovered alone`
      : `${recovered} recovered alone within ${seconds(recoveredAfter.worst)} (median ${seconds(recoveredAfter.median)})`,
    `${stillIll} ${stillIll === 1 ? "was" : "were"} still ill`,
    ...(worse === 0 ? [] : [`${worse} got worse`]),
    ...(unknown === 0 ? [] : [`${unknown} nobody saw the end of`]),
    ...(notYet === 0 ? [] : [`${notYet} not over yet`]),
  ];
  const text = `would have ${WOULD[remedy]} ${times} ${times === 1 ? "time" : "times"} when ${kind}${
    times === incidents ? "" : ` in ${incidents} ${incidents === 1 ? "incident" : "incidents"}`
  }; ${parts.join(", ")}`;
  const ready = advice.kind === "ready";
  const next = `${remedy} when ${kind}: ${ready ? "ready to leave observe" : "not yet"}: ${advice.why}`;
  return [
    ...wrap(text, COLUMNS - 2).map((line) => `  ${line}`),
    ...wrap(`→ ${next}`, COLUMNS - 4).map((line) => `    ${terminal.paint(ready ? "good" : "warn", line)}`),
  ];
}
