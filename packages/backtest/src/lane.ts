import type { Config, IllKind, Remedy, TargetConfig } from "@neuropilot/config";
import {
  type Attempt,
  abandon,
  beginCall,
  type Decision,
  decide,
  findAttempt,
  healthOf,
  type Incident,
  type Input,
  isIll,
  isIllToday,
  isSlow,
  KEEP_MS,
  newTargetItem,
  recordFollow,
  recordOutcome,
  refusalBeforeCall,
  type SeenWorld,
  type Step,
  siteKey,
  spent,
  type TargetItem,
  type WindowItem,
} from "@neuropilot/core";
import type { Player } from "./player.ts";
import { Recovery } from "./recovery.ts";
import type { ActionHow, ReplayedAction, ReplayedIncident } from "./replayed.ts";

/** What the lane asks of the replay that it is part of. */
export interface Surroundings {
  readonly windows: () => readonly WindowItem[];
  readonly later: (at: number, run: (now: number) => void) => void;
  readonly watch: (site: string, recovery: Recovery) => void;
  readonly realCallBetween: (site: string, from: number, to: number) => boolean;
  readonly aloneWithinMs: number;
}

/** What a look comes to where no site is ill and something can be seen: nothing but the count of healthy observations. */
export interface Calm {
  readonly state: "healthy" | "suspect";
  readonly observation: number;
}

interface OpenAction {
  readonly attempt: string | undefined;
  readonly action: Omit<ReplayedAction, "aftermath">;
  readonly recovery: Recovery;
}

interface OpenIncident {
  readonly id: string;
  readonly kinds: IllKind[];
  readonly firstBadAt: number | undefined;
  readonly actions: OpenAction[];
  readonly refusals: Set<string>;
  last: Incident;
}

/** A vendor accepts a call about a second after it was decided on: the request's way over the bus, and preparing it. */
const CALL_AFTER_MS = 1_000;

/** One target under one policy: its item, as the real functions move it on. */
export class Lane {
  readonly target: TargetConfig;
  readonly #config: Config;
  readonly #player: Player;
  readonly #around: Surroundings;
  readonly #first: string;
  readonly #asked = new Set<string>();
  readonly #told: OpenIncident[] = [];
  item: TargetItem;
  #open: OpenIncident | undefined;
  #budget: Record<string, number> = {};
  /** By vantage: since when it holds this target to be ill, for the guard of the whole fleet. */
  readonly #illSince = new Map<string, number>();
  /** The newest look that would have found it healthy and was left out, by its tick. */
  #skipped = 0;

  constructor(player: Player, target: TargetConfig, around: Surroundings, start: number) {
    this.#config = player.config;
    this.#player = player;
    this.target = target;
    this.#around = around;
    this.#first = target.sites[0]?.id ?? "";
    this.item = newTargetItem(target.id, start);
    player.lanes.push(this);
  }

  get illSince(): ReadonlyMap<string, number> {
    return this.#illSince;
  }

  /** Whether more than the health of its first site can matter now. */
  isHot(now: number): boolean {
    const { incident, health, evidenceFrom } = this.item;
    return (
      incident !== undefined ||
      health.state === "inconclusive" ||
      health.site !== this.#first ||
      evidenceFrom > now - KEEP_MS ||
      this.#illSince.size > 0
    );
  }

  /** A look that is known to find what was found before: left out, as nothing comes of it but the count of healthy ones. */
  skip(observation: number): void {
    if (observation > this.#skipped) this.#skipped = observation;
  }

  /** What the real rules find now, for a lane that is not hot; undefined where more may come of it than a count. */
  judge(now: number): Calm | undefined {
    const sights = { windows: this.#around.windows(), heartbeats: this.#player.heartbeats(now) };
    let first: Calm | undefined;
    for (const { id } of this.target.sites) {
      const { state, observation, views } = healthOf(this.#config, this.target, id, sights, 0, now);
      if (isIll(state) || (this.#player.minding && Object.values(views).some(isIll))) return undefined;
      if (id === this.#first && (state === "healthy" || state === "suspect")) first = { state, observation };
    }
    return first;
  }

  look(kind: "wake" | "reconcile", now: number): void {
    this.#catchUp();
    this.#decide(kind === "wake" ? { kind, at: now, cause: "sample" } : { kind, at: now }, now);
  }

  /** What `decide` would have counted in the looks that were left out. */
  #catchUp(): void {
    const { recovery, health } = this.item;
    if (health.state !== "healthy" || this.#skipped <= recovery.tick) return;
    this.item = { ...this.item, recovery: { ...recovery, streak: Math.max(1, recovery.streak), tick: this.#skipped } };
  }

  #decide(input: Input, now: number): void {
    const world = this.#world(now);
    const decision = decide({ config: this.#config, target: this.target }, this.item, world, input, now);
    const { item } = decision;
    this.#follow(decision, world, now);
    this.item = lean(item);
    if (this.#player.minding) this.#mindFleet(world, now);
    for (const request of decision.requests) {
      if (request.kind !== "remediation.requested" || this.#asked.has(request.attempt)) continue;
      this.#asked.add(request.attempt);
      this.#around.later(now + CALL_AFTER_MS, (at) => this.#call(request.attempt, at));
    }
  }

  #world(now: number): SeenWorld {
    return {
      control: { global: {}, target: {} },
      budget: { target: this.#budget, fleet: this.#player.budget },
      heartbeats: this.#player.heartbeats(now),
      windows: this.#around.windows(),
      told: {},
    };
  }

  /** Keeps since when each vantage, by itself, holds the target to be ill. */
  #mindFleet(world: SeenWorld, now: number): void {
    const ill = new Set<string>();
    for (const { id } of this.target.sites)
      for (const [vantage, view] of Object.entries(healthOf(this.#config, this.target, id, world, 0, now).views))
        if (isIllToday(view)) ill.add(vantage);
    for (const vantage of [...this.#illSince.keys()]) if (!ill.has(vantage)) this.#illSince.delete(vantage);
    for (const vantage of ill) if (!this.#illSince.has(vantage)) this.#illSince.set(vantage, now);
  }

  /** Writes down what the decision opened, changed and closed. */
  #follow(decision: Decision, world: SeenWorld, now: number): void {
    const { item } = decision;
    for (const closed of item.closed) this.#note(closed, decision, world, now);
    if (item.incident !== undefined) this.#note(item.incident, decision, world, now);
  }

  #note(incident: Incident, { because }: Decision, world: SeenWorld, now: number): void {
    if (this.#open?.id !== incident.id) {
      if (this.#told.some(({ id }) => id === incident.id)) return;
      const firstBadAt = incident.failedAt ?? this.#firstSlow(incident, world, now);
      this.#open = {
        id: incident.id,
        kinds: [incident.kind],
        firstBadAt,
        actions: [],
        refusals: new Set(),
        last: { ...lastOf(incident), wouldHave: [], attempts: [] },
      };
      this.#told.push(this.#open);
    }
    const open = this.#open;
    const before = open.last;
    open.last = lastOf(incident);
    if (open.kinds.at(-1) !== incident.kind) open.kinds.push(incident.kind);
    const refusal = incident.lastRefusal?.guard;
    if (refusal !== undefined && because.some((reason) => reason.startsWith(`${refusal}:`))) open.refusals.add(refusal);
    for (const { remedy } of incident.wouldHave.slice(before.wouldHave.length))
      this.#act(open, undefined, "would-have", remedy, incident, now);
    for (const attempt of incident.attempts) {
      const isNew = attempt.state === "proposed" && !before.attempts.some(({ id }) => id === attempt.id);
      if (isNew) this.#act(open, attempt.id, "proposed", attempt.remedy, incident, now);
    }
  }

  #firstSlow(incident: Incident, world: SeenWorld, now: number): number | undefined {
    if (incident.kind !== "slow") return undefined;
    const { thresholdMs, windowMs } = this.target.rules.slow;
    const slow = world.windows
      .flatMap((window) => window.sites[siteKey(this.target.id, incident.site)]?.samples ?? [])
      .filter((sample) => sample.startedAt > now - windowMs && isSlow(sample, thresholdMs));
    return slow.length === 0 ? undefined : Math.min(...slow.map(({ startedAt }) => startedAt));
  }

  #act(
    open: OpenIncident,
    attempt: string | undefined,
    how: ActionHow,
    remedy: Remedy,
    { kind, site }: Pick<Incident, "kind" | "site">,
    at: number,
  ): void {
    const recovery = new Recovery(at, kind, this.target.rules, this.#around.aloneWithinMs);
    this.#around.watch(site, recovery);
    open.actions.push({ attempt, action: { remedy, kind, site, how, at }, recovery });
  }

  /** What the remedy function would do: ask again all that could forbid it, take the budget, call. The vendor accepts. */
  #call(attemptId: string, now: number): void {
    const attempt = findAttempt(this.item, attemptId);
    if (attempt?.state !== "claimed" || this.#open === undefined) return;
    const refusal = this.#forbidden(attempt, now);
    if (refusal !== undefined) {
      this.#step(abandon(this.item, attemptId, refusal, now));
      this.look("wake", now);
      return;
    }
    const begun = this.#step(beginCall(this.item, attemptId, "run_backtest", now));
    if (!begun) return;
    this.#budget = { ...within(this.#budget, this.target.budget.perMs, now), [attemptId]: now };
    this.#player.spend(attemptId, now);
    const outcome = { kind: "applied", reference: attemptId } as const;
    this.#step(recordOutcome(this.#config, this.target, this.item, attemptId, "run_backtest", outcome, now));
    this.#act(this.#open, attemptId, "called", attempt.remedy, attempt, now);
    this.#around.later(now + this.#player.takesMs(attempt.remedy), (at) => this.#over(attemptId, at));
  }

  #forbidden(attempt: Attempt, now: number): string | undefined {
    const { item, target } = this;
    if (item.incident === undefined) return "the incident is over";
    const world = this.#world(now);
    const evidence = now >= item.evidenceFrom ? item.evidenceFrom : 0;
    const healthAt = (site: string, from: number) => healthOf(this.#config, target, site, world, from, now);
    const others = target.sites.filter(({ id }) => id !== attempt.site).map(({ id }) => [id, healthAt(id, 0)] as const);
    const refusal = refusalBeforeCall({
      config: this.#config,
      target,
      item,
      incident: item.incident,
      world,
      health: healthAt(attempt.site, evidence),
      others: Object.fromEntries(others),
      remedy: attempt.remedy,
      now,
      attempt: attempt.id,
    });
    return refusal === undefined ? undefined : `${refusal.guard}: ${refusal.text}`;
  }

  #over(attemptId: string, now: number): void {
    const status = { kind: "over", detail: "assumed" } as const;
    if (this.#step(recordFollow(this.#config, this.target, this.item, attemptId, status, now))) this.look("wake", now);
  }

  #step(step: Step): boolean {
    if (step.ok) this.item = lean(step.item);
    return step.ok;
  }

  /** Everything that this policy made of the history. */
  report(): readonly ReplayedIncident[] {
    return this.#told.map((told) => this.#reportOf(told));
  }

  #reportOf({ id, kinds, firstBadAt, actions, refusals, last }: OpenIncident): ReplayedIncident {
    const from = firstBadAt ?? last.openedAt;
    return {
      id,
      target: this.target.id,
      site: last.site,
      kinds,
      why: last.why,
      openedAt: last.openedAt,
      ...(firstBadAt === undefined ? {} : { firstBadAt }),
      ...(last.endedAt === undefined ? { health: this.item.health.state } : { endedAt: last.endedAt }),
      needsHuman: last.needsHuman !== undefined,
      realCall: this.#around.realCallBetween(last.site, from, last.endedAt ?? Number.POSITIVE_INFINITY),
      actions: actions.map((action) => this.#reportAction(action, last, from)),
      refusals: [...refusals],
    };
  }

  #reportAction({ attempt, action, recovery }: OpenAction, incident: Incident, from: number): ReplayedAction {
    const verdict = incident.attempts.find(({ id }) => id === attempt)?.verdict;
    const { recoveredAt, done } = recovery;
    const real = this.#around.realCallBetween(action.site, from, recoveredAt ?? action.at);
    return {
      ...action,
      ...(verdict === undefined ? {} : { verdict }),
      ...(recoveredAt === undefined
        ? { aftermath: done ? "needed" : "open" }
        : { aftermath: real ? "real-call" : "alone", recoveredAt }),
    };
  }
}

/** Without what deciding never reads, so that a look costs the same after a year. */
function lean(item: TargetItem): TargetItem {
  const { incident } = item;
  const outbox = Object.entries(item.outbox).filter(([, { kind }]) => kind !== "incident.changed");
  return {
    ...item,
    closed: [],
    outbox: Object.fromEntries(outbox),
    audit: { ...item.audit, pending: [] },
    ...(incident === undefined ? {} : { incident: { ...incident, timeline: [] } }),
  };
}

/** What a report needs of an incident; its timeline would be most of the memory. */
function lastOf(incident: Incident): Incident {
  return { ...incident, timeline: [] };
}

/** The calls of a rolling window that still count. */
export function within(budget: Readonly<Record<string, number>>, perMs: number, now: number): Record<string, number> {
  return spent(budget, perMs, now) === 0
    ? {}
    : Object.fromEntries(Object.entries(budget).filter(([, at]) => at > now - perMs));
}
