import type { IllKind, Remedy, TargetConfig } from "@neuropilot/config";
import {
  type Incident,
  judged,
  NO_ENDINGS,
  percent,
  seconds,
  type Tally,
  type TargetItem,
  tallyOf,
  type WouldHave,
  wilson,
} from "@neuropilot/core";

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
  readonly budget: BudgetUse;
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

/** What the target's budget allows in its rolling window, and the most that was ever called within one. */
export interface BudgetUse {
  readonly max: number;
  readonly perMs: number;
  readonly most: number;
}

export interface Effect {
  readonly remedy: Remedy;
  readonly kind: IllKind;
  readonly tally: Tally;
  readonly calls: number;
  /** Tries of which it can be said whether they helped. */
  readonly tries: number;
  readonly low: number;
  readonly high: number;
  /** Times this kind was left alone for as long as an attempt takes, and how often it was well by then. */
  readonly left: number;
  readonly soon: number;
}

/** What observe would have done with one remedy for one kind, and what came without it. */
export interface Shadow {
  readonly remedy: Remedy;
  readonly kind: IllKind;
  readonly times: number;
  readonly incidents: number;
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

/**
 * What speaks for and against a remedy: one case an incident, its first would-be call, because those that follow in the same
 * incident say the same again.
 */
export interface Cases {
  readonly incidents: number;
  readonly recovered: number;
  /** Still ill or worse when a real call would have been judged. */
  readonly needed: number;
  readonly unknown: number;
  /** Incidents that began soon after the one before was over. */
  readonly cameBack: number;
}

/** Fewer cases than this prove nothing. */
const CASES_WANTED = 10;
/** By the upper end of the Wilson interval: more of the outages than this might have ended alone, so a call may be needless. */
const MOST_ALONE = 0.5;
/** An incident that begins so soon after another is the same trouble. */
const SOON_MS = 15 * 60_000;
/** More of the incidents than this coming back is flapping. */
const MOST_CAME_BACK = 0.2;

/** Incidents that were on at any time from `since` on. */
export function inRange(incidents: readonly Incident[], since: number): readonly Incident[] {
  return incidents.filter(({ endedAt }) => endedAt === undefined || endedAt >= since);
}

export function figuresOf(
  item: TargetItem,
  incidents: readonly Incident[],
  { max, perMs }: TargetConfig["budget"],
  since: number,
  now: number,
): TargetFigures {
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
    budget: {
      max,
      perMs,
      most: mostWithin(
        calls.map(({ callStartedAt, at }) => callStartedAt ?? at),
        perMs,
      ),
    },
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

/** The most of these times that lie within a window of this length. */
export function mostWithin(times: readonly number[], perMs: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted.reduce((most, from) => {
    const within = sorted.filter((at) => at >= from && at < from + perMs).length;
    return Math.max(most, within);
  }, 0);
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
    const calls = Object.values(tally).reduce((sum, times) => sum + times, 0);
    const { left, soon } = endings?.[kind] ?? NO_ENDINGS;
    return { remedy, kind, tally, calls, tries, ...wilson(tally.healed, tries), left, soon };
  });
}

/** The keys of `Effects` are made of these two. */
function pairOf(key: string): [Remedy, IllKind] {
  const [remedy, kind] = key.split("/");
  return [remedy, kind] as [Remedy, IllKind];
}

interface Would {
  readonly would: WouldHave;
  readonly incident: string;
}

function shadowOf(incidents: readonly Incident[]): Shadow[] {
  const groups = new Map<string, Would[]>();
  for (const { id, kind, wouldHave } of incidents)
    for (const would of wouldHave) {
      const key = `${would.remedy}/${would.kind ?? kind}`;
      groups.set(key, [...(groups.get(key) ?? []), { would, incident: id }]);
    }
  const cameBack = thatCameBack(incidents);
  return [...groups].map(([key, all]) => {
    const [remedy, kind] = pairOf(key);
    const cases = casesOf(all, cameBack);
    const scores = scoresOf(all.map(({ would }) => would));
    return { remedy, kind, times: all.length, incidents: cases.incidents, ...scores, advice: adviceFor(cases) };
  });
}

function scoresOf(all: readonly WouldHave[]) {
  const scored = (score: WouldHave["score"]) => all.filter((would) => would.score === score);
  const recovered = scored("recovered");
  return {
    recovered: recovered.length,
    recoveredAfter: spreadOf(recovered.flatMap(({ at, scoredAt }) => (scoredAt === undefined ? [] : [scoredAt - at]))),
    stillIll: scored("still-ill").length,
    worse: scored("worse").length,
    unknown: scored("unknown").length,
    notYet: scored(undefined).length,
  };
}

function casesOf(all: readonly Would[], cameBack: ReadonlySet<string>): Cases {
  const firsts = all.filter(({ incident }, index) => all.findIndex((other) => other.incident === incident) === index);
  const { recovered, stillIll, worse, unknown } = scoresOf(firsts.map(({ would }) => would));
  return {
    incidents: firsts.length,
    recovered,
    needed: stillIll + worse,
    unknown,
    cameBack: firsts.filter(({ incident }) => cameBack.has(incident)).length,
  };
}

function thatCameBack(incidents: readonly Incident[]): ReadonlySet<string> {
  const soonAfter = ({ openedAt }: Incident, { endedAt }: Incident) =>
    endedAt !== undefined && openedAt >= endedAt && openedAt - endedAt < SOON_MS;
  return new Set(incidents.filter((one) => incidents.some((other) => soonAfter(one, other))).map(({ id }) => id));
}

/** Whether a remedy has shown enough in observe to be let do it. What nobody saw the end of may have ended alone. */
export function adviceFor({ incidents, recovered, needed, unknown, cameBack }: Cases): Advice {
  const known = recovered + needed;
  const of = known === 1 ? "incident" : "incidents";
  if (known < CASES_WANTED)
    return { kind: "not-yet", why: `${known} ${of} of which the end is known, at least ${CASES_WANTED} are wanted` };
  const { high } = wilson(recovered + unknown, known + unknown);
  const unseen = unknown === 0 ? "" : ` and ${unknown} nobody saw the end of`;
  const alone = `${recovered} of ${known} incidents recovered alone${unseen}, so at most ${percent(high)} do`;
  if (high > MOST_ALONE) return { kind: "not-yet", why: `${alone}: a call may often be needless` };
  if (cameBack > MOST_CAME_BACK * incidents)
    return {
      kind: "not-yet",
      why: `${cameBack} of ${incidents} incidents began within ${seconds(SOON_MS)} after the one before: find out why it comes back first`,
    };
  return { kind: "ready", why: `${alone}: most needed something` };
}
