import type { Config, Remedy, TargetConfig } from "@neuropilot/config";
import { type Attempt, type Cooldown, isInFlight, lostCallMs, newTargetItem, type TargetItem } from "@neuropilot/core";
import { minutes, START } from "./plan.ts";

/** One promise that was not kept. */
export interface Violation {
  /** `I1`, `C1` …: see PROPERTIES. */
  readonly property: string;
  /** What it promises, in a few words. */
  readonly name: string;
  readonly text: string;
}

/** As a violation, before it has its name. */
export interface Breach {
  readonly property: string;
  readonly text: string;
}

/** Who writes: what is known of the run from outside it. */
export interface Writer {
  readonly name: string;
  /** The event that woke it was too old to act on when the run began. */
  readonly stale: boolean;
}

/** Stands by at every write of a target item and checks the step from what was in the table to what is now. */
export class Watch {
  readonly breaches: Breach[] = [];
  /** The largest target item written, in bytes. */
  largest = 0;
  readonly #config: Config;
  readonly #items = new Map<string, TargetItem>();
  /** By incident: which of its states some channel has been told of, and when that was written down. */
  readonly #told = new Map<string, { readonly seq: number; readonly at: number }[]>();
  /** By incident: the newest state of it. */
  readonly #news = new Map<string, { readonly target: string; readonly seq: number }>();
  /** By incident and channel: the state that the channel has been told of. */
  readonly #sent = new Map<string, number>();
  readonly #fleetIll = new Map<string, { readonly since: number; readonly at: number }>();
  readonly #claims: (target: string, attempt: Attempt) => void;

  /** `claims` hears of every new claim. */
  constructor(config: Config, claims: (target: string, attempt: Attempt) => void) {
    this.#config = config;
    this.#claims = claims;
  }

  /** The item as it stands in the table. */
  itemOf(target: string): TargetItem {
    return this.#items.get(target) ?? newTargetItem(target, START);
  }

  wrote(after: TargetItem, bytes: number, writer: Writer): void {
    const before = this.itemOf(after.target);
    this.#items.set(after.target, after);
    for (const { id, target, seq } of [...after.closed, ...(after.incident === undefined ? [] : [after.incident])])
      this.#news.set(id, { target, seq });
    this.largest = Math.max(this.largest, bytes);
    this.#oneInFlight(after);
    this.#tokens(before, after);
    this.#ended(before, after);
    for (const claim of newClaims(before, after)) this.#claimed(before, after, claim, writer);
    for (const attempt of after.incident?.attempts ?? []) {
      const was = before.incident?.attempts.find(({ id }) => id === attempt.id);
      if (was !== undefined && !isUncalled(was) && isUncalled(attempt)) this.#restored(before, after, attempt);
    }
  }

  /** A channel's delivery of an incident was written. */
  delivered(incident: string, channel: string, seq: number, at: number): void {
    this.#sent.set(`${incident} ${channel}`, seq);
    const known = this.#told.get(incident);
    if (known === undefined) this.#told.set(incident, [{ seq, at }]);
    else known.push({ seq, at });
  }

  /** Whether there are targets enough to turn ill together. */
  get isFleet(): boolean {
    return this.#config.targets.length >= this.#config.fleetGuard.minTargets;
  }

  /** A vantage's heartbeat was written: whether it holds much of the fleet to be ill. */
  beat(vantage: string, ill: number, at: number): void {
    const { share, minTargets } = this.#config.fleetGuard;
    const since = this.#fleetIll.get(vantage)?.since ?? at;
    if (ill < minTargets || ill < share * this.#config.targets.length) this.#fleetIll.delete(vantage);
    else this.#fleetIll.set(vantage, { since, at });
  }

  /** Since when the table says that much of the fleet is ill, by the vantage that has said so for longest and still does. */
  fleetIllSince(now: number): number | undefined {
    const fresh = [...this.#fleetIll.values()].filter(({ at }) => at > now - 2 * this.#config.intervalMs);
    return fresh.length === 0 ? undefined : Math.min(...fresh.map(({ since }) => since));
  }

  /** Whether channels have been told how every incident of a target stands. */
  isTold(target: string, channels: readonly string[]): boolean {
    return [...this.#news].every(
      ([id, news]) =>
        news.target !== target || channels.every((channel) => (this.#sent.get(`${id} ${channel}`) ?? 0) >= news.seq),
    );
  }

  /** When some channel had first been told of this state of an incident, or of a later one. */
  toldAt(incident: string, seq: number): number | undefined {
    return this.#told.get(incident)?.find((told) => told.seq >= seq)?.at;
  }

  breach(property: string, text: string): void {
    this.breaches.push({ property, text });
  }

  #oneInFlight({ incident }: TargetItem): void {
    const inFlight = incident?.attempts.filter(isInFlight) ?? [];
    if (inFlight.length > 1) this.breach("I2", `${inFlight.map(({ id }) => id).join(" and ")} are in flight together`);
  }

  #tokens(before: TargetItem, after: TargetItem): void {
    if (after.tokens < before.tokens)
      this.breach("I9", `the token of ${after.target} fell from ${before.tokens} to ${after.tokens}`);
    const known = new Set(before.incident?.attempts.map(({ id }) => id));
    for (const { id, token } of after.incident?.attempts ?? [])
      if (!known.has(id) && token <= before.tokens)
        this.breach("I9", `${id} took the token ${token}, which was taken before`);
  }

  /** What has ended is never written again, by whoever holds an old token. */
  #ended(before: TargetItem, after: TargetItem): void {
    const { incident } = before;
    if (incident === undefined || incident.attempts.length === 0) return;
    const now = [after.incident, ...after.closed].find((candidate) => candidate?.id === incident.id);
    for (const was of incident.attempts) {
      if (was.endedAt === undefined) continue;
      const is = now?.attempts.find(({ id }) => id === was.id);
      if (
        is !== undefined &&
        is !== was &&
        (is.state !== was.state || is.endedAt !== was.endedAt || is.run !== was.run)
      )
        this.breach("I10", `${was.id} had ended as ${was.state} and became ${is.state}`);
    }
  }

  #claimed(before: TargetItem, after: TargetItem, attempt: Attempt, writer: Writer): void {
    this.#claims(after.target, attempt);
    if (writer.stale) this.breach("I8", `${attempt.id} was claimed for an event that was too old to act on`);
    const target = this.#config.targets.find(({ id }) => id === after.target);
    if (target === undefined) return;
    const { remedy } = attempt;
    const held = heldBefore(before, after, remedy);
    const at = attempt.claimedAt ?? 0;
    if (held !== undefined && at <= held.until)
      this.breach(
        "C1",
        `${attempt.id} was claimed ${minutes(held.until - at)} before the cooldown of ${remedy} was over`,
      );
    this.#cooldown(target, attempt, held, after.cooldowns[remedy]);
  }

  #cooldown(target: TargetConfig, attempt: Attempt, held: Cooldown | undefined, taken: Cooldown | undefined): void {
    const at = attempt.claimedAt ?? 0;
    if (taken === undefined) {
      this.breach("C1", `${attempt.id} was claimed and no cooldown was taken`);
      return;
    }
    const policy = target.remedies[attempt.remedy];
    const { resetAfterHealthyMs } = this.#config.healing;
    const fresh = held === undefined || at - held.lastClaimAt >= resetAfterHealthyMs;
    const streak = fresh ? 0 : held.streak + 1;
    if (!fresh && taken.streak < streak)
      this.breach("C1", `the cooldown of ${attempt.id} did not grow: streak ${taken.streak} after ${held.streak}`);
    const grown = Math.min(policy.cooldownMs * 2 ** taken.streak, policy.cooldownCapMs);
    const least = at + grown + lostCallMs(this.#config);
    if (taken.until < least)
      this.breach("C1", `the cooldown of ${attempt.id} ends ${minutes(least - taken.until)} before it may`);
  }

  /** A remedy that was never tried must not keep a later one waiting. */
  #restored(before: TargetItem, after: TargetItem, attempt: Attempt): void {
    const { id, remedy, previousCooldown, claimedAt } = attempt;
    // Where the same write claims it again, what was given back is what the new claim found.
    const next = newClaims(before, after).find((claim) => claim.remedy === remedy);
    const back = next === undefined ? after.cooldowns[remedy] : next.previousCooldown;
    if (claimedAt !== undefined && !sameCooldown(back, previousCooldown))
      this.breach("C1", `${id} was not called and its cooldown of ${remedy} was not given back`);
  }
}

/** The cooldown that a claim in this write finds: an attempt that ends uncalled in the same write gives its own back. */
function heldBefore(before: TargetItem, after: TargetItem, remedy: Remedy): Cooldown | undefined {
  // The write may also close the incident that it belonged to, and claim in the next one.
  const attempts = [...(after.incident?.attempts ?? []), ...after.closed.flatMap((incident) => incident.attempts)];
  const ended = attempts.find((attempt) => {
    const was = before.incident?.attempts.find(({ id }) => id === attempt.id);
    const claimed = attempt.remedy === remedy && attempt.claimedAt !== undefined;
    return claimed && was !== undefined && !isUncalled(was) && isUncalled(attempt);
  });
  return ended === undefined ? before.cooldowns[remedy] : ended.previousCooldown;
}

function newClaims(before: TargetItem, after: TargetItem): readonly Attempt[] {
  const claimed = new Set(before.incident?.attempts.filter(({ state }) => state === "claimed").map(({ id }) => id));
  return (after.incident?.attempts ?? []).filter(({ id, state }) => state === "claimed" && !claimed.has(id));
}

function isUncalled({ state }: Attempt): boolean {
  return state === "abandoned" || state === "rejected" || state === "retry-later";
}

function sameCooldown(a: Cooldown | undefined, b: Cooldown | undefined): boolean {
  return a?.until === b?.until && a?.streak === b?.streak;
}

/** Remedies that have a function. */
export const CALLED: readonly Extract<Remedy, "restart" | "purge-cache">[] = ["restart", "purge-cache"];
