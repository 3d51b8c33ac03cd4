import type { Remedy, TargetConfig } from "@neuropilot/config";
import { cooldownAfterClaim, endAbandoned, requestKey } from "./attempt.ts";
import { recordInWords, uselessInWords } from "./effectiveness.ts";
import { firstRefusal, type GuardContext, type GuardName, modeOf, type Refusal } from "./guards.ts";
import { noRemedy } from "./incident.ts";
import {
  type Attempt,
  attemptInFlight,
  findAttempt,
  type Incident,
  type TargetItem,
  uncalledInARow,
  withAttempt,
  withNewAttempt,
} from "./item.ts";
import { isCallable, type NextRung, nextRung, remediesOn, usedRung } from "./ladder.ts";
import { type Draft, type Input, isNews, needHuman, type Scene, say } from "./scene.ts";
import { asIfCalled, shadowBudgetIsSpent, shadowRefusal, withShadow } from "./shadow.ts";
import { shorten } from "./timeline.ts";
import { deny } from "./verify.ts";
import { seconds } from "./view.ts";

type Rung = Extract<NextRung, { kind: "remedy" }>;

/** An incident that is not over after this and for which nothing could be done needs a person, whatever the reason. */
const HUMAN_AFTER_MS = 10 * 60_000;
/** So many attempts without a call are no longer an accident. */
const UNCALLED_NEEDS_HUMAN = 3;

/** The next rung, if no guard stands in the way. */
export function act(draft: Draft, scene: Scene): void {
  const { incident } = draft.item;
  if (incident === undefined) {
    if (draft.because.length === 0) draft.because.push(`no incident: ${scene.health.state}`);
    return;
  }
  const inFlight = attemptInFlight(draft.item);
  if (inFlight !== undefined) {
    draft.because.push(`in-flight: ${inFlight.state}`);
    return;
  }
  if (incident.ladderEnded) {
    draft.because.push("ladder-end: nothing more is tried, a person has been called");
    return;
  }
  const rung = nextCallable(draft, scene, incident);
  switch (rung.kind) {
    case "none":
      draft.because.push(`cause: ${noRemedy(incident.kind)}`);
      return;
    case "page":
      page(draft, scene);
      return;
    case "remedy": {
      callForHelp(draft, scene, rung);
      const refusal = guardsFor(draft.item, scene, rung, []);
      if (refusal === undefined) claim(draft, scene, newAttempt(draft.item, incident, rung, scene));
      else refuse(draft, scene, rung, refusal);
    }
  }
}

/** Passes over remedies that have no function, and those that have proven useless for this kind, and says so. */
function nextCallable(draft: Draft, { policy, now }: Scene, open: Incident): NextRung {
  let incident = open;
  const useless: Remedy[] = [];
  for (;;) {
    const rung = nextRung(policy.target, { ...incident, unavailable: [...incident.unavailable, ...useless] });
    if (rung.kind !== "remedy") return rung;
    const { remedy } = rung;
    const why = whyUseless(draft.item, incident, policy.target, remedy);
    if (isCallable(remedy) && why === undefined) return rung;
    if (isCallable(remedy)) {
      useless.push(remedy);
      if (isNews(draft, `useless:${remedy}:${incident.kind}`))
        say(draft, now, "refused", `${remedy} was passed over: ${why}`);
    } else {
      incident = { ...(draft.item.incident ?? incident), unavailable: [...incident.unavailable, remedy] };
      draft.item = { ...draft.item, incident };
      say(draft, now, "refused", `${remedy} is not available in this version: passed over`);
    }
    incident = draft.item.incident ?? incident;
  }
}

function page(draft: Draft, { policy, now }: Scene): void {
  const { incident } = draft.item;
  if (incident === undefined) return;
  draft.item = { ...draft.item, incident: { ...incident, ladderEnded: true } };
  draft.because.push("ladder-end: no remedy is left");
  if (!isNews(draft, `page:${incident.kind}`)) return;
  const unavailable = incident.unavailable.map((remedy) => whyUnavailable(incident, remedy));
  const left = [...unavailable, ...uselessOnes(draft.item, incident, policy.target)].join("; ");
  const tried = incident.attempts.some((attempt) => usedRung(attempt));
  if (left === "") needHuman(draft, now, tried ? "every remedy on the ladder was tried" : noRemedy(incident.kind));
  else needHuman(draft, now, `${tried ? "no remedy is left" : "no remedy could be made"} (${left})`);
}

/** Remedies on the ladder that were passed over for their record, each once. */
function uselessOnes(item: TargetItem, incident: Incident, target: TargetConfig): readonly string[] {
  return remediesOn(target, incident.kind).flatMap((remedy) => {
    const why = whyUseless(item, incident, target, remedy);
    return why === undefined ? [] : [`${remedy}: ${why}`];
  });
}

function whyUseless(
  { effects }: TargetItem,
  { kind }: Incident,
  target: TargetConfig,
  remedy: Remedy,
): string | undefined {
  return uselessInWords(effects, remedy, kind, target.remedies[remedy].skipBelow);
}

/** What the vendor or the config said, for a person who must mend it. */
function whyUnavailable(incident: Incident, remedy: Remedy): string {
  const refused = incident.attempts.findLast((attempt) => attempt.remedy === remedy && attempt.state === "rejected");
  return `${remedy}: ${refused?.note ?? "not available"}`;
}

/** Remedies that cannot be called again and again are for a person to look at. */
function callForHelp(draft: Draft, { now }: Scene, { remedy }: Rung): void {
  const { incident } = draft.item;
  if (incident === undefined) return;
  const uncalled = uncalledInARow(incident, remedy);
  if (uncalled.length < UNCALLED_NEEDS_HUMAN || !isNews(draft, `uncalled:${remedy}`)) return;
  needHuman(
    draft,
    now,
    `${remedy} could not be called ${uncalled.length} times in a row: ${uncalled.at(-1)?.note ?? ""}`,
  );
}

function guardsFor(
  item: TargetItem,
  scene: Scene,
  rung: Pick<Attempt, "remedy">,
  except: readonly GuardName[],
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

/** Refusals of which a person must know at once: nothing will happen until one looks. */
const FOR_A_PERSON: ReadonlySet<GuardName> = new Set<GuardName>([
  "fleet-unhealthy",
  "target-budget",
  "fleet-budget",
  "cause",
]);

/** Refusals that come and go are told once an incident, so that guards in turn do not flood people. */
function refuse(draft: Draft, scene: Scene, rung: Rung, refusal: Refusal): void {
  const { now } = scene;
  const { remedy } = rung;
  const text = withWait(refusal, now);
  draft.because.push(`${refusal.guard}: ${text}`);
  if (refusal.guard === "approval" && propose(draft, scene, rung)) return;
  if (refusal.guard === "observe") wouldHave(draft, scene);
  remember(draft, refusal, now);
  // The first time in an incident that a guard refuses a remedy stands in the audit log, also where people need not hear it.
  isNews(draft, `asked:${refusal.guard}:${remedy}`);
  if (refusal.guard === "observe") callIfStuck(draft, scene, refusal);
  else if (isUnsure(scene, refusal)) callIfStuck(draft, scene, refusal);
  else if (isNews(draft, `${refusal.guard}:${remedy}`)) {
    if (FOR_A_PERSON.has(refusal.guard)) needHuman(draft, now, `${remedy} was not done: ${text}`);
    else {
      say(draft, now, "refused", `${remedy} was not done: ${text}`);
      callIfStuck(draft, scene, refusal);
    }
  } else callIfStuck(draft, scene, refusal);
}

function withWait({ text, until }: Refusal, now: number): string {
  return until === undefined || until <= now ? text : `${text} (${seconds(until - now)} more)`;
}

/** Between two looks a target may read as well or half well; that is no refusal worth telling. */
function isUnsure({ health }: Scene, { guard }: Refusal): boolean {
  return guard === "inconclusive" && health.state !== "inconclusive";
}

function remember(draft: Draft, refusal: Refusal, now: number): void {
  const { incident } = draft.item;
  if (incident === undefined || incident.lastRefusal?.guard === refusal.guard) return;
  const { guard, until } = refusal;
  const lastRefusal = { guard, text: shorten(refusal.text), at: now, ...(until === undefined ? {} : { until }) };
  draft.item = { ...draft.item, incident: { ...incident, lastRefusal } };
}

function callIfStuck(draft: Draft, { now }: Scene, refusal: Refusal): void {
  const { incident } = draft.item;
  if (incident === undefined || incident.needsHuman !== undefined || refusal.guard === "maintenance") return;
  if (now - incident.openedAt < HUMAN_AFTER_MS) return;
  needHuman(
    draft,
    now,
    `ill for ${seconds(now - incident.openedAt)} and nothing could be done: ${withWait(refusal, now)}`,
  );
}

/** Asks a person, unless one has said no to this remedy in this incident. */
function propose(draft: Draft, scene: Scene, rung: Rung): boolean {
  const { incident } = draft.item;
  if (incident === undefined) return false;
  if (incident.attempts.some((attempt) => attempt.remedy === rung.remedy && attempt.state === "denied")) return false;
  const attempt: Attempt = { ...newAttempt(draft.item, incident, rung, scene), state: "proposed" };
  draft.item = { ...draft.item, tokens: attempt.token, incident: withNewAttempt(incident, attempt) };
  say(draft, scene.now, "attempt", `${rung.remedy} is proposed and needs a person's yes (${attempt.id})`);
  return true;
}

/** In `observe` the decision is recorded as if made: the rung that would be next, had the ones before been called. */
function wouldHave(draft: Draft, scene: Scene): void {
  const { incident } = draft.item;
  if (incident === undefined) return;
  const passedOver = notWorthCalling(draft.item, incident, scene.policy.target);
  const played = { ...asIfCalled(incident), unavailable: [...incident.unavailable, ...passedOver] };
  const rung = nextRung(scene.policy.target, played);
  if (rung.kind !== "remedy" || modeOf(scene.policy.target, rung.remedy, scene.world.control) !== "observe") return;
  const { remedy } = rung;
  const refusal = guardsFor(draft.item, scene, { remedy }, ["observe"]);
  if (refusal !== undefined && refusal.guard !== "approval") return;
  if (shadowRefusal(draft.item, remedy, scene.now) !== undefined) return;
  if (shadowBudgetIsSpent(draft.item, scene.policy, scene.now)) return;
  const again = incident.wouldHave.some((entry) => entry.remedy === remedy) ? " again" : "";
  draft.item = withShadow(draft.item, scene.policy, remedy, scene.now);
  say(draft, scene.now, "would-have", `would ${remedy}${again} now; the mode is observe`);
}

/** What a real ladder would pass over: remedies that have no function or have proven useless. */
function notWorthCalling(item: TargetItem, incident: Incident, target: TargetConfig): readonly Remedy[] {
  return remediesOn(target, incident.kind).filter(
    (remedy) => !isCallable(remedy) || whyUseless(item, incident, target, remedy) !== undefined,
  );
}

function newAttempt(item: TargetItem, incident: Incident, rung: Rung, scene: Scene): Attempt {
  const token = item.tokens + 1;
  const record = recordInWords(item.effects, rung.remedy, incident.kind, item.endings?.[incident.kind]);
  return {
    id: `att_${item.target}_${token}`,
    remedy: rung.remedy,
    site: incident.site,
    kind: incident.kind,
    state: "claimed",
    token,
    at: scene.now,
    because: shorten(scene.health.why),
    mayHaveCalled: false,
    ...(record === undefined ? {} : { record }),
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
  const healthyMs = item.incident.openedAt - Math.max(previous?.lastClaimAt ?? 0, item.wellSince ?? 0);
  const taken = cooldownAfterClaim(config, target.remedies[attempt.remedy], previous, healthyMs, now);
  const { lastRefusal: _, ...incident } = item.incident;
  draft.item = {
    ...item,
    tokens: Math.max(item.tokens, attempt.token),
    cooldowns: { ...item.cooldowns, [attempt.remedy]: taken },
    incident: withNewAttempt(incident, claimed),
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
  const known = attempt.record === undefined ? "" : `; ${attempt.record}`;
  say(
    draft,
    now,
    "attempt",
    `${attempt.remedy} of ${attempt.site} is decided: nothing stands against it${known} (${attempt.id})`,
  );
  draft.because.push(`claimed ${attempt.remedy} as ${attempt.id}`);
}

/** A person's word. Heard twice it changes nothing, and what was said before the matter came up is not about it. */
export function hearOperator(draft: Draft, scene: Scene, input: Extract<Input, { kind: "operator" }>): void {
  const { now, policy } = scene;
  const { incident } = draft.item;
  if (incident === undefined || (input.incident !== undefined && input.incident !== incident.id)) {
    draft.because.push(`operator: no such incident is open, so ${input.by}'s word changes nothing`);
    return;
  }
  const skew = policy.config.healing.clockSkewMs;
  if (input.word === "acknowledge") {
    if (incident.acknowledged?.by === input.by || input.at + skew < incident.openedAt) return;
    draft.item = { ...draft.item, incident: { ...incident, acknowledged: { by: shorten(input.by), at: input.at } } };
    say(draft, now, "operator", `${input.by} has taken it`);
    return;
  }
  const attempt = input.attempt === undefined ? attemptInFlight(draft.item) : findAttempt(draft.item, input.attempt);
  if (attempt?.state !== "proposed" || input.at + skew < attempt.at) {
    draft.because.push(`operator: nothing waits for ${input.by}'s word`);
    return;
  }
  if (input.word === "deny") {
    deny(draft, attempt, `${input.by} said no`, now);
    return;
  }
  // A yes counts only for what still holds: the guards run again, all but the one that asked for it.
  const rest = withAttempt(draft.item, { ...attempt, state: "abandoned" });
  const refusal = guardsFor(rest, scene, attempt, ["approval"]);
  if (refusal === undefined) claim(draft, scene, { ...attempt, because: `${attempt.because}; ${input.by} said yes` });
  else {
    draft.because.push(`${refusal.guard}: ${refusal.text}`);
    draft.item = endAbandoned(draft.item, attempt, `${input.by} said yes, but ${refusal.text}`, now);
  }
}
