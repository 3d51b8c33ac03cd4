import type { IllKind, Remedy } from "@neuropilot/config";
import { cooldownAfterClaim } from "./attempt.ts";
import { gravity, isIll, isWellFor } from "./health.ts";
import type { Attempt, Incident, TargetItem, WouldHave } from "./item.ts";
import { isCallable, remediesOn, usedRung } from "./ladder.ts";
import { type Draft, lookAt, type Policy, type Scene } from "./scene.ts";

/**
 * What observe would have done, as far as that can be known: a ladder, cooldowns and a time to judge as for real attempts, with
 * what the service did by itself in the place of what a remedy would have done to it.
 */

/** From the call until a real attempt would be judged, without the vendor's own work: milliseconds. */
export function shadowTakesMs({ config, target }: Policy, remedy: Remedy): number {
  const { warmUpMs, verifyMs } = target.remedies[remedy];
  return warmUpMs + verifyMs + config.healing.clockSkewMs;
}

/** The same for the first remedy on the ladder of a kind; undefined where there is none. */
export function ladderTakesMs(policy: Policy, kind: IllKind): number | undefined {
  const first = remediesOn(policy.target, kind).find(isCallable);
  return first === undefined ? undefined : shadowTakesMs(policy, first);
}

/** The incident as its ladder would see it, had everything been called that would have been. */
export function asIfCalled(incident: Incident): Incident {
  const attempts = incident.wouldHave.map((would, index): Attempt => {
    const { remedy, at } = would;
    const id = `shadow_${index}`;
    const site = siteOf(would, incident);
    const kind = would.kind ?? incident.kind;
    return { id, remedy, site, kind, state: "no-effect", token: 0, at, because: "", mayHaveCalled: true, step: 0 };
  });
  return { ...incident, attempts: [...incident.attempts, ...attempts] };
}

/** What stands against a next one, as for real attempts: one that is not judged yet, a cooldown, one that was followed by worse. */
export function shadowRefusal(item: TargetItem, remedy: Remedy, now: number): string | undefined {
  const all = item.incident?.wouldHave ?? [];
  if (all.some(isOpen)) return "an earlier one would still be judged";
  if (all.some(({ score }) => score === "worse")) return "it got worse after the last one: a person would be called";
  const held = item.shadowCooldowns?.[remedy];
  return held !== undefined && now <= held.until ? `${remedy} would cool down` : undefined;
}

/** Whether as many would have been called within the rolling window as the target's budget allows. */
export function shadowBudgetIsSpent(item: TargetItem, { target }: Policy, now: number): boolean {
  return recentOf(item, target.budget.perMs, now).length >= target.budget.max;
}

function recentOf({ shadowCalls = [] }: TargetItem, perMs: number, now: number): readonly number[] {
  return shadowCalls.filter((at) => at > now - perMs);
}

function siteOf({ site }: WouldHave, incident: Incident): string {
  return site ?? incident.site;
}

function isOpen({ score }: WouldHave): boolean {
  return score === undefined;
}

/** Writes down that it would have been called now, and takes its cooldown. */
export function withShadow(item: TargetItem, policy: Policy, remedy: Remedy, now: number): TargetItem {
  const { incident } = item;
  if (incident === undefined) return item;
  const previous = item.shadowCooldowns?.[remedy];
  const healthyMs = incident.openedAt - Math.max(previous?.lastClaimAt ?? 0, item.wellSince ?? 0);
  const taken = cooldownAfterClaim(policy.config, policy.target.remedies[remedy], previous, healthyMs, now);
  const would: WouldHave = { remedy, at: now, site: incident.site, kind: incident.kind };
  return {
    ...item,
    shadowCooldowns: { ...item.shadowCooldowns, [remedy]: taken },
    shadowCalls: [...recentOf(item, policy.target.budget.perMs, now), now],
    incident: { ...incident, wouldHave: [...incident.wouldHave, would] },
  };
}

/** Judges the open one when its time is over, by what the service did meanwhile, if nothing was called in between. */
export function scoreShadow(draft: Draft, scene: Scene): void {
  const { policy, now } = scene;
  const { incident } = draft.item;
  const open = incident?.wouldHave.find(isOpen);
  if (incident === undefined || open === undefined) return;
  // The incident may have moved on to another site.
  const { health } = lookAt(scene, siteOf(open, incident));
  const { verifyMs } = policy.target.remedies[open.remedy];
  const over = open.at + shadowTakesMs(policy, open.remedy);
  if (now < over) return;
  if (calledSince(incident, open.at)) {
    score(draft, "unknown", now);
    return;
  }
  const kind = open.kind ?? incident.kind;
  if (isIll(health.state) && !isWellFor(kind, health.state))
    score(draft, gravity(health.state) > gravity(kind) ? "worse" : "still-ill", now);
  // As with real ones: what reads as neither well nor ill is waited for once more.
  else if (health.state === "inconclusive" || now >= over + verifyMs) score(draft, "unknown", now);
}

/** The incident ends: what is open at its site recovered alone, unless something was called or nobody can say how it ended. */
export function scoreAtEnd(incident: Incident, now: number, recovered: boolean): Incident {
  const wouldHave = incident.wouldHave.map((would): WouldHave => {
    if (!isOpen(would)) return would;
    const alone = recovered && siteOf(would, incident) === incident.site && !calledSince(incident, would.at);
    return { ...would, score: alone ? "recovered" : "unknown", scoredAt: now };
  });
  return { ...incident, wouldHave };
}

/** The mode was changed meanwhile: what came then shows nothing about doing nothing. */
function calledSince({ attempts }: Incident, at: number): boolean {
  return attempts.some((attempt) => attempt.mayHaveCalled && (attempt.callStartedAt ?? attempt.at) >= at);
}

/**
 * What an incident that is over shows of its kind left alone for `takesMs`: how often it was, and how often it was well again
 * by then. A call that came earlier leaves it open.
 */
export function leftAlone(
  { wouldHave, attempts, openedAt, endedAt }: Incident,
  takesMs: number,
): { readonly left: number; readonly soon: number } {
  if (wouldHave.length > 0) {
    const known = wouldHave.filter(({ score }) => score !== undefined && score !== "unknown");
    return { left: known.length, soon: known.filter(({ score }) => score === "recovered").length };
  }
  if (endedAt === undefined) return { left: 0, soon: 0 };
  const called = attempts.find(usedRung);
  const until = called === undefined ? endedAt : (called.callStartedAt ?? called.at);
  if (until - openedAt > takesMs) return { left: 1, soon: 0 };
  return called === undefined ? { left: 1, soon: 1 } : { left: 0, soon: 0 };
}

function score(draft: Draft, result: NonNullable<WouldHave["score"]>, now: number): void {
  const { incident } = draft.item;
  if (incident === undefined) return;
  const wouldHave = incident.wouldHave.map((would) =>
    isOpen(would) ? { ...would, score: result, scoredAt: now } : would,
  );
  draft.item = { ...draft.item, incident: { ...incident, wouldHave } };
  draft.because.push(`would-have: ${result} without it`);
}
