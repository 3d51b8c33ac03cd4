import { createHash } from "node:crypto";
import type { Config, TargetConfig } from "@neuropilot/config";
import { type Budget, spent } from "./guards.ts";
import { closedSince, type Incident, type OutboxEntry, type TargetItem } from "./item.ts";
import { packSamples, unpackSamples } from "./packed.ts";
import type { Input, Policy, Scene, SeenWorld } from "./scene.ts";
import { type Heartbeat, siteKey, type WindowItem } from "./window.ts";

/** A decision's record holds what it looked at; beyond this many bytes only the newest samples of each window, ever fewer. */
const MAX_BYTES = 60_000;
const FEWER_SAMPLES = [40, 20, 10, 5, 0];
const FEWER_TIMES = 200;

/** What a decision was made from: enough to make it again. */
export interface DecisionRecord {
  readonly kind: "decision";
  readonly now: number;
  readonly input: Input;
  readonly because: readonly string[];
  /** The attempts' states and the like after it, to compare a replay with. */
  readonly state: string;
  /** The item before it, without what deciding never reads (timeline, archives, audit). */
  readonly item: TargetItem;
  readonly world: SeenWorld;
  /** SHA-256 of all that came of it, as `resultDigest` takes it. Absent in what earlier versions wrote. */
  readonly result?: string;
  /** Of each part of that, as `resultParts` takes it, so that a replay that comes out otherwise can say where. */
  readonly parts?: Readonly<Record<string, string>>;
  /** Which policy it was made under: the digest of a `policy` record before it. */
  readonly policy?: string;
  /** There was too much to look at for one entry, and from what it holds the decision comes out otherwise. */
  readonly abridged?: true;
}

/** The policy that the decisions after it are made under: all that deciding reads of the config, and this target alone. */
export interface PolicyRecord {
  readonly kind: "policy";
  readonly now: number;
  readonly digest: string;
  readonly config: Config;
}

/** One step that a remedy took: written before a call, and after it. */
export interface StepRecord {
  readonly kind: "step";
  readonly now: number;
  readonly attempt: string;
  readonly state: string;
  readonly run?: string;
}

/**
 * The policy as far as one target's decisions depend on it. How the target is asked is left out: deciding never reads that, and
 * headers and addresses may hold a credential, which must not stand in a log that is kept.
 */
export function recordedPolicy({ config, target }: Policy): Policy {
  const sites = target.sites.map((site) => ({ ...site, url: "" }));
  const asked: TargetConfig = { ...target, sites, headers: {}, expect: [] };
  const controls = { ...config.controls, endpoints: [] };
  return { config: { ...config, controls, targets: [asked] }, target: asked };
}

/** SHA-256 of the policy, so that a change of it is seen. */
export function policyDigest(policy: Policy): string {
  return configDigest(recordedPolicy(policy).config);
}

/** SHA-256 of a config as a policy's record holds it, whatever this version would leave out of it. */
export function configDigest(config: Config): string {
  return sha256(JSON.stringify(config));
}

export function writePolicy(policy: Policy, now: number): string {
  const { config } = recordedPolicy(policy);
  const record: PolicyRecord = { kind: "policy", now, digest: configDigest(config), config };
  return JSON.stringify(record);
}

/**
 * SHA-256 of all that came of a decision: the item, its requests and the reasons, byte for byte, but for what a record does not
 * hold (older timeline entries, archives, the audit log itself) and what follows from when it was looked at (`nextActionAt`).
 */
export function resultDigest(
  before: TargetItem,
  after: TargetItem,
  requests: readonly OutboxEntry[],
  because: readonly string[],
): string {
  return sha256(JSON.stringify({ item: comparable(before, after), requests, because }));
}

/** The first 8 digits of SHA-256 of each field of the item, and of its incident's, by name. */
export function resultParts(before: TargetItem, after: TargetItem): Readonly<Record<string, string>> {
  const { incident, ...item } = comparable(before, after);
  const fields = [
    ...Object.entries(item),
    ...Object.entries(incident ?? {}).map(([name, value]) => [`incident.${name}`, value] as const),
  ];
  return Object.fromEntries(fields.map(([name, value]) => [name, sha256(JSON.stringify(value ?? null)).slice(0, 8)]));
}

function comparable(before: TargetItem, after: TargetItem): Omit<TargetItem, "audit" | "nextActionAt" | "policy"> {
  const { audit: _, nextActionAt: __, policy: ___, ...item } = after;
  const closed = closedSince(before, after).map((incident) => withNewEntries(incident, before));
  const { incident } = after;
  const open = incident === undefined ? {} : { incident: withNewEntries(incident, before) };
  return { ...item, closed, ...open };
}

function withNewEntries(incident: Incident, { incident: before }: TargetItem): Incident {
  const upTo = before?.id === incident.id ? before.seq : -1;
  return { ...incident, timeline: incident.timeline.filter(({ seq }) => seq > upTo) };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The record as text, bounded: windows of this target only, the rest of the fleet as sums. */
export function writeDecision(
  { policy, world, now }: Scene,
  before: TargetItem,
  rest: Pick<DecisionRecord, "input" | "because" | "state" | "result" | "parts" | "abridged">,
): string {
  const digest = policyDigest(policy);
  const write = (samples?: number) =>
    JSON.stringify({
      kind: "decision",
      now,
      policy: digest,
      ...rest,
      item: withoutHistory(before),
      world: {
        ...world,
        budget: {
          target: within(world.budget.target, policy.target.budget.perMs, now),
          fleet: within(world.budget.fleet, policy.config.fleetBudget.perMs, now),
        },
        heartbeats: sumOthers(policy, world, now, samples === undefined ? undefined : FEWER_TIMES),
        windows: world.windows.map((window) => packWindow(window, policy.target, samples)),
      },
    });
  let text = write();
  for (const samples of FEWER_SAMPLES) {
    if (text.length <= MAX_BYTES) break;
    text = write(samples);
  }
  return text;
}

/** Reads a decision's record back. Throws for a body that `writeDecision` has not written. */
export function readDecision(body: string): DecisionRecord {
  const value: unknown = JSON.parse(body);
  if (!isDecision(value)) throw new Error("this audit entry is not a decision's record");
  return unpackDecision(value);
}

export type ReadRecord =
  | { readonly ok: true; readonly record: DecisionRecord | StepRecord | PolicyRecord }
  | { readonly ok: false; readonly problem: string };

/** Reads any record back. One that this version cannot read is a problem in words, never an exception. */
export function readRecord(body: string): ReadRecord {
  try {
    const value: unknown = JSON.parse(body);
    if (isDecision(value)) return { ok: true, record: unpackDecision(value) };
    if (isStep(value) || isPolicy(value)) return { ok: true, record: value };
    return { ok: false, problem: `it is of the kind "${kindOf(value)}", which this version does not know` };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  }
}

function kindOf(value: unknown): string {
  return typeof value === "object" && value !== null && "kind" in value ? String(value.kind) : typeof value;
}

function unpackDecision(value: Packed): DecisionRecord {
  const { world } = value;
  return { ...value, world: { ...world, windows: world.windows.map(unpackWindow) } };
}

type Packed = Omit<DecisionRecord, "world"> & {
  readonly world: Omit<SeenWorld, "windows"> & { readonly windows: readonly PackedWindow[] };
};
type PackedWindow = Omit<WindowItem, "sites"> & {
  readonly sites: Readonly<Record<string, { samples: string; view: string; since: number; tick: number }>>;
};

/** The audit chain's hash vouches for the rest: what is found under this word is what was written. */
function isDecision(value: unknown): value is Packed {
  return kindOf(value) === "decision";
}

function isStep(value: unknown): value is StepRecord {
  return kindOf(value) === "step";
}

function isPolicy(value: unknown): value is PolicyRecord {
  return kindOf(value) === "policy";
}

function withoutHistory(item: TargetItem): TargetItem {
  const { incident } = item;
  return {
    ...item,
    closed: [],
    audit: { ...item.audit, pending: [] },
    ...(incident === undefined ? {} : { incident: { ...incident, timeline: [] } }),
  };
}

function within(budget: Budget, perMs: number, now: number): Budget {
  return spent(budget, perMs, now) === 0
    ? {}
    : Object.fromEntries(Object.entries(budget).filter(([, at]) => at > now - perMs));
}

/**
 * The fleet guard adds up over a vantage's shards, so the other shards' sum does as well as their heartbeats. It names the first
 * vantage, so each sum stands where the first of its heartbeats stood.
 */
function sumOthers({ config, target }: Policy, world: SeenWorld, now: number, times?: number): readonly Heartbeat[] {
  const own = new Set(
    world.windows.filter((window) => target.sites.some(({ id }) => window.sites[siteKey(target.id, id)])).map(shardKey),
  );
  const beats = new Map<string, Heartbeat>();
  for (const [index, beat] of world.heartbeats.entries()) {
    if (own.has(shardKey(beat))) beats.set(`own ${index}`, beat);
    else if (beat.at >= now - config.fleetGuard.withinMs) {
      // An earlier version's heartbeat has a number and no times: the guard takes one or the other.
      const key = `${beat.illSince === undefined} ${beat.vantage}`;
      beats.set(key, withOther(beats.get(key), beat, times));
    }
  }
  return [...beats.values()];
}

function shardKey({ vantage, shard }: { readonly vantage: string; readonly shard: string }): string {
  return `${vantage}#${shard}`;
}

function withOther(sum: Heartbeat | undefined, beat: Heartbeat, times: number | undefined): Heartbeat {
  const { suspects: _, illSince, ...rest } = beat;
  const since = [...(sum?.illSince ?? []), ...(illSince ?? [])].slice(0, times);
  return {
    ...rest,
    shard: "others",
    at: Math.min(beat.at, sum?.at ?? beat.at),
    ill: beat.ill + (sum?.ill ?? 0),
    total: beat.total + (sum?.total ?? 0),
    ...(illSince === undefined ? {} : { illSince: since }),
  };
}

function packWindow(window: WindowItem, target: TargetConfig, most: number | undefined): PackedWindow {
  const sites = target.sites.flatMap(({ id }) => {
    const site = window.sites[siteKey(target.id, id)];
    if (site === undefined) return [];
    const samples = most === undefined ? site.samples : site.samples.slice(Math.max(0, site.samples.length - most));
    return [[siteKey(target.id, id), { ...site, samples: packSamples(samples) }] as const];
  });
  return { ...window, sites: Object.fromEntries(sites) };
}

function unpackWindow(window: PackedWindow): WindowItem {
  const sites = Object.entries(window.sites).map(
    ([key, site]) => [key, { ...site, samples: unpackSamples(site.samples) }] as const,
  );
  return { ...window, sites: Object.fromEntries(sites) };
}

/** What a replay must come to again: which incident, how it stands, and every attempt's state. */
export function stateOf(item: TargetItem): string {
  const { incident } = item;
  const attempts = incident?.attempts.map((attempt) => `${attempt.id}=${attempt.state}`) ?? [];
  const closed = item.closed.map(({ id, end }) => `${id}=${end ?? ""}`);
  return [incident?.id, incident?.kind, incident?.seq, ...attempts, ...closed].join(" ");
}
