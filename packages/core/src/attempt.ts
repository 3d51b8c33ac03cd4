import type { Config, RemedyPolicy, TargetConfig } from "@neuropilot/config";
import { type Attempt, attemptInFlight, type Cooldown, findAttempt, type TargetItem, withAttempt } from "./item.ts";
import type { CallOutcome, FollowStatus } from "./outcome.ts";
import { shorten, withEntry, withHuman } from "./timeline.ts";
import { seconds } from "./view.ts";

/**
 * The life of an attempt, as pure steps on the target item. Each returns the item as it should be written, or why not.
 *
 *   claimed ──► calling ──► following ──► verifying ──► a verdict
 *
 * The writer reads, takes a step and writes on condition of the version it read; a refused write is read again.
 */
export type Step = { readonly ok: true; readonly item: TargetItem } | { readonly ok: false; readonly reason: string };

/** The longest a lost call may live: cooldowns are longer than this by at least their policy. */
export function lostCallMs(config: Config): number {
  const { callNotAfterMs, callTimeoutMs, clockSkewMs } = config.healing;
  return callNotAfterMs + callTimeoutMs + clockSkewMs;
}

/**
 * The cooldown that a claim takes: doubled for every claim without a healthy day before it, plus the margin for lost calls.
 * `healthyMs` is how long the target was well between the last claim or incident and the present one.
 */
export function cooldownAfterClaim(
  config: Config,
  policy: RemedyPolicy,
  previous: Cooldown | undefined,
  healthyMs: number,
  now: number,
): Cooldown {
  const fresh = previous === undefined || healthyMs >= config.healing.resetAfterHealthyMs;
  const streak = fresh ? 0 : previous.streak + 1;
  const grown = Math.min(policy.cooldownMs * 2 ** Math.min(streak, 30), policy.cooldownCapMs);
  return { until: now + grown + lostCallMs(config), streak, lastClaimAt: now };
}

/** `claimed → calling`. Only the run named here calls, once. */
export function beginCall(item: TargetItem, attemptId: string, run: string, now: number): Step {
  const attempt = findAttempt(item, attemptId);
  if (attempt === undefined) return { ok: false, reason: "no such attempt is open" };
  if (attempt.state === "calling" && attempt.run === run) return { ok: true, item };
  if (attempt.state !== "claimed") return { ok: false, reason: `the attempt is ${attempt.state}` };
  if (attempt.callNotAfter === undefined || now > attempt.callNotAfter)
    return { ok: false, reason: "too late to call" };
  return {
    ok: true,
    item: dropRequest(
      withAttempt(item, { ...attempt, state: "calling", run, callStartedAt: now, mayHaveCalled: true }),
      attemptId,
    ),
  };
}

/** Not called, and provably so: the cooldown from before the claim is restored. */
export function abandon(item: TargetItem, attemptId: string, note: string, now: number, run?: string): Step {
  const attempt = findAttempt(item, attemptId);
  if (attempt === undefined) return { ok: false, reason: "no such attempt is open" };
  const mine = attempt.state === "calling" && run !== undefined && attempt.run === run;
  if (attempt.state !== "claimed" && !mine) return { ok: false, reason: `the attempt is ${attempt.state}` };
  return { ok: true, item: endAbandoned(item, attempt, note, now) };
}

/** Ends an attempt that was claimed or proposed and never called. */
export function endAbandoned(item: TargetItem, attempt: Attempt, note: string, now: number): TargetItem {
  const ended = endUncalled(item, attempt, "abandoned", note, now);
  return withEntry(ended, now, "attempt", `${attempt.remedy} was not called: ${note}`);
}

/**
 * Writes what came of the call. Accepted from the run that began it, also after reconcile gave it up as `unknown`:
 * a late outcome replaces the guess.
 */
export function recordOutcome(
  config: Config,
  target: TargetConfig,
  item: TargetItem,
  attemptId: string,
  run: string,
  outcome: CallOutcome,
  now: number,
): Step {
  const attempt = findAttempt(item, attemptId);
  if (attempt === undefined) return { ok: false, reason: "no such attempt is open" };
  const guessed =
    attempt.outcome?.kind === "unknown" && attempt.outcome.why === "runner-lost" && attempt.verdict === undefined;
  const waiting = attempt.state === "calling" || guessed;
  if (attempt.run !== run || !waiting) return { ok: false, reason: `the attempt is ${attempt.state}` };
  return { ok: true, item: applyOutcome(config, target, item, attempt, outcome, now) };
}

/** As `recordOutcome`, for what is known before `calling`: preparation found that nothing can or need be done. */
export function recordNotCalled(
  item: TargetItem,
  attemptId: string,
  outcome: Extract<CallOutcome, { kind: "rejected" | "retry-later" }>,
  now: number,
): Step {
  const attempt = findAttempt(item, attemptId);
  if (attempt === undefined) return { ok: false, reason: "no such attempt is open" };
  if (attempt.state !== "claimed") return { ok: false, reason: `the attempt is ${attempt.state}` };
  return { ok: true, item: endRefused(item, attempt, outcome, now) };
}

function applyOutcome(
  config: Config,
  target: TargetConfig,
  item: TargetItem,
  attempt: Attempt,
  outcome: CallOutcome,
  now: number,
): TargetItem {
  const policy = target.remedies[attempt.remedy];
  switch (outcome.kind) {
    case "applied":
      return withEntry(
        withAttempt(item, { ...attempt, outcome, state: "following", followUntil: now + policy.followMs }),
        now,
        "attempt",
        `${attempt.remedy}: the vendor accepted it${outcome.detail === undefined ? "" : ` (${outcome.detail})`}`,
      );
    case "already-done":
      return withEntry(
        startVerifying(config, target, item, { ...attempt, outcome }, now),
        now,
        "attempt",
        `${attempt.remedy}: the vendor says that nothing was left to do`,
      );
    case "unknown":
      return withEntry(
        startVerifying(config, target, item, { ...attempt, outcome }, now),
        now,
        "attempt",
        `${attempt.remedy}: whether the vendor did it is unknown (${outcome.why}: ${outcome.detail}); fresh samples decide`,
      );
    case "rejected":
    case "retry-later":
      return endRefused(item, attempt, outcome, now);
  }
}

/** A vendor that asks for longer than this is asked again after it. */
const LONGEST_WAIT_MS = 3_600_000;

function endRefused(
  item: TargetItem,
  attempt: Attempt,
  outcome: Extract<CallOutcome, { kind: "rejected" | "retry-later" }>,
  now: number,
): TargetItem {
  const { remedy } = attempt;
  const refused = { ...attempt, outcome };
  if (outcome.kind === "retry-later") {
    const wait = Math.min(Math.max(outcome.afterMs, 0), LONGEST_WAIT_MS);
    const ended = endUncalled(item, { ...refused, notBefore: now + wait }, "retry-later", outcome.detail, now);
    return withEntry(ended, now, "attempt", `${remedy}: the vendor asks to wait ${seconds(wait)} (${outcome.detail})`);
  }
  const ended = endUncalled(item, refused, "rejected", outcome.detail, now);
  if (ended.incident === undefined || ended.incident.unavailable.includes(remedy)) return ended;
  return withHuman(
    { ...ended, incident: { ...ended.incident, unavailable: [...ended.incident.unavailable, remedy] } },
    now,
    `${remedy} cannot be made: ${outcome.reason} (${outcome.detail})`,
  );
}

function endUncalled(
  item: TargetItem,
  attempt: Attempt,
  state: "abandoned" | "rejected" | "retry-later",
  note: string,
  now: number,
): TargetItem {
  return dropRequest(
    withAttempt(restoreCooldown(item, attempt), {
      ...attempt,
      state,
      note: shorten(note),
      endedAt: now,
      mayHaveCalled: false,
    }),
    attempt.id,
  );
}

/** Back to the cooldown from before this attempt's claim: only for an attempt that was provably not called. */
function restoreCooldown(item: TargetItem, attempt: Attempt): TargetItem {
  if (attempt.claimedAt === undefined) return item;
  const cooldowns = { ...item.cooldowns };
  if (attempt.previousCooldown === undefined) delete cooldowns[attempt.remedy];
  else cooldowns[attempt.remedy] = attempt.previousCooldown;
  return { ...item, cooldowns };
}

/** What the vendor said of accepted work. `unavailable` is no word at all: asked again later, until `followUntil`. */
export function recordFollow(
  config: Config,
  target: TargetConfig,
  item: TargetItem,
  attemptId: string,
  status: FollowStatus,
  now: number,
): Step {
  const attempt = findAttempt(item, attemptId);
  if (attempt === undefined) return { ok: false, reason: "no such attempt is open" };
  if (attempt.state !== "following") return { ok: false, reason: `the attempt is ${attempt.state}` };
  switch (status.kind) {
    case "in-progress":
    case "unavailable":
      return { ok: false, reason: status.detail };
    case "over":
    case "failed":
      return {
        ok: true,
        item: withEntry(
          startVerifying(config, target, item, { ...attempt, note: shorten(status.detail) }, now),
          now,
          "attempt",
          `${attempt.remedy}: the vendor's work is ${status.kind === "over" ? "over" : "said to have failed"} (${status.detail})`,
        ),
      };
  }
}

/** From here on only samples that start after the vendor's work, the warm-up and the skew of clocks count. */
export function startVerifying(
  config: Config,
  target: TargetConfig,
  item: TargetItem,
  attempt: Attempt,
  now: number,
): TargetItem {
  const policy = target.remedies[attempt.remedy];
  const verifyFrom = now + policy.warmUpMs + config.healing.clockSkewMs;
  const verifying: Attempt = {
    ...attempt,
    state: "verifying",
    overAt: now,
    verifyFrom,
    verifyUntil: verifyFrom + policy.verifyMs,
  };
  return {
    ...withAttempt(item, verifying),
    evidenceFrom: verifyFrom,
    recovery: { streak: 0, tick: item.recovery.tick, from: 0 },
  };
}

/** Past every time at which the call could still be alive, a `calling` that nobody finished becomes `unknown` and is verified. */
export function giveUpLostCall(config: Config, target: TargetConfig, item: TargetItem, now: number): TargetItem {
  const attempt = attemptInFlight(item);
  if (attempt?.state !== "calling" || attempt.callNotAfter === undefined) return item;
  const { callTimeoutMs, clockSkewMs } = config.healing;
  if (now <= attempt.callNotAfter + callTimeoutMs + clockSkewMs) return item;
  const outcome: CallOutcome = {
    kind: "unknown",
    why: "runner-lost",
    detail: "the run that called never wrote what came of it",
  };
  return withEntry(
    startVerifying(config, target, item, { ...attempt, outcome }, now),
    now,
    "attempt",
    `${attempt.remedy}: the call was begun and never reported; taken as unknown, fresh samples decide`,
  );
}

/** The request has been answered by what its attempt has become. */
export function dropRequest(item: TargetItem, attemptId: string): TargetItem {
  const { [requestKey(attemptId)]: _, ...outbox } = item.outbox;
  return { ...item, outbox };
}

export function requestKey(attemptId: string): string {
  return `request:${attemptId}`;
}
