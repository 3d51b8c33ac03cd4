import type { SiteConfig, TargetConfig } from "@neuropilot/config";
import {
  type Attempt,
  abandon,
  auditStep,
  beginCall,
  type CallOutcome,
  findAttempt,
  healthOf,
  isPaused,
  modeOf,
  openMaintenance,
  recordFollow,
  recordNotCalled,
  recordOutcome,
  refusalBeforeCall,
  type Step,
  type TargetItem,
} from "@neuropilot/core";
import { remediationFinished } from "@neuropilot/events";
import type { RemedyProvider } from "@neuropilot/providers";
import { GLOBAL } from "@neuropilot/store";
import type { Deps } from "./deps.ts";
import { eventOf, readWorld } from "./wake.ts";

/** No call starts more than 5 s after a pause; what was read longer ago than this is read again. */
const CONTROL_FRESH_MS = 3_000;
const MOST_CONTROL_READS = 3;

/** Binds a vendor's action to a remedy: where to act for a site, undefined if the config does not say. */
export interface RemedyAdapter<Where, Plan> {
  readonly provider: RemedyProvider<Where, Plan>;
  where(site: SiteConfig, attempt: Attempt): Where | undefined;
}

export type RemedyResult = {
  readonly kind: "nothing-to-do" | "not-called" | "called" | "followed";
  readonly why: string;
};

/**
 * Carries out one attempt: re-reads what could forbid the call, takes the budget, writes `calling` with its own run id, and
 * only then calls, once. Duplicates, late deliveries and crashes at any await are harmless: see docs/decisions/attempts.md.
 */
export async function runRemedy<Where, Plan>(
  deps: Deps,
  adapter: RemedyAdapter<Where, Plan>,
  request: { readonly target: string; readonly attempt: string; readonly pollForMs: number },
): Promise<RemedyResult> {
  const target = deps.config.targets.find((candidate) => candidate.id === request.target);
  if (target === undefined) return { kind: "nothing-to-do", why: "the target is not in the config" };
  const item = await deps.state.readTarget(request.target, deps.clock());
  const attempt = findAttempt(item, request.attempt);
  if (attempt === undefined) return { kind: "nothing-to-do", why: "no such attempt is open" };
  if (attempt.state === "following") return follow(deps, adapter, target, attempt, request.pollForMs);
  if (attempt.state !== "claimed") return { kind: "nothing-to-do", why: `the attempt is ${attempt.state}` };
  const result = await callOnce(deps, adapter, target, attempt);
  if (result.kind === "called") await follow(deps, adapter, target, attempt, request.pollForMs);
  deps.log("info", "remedy", {
    target: target.id,
    attempt: attempt.id,
    remedy: attempt.remedy,
    result: result.kind,
    why: result.why,
  });
  return result;
}

async function callOnce<Where, Plan>(
  deps: Deps,
  adapter: RemedyAdapter<Where, Plan>,
  target: TargetConfig,
  attempt: Attempt,
): Promise<RemedyResult> {
  const limits = { timeoutMs: deps.config.healing.callTimeoutMs };
  const site = target.sites.find((candidate) => candidate.id === attempt.site);
  const where = site === undefined ? undefined : adapter.where(site, attempt);
  if (where === undefined)
    return notCalled(deps, target, attempt, {
      kind: "rejected",
      reason: "not-configured",
      detail: `the config does not say how to ${attempt.remedy} ${attempt.site}`,
    });

  const prepared = await adapter.provider.prepare(where, limits);
  if (prepared.kind === "already-done")
    return notCalled(deps, target, attempt, {
      kind: "rejected",
      reason: "nothing-to-restart",
      detail: prepared.detail ?? "nothing left to do",
    });
  if (prepared.kind !== "ready") return notCalled(deps, target, attempt, prepared);

  const readAt = deps.clock();
  const refusal = await forbidden(deps, target, attempt);
  if (refusal !== undefined) return giveUp(deps, target, attempt, refusal);
  const budget = await takeBudgets(deps, target, attempt);
  if (budget !== undefined) return giveUp(deps, target, attempt, budget);

  const run = deps.newId("run_");
  const begun = await step(deps, target, attempt.id, (item) => beginCall(item, attempt.id, run, deps.clock()));
  if (!begun.ok) return { kind: "nothing-to-do", why: begun.reason };
  const late = await tooLate(deps, target, attempt, readAt);
  if (late !== undefined) return giveUp(deps, target, attempt, late, run);
  const outcome = await act(adapter, prepared.plan, limits);
  const recorded = await step(deps, target, attempt.id, (item) =>
    recordOutcome(deps.config, target, item, attempt.id, run, outcome, deps.clock()),
  );
  if (recorded.ok && (outcome.kind === "rejected" || outcome.kind === "retry-later"))
    await returnBudgets(deps, target, attempt);
  await finished(deps, target, attempt, outcome.kind, recorded);
  return { kind: "called", why: recorded.ok ? outcome.kind : `${outcome.kind}, but ${recorded.reason}` };
}

/** A provider does not throw for what a vendor does; if it does all the same, the call may have gone out. */
async function act<Where, Plan>(
  adapter: RemedyAdapter<Where, Plan>,
  plan: Plan,
  limits: { timeoutMs: number },
): Promise<CallOutcome> {
  try {
    return await adapter.provider.act(plan, limits);
  } catch (error) {
    return { kind: "unknown", why: "connection-lost", detail: error instanceof Error ? error.message : String(error) };
  }
}

async function forbidden(deps: Deps, target: TargetConfig, attempt: Attempt): Promise<string | undefined> {
  const { config, clock } = deps;
  const item = await deps.state.readTarget(target.id, clock());
  if (item.incident === undefined) return "the incident is over";
  const world = await readWorld(deps, target, undefined);
  const now = clock();
  const evidence = now >= item.evidenceFrom ? item.evidenceFrom : 0;
  const healthAt = (site: string, from: number) => healthOf(config, target, site, world, from, now);
  const others = Object.fromEntries(
    target.sites.filter((site) => site.id !== attempt.site).map((site) => [site.id, healthAt(site.id, 0)]),
  );
  const refusal = refusalBeforeCall({
    config,
    target,
    item,
    incident: item.incident,
    world,
    health: healthAt(attempt.site, evidence),
    others,
    remedy: attempt.remedy,
    now,
    attempt: attempt.id,
  });
  return refusal === undefined ? undefined : `${refusal.guard}: ${refusal.text}`;
}

/**
 * The last question before the call, asked of the clock: a function may have been frozen anywhere on its way here. What was
 * read is fresh enough for the pause that it must respect, and the deadline that cooldowns are reckoned with has not passed.
 */
async function tooLate(
  deps: Deps,
  target: TargetConfig,
  attempt: Attempt,
  controlReadAt: number,
): Promise<string | undefined> {
  let readAt = controlReadAt;
  for (let round = 0; deps.clock() - readAt > CONTROL_FRESH_MS; round++) {
    if (round >= MOST_CONTROL_READS) return "the table is too slow to know of a pause in time";
    readAt = deps.clock();
    const [global, own] = await Promise.all([deps.state.readControl(GLOBAL), deps.state.readControl(target.id)]);
    const now = deps.clock();
    if (isPaused(global, now) || isPaused(own, now)) return "paused: just before the call";
    if (modeOf(target, attempt.remedy, { global, target: own }) === "observe") return "observe: just before the call";
  }
  const maintenance = openMaintenance(target, deps.clock());
  if (maintenance !== undefined) return `maintenance: ${maintenance.reason}`;
  return attempt.callNotAfter === undefined || deps.clock() > attempt.callNotAfter ? "too late to call" : undefined;
}

async function takeBudgets(deps: Deps, target: TargetConfig, attempt: Attempt): Promise<string | undefined> {
  const now = deps.clock();
  if (!(await deps.state.takeBudget(target.id, attempt.id, target.budget, now))) return "target-budget: it is spent";
  if (!(await deps.state.takeBudget(GLOBAL, attempt.id, deps.config.fleetBudget, now)))
    return "fleet-budget: it is spent";
  return undefined;
}

/** Nothing was called, and that is written: the units may serve another attempt. */
async function returnBudgets(deps: Deps, target: TargetConfig, attempt: Attempt): Promise<void> {
  await deps.state.returnBudget(target.id, attempt.id);
  await deps.state.returnBudget(GLOBAL, attempt.id);
}

async function notCalled(
  deps: Deps,
  target: TargetConfig,
  attempt: Attempt,
  outcome: Extract<CallOutcome, { kind: "rejected" | "retry-later" }>,
): Promise<RemedyResult> {
  const written = await step(deps, target, attempt.id, (item) =>
    recordNotCalled(item, attempt.id, outcome, deps.clock()),
  );
  if (!written.ok) return { kind: "nothing-to-do", why: written.reason };
  await finished(deps, target, attempt, outcome.kind, written);
  return { kind: "not-called", why: `${outcome.kind}: ${outcome.detail}` };
}

async function giveUp(
  deps: Deps,
  target: TargetConfig,
  attempt: Attempt,
  why: string,
  run?: string,
): Promise<RemedyResult> {
  const written = await step(deps, target, attempt.id, (item) => abandon(item, attempt.id, why, deps.clock(), run));
  if (!written.ok) return { kind: "nothing-to-do", why: written.reason };
  await returnBudgets(deps, target, attempt);
  await finished(deps, target, attempt, "not-called", written);
  return { kind: "not-called", why };
}

/** Asks the vendor until its work is over, for at most `forMs`; reconcile has it asked again after that. */
async function follow<Where, Plan>(
  deps: Deps,
  adapter: RemedyAdapter<Where, Plan>,
  target: TargetConfig,
  attempt: Attempt,
  forMs: number,
): Promise<RemedyResult> {
  const { followPollMs, callTimeoutMs } = deps.config.healing;
  const until = deps.clock() + forMs;
  for (;;) {
    const item = await deps.state.readTarget(target.id, deps.clock());
    const current = findAttempt(item, attempt.id);
    if (current?.state !== "following" || current.outcome?.kind !== "applied")
      return { kind: "followed", why: `the attempt is ${current?.state ?? "closed"}` };
    const status = await adapter.provider.follow(current.outcome.reference, { timeoutMs: callTimeoutMs });
    const written = await step(deps, target, attempt.id, (now) =>
      recordFollow(deps.config, target, now, attempt.id, status, deps.clock()),
    );
    if (written.ok) {
      await finished(deps, target, attempt, "applied", written);
      return { kind: "followed", why: status.detail };
    }
    const wait = status.kind === "unavailable" ? Math.max(status.afterMs, followPollMs) : followPollMs;
    if (deps.clock() + wait >= until) return { kind: "followed", why: `still ${status.kind}: ${status.detail}` };
    await deps.sleep(wait);
  }
}

/** One audited step on the item under the one rule; what it was refused for comes back as a value. */
async function step(
  deps: Deps,
  target: TargetConfig,
  attemptId: string,
  take: (item: TargetItem) => Step,
): Promise<Step> {
  let result: Step = { ok: false, reason: "not tried" };
  await deps.state.updateTarget(target.id, deps.clock, (item) => {
    result = take(item);
    if (!result.ok || result.item === item) return undefined;
    const after = findAttempt(result.item, attemptId);
    const audited = auditStep(result.item, {
      now: deps.clock(),
      attempt: attemptId,
      state: after?.state ?? "closed",
      ...(after?.run === undefined ? {} : { run: after.run }),
    });
    result = { ok: true, item: audited };
    return audited;
  });
  return result;
}

/** Wakes decide, and the channels for what the step has put on the timeline. */
async function finished(
  deps: Deps,
  target: TargetConfig,
  attempt: Attempt,
  outcome: CallOutcome["kind"] | "not-called",
  written: Step,
): Promise<void> {
  const news = written.ok ? Object.values(written.item.outbox).filter(({ kind }) => kind === "incident.changed") : [];
  await deps.publish([
    remediationFinished.entry({
      v: 1,
      id: deps.newId("evt_"),
      at: deps.clock(),
      target: target.id,
      cause: attempt.id,
      hops: 2,
      attempt: attempt.id,
      outcome,
    }),
    ...news.map((entry) => eventOf(deps, target.id, entry, attempt.id)),
  ]);
}
