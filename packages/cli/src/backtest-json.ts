import {
  differences,
  type Replay,
  type ReplayedAction,
  type ReplayedIncident,
  type Summary,
  summarise,
  type Trouble,
} from "@neuropilot/backtest";
import type { Backtest, NamedPolicy } from "./backtest.ts";

function iso(at: number | undefined): string | null {
  return at === undefined || !Number.isFinite(at) ? null : new Date(at).toISOString();
}

/** The stable shape of `backtest --json`: fields are added, never changed. */
export function backtestReport(test: Backtest, done: Replay) {
  const { present, proposed } = test;
  const index = present === undefined ? 0 : 1;
  const incidents = (at: number) => done.policies[at]?.incidents ?? [];
  return {
    ...historyReport(test, done),
    present: present === undefined ? null : policyReport(present, summarise(done, present.config, 0), incidents(0)),
    new: policyReport(proposed, summarise(done, proposed.config, index), incidents(index)),
    differences:
      present === undefined
        ? []
        : differences(incidents(0), incidents(1)).map((each) => ({
            target: each.target,
            at: iso(each.at),
            present: each.present.map(incidentReport),
            new: each.proposed.map(incidentReport),
          })),
  };
}

/** What was replayed, and what was taken for granted. */
export function historyReport({ options, everyMs, notes }: Backtest, { history, troubles, calls }: Replay) {
  return {
    history: {
      samples: history.samples,
      from: iso(history.from),
      to: iso(history.to),
      everyMs: everyMs ?? null,
      targets: history.targets,
      vantages: history.vantages,
      strangers: history.strangers,
      leftOut: history.leftOutCount,
    },
    assumed: {
      aloneWithinMs: options.aloneWithinMs,
      outageMs: options.outageMs,
      restartTakesMs: options.takesMs.restart,
    },
    truth: troubles.map(troubleReport),
    realCalls: calls.map(({ target, site, remedy, at }) => ({ target, site, remedy, at: iso(at) })),
    notes,
  };
}

function troubleReport({ target, site, kind, from, to }: Trouble) {
  return { target, site, kind, from: iso(from), to: iso(to) };
}

export function summaryReport(summary: Summary) {
  const { delay, left } = summary;
  return {
    incidents: summary.incidents,
    byKind: summary.byKind,
    endedAlone: summary.endedAlone,
    open: summary.open,
    peopleCalled: summary.people,
    actions: summary.actions,
    byRemedy: summary.byRemedy,
    byHow: summary.byHow,
    aftermath: summary.aftermath,
    delayMs: delay === undefined ? null : { count: delay.count, mean: Math.round(delay.meanMs), worst: delay.worstMs },
    troubles: summary.troubles,
    missed: summary.missed.map(troubleReport),
    outageLeftMs: left === undefined ? null : { count: left.count, mean: Math.round(left.meanMs), worst: left.worstMs },
  };
}

function policyReport({ name }: NamedPolicy, summary: Summary, incidents: readonly ReplayedIncident[]) {
  return { policy: name, ...summaryReport(summary), list: incidents.map(incidentReport) };
}

function incidentReport(incident: ReplayedIncident) {
  return {
    target: incident.target,
    site: incident.site,
    kinds: incident.kinds,
    why: incident.why,
    firstBadAt: iso(incident.firstBadAt),
    openedAt: iso(incident.openedAt),
    endedAt: iso(incident.endedAt),
    needsHuman: incident.needsHuman,
    realCall: incident.realCall,
    refusals: incident.refusals,
    actions: incident.actions.map(actionReport),
  };
}

function actionReport({ remedy, site, kind, how, at, verdict, aftermath, recoveredAt }: ReplayedAction) {
  return { remedy, site, kind, how, at: iso(at), aftermath, recoveredAt: iso(recoveredAt), verdict: verdict ?? null };
}
