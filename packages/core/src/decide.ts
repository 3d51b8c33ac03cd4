import { act, hearOperator } from "./act.ts";
import { appendAudit } from "./audit.ts";
import { closeIfRecovered, moveIncident, observeHealth } from "./incident.ts";
import { attemptInFlight, closedSince, type OutboxEntry, type TargetItem } from "./item.ts";
import {
  type DecisionRecord,
  policyDigest,
  readRecord,
  recordedPolicy,
  resultDigest,
  resultParts,
  stateOf,
  writeDecision,
  writePolicy,
} from "./record.ts";
import { type Draft, type Input, type Policy, type Scene, type SeenWorld, see } from "./scene.ts";
import { scoreShadow } from "./shadow.ts";
import { moveAttempt } from "./verify.ts";

export type { Input, Policy, SeenWorld } from "./scene.ts";

export interface Decision {
  readonly item: TargetItem;
  /** What the item's outbox asks for now. */
  readonly requests: readonly OutboxEntry[];
  /** Reasons for acting and for not acting. */
  readonly because: readonly string[];
  readonly changed: boolean;
}

/** A person's word is worth less the older it is; a proposal lives as long. */
const WORD_LIVES_MS = 30 * 60_000;

/**
 * Decides about one target: total, pure and deterministic. Reads the samples in the windows, moves the open incident and its
 * attempt on, and either claims the next remedy or says which guard refused.
 */
export function decide(policy: Policy, item: TargetItem, world: SeenWorld, input: Input, now: number): Decision {
  if (isStale(policy, input, now)) return { item, requests: [], because: [STALE], changed: false };
  const { draft, scene } = deliberate(policy, item, world, input, now);
  return finish(item, draft, scene, input);
}

const STALE = "stale-event: too old to act on";

/** All of a decision but its record. */
function deliberate(
  policy: Policy,
  item: TargetItem,
  world: SeenWorld,
  input: Input,
  now: number,
): { readonly draft: Draft; readonly scene: Scene } {
  const draft: Draft = { item, because: [] };
  const seen = see(policy, item, world, now);
  forgetTold(draft, seen);
  observeHealth(draft, seen);
  const first = moveIncident(draft, seen);
  moveAttempt(draft, first, input);
  scoreShadow(draft, first);
  if (input.kind === "operator") hearOperator(draft, first, input);
  closeIfRecovered(draft, first);
  const scene = lookAgain(draft, item, first);
  act(draft, scene);
  return { draft, scene };
}

/**
 * Where an attempt or an incident ended just now, what it held in place moves on in the same decision: a wake-up that comes
 * twice must find nothing left to do.
 */
function lookAgain(draft: Draft, before: TargetItem, scene: Scene): Scene {
  const released = attemptInFlight(before) !== undefined && attemptInFlight(draft.item) === undefined;
  const closed = before.incident !== undefined && draft.item.incident === undefined;
  if (!released && !closed) return scene;
  const again = see(scene.policy, draft.item, scene.world, scene.now);
  observeHealth(draft, again);
  return moveIncident(draft, again);
}

export interface Replay {
  /** What it comes to, without what the audit log and the clock add. */
  readonly item: TargetItem;
  readonly because: readonly string[];
  readonly state: string;
  /** As `resultDigest` and `resultParts` take them. */
  readonly result: string;
  readonly parts: Readonly<Record<string, string>>;
}

/** Makes a recorded decision again. The same policy comes to the same result, byte for byte. */
export function replay(policy: Policy, { item: before, world, input, now }: DecisionRecord): Replay {
  const { item, because } = isStale(policy, input, now)
    ? { item: before, because: [STALE] }
    : deliberate(policy, before, world, input, now).draft;
  return { item, because, state: stateOf(item), ...digestsOf(before, item, because) };
}

function digestsOf(before: TargetItem, item: TargetItem, because: readonly string[]) {
  const result = resultDigest(before, item, Object.values(item.outbox), because);
  return { result, parts: resultParts(before, item) };
}

function isStale({ config }: Policy, input: Input, now: number): boolean {
  switch (input.kind) {
    case "wake":
      return input.at < now - config.healing.maxEventAgeMs;
    case "operator":
      return input.at < now - WORD_LIVES_MS;
    case "reconcile":
      return false;
  }
}

function forgetTold(draft: Draft, { world }: Scene): void {
  const outbox = Object.fromEntries(
    Object.entries(draft.item.outbox).filter(
      ([, entry]) => entry.kind !== "incident.changed" || (world.told[entry.incident] ?? -1) < entry.seq,
    ),
  );
  if (Object.keys(outbox).length !== Object.keys(draft.item.outbox).length) draft.item = { ...draft.item, outbox };
}

/**
 * When reconcile must look at this target again even if every event is lost. Only its own look puts that off: wake-ups come
 * more often than it does, and would put it off for ever.
 */
export function withNextAction(item: TargetItem, reconcileMs: number, now: number, looked: boolean): TargetItem {
  const { nextActionAt, ...rest } = item;
  const waiting = Object.keys(item.outbox).length > 0 || item.closed.length > 0 || item.audit.pending.length > 0;
  // Blindness without an incident is looked at until it is over, or it would be remembered as still on.
  if (item.incident === undefined && !waiting && item.health.state !== "inconclusive") return rest;
  const next = now + reconcileMs;
  return { ...rest, nextActionAt: looked || nextActionAt === undefined ? next : Math.min(nextActionAt, next) };
}

function finish(before: TargetItem, draft: Draft, scene: Scene, input: Input): Decision {
  const { item, because } = draft;
  const { now } = scene;
  const requests = Object.values(item.outbox);
  if (sameButForTime(before, item)) return { item: before, requests, because, changed: false };
  const audited = isWorthRecording(before, item) ? recorded(before, draft, scene, input) : item;
  const next = withNextAction(audited, scene.policy.config.reconcileMs, now, input.kind === "reconcile");
  return { item: next, requests, because, changed: true };
}

/** Something happened, or a guard refused for the first time in this incident. */
function isWorthRecording(before: TargetItem, after: TargetItem): boolean {
  return stateOf(before) !== stateOf(after) || before.incident?.said?.length !== after.incident?.said?.length;
}

function recorded(before: TargetItem, { item, because }: Draft, scene: Scene, input: Input): TargetItem {
  // What was closed before is no part of the record, nor of what a replay comes to.
  const state = stateOf({ ...item, closed: closedSince(before, item) });
  const came = { input, because, state, ...digestsOf(before, item, because) };
  const whole = writeDecision(scene, before, came);
  // The entry must not promise more than it can: whether it replays is found out before it is written.
  const isWhole = replays(scene.policy, whole, came.result);
  const body = isWhole ? whole : writeDecision(scene, before, { ...came, abridged: true });
  return appendAudit(underPolicy(item, scene), scene.now, body);
}

/** Whether the same comes of an entry. One that cannot be read back must not keep the decision itself from being made. */
function replays(policy: Policy, body: string, result: string): boolean {
  const read = readRecord(body);
  return read.ok && read.record.kind === "decision" && replay(recordedPolicy(policy), read.record).result === result;
}

/** The policy stands in the log before the first decision that was made under it. */
function underPolicy(item: TargetItem, { policy, now }: Scene): TargetItem {
  const digest = policyDigest(policy);
  if (item.policy === digest) return item;
  return { ...appendAudit(item, now, writePolicy(policy, now)), policy: digest };
}

/** Ignores what moves with every look, so that a repeated wake-up writes nothing. */
function sameButForTime(before: TargetItem, after: TargetItem): boolean {
  const { nextActionAt: _a, ...a } = before;
  const { nextActionAt: _b, ...b } = after;
  return JSON.stringify(a) === JSON.stringify(b);
}
