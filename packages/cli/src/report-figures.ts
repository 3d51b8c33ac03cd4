import type { IllKind, Remedy } from "@neuropilot/config";
import { type Incident, judged, type Tally, type TargetItem, tallyOf, type WouldHave, wilson } from "@neuropilot/core";

/** What happened to one target in a range of time, and how well its remedies have done. Times are milliseconds. */
export interface TargetFigures {
  readonly target: string;
  readonly incidents: number;
  readonly byKind: Readonly<Record<string, number>>;
  /** By `healed by restart`, `recovered alone`, `open` and the like. */
  readonly endings: Readonly<Record<string, number>>;
  readonly illMs: number;
  /** From the first bad sample to the incident. */
  readonly detect: Spread | undefined;
  /** From the first bad sample to the end. */
  readonly recover: Spread | undefined;
  readonly calls: Readonly<Record<string, number>>;
  readonly neededHuman: number;
  /** In how many incidents each guard refused something. */
  readonly refusals: Readonly<Record<string, number>>;
  /** Over all time, not the range: there are never too many cases. */
  readonly effects: readonly Effect[];
  readonly shadow: readonly Shadow[];
}

export interface Spread {
  readonly count: number;
  readonly mean: number;
  readonly median: number;
  readonly worst: number;
}

export interface Effect {
  readonly remedy: Remedy;
  readonly kind: IllKind;
  readonly tally: Tally;
  /** Tries of which it can be said whether they helped. */
  readonly tries: number;
  readonly low: number;
  readonly high: number;
  /** Incidents of this kind that have ended, and how many of them without any call. */
  readonly ended: number;
  readonly alone: number;
}

/** What observe would have done with one remedy for one kind, and what came without it. */
export interface Shadow {
  readonly remedy: Remedy;
  readonly kind: IllKind;
  readonly times: number;
  readonly recovered: number;
  readonly recoveredAfter: Spread | undefined;
  readonly stillIll: number;
  readonly worse: number;
  readonly unknown: number;
  readonly notYet: number;
  readonly advice: Advice;
}

export type Advice =
  | { readonly kind: "ready"; readonly why: string }
  | { readonly kind: "not-yet"; readonly why: string };

/** Fewer cases than this prove nothing. */
const CASES_WANTED = 10;
/** By the upper end of the Wilson interval: more of the outages than this might have ended alone, so a call may be needless. */
const MOST_ALONE = 0.5;

/** Incidents that were on at any time from `since` on. */
export function inRange(incidents: readonly Incident[], since: number): readonly Incident[] {
  return incidents.filter(({ endedAt }) => endedAt === undefined || endedAt >= since);
}

export function figuresOf(item: TargetItem, incidents: readonly Incident[], since: number, now: number): TargetFigures {
  const all = inRange(incidents, since);
  const from = (incident: Incident) => incident.failedAt ?? incident.openedAt;
  const ended = all.flatMap((incident) => (incident.endedAt === undefined ? [] : [incident.endedAt - from(incident)]));
  const known = all.flatMap(({ failedAt, openedAt }) => (failedAt === undefined ? [] : [openedAt - failedAt]));
  const calls = all.flatMap(({ attempts }) => attempts).filter(({ mayHaveCalled }) => mayHaveCalled);
  return {
    target: item.target,
    incidents: all.length,
    byKind: count(all.map(({ kind }) => kind)),
    endings: count(all.map(endingOf)),
    illMs: all.reduce((sum, incident) => sum + (incident.endedAt ?? now) - Math.max(from(incident), since), 0),
    detect: spreadOf(known),
    recover: spreadOf(ended),
    calls: count(calls.map(({ remedy }) => remedy)),
    neededHuman: all.filter(({ needsHuman }) => needsHuman !== undefined).length,
    refusals: count(all.flatMap(guardsThatRefused)),
    effects: effectsOf(item),
    shadow: shadowOf(all),
  };
}

function count(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

function endingOf(incident: Incident): string {
  const { end } = incident;
  if (end === undefined) return "open";
  switch (end) {
    case "healed":
      return `healed by ${incident.attempts.findLast(({ verdict }) => verdict === "healed")?.remedy ?? "a remedy"}`;
    case "recovered":
      return incident.attempts.some(({ mayHaveCalled }) => mayHaveCalled)
        ? "recovered, and no remedy can claim it"
        : "recovered alone";
    case "superseded":
      return "gave way to another";
    case "target-removed":
      return "target removed";
  }
}

/** Each guard once an incident, however often it was asked. */
function guardsThatRefused({ said = [] }: Incident): string[] {
  const guards = said.flatMap((key) => (key.startsWith("asked:") ? [key.split(":")[1] ?? ""] : []));
  return [...new Set(guards)];
}

export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return { count: sorted.length, mean, median, worst: sorted.at(-1) ?? 0 };
}

function effectsOf({ effects, endings }: TargetItem): Effect[] {
  return Object.keys(effects ?? {}).map((key): Effect => {
    const [remedy, kind] = pairOf(key);
    const tally = tallyOf(effects, remedy, kind);
    const tries = judged(tally);
    const { ended, alone } = endings?.[kind] ?? { ended: 0, alone: 0 };
    return { remedy, kind, tally, tries, ...wilson(tally.healed, tries), ended, alone };
  });
}

/** The keys of `Effects` are made of these two. */
function pairOf(key: string): [Remedy, IllKind] {
  const [remedy, kind] = key.split("/");
  return [remedy, kind] as [Remedy, IllKind];
}

function shadowOf(incidents: readonly Incident[]): Shadow[] {
  const groups = new Map<string, WouldHave[]>();
  for (const incident of incidents)
    for (const would of incident.wouldHave) {
      const key = `${would.remedy}/${would.kind ?? incident.kind}`;
      groups.set(key, [...(groups.get(key) ?? []), would]);
    }
  return [...groups].map(([key, all]) => {
    const [remedy, kind] = pairOf(key);
    const scored = (score: WouldHave["score"]) => all.filter((would) => would.score === score);
    const recovered = scored("recovered");
    const after = recovered.flatMap(({ at, scoredAt }) => (scoredAt === undefined ? [] : [scoredAt - at]));
    const figures = {
      remedy,
      kind,
      times: all.length,
      recovered: recovered.length,
      recoveredAfter: spreadOf(after),
      stillIll: scored("still-ill").length,
      worse: scored("worse").length,
      unknown: scored("unknown").length,
      notYet: scored(undefined).length,
    };
    return { ...figures, advice: adviceFor(figures) };
  });
}

/** Whether a remedy has shown enough in observe to be let do it. */
export function adviceFor(figures: Omit<Shadow, "advice" | "recoveredAfter">): Advice {
  const { recovered, stillIll, worse } = figures;
  const cases = recovered + stillIll + worse;
  if (cases < CASES_WANTED)
    return {
      kind: "not-yet",
      why: `${cases} ${cases === 1 ? "case" : "cases"} of which the end is known, at least ${CASES_WANTED} are wanted`,
    };
  const { high } = wilson(recovered, cases);
  const alone = `${recovered} of ${cases} recovered alone, so at most ${Math.round(high * 100)} % do`;
  return high <= MOST_ALONE
    ? { kind: "ready", why: `${alone}: most needed something` }
    : { kind: "not-yet", why: `${alone}: a call may often be needless` };
}
