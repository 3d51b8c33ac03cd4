import {
  type Aftermath,
  type Delay,
  type Difference,
  differences,
  type Replay,
  type ReplayedAction,
  type ReplayedIncident,
  type Summary,
  summarise,
  TROUBLES,
  type TroubleKind,
} from "@neuropilot/backtest";
import { seconds } from "@neuropilot/core";
import type { Backtest } from "./backtest.ts";
import { clockTime, exact, type Terminal, table } from "./terminal.ts";

const MOST_DIFFERENCES = 20;
const TROUBLE_NAMES: Readonly<Record<TroubleKind, readonly [one: string, many: string]>> = {
  outage: ["outage", "outages"],
  errors: ["spell of errors", "spells of errors"],
  slowness: ["slow spell", "slow spells"],
};

function counted(count: number, [one, many]: readonly [string, string]): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Both policies side by side, where they differ, and what this cannot know. */
export function backtestText(terminal: Terminal, test: Backtest, done: Replay): string {
  const { present, proposed } = test;
  const policies = [...(present === undefined ? [] : [present]), proposed];
  const summaries = policies.map(({ config }, index) => summarise(done, config, index));
  const titles = present === undefined ? ["new"] : ["present", "new"];
  const head = ["", ...titles.map((title) => terminal.paint("bold", title))];
  const names = ["", ...policies.map(({ name }) => terminal.paint("dim", name))];
  return [
    historyText(terminal, test, done),
    "",
    table([head, names, ...rowsOf(test, summaries)]),
    "",
    ...(present === undefined
      ? ["Only one policy: name another with --against old.ts to see where they differ."]
      : differencesText(terminal, differences(done.policies[0]?.incidents ?? [], done.policies[1]?.incidents ?? []))),
    "",
    limitsText(terminal, test),
  ].join("\n");
}

/** What was replayed, and what is true of it whatever a policy says. */
export function historyText(
  terminal: Terminal,
  { notes, everyMs }: Backtest,
  { history, troubles, calls }: Replay,
): string {
  const targets = Object.keys(history.targets);
  const of = targets.length <= 4 ? targets.join(", ") : `${targets.length} targets`;
  const pace = everyMs === undefined ? "" : `, one every ${seconds(everyMs)}`;
  const counts = TROUBLES.map((kind) =>
    counted(troubles.filter((each) => each.kind === kind).length, TROUBLE_NAMES[kind]),
  );
  const strangers = Object.entries(history.strangers);
  return table(
    [
      ["history", `${exact(history.from)} to ${exact(history.to)} (${daysOf(history.to - history.from)})`],
      ["", `${history.samples} samples of ${of} from ${history.vantages.join(", ")}${pace}`],
      ["truth", `${counts.join(", ")}; ${counted(calls.length, ["call", "calls"])} really made`],
      ...strangers
        .slice(0, 5)
        .map(([key, count]) => ["note", `${count} samples of ${key} are left out: no policy has it`]),
      ...(strangers.length > 5 ? [["note", `and those of ${strangers.length - 5} more`]] : []),
      ...(history.leftOutCount === 0 ? [] : [["note", `${history.leftOutCount} parts of the history cannot be read`]]),
      ...notes.map((note) => ["note", note]),
    ].map(([name = "", text = ""]) => [terminal.paint("dim", name), text]),
  );
}

export function daysOf(ms: number): string {
  const days = ms / 86_400_000;
  return days < 2 ? seconds(ms) : `${Math.round(days)} days`;
}

function rowsOf({ options }: Backtest, summaries: readonly Summary[]): string[][] {
  const row = (name: string, of: (summary: Summary) => string | number) => [
    name,
    ...summaries.map((each) => String(of(each))),
  ];
  const keys = <T>(of: (summary: Summary) => Readonly<Partial<Record<string, T>>>) => [
    ...new Set(summaries.flatMap((summary) => Object.keys(of(summary)))),
  ];
  const within = seconds(options.aloneWithinMs);
  const some = (rows: string[][]) => rows.filter(([, ...cells]) => cells.some((cell) => cell !== "0"));
  return [
    row("incidents", ({ incidents }) => incidents),
    ...keys(({ byKind }) => byKind).map((kind) =>
      row(`  ${kind}`, ({ byKind }) => Object.entries(byKind).find(([key]) => key === kind)?.[1] ?? 0),
    ),
    row("  ended without a real call", ({ endedAlone }) => endedAlone),
    ...some([row("  still open at the end", ({ open }) => open)]),
    row("  a person called", ({ people }) => people),
    row("actions", ({ actions }) => actions),
    ...keys(({ byRemedy }) => byRemedy).map((remedy) =>
      row(`  ${remedy}`, ({ byRemedy }) => Object.entries(byRemedy).find(([key]) => key === remedy)?.[1] ?? 0),
    ),
    ...some([
      row("  only recorded (observe)", ({ byHow }) => byHow["would-have"]),
      row("  only proposed (approve)", ({ byHow }) => byHow.proposed),
    ]),
    row(`  still ill ${within} later`, ({ aftermath }) => aftermath.needed),
    row(`  recovered alone within ${within}`, ({ aftermath }) => aftermath.alone),
    ...some([
      row("  ended by a call really made", ({ aftermath }) => aftermath["real-call"]),
      row("  history ends before", ({ aftermath }) => aftermath.open),
    ]),
    row("first bad sample to first action", ({ delay }) => delayText(delay)),
    row("outage left alone", ({ left }) => delayText(left)),
    ...TROUBLES.flatMap((kind) =>
      summaries.some(({ troubles }) => troubles[kind] > 0)
        ? [
            row(
              `${TROUBLE_NAMES[kind][1]} missed`,
              (summary) => `${summary.missed.filter((each) => each.kind === kind).length} of ${summary.troubles[kind]}`,
            ),
          ]
        : [],
    ),
  ];
}

function delayText(delay: Delay | undefined): string {
  return delay === undefined ? "-" : `mean ${seconds(delay.meanMs)}, worst ${seconds(delay.worstMs)}`;
}

function differencesText(terminal: Terminal, all: readonly Difference[]): string[] {
  if (all.length === 0) return ["Both policies would have done the same, to the second."];
  const more = all.length - MOST_DIFFERENCES;
  return [
    terminal.paint("bold", all.length === 1 ? "1 difference" : `${all.length} differences`),
    ...all
      .slice(0, MOST_DIFFERENCES)
      .map(({ target, at, present, proposed }) =>
        [`${exact(at)}  ${target}`, `  present  ${sideText(present)}`, `  new      ${sideText(proposed)}`].join("\n"),
      ),
    ...(more > 0 ? [`and ${more} more: --json lists them all`] : []),
  ];
}

function sideText(incidents: readonly ReplayedIncident[]): string {
  return incidents.length === 0 ? "no incident" : incidents.map(incidentText).join("\n           ");
}

function incidentText({ kinds, openedAt, endedAt, actions, refusals }: ReplayedIncident): string {
  const lasted = endedAt === undefined ? "still open at the end" : seconds(endedAt - openedAt);
  const shown = actions.slice(0, 4).map(actionText);
  const more = actions.length > 4 ? [`and ${actions.length - 4} more`] : [];
  const none = refusals.length === 0 ? "no action" : `no action (${refusals.join(", ")})`;
  return `${kinds.join(" → ")} at ${clockTime(openedAt)} (${lasted}): ${[...shown, ...more].join("; ") || none}`;
}

function actionText(action: ReplayedAction): string {
  const how = action.how === "called" ? "" : action.how === "would-have" ? "would " : "proposed ";
  return `${how}${action.remedy} ${clockTime(action.at)}${aftermathText(action)}`;
}

function aftermathText({ aftermath, recoveredAt, at }: ReplayedAction): string {
  const texts: Readonly<Record<Aftermath, string>> = {
    alone: ` (alone ${seconds(Math.max(0, (recoveredAt ?? at) - at))} later)`,
    needed: "",
    "real-call": " (a real call ended it)",
    open: " (history ends)",
  };
  return texts[aftermath];
}

/** A replay is no experiment, and says so. */
export function limitsText(terminal: Terminal, { options, everyMs }: Backtest): string {
  const pace = everyMs === undefined ? "as they were taken" : `about one every ${seconds(everyMs)}`;
  return [
    terminal.paint("dim", "What this cannot know"),
    `  The samples are as recorded (${pace}): another policy may have looked more often or less.`,
    `  No call was made: each counts as accepted and over after ${seconds(options.takesMs.restart)} (restart), and what follows is`,
    "  what was recorded. How the service would have answered to it, nobody knows.",
    "  Pauses, people's answers, load tests and vantages' own blindness at the time are not replayed.",
  ].join("\n");
}
