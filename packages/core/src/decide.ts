import type { Config, IllKind, TargetConfig } from "@neuropilot/config";
import { cooldownAfterClaim, giveUpLostCall, requestKey } from "./attempt.ts";
import { appendAudit } from "./audit.ts";
import { firstRefusal, type GuardContext, modeOf, openMaintenance, type Refusal, type World } from "./guards.ts";
import { gravity, type Health, healthOf, isIll, type Sights } from "./health.ts";
import {
  type Attempt,
  attemptInFlight,
  findAttempt,
  type Incident,
  type OutboxEntry,
  type TargetItem,
  type TimelineEntry,
  type Verdict,
  withAttempt,
} from "./item.ts";
import { nextRung } from "./ladder.ts";
import { seconds } from "./view.ts";
import { counts, meaningOf, siteKey } from "./window.ts";

/** The policy for one target. */
export interface Policy {
  readonly config: Config;
  readonly target: TargetConfig;
}

/** Why decide was called. Only wakes it: what is true stands in the item and the world. */
export type Input =
  | { readonly kind: "wake"; readonly at: number; readonly cause: string }
  | { readonly kind: "reconcile"; readonly at: number }
  | {
      readonly kind: "operator";
      readonly at: number;
      readonly word: "approve" | "deny" | "acknowledge";
      readonly attempt?: string;
      readonly by: string;
    };

export interface Decision {
  readonly item: TargetItem;
  /** What the item's outbox asks for now. */
  readonly requests: readonly OutboxEntry[];
  /** Reasons for acting and for not acting. */
  readonly because: readonly string[];
  readonly changed: boolean;
}

/** What decide reads besides the item. */
export type SeenWorld = World & Sights;

interface Draft {
  item: TargetItem;
  readonly because: string[];
}

interface Scene {
  readonly policy: Policy;
  readonly world: SeenWorld;
  readonly now: number;
  readonly sites: Readonly<Record<string, Health>>;
  /** The site that matters now: the incident's, or the first that is ill, or the first. */
  readonly site: string;
  readonly health: Health;
}

const PROPOSAL_LIVES_MS = 30 * 60_000;
const MAX_TIMELINE = 200;

/**
 * Decides about one target: total, pure and deterministic. Reads the samples in the windows, moves the open incident and its
 * attempt on, and either claims the next remedy or says which guard refused.
 */
export function decide(policy: Policy, item: TargetItem, world: SeenWorld, input: Input, now: number): Decision {
  const { config } = policy;
  const draft: Draft = { item, because: [] };
  if (input.kind === "wake" && input.at < now - config.healing.maxEventAgeMs)
    return { item, requests: [], because: ["stale-event: too old to act on"], changed: false };

  const scene = see(policy, item, world, now);
  forgetTold(draft, scene);
  observeHealth(draft, scene);
  moveIncident(draft, scene);
  moveAttempt(draft, scene, input);
  if (input.kind === "operator") hearOperator(draft, scene, input);
  closeIfRecovered(draft, scene);
  act(draft, scene);
  return finish(item, draft, scene, input);
}

function see(policy: Policy, item: TargetItem, world: SeenWorld, now: number): Scene {
  const { config, target } = policy;
  // Until the vendor's work is over, what was seen before the call is all there is to go by.
  const evidenceFrom = now >= item.evidenceFrom ? item.evidenceFrom : 0;
  const sites: Record<string, Health> = {};
  for (const site of target.sites)
    sites[site.id] = healthOf(config, target, site.id, world, siteOf(item) === site.id ? evidenceFrom : 0, now);
  const ill = target.sites.find((site) => isIll(sites[site.id]?.state ?? "inconclusive"));
  const first = target.sites[0]?.id ?? "";
  const site = item.incident?.site ?? ill?.id ?? first;
  const health = sites[site] ?? {
    state: "inconclusive",
    why: "the site is no longer in the config",
    views: {},
    observation: 0,
  };
  return { policy, world, now, sites, site, health };
}

function siteOf(item: TargetItem): string | undefined {
  return item.incident?.site ?? item.health.site;
}

function forgetTold(draft: Draft, { world }: Scene): void {
  const outbox = Object.fromEntries(
    Object.entries(draft.item.outbox).filter(
      ([, entry]) => entry.kind !== "incident.changed" || (world.told[entry.incident] ?? -1) < entry.seq,
    ),
  );
  if (Object.keys(outbox).length !== Object.keys(draft.item.outbox).length) draft.item = { ...draft.item, outbox };
}

/** Keeps the state with its start, and counts healthy observations in a row, each once. */
function observeHealth(draft: Draft, { health, site, now }: Scene): void {
  const { item } = draft;
  const same = item.health.state === health.state && item.health.site === site;
  if (!same) draft.item = { ...draft.item, health: { state: health.state, since: now, why: health.why, site } };
  const { recovery } = draft.item;
  if (health.state === "healthy") {
    if (health.observation <= recovery.tick) return;
    const from = recovery.streak === 0 ? now : recovery.from;
    draft.item = { ...draft.item, recovery: { streak: recovery.streak + 1, tick: health.observation, from } };
  } else if (recovery.streak > 0)
    draft.item = { ...draft.item, recovery: { streak: 0, tick: Math.max(recovery.tick, health.observation), from: 0 } };
}

/** Opens an incident, or lets the open one follow the kind of ill health. */
function moveIncident(draft: Draft, scene: Scene): void {
  const { policy, health, now, site } = scene;
  const { item } = draft;
  const kind = incidentKind(draft, scene);
  if (kind === undefined) return;
  if (item.incident === undefined) {
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
      why: health.why,
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
    return;
  }
  const { incident } = item;
  const moved = incident.kind !== kind && attemptInFlight(item) === undefined;
  if (!moved) return;
  draft.item = { ...item, incident: { ...incident, kind, why: health.why } };
  say(draft, now, "changed", `${incident.kind} → ${kind}: ${health.why}`);
  if (policy.target.ladders[kind].length === 0) needHuman(draft, now, noRemedy(kind));
}

function noRemedy(kind: IllKind): string {
  switch (kind) {
    case "blocked":
      return "a bot rule or firewall answers the probe: let it through; nothing was restarted";
    case "misconfigured":
      return "TLS or DNS is at fault: no restart can cure it, so none was made";
    case "inconclusive":
      return "we cannot see the target from here: nothing is known to be ill, and nothing was restarted";
    case "expiring":
      return "the certificate must be renewed";
    default:
      return `there is no remedy for ${kind} in the config`;
  }
}

/** The kind of ill health that makes an incident now; blindness only after it has lasted. */
function incidentKind(draft: Draft, { health, policy, now }: Scene): IllKind | undefined {
  if (isIll(health.state)) return health.state;
  if (health.state !== "inconclusive") return undefined;
  // An incident that is open stays what it was: not seeing is no news about the service.
  if (draft.item.incident !== undefined) return undefined;
  return now - draft.item.health.since >= policy.target.rules.inconclusive.holdMs ? "inconclusive" : undefined;
}

function moveAttempt(draft: Draft, scene: Scene, input: Input): void {
  const { policy, now } = scene;
  if (input.kind === "reconcile") {
    const before = draft.item;
    draft.item = giveUpLostCall(policy.config, policy.target, draft.item, now);
    if (draft.item !== before)
      say(draft, now, "attempt", "the call was started and never reported: taken as unknown, fresh samples decide");
  }
  const attempt = attemptInFlight(draft.item);
  if (attempt === undefined) return;
  switch (attempt.state) {
    case "proposed":
      if (now - attempt.at > PROPOSAL_LIVES_MS)
        end(draft, { ...attempt, state: "denied", note: "nobody said yes in time" }, now);
      return;
    case "claimed":
      if (attempt.callNotAfter !== undefined && now > attempt.callNotAfter) {
        restoreCooldown(draft, attempt);
        end(draft, { ...attempt, state: "abandoned", note: "not called in time", mayHaveCalled: false }, now);
      }
      return;
    case "following":
      if (attempt.followUntil !== undefined && now > attempt.followUntil) {
        draft.item = verifyAsIs(draft.item, policy, attempt, now);
        say(
          draft,
          now,
          "attempt",
          `the vendor did not finish ${attempt.remedy} within ${seconds(policy.target.remedies[attempt.remedy].followMs)}`,
        );
      }
      return;
    case "verifying":
      verify(draft, scene, attempt);
      return;
    default:
      return;
  }
}

function verifyAsIs(item: TargetItem, { config, target }: Policy, attempt: Attempt, now: number): TargetItem {
  const verifyFrom = now + config.healing.clockSkewMs;
  const verifyUntil = verifyFrom + target.remedies[attempt.remedy].verifyMs;
  const verifying: Attempt = {
    ...attempt,
    state: "verifying",
    overAt: now,
    verifyFrom,
    verifyUntil,
    note: "the vendor did not finish in time",
  };
  return { ...withAttempt(item, verifying), evidenceFrom: verifyFrom, recovery: { ...item.recovery, streak: 0 } };
}

/** The verdict, from samples that started after the work, the warm-up and the skew. */
function verify(draft: Draft, scene: Scene, attempt: Attempt): void {
  const { health, now, policy } = scene;
  const { verifyFrom, verifyUntil } = attempt;
  if (verifyFrom === undefined || verifyUntil === undefined || now < verifyFrom) return;
  if (hasRecovered(draft.item, scene)) {
    conclude(draft, scene, attempt, wasWellBeforeCall(scene, attempt) ? "self-resolved" : "healed");
    return;
  }
  if (isIll(health.state) && gravity(health.state) > gravity(attempt.kind)) {
    conclude(draft, scene, attempt, "worse");
    return;
  }
  if (now < verifyUntil) return;
  // Missing data is never illness: without a quorum that sees it ill, nobody knows.
  if (isIll(health.state)) conclude(draft, scene, attempt, "no-effect");
  else if (health.state === "inconclusive" || now >= verifyUntil + policy.target.remedies[attempt.remedy].verifyMs)
    conclude(draft, scene, attempt, "unknown");
}

function conclude(draft: Draft, scene: Scene, attempt: Attempt, verdict: Verdict): void {
  const { now, health } = scene;
  const ended: Attempt = { ...attempt, state: verdict, verdict, endedAt: now };
  draft.item = withAttempt(draft.item, ended);
  say(draft, now, "attempt", `${attempt.remedy}: ${verdict} (${health.why})`);
  const { incident } = draft.item;
  if (incident === undefined) return;
  if (verdict === "worse") {
    draft.item = { ...draft.item, incident: { ...incident, ladderEnded: true } };
    needHuman(
      draft,
      now,
      `${attempt.remedy} made it worse: ${attempt.kind} → ${health.state}; nothing more will be tried`,
    );
  } else if (verdict === "no-effect" || verdict === "unknown") {
    const calls = incident.attempts.filter(
      (other) => other.remedy === attempt.remedy && other.verdict !== undefined,
    ).length;
    needHuman(
      draft,
      now,
      `${attempt.remedy} ${verdict === "unknown" ? "cannot be shown to have helped" : "did not help"} (attempt ${calls})`,
    );
  }
}

/** Healthy observations in a row, and for what only many samples show, as many of those. */
function hasRecovered(item: TargetItem, scene: Scene): boolean {
  const { policy, health } = scene;
  const { rules } = policy.target;
  if (health.state !== "healthy" || item.recovery.streak < rules.recovery.observations) return false;
  const kind = item.incident?.kind;
  if (kind === "failing") return samplesSince(scene, item) >= rules.failing.minSamples;
  if (kind === "slow") return samplesSince(scene, item) >= rules.slow.minSamples;
  return true;
}

function samplesSince({ policy, world, site, now }: Scene, item: TargetItem): number {
  const from = Math.max(now >= item.evidenceFrom ? item.evidenceFrom : 0, item.incident?.openedAt ?? 0);
  return world.windows
    .flatMap((window) => window.sites[siteKey(policy.target.id, site)]?.samples ?? [])
    .filter((sample) => counts(sample) && sample.startedAt >= from).length;
}

/** The last ill sample that any vantage holds started before the call: what followed needed no help. */
function wasWellBeforeCall({ policy, world, site }: Scene, attempt: Attempt): boolean {
  const called = attempt.callStartedAt;
  if (called === undefined) return true;
  const threshold = policy.target.rules.slow.thresholdMs;
  const before = world.windows
    .flatMap((window) => window.sites[siteKey(policy.target.id, site)]?.samples ?? [])
    .filter((sample) => counts(sample) && sample.startedAt < called)
    .sort((a, b) => a.startedAt - b.startedAt)
    .slice(-3);
  return (
    before.length === 3 && before.every((sample) => meaningOf(sample.outcome) === "good" && sample.ttfbMs <= threshold)
  );
}

function hearOperator(draft: Draft, scene: Scene, input: Extract<Input, { kind: "operator" }>): void {
  const { now } = scene;
  const attempt = input.attempt === undefined ? attemptInFlight(draft.item) : findAttempt(draft.item, input.attempt);
  if (input.word === "acknowledge") {
    if (draft.item.incident !== undefined) say(draft, now, "operator", `${input.by} has taken it`);
    return;
  }
  if (attempt?.state !== "proposed") {
    draft.because.push(`operator: nothing waits for ${input.by}'s word`);
    return;
  }
  if (input.word === "deny") {
    end(draft, { ...attempt, state: "denied", note: `${input.by} said no` }, now);
    return;
  }
  // A yes counts only for what still holds: the guards run again, all but the one that asked for it.
  const rest: TargetItem = withAttempt(draft.item, { ...attempt, state: "abandoned" });
  const refusal = guardsFor(rest, scene, attempt, ["approval"]);
  if (refusal !== undefined) {
    end(draft, { ...attempt, state: "abandoned", note: `${refusal.guard}: ${refusal.text}` }, now);
    return;
  }
  claim(draft, scene, { ...attempt, because: `${attempt.because}; ${input.by} said yes` });
}

function closeIfRecovered(draft: Draft, scene: Scene): void {
  const { item } = draft;
  const { now } = scene;
  const { incident } = item;
  if (incident === undefined || attemptBlocksClosing(item) || !hasRecovered(item, scene)) return;
  const healed = incident.attempts.some((attempt) => attempt.verdict === "healed");
  const waiting = attemptInFlight(item);
  if (waiting !== undefined) {
    restoreCooldown(draft, waiting);
    draft.item = dropRequest(
      withAttempt(draft.item, { ...waiting, state: "abandoned", note: "it recovered before the call", endedAt: now }),
      waiting.id,
    );
  }
  say(
    draft,
    now,
    "resolved",
    `healthy again after ${seconds(now - (incident.failedAt ?? incident.openedAt))}${healed ? "" : ", by itself"}`,
  );
  const closing = draft.item.incident;
  if (closing === undefined) return;
  const { incident: _, ...rest } = draft.item;
  draft.item = {
    ...rest,
    closed: [...rest.closed, { ...closing, endedAt: now, end: healed ? "healed" : "recovered" }],
  };
}

/** A call that is under way must end in a verdict before its incident may close. */
function attemptBlocksClosing(item: TargetItem): boolean {
  const attempt = attemptInFlight(item);
  return attempt !== undefined && attempt.state !== "claimed" && attempt.state !== "proposed";
}

/** The next rung, if no guard stands in the way. */
function act(draft: Draft, scene: Scene): void {
  const { policy, now } = scene;
  const { item } = draft;
  const { incident } = item;
  if (incident === undefined) {
    if (draft.because.length === 0) draft.because.push(`no incident: ${scene.health.state}`);
    return;
  }
  if (attemptInFlight(item) !== undefined) {
    draft.because.push(`in-flight: ${attemptInFlight(item)?.state ?? ""}`);
    return;
  }
  const rung = nextRung(policy.target, incident);
  if (rung.kind === "none") {
    draft.because.push(`cause: ${noRemedy(incident.kind)}`);
    return;
  }
  if (rung.kind === "page") {
    if (incident.ladderEnded) return;
    draft.item = { ...item, incident: { ...incident, ladderEnded: true } };
    needHuman(
      draft,
      now,
      incident.unavailable.length > 0
        ? `the vendor will not do ${incident.unavailable.join(", ")} for us`
        : "every remedy was tried",
    );
    return;
  }
  const refusal = guardsFor(item, scene, rung, []);
  if (refusal === undefined) {
    claim(draft, scene, newAttempt(item, incident, rung, scene));
    return;
  }
  refuse(draft, scene, rung, refusal);
}

function guardsFor(
  item: TargetItem,
  scene: Scene,
  rung: { readonly remedy: Attempt["remedy"] },
  except: Parameters<typeof firstRefusal>[1],
): Refusal | undefined {
  const { policy, world, now, health, sites, site } = scene;
  if (item.incident === undefined) return { guard: "stale-event", text: "the incident is over" };
  const others = Object.fromEntries(Object.entries(sites).filter(([id]) => id !== site));
  const context: GuardContext = {
    config: policy.config,
    target: policy.target,
    item,
    incident: item.incident,
    world,
    health,
    others,
    remedy: rung.remedy,
    now,
  };
  return firstRefusal(context, except);
}

function refuse(draft: Draft, scene: Scene, rung: { remedy: Attempt["remedy"]; step: number }, refusal: Refusal): void {
  const { now } = scene;
  draft.because.push(`${refusal.guard}: ${refusal.text}`);
  const { incident } = draft.item;
  if (incident === undefined) return;
  if (
    refusal.guard === "approval" &&
    !incident.attempts.some((attempt) => attempt.remedy === rung.remedy && attempt.state === "denied")
  ) {
    const attempt = newAttempt(draft.item, incident, rung, scene);
    draft.item = {
      ...draft.item,
      tokens: attempt.token,
      incident: { ...incident, attempts: [...incident.attempts, { ...attempt, state: "proposed" }] },
    };
    say(draft, now, "attempt", `${rung.remedy} is proposed and needs a person's yes (${attempt.id})`);
    return;
  }
  if (refusal.guard === "observe") wouldHave(draft, scene, rung);
  if (incident.lastRefusal?.guard === refusal.guard) return;
  const current = draft.item.incident;
  if (current === undefined) return;
  draft.item = {
    ...draft.item,
    incident: { ...current, lastRefusal: { guard: refusal.guard, text: refusal.text, at: now } },
  };
  if (refusal.guard === "observe") return;
  say(draft, now, "refused", `${rung.remedy} was not done: ${refusal.text}`);
  if (["fleet-unhealthy", "target-budget", "fleet-budget", "cause"].includes(refusal.guard))
    needHuman(draft, now, refusal.text);
}

/** In `observe` the decision is recorded as if made, once a remedy and incident. */
function wouldHave(draft: Draft, scene: Scene, rung: { remedy: Attempt["remedy"] }): void {
  const { incident } = draft.item;
  if (incident === undefined || incident.wouldHave.some((entry) => entry.remedy === rung.remedy)) return;
  const refusal = guardsFor(draft.item, scene, rung, ["observe"]);
  if (refusal !== undefined && refusal.guard !== "approval") return;
  draft.item = {
    ...draft.item,
    incident: { ...incident, wouldHave: [...incident.wouldHave, { remedy: rung.remedy, at: scene.now }] },
  };
  say(
    draft,
    scene.now,
    "would-have",
    `would ${rung.remedy} now; the mode is ${modeOf(scene.policy.target, rung.remedy, scene.world.control)}`,
  );
}

function newAttempt(
  item: TargetItem,
  incident: Incident,
  rung: { readonly remedy: Attempt["remedy"]; readonly step: number },
  scene: Scene,
): Attempt {
  const token = item.tokens + 1;
  return {
    id: `att_${item.target}_${token}`,
    remedy: rung.remedy,
    site: incident.site,
    kind: incident.kind,
    state: "claimed",
    token,
    at: scene.now,
    because: scene.health.why,
    mayHaveCalled: false,
    step: rung.step,
  };
}

/** Takes the cooldown and asks for the call, all in the one write. */
function claim(draft: Draft, scene: Scene, attempt: Attempt): void {
  const { policy, now } = scene;
  const { config, target } = policy;
  const { item } = draft;
  if (item.incident === undefined) return;
  const previous = item.cooldowns[attempt.remedy];
  const claimed: Attempt = {
    ...attempt,
    state: "claimed",
    claimedAt: now,
    callNotAfter: now + config.healing.callNotAfterMs,
    ...(previous === undefined ? {} : { previousCooldown: previous }),
  };
  const attempts = item.incident.attempts.filter((other) => other.id !== attempt.id);
  const { lastRefusal: _, ...incident } = item.incident;
  draft.item = {
    ...item,
    tokens: Math.max(item.tokens, attempt.token),
    cooldowns: {
      ...item.cooldowns,
      [attempt.remedy]: cooldownAfterClaim(config, target.remedies[attempt.remedy], previous, now),
    },
    incident: { ...incident, attempts: [...attempts, claimed] },
    outbox: {
      ...item.outbox,
      [requestKey(attempt.id)]: {
        kind: "remediation.requested",
        attempt: attempt.id,
        remedy: attempt.remedy,
        site: attempt.site,
        at: now,
      },
    },
  };
  say(draft, now, "attempt", `${attempt.remedy} of ${attempt.site}: ${attempt.because}`);
  draft.because.push(`claimed ${attempt.remedy} as ${attempt.id}`);
}

function restoreCooldown(draft: Draft, attempt: Attempt): void {
  if (attempt.claimedAt === undefined) return;
  const cooldowns = { ...draft.item.cooldowns };
  if (attempt.previousCooldown === undefined) delete cooldowns[attempt.remedy];
  else cooldowns[attempt.remedy] = attempt.previousCooldown;
  draft.item = { ...draft.item, cooldowns };
}

function end(draft: Draft, attempt: Attempt, now: number): void {
  draft.item = dropRequest(withAttempt(draft.item, { ...attempt, endedAt: now }), attempt.id);
  say(draft, now, "attempt", `${attempt.remedy} ${attempt.state}: ${attempt.note ?? ""}`);
}

function dropRequest(item: TargetItem, attemptId: string): TargetItem {
  const { [requestKey(attemptId)]: _, ...outbox } = item.outbox;
  return { ...item, outbox };
}

/** A person hears at the first sign that the ladder may not be enough, and again when it ends. */
function needHuman(draft: Draft, now: number, why: string): void {
  const { incident } = draft.item;
  if (incident === undefined) return;
  draft.item = { ...draft.item, incident: { ...incident, needsHuman: { at: now, why } } };
  say(draft, now, "human", why);
}

/** Adds to the timeline and asks for people to be told, both in the same write. */
function say(draft: Draft, now: number, kind: TimelineEntry["kind"], text: string): void {
  const { incident } = draft.item;
  if (incident === undefined) return;
  const seq = incident.seq + 1;
  const timeline = [...incident.timeline, { at: now, seq, kind, text }].slice(-MAX_TIMELINE);
  draft.because.push(`${kind}: ${text}`);
  draft.item = {
    ...draft.item,
    incident: { ...incident, seq, timeline },
    outbox: {
      ...draft.item.outbox,
      [`incident:${incident.id}`]: { kind: "incident.changed", incident: incident.id, seq, at: now },
    },
  };
}

/** When reconcile must look at this target again even if every event is lost. */
function withNextAction(item: TargetItem, { config }: Policy, now: number): TargetItem {
  const { nextActionAt: _, ...rest } = item;
  const waiting = Object.keys(item.outbox).length > 0 || item.closed.length > 0 || item.audit.pending.length > 0;
  if (item.incident === undefined && !waiting) return rest;
  return { ...rest, nextActionAt: now + config.reconcileMs };
}

function finish(before: TargetItem, draft: Draft, scene: Scene, input: Input): Decision {
  const { item } = draft;
  const requests = Object.values(item.outbox);
  if (sameButForTime(before, item)) return { item: before, requests, because: draft.because, changed: false };
  const audited =
    stateOf(before) === stateOf(item)
      ? item
      : appendAudit(item, scene.now, {
          input,
          because: draft.because,
          health: scene.sites,
          state: stateOf(item),
          now: scene.now,
        });
  return { item: withNextAction(audited, scene.policy, scene.now), requests, because: draft.because, changed: true };
}

function stateOf(item: TargetItem): string {
  const attempts = item.incident?.attempts.map((attempt) => `${attempt.id}=${attempt.state}`) ?? [];
  return [
    item.incident?.id,
    item.incident?.kind,
    item.incident?.seq,
    ...attempts,
    ...item.closed.map((closed) => closed.id),
  ].join(" ");
}

/** Ignores what moves with every look, so that a repeated wake-up writes nothing. */
function sameButForTime(before: TargetItem, after: TargetItem): boolean {
  const { nextActionAt: _a, ...a } = before;
  const { nextActionAt: _b, ...b } = after;
  return JSON.stringify(a) === JSON.stringify(b);
}
