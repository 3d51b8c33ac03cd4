import type { Config, IllKind, Remedy } from "@neuropilot/config";
import { openMaintenance } from "@neuropilot/core";
import type { Aftermath } from "./recovery.ts";
import type { Replay } from "./replay.ts";
import type { ActionHow, ReplayedIncident } from "./replayed.ts";
import { MINUTE_MS, type Trouble, type TroubleKind } from "./truth.ts";

export interface Delay {
  readonly count: number;
  readonly meanMs: number;
  readonly worstMs: number;
}

/** What one policy made of the history, in numbers. */
export interface Summary {
  readonly incidents: number;
  /** By what they opened as. */
  readonly byKind: Readonly<Partial<Record<IllKind, number>>>;
  /** Ended, and no call was really made meanwhile. */
  readonly endedAlone: number;
  readonly open: number;
  /** A person would have been called. */
  readonly people: number;
  readonly actions: number;
  readonly byRemedy: Readonly<Partial<Record<Remedy, number>>>;
  readonly byHow: Readonly<Record<ActionHow, number>>;
  readonly aftermath: Readonly<Record<Aftermath, number>>;
  /** From the first bad sample to the first action of an incident; undefined where none acted. */
  readonly delay: Delay | undefined;
  /** Troubles of the samples, those within maintenance left out, and those without an incident. */
  readonly troubles: Readonly<Record<TroubleKind, number>>;
  readonly missed: readonly Trouble[];
  /** Outages of the samples: how long they were left alone, from their first bad sample to the first action, or to their end. */
  readonly left: Delay | undefined;
}

/** Sums up what a policy made of the history. `index` is its place among the replay's policies. */
export function summarise(replay: Replay, config: Config, index: number): Summary {
  const incidents = replay.policies[index]?.incidents ?? [];
  const actions = incidents.flatMap((incident) => incident.actions);
  const troubles = replay.troubles.filter((trouble) => concerns(config, trouble, MINUTE_MS));
  return {
    incidents: incidents.length,
    byKind: countBy(incidents, ({ kinds: [kind] }) => kind),
    endedAlone: incidents.filter(({ endedAt, realCall }) => endedAt !== undefined && !realCall).length,
    open: incidents.filter(({ endedAt }) => endedAt === undefined).length,
    people: incidents.filter(({ needsHuman }) => needsHuman).length,
    actions: actions.length,
    byRemedy: countBy(actions, ({ remedy }) => remedy),
    byHow: { called: 0, "would-have": 0, proposed: 0, ...countBy(actions, ({ how }) => how) },
    aftermath: { alone: 0, needed: 0, "real-call": 0, open: 0, ...countBy(actions, ({ aftermath }) => aftermath) },
    delay: delayOf(incidents.flatMap((incident) => delaysIn(incident, replay.troubles))),
    troubles: { outage: 0, errors: 0, slowness: 0, ...countBy(troubles, ({ kind }) => kind) },
    missed: troubles.filter((trouble) => !incidents.some((incident) => notices(incident, trouble))),
    left: delayOf(troubles.filter(({ kind }) => kind === "outage").map((trouble) => leftAlone(incidents, trouble))),
  };
}

function countBy<T, K extends string>(
  all: readonly T[],
  keyOf: (each: T) => K | undefined,
): Partial<Record<K, number>> {
  const counts: Partial<Record<K, number>> = {};
  for (const each of all) {
    const key = keyOf(each);
    if (key !== undefined) counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** Whether a trouble is this policy's: its target and site are in it, and not all of it is maintenance. */
function concerns(config: Config, { target, site, from, to }: Trouble, stepMs: number): boolean {
  const own = config.targets.find(({ id }) => id === target);
  if (own === undefined || !own.sites.some(({ id }) => id === site)) return false;
  for (let at = from; at <= to; at += stepMs) if (openMaintenance(own, at) === undefined) return true;
  return false;
}

/** An incident about this target that was open at some time of the trouble. */
function notices(incident: ReplayedIncident, { target, from, to }: Trouble): boolean {
  return (
    incident.target === target && incident.openedAt <= to && (incident.endedAt ?? Number.POSITIVE_INFINITY) >= from
  );
}

function delaysIn(incident: ReplayedIncident, troubles: readonly Trouble[]): number[] {
  const [first] = incident.actions;
  if (first === undefined) return [];
  const { target, site, openedAt } = incident;
  const trouble = troubles.find(
    (each) => each.target === target && each.site === site && each.from <= openedAt && openedAt <= each.to,
  );
  const began = Math.min(incident.firstBadAt ?? openedAt, trouble?.from ?? openedAt);
  return [first.at - began];
}

function leftAlone(incidents: readonly ReplayedIncident[], trouble: Trouble): number {
  const acted = incidents
    .filter((incident) => notices(incident, trouble))
    .flatMap(({ actions }) => actions.filter(({ at }) => at >= trouble.from && at <= trouble.to).map(({ at }) => at));
  return Math.min(trouble.to, ...acted) - trouble.from;
}

function delayOf(delays: readonly number[]): Delay | undefined {
  if (delays.length === 0) return undefined;
  const sum = delays.reduce((total, delay) => total + delay, 0);
  return { count: delays.length, meanMs: sum / delays.length, worstMs: Math.max(...delays) };
}

/** One moment at which two policies did not do the same. */
export interface Difference {
  readonly target: string;
  readonly at: number;
  readonly present: readonly ReplayedIncident[];
  readonly proposed: readonly ReplayedIncident[];
}

/** Where two policies' incidents differ, in order of time: those that overlap are about the same trouble. */
export function differences(
  present: readonly ReplayedIncident[],
  proposed: readonly ReplayedIncident[],
): readonly Difference[] {
  const all = [
    ...present.map((incident) => ({ incident, side: "present" as const })),
    ...proposed.map((incident) => ({ incident, side: "proposed" as const })),
  ].sort((a, b) => a.incident.openedAt - b.incident.openedAt);
  const open = new Map<string, { until: number; present: ReplayedIncident[]; proposed: ReplayedIncident[] }>();
  const groups: { present: ReplayedIncident[]; proposed: ReplayedIncident[] }[] = [];
  for (const { incident, side } of all) {
    const until = incident.endedAt ?? Number.POSITIVE_INFINITY;
    let group = open.get(incident.target);
    if (group === undefined || incident.openedAt > group.until) {
      group = { until, present: [], proposed: [] };
      groups.push(group);
      open.set(incident.target, group);
    }
    group.until = Math.max(group.until, until);
    group[side].push(incident);
  }
  return groups
    .filter((group) => sameAs(group.present) !== sameAs(group.proposed))
    .map((group) => {
      const [first] = [...group.present, ...group.proposed].sort((a, b) => a.openedAt - b.openedAt);
      return { target: first?.target ?? "", at: first?.firstBadAt ?? first?.openedAt ?? 0, ...group };
    })
    .map(({ target, at, present: before, proposed: after }) => ({ target, at, present: before, proposed: after }));
}

/** All of an incident but its number, which differs as soon as one more came before. */
function sameAs(incidents: readonly ReplayedIncident[]): string {
  return JSON.stringify(incidents.map(({ id: _, why: __, ...rest }) => rest));
}
