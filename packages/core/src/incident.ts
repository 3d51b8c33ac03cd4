import type { IllKind } from "@neuropilot/config";
import { dropRequest, endAbandoned } from "./attempt.ts";
import { NO_ENDINGS, withVerdict } from "./effectiveness.ts";
import { isCurable, openMaintenance } from "./guards.ts";
import { gravity, type Health, isIll, isWellFor } from "./health.ts";
import { type Attempt, attemptInFlight, type Incident, type TargetItem, withAttempt } from "./item.ts";
import { usedRung } from "./ladder.ts";
import { type Draft, isNews, lookAt, needHuman, type Policy, type Scene, say } from "./scene.ts";
import { ladderTakesMs, leftAlone, scoreAtEnd } from "./shadow.ts";
import { shorten, withEntry } from "./timeline.ts";
import { hasRecovered } from "./verify.ts";
import { seconds } from "./view.ts";
import { CLOCK_AHEAD_MS, freshMs } from "./window.ts";

/** Keeps the state with its start, and counts healthy observations in a row, each once. */
export function observeHealth(draft: Draft, { policy, health, site, now }: Scene): void {
  const { item } = draft;
  draft.item = { ...item, health: healthAfter(item, policy, health, site, now) };
  const recovery = item.recovery.tick > now + CLOCK_AHEAD_MS ? { ...item.recovery, tick: 0 } : item.recovery;
  if (isWellFor(item.incident?.kind, health.state)) {
    // What is seen during the warm-up is seen on samples from before the remedy, and proves nothing about it.
    if (health.observation <= recovery.tick || now < item.evidenceFrom) return;
    const from = recovery.streak === 0 ? now : recovery.from;
    draft.item = { ...draft.item, recovery: { streak: recovery.streak + 1, tick: health.observation, from } };
  } else if (recovery.streak > 0)
    draft.item = { ...draft.item, recovery: { streak: 0, tick: Math.max(recovery.tick, health.observation), from: 0 } };
}

function healthAfter(
  { health: before, incident }: TargetItem,
  { config, target }: Policy,
  { state, why }: Health,
  site: string,
  now: number,
): TargetItem["health"] {
  const same = before.state === state && before.site === site;
  const fresh = { state, since: now, why: shorten(why), site };
  if (state !== "inconclusive" || incident !== undefined) return same ? before : fresh;
  // Asleep or switched off we were not blind: it has lasted only since somebody looks again. Some looks may be lost.
  const { holdMs } = target.rules.inconclusive;
  const longestGapMs = Math.max(2 * holdMs, freshMs(config) + 2 * config.reconcileMs);
  const looking = before.lookedAt !== undefined && now - before.lookedAt <= longestGapMs;
  return { ...(same && looking ? before : fresh), lookedAt: now };
}

/** Opens an incident, or lets the open one follow where and how the target is ill. Answers the scene at the incident's site. */
export function moveIncident(draft: Draft, scene: Scene): Scene {
  const { incident } = draft.item;
  if (incident === undefined) {
    openIncident(draft, scene);
    return scene;
  }
  if (!scene.policy.target.sites.some(({ id }) => id === incident.site)) {
    if (closable(draft.item)) close(draft, scene.now, "target-removed", `${incident.site} left the config`);
    return scene;
  }
  if (attemptInFlight(draft.item) !== undefined) return scene;
  const own = giveWay(draft, scene, incident);
  if (own !== undefined) return own;
  const at = followSite(draft, scene, incident);
  followKind(draft, at);
  return at;
}

/**
 * What nothing could be done about (blindness, a certificate that ends soon, a bot rule) is not the beginning of what a remedy
 * may cure: that gets an incident of its own, with its own start, message and call for a person. Once an incident has been
 * both, or something was tried, it stays one, so that views in turn neither flood people nor begin the ladder anew.
 */
function giveWay(draft: Draft, scene: Scene, incident: Incident): Scene | undefined {
  const { policy, sites, now } = scene;
  const mixed = incident.attempts.length > 0 || incident.said?.some((key) => key.startsWith("changed:")) === true;
  if (isCurable(incident.kind) || mixed || openMaintenance(policy.target, now) !== undefined) return undefined;
  const next = policy.target.sites.find(({ id }) => {
    const state = sites[id]?.state ?? "inconclusive";
    if (!isIll(state)) return false;
    return id === incident.site ? isCurable(state) : incident.kind === "expiring" && state !== "expiring";
  });
  if (next === undefined) return undefined;
  const at = lookAt(scene, next.id);
  close(draft, now, "superseded", `${at.health.state} at ${next.id} came, and is an incident of its own`);
  openIncident(draft, at);
  return at;
}

function openIncident(draft: Draft, scene: Scene): void {
  const { policy, health, now, site } = scene;
  const { item } = draft;
  const kind = openingKind(item, scene);
  if (kind === undefined) return;
  if (openMaintenance(policy.target, now) !== undefined) {
    draft.because.push(`maintenance: ${kind} at ${site} is not an incident now`);
    return;
  }
  const number = item.incidents + 1;
  const incident: Incident = {
    id: `inc_${item.target}_${number}`,
    target: item.target,
    site,
    kind,
    why: shorten(health.why),
    openedAt: now,
    ...(health.badSince === undefined ? {} : { failedAt: health.badSince }),
    seq: 0,
    attempts: [],
    timeline: [],
    unavailable: [],
    ladderEnded: false,
    wouldHave: [],
  };
  draft.item = { ...item, incidents: number, incident };
  say(draft, now, "opened", `${kind} at ${site}: ${health.why}`);
  if (policy.target.ladders[kind].length === 0) needHuman(draft, now, noRemedy(kind));
}

/** The kind of ill health that makes an incident now; blindness only after it has lasted. */
function openingKind(item: TargetItem, { health, policy, now }: Scene): IllKind | undefined {
  if (isIll(health.state)) return health.state;
  if (health.state !== "inconclusive") return undefined;
  return now - item.health.since >= policy.target.rules.inconclusive.holdMs ? "inconclusive" : undefined;
}

/** A site that serves before the incident's and is ill at least as gravely matters more: the incident moves there. */
function followSite(draft: Draft, scene: Scene, incident: Incident): Scene {
  const { policy, sites, now } = scene;
  for (const { id } of policy.target.sites) {
    if (id === incident.site) return scene;
    const state = sites[id]?.state ?? "inconclusive";
    if (!isIll(state) || gravity(state) < gravity(incident.kind)) continue;
    draft.item = {
      ...draft.item,
      evidenceFrom: 0,
      recovery: { streak: 0, tick: 0, from: 0 },
      incident: { ...incident, site: id, ladderEnded: false },
    };
    say(draft, now, "changed", `${id} is ill as well as ${incident.site}, and matters more`);
    return lookAt(scene, id);
  }
  return scene;
}

/** Not seeing is no news about the service: the incident stays what it was. */
function followKind(draft: Draft, { policy, health, now }: Scene): void {
  const { incident } = draft.item;
  if (incident === undefined || !isIll(health.state) || incident.kind === health.state) return;
  if (isWellFor(incident.kind, health.state)) return;
  const kind = health.state;
  // A graver kind has a ladder of its own, less what was tried; after `worse` nothing is.
  const ladderEnded =
    incident.ladderEnded &&
    (gravity(kind) <= gravity(incident.kind) || incident.attempts.some(({ verdict }) => verdict === "worse"));
  draft.item = { ...draft.item, incident: { ...incident, kind, ladderEnded, why: shorten(health.why) } };
  draft.because.push(`changed: ${incident.kind} → ${kind}`);
  if (!isNews(draft, `changed:${incident.kind}:${kind}`)) return;
  say(draft, now, "changed", `${incident.kind} → ${kind}: ${health.why}`);
  if (policy.target.ladders[kind].length === 0) needHuman(draft, now, noRemedy(kind));
}

export function noRemedy(kind: IllKind): string {
  switch (kind) {
    case "blocked":
      return "a bot rule or firewall answers the probe: let it through; nothing was restarted";
    case "misconfigured":
      return "TLS or DNS is at fault: no restart can cure it, so none was made";
    case "inconclusive":
      return "we cannot see the target from here: nothing is known to be ill, and nothing was restarted";
    case "expiring":
      return "the certificate must be renewed";
    case "lagging":
    case "loaded":
    case "slow":
    case "failing":
    case "down":
      return `there is no remedy for ${kind} in the config`;
  }
}

export function closeIfRecovered(draft: Draft, scene: Scene): void {
  const { item } = draft;
  const { now, policy } = scene;
  const { incident } = item;
  if (incident === undefined || !closable(item) || !hasRecovered(item, scene)) return;
  const healed = incident.attempts.some((attempt) => attempt.verdict === "healed");
  const lasted = seconds(now - (incident.failedAt ?? incident.openedAt));
  const claim = incident.attempts.some(usedRung) ? ", and no remedy can claim it" : ", by itself";
  close(draft, now, healed ? "healed" : "recovered", `healthy again after ${lasted}${healed ? "" : claim}`);
  draft.item = withEnding(draft.item, policy);
}

/** Counts how the incident that has just recovered ended. */
function withEnding(item: TargetItem, policy: Policy): TargetItem {
  const incident = item.closed.at(-1);
  if (incident === undefined) return item;
  const { kind } = incident;
  const before = item.endings?.[kind] ?? NO_ENDINGS;
  const takesMs = ladderTakesMs(policy, kind);
  const { left, soon } = takesMs === undefined ? NO_ENDINGS : leftAlone(incident, takesMs);
  const after = {
    ended: before.ended + 1,
    alone: before.alone + (incident.attempts.some(usedRung) ? 0 : 1),
    left: before.left + left,
    soon: before.soon + soon,
  };
  return { ...item, endings: { ...item.endings, [kind]: after } };
}

/** A call that is under way must end in a verdict before its incident may close. */
function closable(item: TargetItem): boolean {
  const attempt = attemptInFlight(item);
  return attempt === undefined || attempt.state === "claimed" || attempt.state === "proposed";
}

function close(draft: Draft, now: number, end: NonNullable<Incident["end"]>, text: string): void {
  const waiting = attemptInFlight(draft.item);
  if (waiting !== undefined) draft.item = endAbandoned(draft.item, waiting, "the incident ended before the call", now);
  draft.because.push(`resolved: ${text}`);
  draft.item = closed(draft.item, now, end, text);
}

function closed(item: TargetItem, now: number, end: NonNullable<Incident["end"]>, text: string): TargetItem {
  const { incident, ...rest } = withEntry(item, now, "resolved", text);
  if (incident === undefined) return item;
  const wellSince = end === "superseded" ? {} : { wellSince: now };
  const recovered = end === "healed" || end === "recovered";
  const over = scoreAtEnd({ ...incident, endedAt: now, end }, now, recovered);
  return { ...rest, ...wellSince, closed: [...rest.closed, over] };
}

/**
 * For a target that left the config: its incident, if any, is closed and people are told. A call that is under way is beyond
 * reach; its attempt ends as `unknown`. Cooldowns stay, in case the target comes back.
 */
export function removeFromConfig(present: TargetItem, now: number): TargetItem {
  // Nobody looks at it any more, so there is no blindness to watch.
  const { lookedAt: _, ...health } = present.health;
  const item: TargetItem = { ...present, health: { ...health, state: "suspect" } };
  const attempt = attemptInFlight(item);
  if (item.incident === undefined) return item;
  if (attempt === undefined) return closed(item, now, "target-removed", "the target left the config");
  const ended = closable(item)
    ? endAbandoned(item, attempt, "the target left the config", now)
    : dropRequest(unseen(item, attempt, now), attempt.id);
  return closed(ended, now, "target-removed", "the target left the config");
}

/** Nobody will look at what came of it. */
function unseen(item: TargetItem, attempt: Attempt, now: number): TargetItem {
  const effects = withVerdict(item.effects, attempt.remedy, attempt.kind, "unknown");
  return { ...withAttempt(item, { ...attempt, state: "unknown", verdict: "unknown", endedAt: now }), effects };
}
