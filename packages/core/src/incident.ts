import type { IllKind } from "@neuropilot/config";
import { dropRequest, endAbandoned } from "./attempt.ts";
import { openMaintenance } from "./guards.ts";
import { gravity, isIll } from "./health.ts";
import { attemptInFlight, type Incident, type TargetItem, withAttempt } from "./item.ts";
import { type Draft, isNews, lookAt, needHuman, type Scene, say } from "./scene.ts";
import { shorten, withEntry } from "./timeline.ts";
import { hasRecovered } from "./verify.ts";
import { seconds } from "./view.ts";

/** Keeps the state with its start, and counts healthy observations in a row, each once. */
export function observeHealth(draft: Draft, { health, site, now }: Scene): void {
  const { item } = draft;
  const same = item.health.state === health.state && item.health.site === site;
  if (!same)
    draft.item = { ...draft.item, health: { state: health.state, since: now, why: shorten(health.why), site } };
  const { recovery } = draft.item;
  if (health.state === "healthy") {
    // What is seen during the warm-up is seen on samples from before the remedy, and proves nothing about it.
    if (health.observation <= recovery.tick || now < item.evidenceFrom) return;
    const from = recovery.streak === 0 ? now : recovery.from;
    draft.item = { ...draft.item, recovery: { streak: recovery.streak + 1, tick: health.observation, from } };
  } else if (recovery.streak > 0)
    draft.item = { ...draft.item, recovery: { streak: 0, tick: Math.max(recovery.tick, health.observation), from: 0 } };
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
  const at = followSite(draft, scene, incident);
  followKind(draft, at);
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
  const kind = health.state;
  draft.item = { ...draft.item, incident: { ...incident, kind, why: shorten(health.why) } };
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
  const { now } = scene;
  const { incident } = item;
  if (incident === undefined || !closable(item) || !hasRecovered(item, scene)) return;
  const healed = incident.attempts.some((attempt) => attempt.verdict === "healed");
  const lasted = seconds(now - (incident.failedAt ?? incident.openedAt));
  close(draft, now, healed ? "healed" : "recovered", `healthy again after ${lasted}${healed ? "" : ", by itself"}`);
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
  return { ...rest, wellSince: now, closed: [...rest.closed, { ...incident, endedAt: now, end }] };
}

/**
 * For a target that left the config: its incident, if any, is closed and people are told. A call that is under way is beyond
 * reach; its attempt ends as `unknown`. Cooldowns stay, in case the target comes back.
 */
export function removeFromConfig(item: TargetItem, now: number): TargetItem {
  const attempt = attemptInFlight(item);
  if (item.incident === undefined) return item;
  if (attempt === undefined) return closed(item, now, "target-removed", "the target left the config");
  const ended = closable(item)
    ? endAbandoned(item, attempt, "the target left the config", now)
    : dropRequest(withAttempt(item, { ...attempt, state: "unknown", verdict: "unknown", endedAt: now }), attempt.id);
  return closed(ended, now, "target-removed", "the target left the config");
}
