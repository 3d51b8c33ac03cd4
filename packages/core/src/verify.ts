import { endAbandoned, giveUpLostCall } from "./attempt.ts";
import { withVerdict } from "./effectiveness.ts";
import { gravity, isIll, isWellFor } from "./health.ts";
import { type Attempt, attemptInFlight, type TargetItem, type Verdict, withAttempt } from "./item.ts";
import { type Draft, type Input, isNews, needHuman, type Policy, type Scene, say } from "./scene.ts";
import { shorten } from "./timeline.ts";
import { seconds } from "./view.ts";
import { compareSamples, counts, isBad, meaningOf, siteKey } from "./window.ts";

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
      if (now - attempt.at > PROPOSAL_LIVES_MS) {
        deny(draft, attempt, "nobody said yes in time", now);
        needHuman(
          draft,
          now,
          `${attempt.remedy} was proposed and nobody answered within ${seconds(PROPOSAL_LIVES_MS)}`,
        );
      }
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
  const ill = isIll(health.state) && !isWellFor(attempt.kind, health.state);
  const graver = ill && gravity(health.state) > gravity(attempt.kind);
  if (now < verifyUntil) {
    // A person hears at once; the verdict waits, for what starts slowly reads as down until it is up.
    if (graver && isNews(draft, `graver:${attempt.id}`))
      needHuman(
        draft,
        now,
        `${attempt.remedy} was followed by worse: ${attempt.kind} → ${health.state} (${health.why}); it may still be starting, which is awaited for ${seconds(verifyUntil - now)} more`,
      );
    return;
  }
  // Missing data is never illness: without a quorum that sees it ill, nobody knows. Neither does anybody while the vendor works.
  if (graver) conclude(draft, scene, attempt, "worse");
  else if (ill) conclude(draft, scene, attempt, attempt.overAt === undefined ? "unknown" : "no-effect");
  else if (health.state === "inconclusive" || now >= verifyUntil + policy.target.remedies[attempt.remedy].verifyMs)
    conclude(draft, scene, attempt, "unknown");
}

function conclude(draft: Draft, scene: Scene, attempt: Attempt, verdict: Verdict): void {
  const { now, health } = scene;
  const { remedy } = attempt;
  const effects = withVerdict(draft.item.effects, remedy, attempt.kind, verdict);
  draft.item = { ...withAttempt(draft.item, { ...attempt, state: verdict, verdict, endedAt: now }), effects };
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
  const kind = item.incident?.kind;
  if (!isWellFor(kind, health.state) || item.recovery.streak < rules.recovery.observations) return false;
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
    .sort(compareSamples)
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
