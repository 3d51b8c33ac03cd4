import type { IllKind, Mode, Remedy } from "@neuropilot/config";
import type { Effects, Endings } from "./effectiveness.ts";
import type { CallOutcome } from "./outcome.ts";
import type { View } from "./view.ts";

export const ATTEMPT_STATES = [
  "proposed",
  "claimed",
  "calling",
  "following",
  "verifying",
  "healed",
  "self-resolved",
  "no-effect",
  "worse",
  "unknown",
  "abandoned",
  "rejected",
  "retry-later",
  "denied",
] as const;
export type AttemptState = (typeof ATTEMPT_STATES)[number];
export type Verdict = "healed" | "self-resolved" | "no-effect" | "worse" | "unknown";

export interface Cooldown {
  /** No claim before this, epoch milliseconds. Never released by a TTL. */
  readonly until: number;
  /** How many claims in a row without a healthy day between them, less one: the exponent of the growth. */
  readonly streak: number;
  readonly lastClaimAt: number;
}

/** One execution of a remedy. Times are epoch milliseconds. */
export interface Attempt {
  readonly id: string;
  readonly remedy: Remedy;
  readonly site: string;
  readonly kind: IllKind;
  readonly state: AttemptState;
  /** Grows with every attempt of a target: the fence. */
  readonly token: number;
  readonly at: number;
  readonly because: string;
  readonly claimedAt?: number;
  readonly callNotAfter?: number;
  /** Not before this: what the vendor asked for. */
  readonly notBefore?: number;
  /** The run that may call; nobody else does. */
  readonly run?: string;
  readonly callStartedAt?: number;
  /** The call may have reached the vendor, so it counts as one. */
  readonly mayHaveCalled: boolean;
  readonly outcome?: CallOutcome;
  readonly followUntil?: number;
  /** The vendor's work was over, or may have been; absent where it was still at it when we stopped asking. */
  readonly overAt?: number;
  readonly verifyFrom?: number;
  readonly verifyUntil?: number;
  readonly verdict?: Verdict;
  readonly endedAt?: number;
  readonly note?: string;
  /** What to restore if it turns out that nothing was called. */
  readonly previousCooldown?: Cooldown;
  /** How this remedy did here before, in words for people. */
  readonly record?: string;
  /** Which purge selector, counted from the narrowest. */
  readonly step: number;
}

/** What would have been called in `observe`, and what the service did without it. */
export interface WouldHave {
  readonly remedy: Remedy;
  readonly at: number;
  /** Absent in what earlier versions wrote. */
  readonly site?: string;
  readonly kind?: IllKind;
  /** `recovered`: before a real attempt would have been judged; absent while that time is not over. */
  readonly score?: "recovered" | "still-ill" | "worse" | "unknown";
  readonly scoredAt?: number;
}

export interface TimelineEntry {
  readonly at: number;
  readonly seq: number;
  readonly kind: "opened" | "changed" | "attempt" | "refused" | "would-have" | "human" | "resolved" | "operator";
  readonly text: string;
}

export interface Incident {
  readonly id: string;
  readonly target: string;
  readonly site: string;
  readonly kind: IllKind;
  readonly why: string;
  readonly openedAt: number;
  /** The first bad sample, where one can be named. */
  readonly failedAt?: number;
  /** Grows whenever people should hear something new. */
  readonly seq: number;
  readonly attempts: readonly Attempt[];
  readonly timeline: readonly TimelineEntry[];
  /** Remedies that the vendor will not do for us in this incident. */
  readonly unavailable: readonly Remedy[];
  readonly needsHuman?: { readonly at: number; readonly why: string };
  /** No further remedy: the ladder is at its end, or one made it worse. */
  readonly ladderEnded: boolean;
  readonly wouldHave: readonly WouldHave[];
  readonly lastRefusal?: {
    readonly guard: string;
    readonly text: string;
    readonly at: number;
    /** When it is asked again at the earliest, where that is known. */
    readonly until?: number;
  };
  /** What people have been told once in this incident and need not hear again when it comes and goes. */
  readonly said?: readonly string[];
  readonly acknowledged?: { readonly by: string; readonly at: number };
  readonly endedAt?: number;
  /** `superseded`: nothing could be done about it, and what came then is an incident of its own. */
  readonly end?: "healed" | "recovered" | "superseded" | "target-removed";
}

export type OutboxEntry =
  | {
      readonly kind: "remediation.requested";
      readonly attempt: string;
      readonly remedy: Remedy;
      readonly site: string;
      readonly at: number;
    }
  | { readonly kind: "incident.changed"; readonly incident: string; readonly seq: number; readonly at: number };

export interface AuditEntry {
  readonly n: number;
  readonly at: number;
  readonly previous: string;
  readonly hash: string;
  /** JSON: input, reasons, health and what was read, so that the decision can be replayed. */
  readonly body: string;
}

/** Everything that deciding about one target needs to remember. */
export interface TargetItem {
  readonly schema: 1;
  readonly target: string;
  /** 0: not yet written. */
  readonly version: number;
  readonly health: {
    readonly state: View;
    readonly since: number;
    readonly why: string;
    readonly site: string;
    /** While nothing can be seen and no incident says so: the last look. Blindness lasts only as long as somebody looks. */
    readonly lookedAt?: number;
  };
  /** Healthy observations in a row, and the tick of the newest one counted. */
  readonly recovery: { readonly streak: number; readonly tick: number; readonly from: number };
  /** Samples before this belong to the time before a remedy. */
  readonly evidenceFrom: number;
  readonly incidents: number;
  readonly tokens: number;
  /** When the last incident closed: where a healthy stretch begins. */
  readonly wellSince?: number;
  readonly incident?: Incident;
  /** Closed, waiting to be copied out. */
  readonly closed: readonly Incident[];
  readonly cooldowns: Readonly<Partial<Record<Remedy, Cooldown>>>;
  /** Of what would have been called in `observe`. */
  readonly shadowCooldowns?: Readonly<Partial<Record<Remedy, Cooldown>>>;
  /** When, within the window of the target's budget. */
  readonly shadowCalls?: readonly number[];
  /** How attempts have ended, by remedy and kind of ill health. */
  readonly effects?: Effects;
  /** How incidents have ended, by kind of ill health. */
  readonly endings?: Readonly<Partial<Record<IllKind, Endings>>>;
  readonly outbox: Readonly<Record<string, OutboxEntry>>;
  readonly audit: { readonly n: number; readonly head: string; readonly pending: readonly AuditEntry[] };
  /** Digest of the policy that stands last in the audit log. */
  readonly policy?: string;
  readonly nextActionAt?: number;
}

export function newTargetItem(target: string, now: number): TargetItem {
  return {
    schema: 1,
    target,
    version: 0,
    health: { state: "suspect", since: now, why: "not yet seen", site: "" },
    recovery: { streak: 0, tick: 0, from: 0 },
    evidenceFrom: 0,
    incidents: 0,
    tokens: 0,
    closed: [],
    cooldowns: {},
    outbox: {},
    audit: { n: 0, head: "", pending: [] },
  };
}

/** What operators said that holds until they take it back. */
export interface Control {
  readonly mode?: Mode;
  readonly paused?: { readonly at: number; readonly by: string; readonly reason: string; readonly until?: number };
}

export function isPaused(control: Control, now: number): boolean {
  return control.paused !== undefined && (control.paused.until === undefined || now < control.paused.until);
}

const IN_FLIGHT: ReadonlySet<AttemptState> = new Set(["proposed", "claimed", "calling", "following", "verifying"]);

export function isInFlight(attempt: Attempt): boolean {
  return IN_FLIGHT.has(attempt.state) || (attempt.state === "unknown" && attempt.verdict === undefined);
}

/** An incident's attempt that has not ended, if there is one; there is never more than one. */
export function attemptInFlight(item: TargetItem): Attempt | undefined {
  return item.incident?.attempts.find(isInFlight);
}

export function findAttempt(item: TargetItem, attemptId: string): Attempt | undefined {
  return item.incident?.attempts.find((attempt) => attempt.id === attemptId);
}

/** Attempts that were never called and are kept for people; what was called is always kept, and the ladder bounds it. */
const KEEP_UNCALLED = 12;

/** Adds an attempt, forgetting the oldest of those that were never called: an incident may last for weeks. */
export function withNewAttempt(incident: Incident, attempt: Attempt): Incident {
  const others = incident.attempts.filter((other) => other.id !== attempt.id);
  const uncalled = others.filter((other) => !other.mayHaveCalled && other.state !== "denied" && !isInFlight(other));
  const forgotten = new Set(uncalled.slice(0, Math.max(0, uncalled.length - KEEP_UNCALLED)).map((other) => other.id));
  return { ...incident, attempts: [...others.filter((other) => !forgotten.has(other.id)), attempt] };
}

/** How many attempts of a remedy at the incident's site ended without a call since the last that was called, newest last. */
export function uncalledInARow(incident: Incident, remedy: Remedy): readonly Attempt[] {
  const own = incident.attempts.filter(
    (attempt) => attempt.remedy === remedy && attempt.site === incident.site && !isInFlight(attempt),
  );
  const called = own.findLastIndex((attempt) => attempt.state !== "abandoned" && attempt.state !== "retry-later");
  return own.slice(called + 1);
}

/** What has been closed since `before`, and waits to be copied out. */
export function closedSince(before: TargetItem, after: TargetItem): readonly Incident[] {
  const known = new Set(before.closed.map(({ id }) => id));
  return after.closed.filter(({ id }) => !known.has(id));
}

/** Replaces one attempt of the open incident; an id that is not there changes nothing. */
export function withAttempt(item: TargetItem, changed: Attempt): TargetItem {
  if (item.incident === undefined) return item;
  const attempts = item.incident.attempts.map((attempt) => (attempt.id === changed.id ? changed : attempt));
  return { ...item, incident: { ...item.incident, attempts } };
}
