import { type Change, plotSvg, plotText, type Scored, type Tuning } from "@neuropilot/backtest";
import { formatDuration } from "@neuropilot/config/define";
import { seconds } from "@neuropilot/core";
import type { Backtest, BacktestCommand } from "./backtest.ts";
import { historyReport, summaryReport } from "./backtest-json.ts";
import { daysOf, historyText, limitsText } from "./backtest-text.ts";
import { type Terminal, table } from "./terminal.ts";

/** Fewer outages than this say more about themselves than about the next one. */
const FEW_OUTAGES = 5;

/** The Pareto front, the present policy beside it, and a plot; or that the history cannot tell. */
export function tuneText(terminal: Terminal, test: Backtest, tuning: Tuning, command: BacktestCommand): string {
  const { all, front, replay, outages } = tuning;
  const lasted = daysOf(replay.history.to - replay.history.from);
  const head = [historyText(terminal, test, replay), ""];
  const present = all.find(({ mark }) => mark !== undefined);
  const changed = front.some(({ changes }) => changes.length > 0);
  if (outages === 0)
    return [
      ...head,
      `0 outages in ${lasted}: nothing to tune. Without one, nothing shows what a slower policy would cost.`,
      `The ${present?.mark ?? "present"} policy acts ${present?.summary.actions ?? 0} times in it, ${present?.falseActions ?? 0} of them on what recovered alone.`,
    ].join("\n");
  return [
    ...head,
    `${all.length} policies tried (seed ${command.seed}); none is better than these in all of the three:`,
    "",
    frontTable(terminal, all, front),
    "",
    plotText(all, front),
    "",
    `P is the present policy${all.some(({ mark }) => mark === "new") ? ", N the new one" : ""}, the numbers are the front's, the dots what was tried besides.`,
    ...(changed ? [`POLICY says what to change in ${test.proposed.name}; all else in it stays.`] : []),
    ...(outages < FEW_OUTAGES
      ? [
          terminal.paint(
            "warn",
            `Only ${outages === 1 ? "1 outage" : `${outages} outages`} in ${lasted}: what fits ${outages === 1 ? "it" : "them"} may not fit the next. Wait for more before you trust it.`,
          ),
        ]
      : []),
    ...(command.svg === undefined ? [] : [`Drawn in ${command.svg}.`]),
    "",
    limitsText(terminal, test),
    "  rules.down.reprobe is not tuned: it changes what is sampled. Remedies count as if in auto.",
  ].join("\n");
}

function frontTable(terminal: Terminal, all: readonly Scored[], front: readonly Scored[]): string {
  const marked = all.filter((each) => each.mark !== undefined && !front.includes(each));
  const row = (each: Scored, name: string) => [
    name,
    String(each.falseActions),
    String(each.missed),
    seconds(each.leftMs),
    String(each.summary.actions),
    changesText(each),
  ];
  const titles = ["", "FALSE", "MISSED", "OUTAGE LEFT", "ACTIONS", "POLICY"].map((title) =>
    terminal.paint("dim", title),
  );
  return table([
    titles,
    ...front.map((each, index) => row(each, each.mark === undefined ? String(index + 1) : letterOf(each))),
    ...marked.map((each) => row(each, letterOf(each))),
  ]);
}

function letterOf({ mark }: Scored): string {
  return mark === "present" ? "P" : "N";
}

function changesText({ changes, mark }: Scored): string {
  if (mark !== undefined) return mark === "present" ? "as it is" : "the new one, as it is";
  return changes.map(changeText).join(", ");
}

/** As one would write it into a config. */
function changeText({ name, unit, value }: Change): string {
  const short = name.replace(/^rules\./, "");
  return `${short} ${valueText(unit, value)}`;
}

function valueText(unit: Change["unit"], value: number): string {
  switch (unit) {
    case "ms":
      return formatDuration(value);
    case "share":
      return `${Math.round(value * 1000) / 10}%`;
    case "count":
      return String(value);
  }
}

export function tuneSvg({ all, front }: Tuning): string {
  return plotSvg(
    all,
    front,
    (each) =>
      `${changesText(each)}: ${each.falseActions} false actions, ${each.missed} missed, outage left alone ${seconds(each.leftMs)}`,
  );
}

/** The stable shape of `backtest --tune --json`. */
export function tuneReport(test: Backtest, { all, front, replay, outages }: Tuning, seed: number) {
  const report = (each: Scored) => ({
    mark: each.mark ?? null,
    onFront: front.includes(each),
    changes: Object.fromEntries(
      each.changes.map(({ name, unit, value }) => [name, unit === "ms" ? formatDuration(value) : value]),
    ),
    falseActions: each.falseActions,
    missed: each.missed,
    outageLeftMs: Math.round(each.leftMs),
    summary: summaryReport(each.summary),
  });
  return {
    ...historyReport(test, replay),
    seed,
    outages,
    tried: all.length,
    front: outages === 0 ? [] : front.map(report),
    marked: all.filter(({ mark }) => mark !== undefined).map(report),
  };
}
