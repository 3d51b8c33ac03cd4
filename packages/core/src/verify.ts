import { endAbandoned, giveUpLostCall } from "./attempt.ts";
import { gravity, isIll } from "./health.ts";
import { type Attempt, attemptInFlight, type TargetItem, type Verdict, withAttempt } from "./item.ts";
import { type Draft, type Input, needHuman, type Policy, type Scene, say } from "./scene.ts";
import { shorten } from "./timeline.ts";
import { seconds } from "./view.ts";
import { counts, isBad, meaningOf, siteKey } from "./window.ts";

const PROPOSAL_LIVES_MS = 30 * 60_000;

/** Moves on the attempt that is under way, as far as time and fresh samples carry it. */
export function moveAttempt(draft: Draft, scene: Scene, input: Input): void {
  const { policy, now } = scene;
  if (input.kind === "reconcile") {
    const before = draft.item;
    draft.item = giveUpLostCall(policy.config, policy.target, draft.item, now);
    if (draft.item !== before) draft.because.push("attempt: the call was begun and never reported: unknown");
  }
  const attempt = attemptInFlight(draft.item);
  if (attempt === undefined) return;
  switch (attempt.state) {
    case "proposed":
      if (now - attempt.at > PROPOSAL_LIVES_MS) deny(draft, attempt, "nobody said yes in time", now);
      return;
    case "claimed":
      if (attempt.callNotAfter !== undefined && now > attempt.callNotAfter) {
        draft.because.push("attempt: not called in time");
        draft.item = endAbandoned(draft.item, attempt, "no function took it up in time", now);
      }
      return;
    case "following":
      if (attempt.followUntil !== undefined && now > attempt.followUntil) {
        draft.item = verifyAsIs(draft.item, policy, attempt, now);
        const waited = seconds(policy.target.remedies[attempt.remedy].followMs);
        say(draft, now, "attempt", `the vendor did not finish ${attempt.remedy} within ${waited}`);
      }
      return;
    case "verifying":
      verify(draft, scene, attempt);
      return;
    default:
      return;
  }
}

export function deny(draft: Draft, attempt: Attempt, note: string, now: number): void {
  draft.item = withAttempt(draft.item, { ...attempt, state: "denied", note: shorten(note), endedAt: now });
  say(draft, now, "attempt", `${attempt.remedy} was not done: ${note}`);
}

function verifyAsIs(item: TargetItem, { config, target }: Policy, attempt: Attempt, now: number): TargetItem {
  const verifyFrom = now + config.healing.clockSkewMs;
  const verifying: Attempt = {
    ...attempt,
    state: "verifying",
    overAt: now,
    verifyFrom,
    verifyUntil: verifyFrom + target.remedies[attempt.remedy].verifyMs,
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
  const { remedy } = attempt;
  draft.item = withAttempt(draft.item, { ...attempt, state: verdict, verdict, endedAt: now });
  say(draft, now, "attempt", `${remedy}: ${verdict} (${health.why})`);
  const { incident } = draft.item;
  if (incident === undefined) return;
  switch (verdict) {
    case "healed":
    case "self-resolved":
      return;
    case "worse":
      draft.item = { ...draft.item, incident: { ...incident, ladderEnded: true } };
      needHuman(draft, now, `${remedy} made it worse: ${attempt.kind} → ${health.state}; nothing more will be tried`);
      return;
    case "no-effect":
    case "unknown": {
      const number = incident.attempts.filter((other) => other.remedy === remedy && other.verdict !== undefined).length;
      const how = verdict === "unknown" ? "cannot be shown to have helped" : "did not help";
      needHuman(draft, now, `${remedy} ${how} (attempt ${number})`);
    }
  }
}

/** Healthy observations in a row, and for what only many samples show, as many of those since the first of them. */
export function hasRecovered(item: TargetItem, scene: Scene): boolean {
  const { policy, health } = scene;
  const { rules } = policy.target;
  if (health.state !== "healthy" || item.recovery.streak < rules.recovery.observations) return false;
  const kind = item.incident?.kind;
  if (kind !== "failing" && kind !== "slow") return true;
  const since = samplesOf(scene).filter((sample) => sample.startedAt >= item.recovery.from);
  if (kind === "slow") return since.length >= rules.slow.minSamples;
  return since.length >= rules.failing.minSamples && since.filter(isBad).length <= rules.failing.rate * since.length;
}

/** What followed needed no help: the newest samples from before the call, from any vantage, were all good. */
function wasWellBeforeCall(scene: Scene, attempt: Attempt): boolean {
  const called = attempt.callStartedAt;
  if (called === undefined) return true;
  const { rules } = scene.policy.target;
  // As many as it takes to show that this kind of illness was gone: three good answers say nothing about one in ten failing.
  const wanted =
    attempt.kind === "failing"
      ? rules.failing.minSamples
      : attempt.kind === "slow"
        ? rules.slow.minSamples
        : rules.recovery.observations;
  const before = samplesOf(scene)
    .filter((sample) => sample.startedAt < called)
    .sort((a, b) => a.startedAt - b.startedAt)
    .slice(-wanted);
  return (
    before.length === wanted &&
    before.every((sample) => meaningOf(sample.outcome) === "good" && sample.ttfbMs <= rules.slow.thresholdMs)
  );
}

function samplesOf({ policy, world, site }: Scene) {
  return world.windows
    .flatMap((window) => window.sites[siteKey(policy.target.id, site)]?.samples ?? [])
    .filter((sample) => counts(sample));
}
