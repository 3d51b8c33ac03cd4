import type { AuditRow } from "./chain.ts";
import { type Replay, replay } from "./decide.ts";
import type { Incident, TargetItem } from "./item.ts";
import {
  configDigest,
  type DecisionRecord,
  type PolicyRecord,
  policyDigest,
  readRecord,
  type StepRecord,
} from "./record.ts";
import { type Input, type Policy, type Scene, see } from "./scene.ts";
import { conclude, type View } from "./view.ts";
import { siteKey } from "./window.ts";

/** What became of replaying a recorded decision. */
export type Comparison =
  | { readonly kind: "same" }
  | { readonly kind: "differs"; readonly where: string }
  | { readonly kind: "not-compared"; readonly why: string };

/** What one vantage saw of one site at the moment of a decision. */
export interface Seen {
  readonly vantage: string;
  readonly site: string;
  readonly view: View;
  readonly why: string;
}

export interface ExplainedDecision {
  readonly kind: "decision";
  readonly n: number;
  readonly at: number;
  readonly input: Input;
  readonly site: string;
  /** Absent where its policy cannot be read. */
  readonly health?: View;
  readonly seen: readonly Seen[];
  readonly because: readonly string[];
  /** What a verdict stands on. */
  readonly verified: readonly string[];
  readonly comparison: Comparison;
}

/** One entry of an incident's story, in the order of the audit log. */
export type Explained =
  | ExplainedDecision
  | ({ readonly n: number; readonly at: number } & Omit<StepRecord, "now">)
  | { readonly kind: "policy"; readonly n: number; readonly at: number; readonly digest: string }
  | { readonly kind: "unreadable"; readonly n: number; readonly problem: string };

/** A row that cannot be read is taken to be about an incident if it was written so soon before or after it. */
const AROUND_MS = 10 * 60_000;

/**
 * Tells one incident again from its target's audit log. Every decision in it is made again from what it was made from, under the
 * policy that stood in the log then; nothing else is read. A row that cannot be read is named, and the telling goes on.
 */
export class Retelling {
  readonly #incident: Incident;
  readonly #attempts: Set<string>;
  readonly #policies = new Map<string, Policy>();
  readonly #fallback: Policy | undefined;
  #policyChange: Explained | undefined;
  /** From another time: told only where a decision lacks its policy, which may have stood in one of them. */
  #unreadBefore: Explained[] = [];

  /** `fallback`: the present policy, for entries of versions that did not record theirs. */
  constructor(incident: Incident, fallback?: Policy) {
    this.#incident = incident;
    this.#attempts = new Set(incident.attempts.map(({ id }) => id));
    this.#fallback = fallback;
  }

  /** The next row of the log; answers what it adds to the story. */
  hear(row: AuditRow): readonly Explained[] {
    if ("problem" in row) return [{ kind: "unreadable", n: row.place, problem: row.problem }];
    const { n, at, body } = row.entry;
    const read = readRecord(body);
    if (!read.ok) return this.#unread(n, at, read.problem);
    try {
      return this.#understand(n, at, read.record);
    } catch (error) {
      return this.#unread(n, at, error instanceof Error ? error.message : String(error));
    }
  }

  #understand(n: number, at: number, record: DecisionRecord | StepRecord | PolicyRecord): readonly Explained[] {
    switch (record.kind) {
      case "policy":
        return this.#learn(n, at, record);
      case "step":
        return this.#attempts.has(record.attempt) ? [stepOf(n, record)] : [];
      case "decision":
        return this.#isOurs(record) ? this.#decision(n, record) : [];
    }
  }

  #unread(n: number, at: number, problem: string): readonly Explained[] {
    const unread: Explained = { kind: "unreadable", n, problem };
    const { openedAt, endedAt } = this.#incident;
    if (at >= openedAt - AROUND_MS && (endedAt === undefined || at <= endedAt + AROUND_MS)) return [unread];
    this.#unreadBefore.push(unread);
    return [];
  }

  #learn(n: number, at: number, { digest, config }: PolicyRecord): readonly Explained[] {
    const target = config.targets.find(({ id }) => id === this.#incident.target);
    if (target === undefined) return this.#unread(n, at, "the policy in it lacks this target");
    if (configDigest(config) !== digest) return this.#unread(n, at, "the policy in it does not fit its digest");
    this.#policies.set(digest, { config, target });
    this.#policyChange = { kind: "policy", n, at, digest };
    return [];
  }

  #isOurs({ item, state }: DecisionRecord): boolean {
    const { id } = this.#incident;
    const words = state.split(" ");
    const ours = item.incident?.id === id || words[0] === id || words.some((word) => word.startsWith(`${id}=`));
    if (ours) for (const [word] of state.matchAll(/\batt_[^\s=]+/g)) this.#attempts.add(word);
    return ours;
  }

  /** The present policy also stands in for one that cannot be read, where it is the same. */
  #policyOf({ policy }: DecisionRecord): Policy | undefined {
    const present = this.#fallback;
    if (policy === undefined) return present;
    const isPresent = present !== undefined && policyDigest(present) === policy;
    return this.#policies.get(policy) ?? (isPresent ? present : undefined);
  }

  /** The policy is told right before the first decision that was made under it. */
  #decision(n: number, record: DecisionRecord): readonly Explained[] {
    const policy = this.#policyOf(record);
    if (policy === undefined) {
      const before = this.#unreadBefore;
      this.#unreadBefore = [];
      return [...before, withoutPolicy(n, record)];
    }
    const told = retold(n, policy, record);
    const change = this.#policyChange;
    this.#policyChange = undefined;
    return change === undefined ? [told] : [change, told];
  }
}

function stepOf(n: number, { now, ...step }: StepRecord): Explained {
  return { ...step, n, at: now };
}

function withoutPolicy(n: number, record: DecisionRecord): Explained {
  return {
    kind: "decision",
    n,
    at: record.now,
    input: record.input,
    site: record.item.incident?.site ?? "",
    seen: [],
    because: record.because,
    verified: [],
    comparison: { kind: "not-compared", why: "the policy that it was made under cannot be read" },
  };
}

function retold(n: number, policy: Policy, record: DecisionRecord): Explained {
  const scene = see(policy, record.item, record.world, record.now);
  const again = replay(policy, record);
  return {
    kind: "decision",
    n,
    at: record.now,
    input: record.input,
    site: scene.site,
    health: scene.health.state,
    seen: seenIn(scene, record.item),
    because: record.because,
    verified: verifiedBy(scene, record.item, again),
    comparison: compare(record, again),
  };
}

function seenIn(scene: Scene, item: TargetItem): Seen[] {
  const { policy, world, now } = scene;
  const judged = item.incident?.site ?? item.health.site;
  return world.windows.flatMap(({ vantage, sites }) =>
    policy.target.sites.flatMap(({ id }): Seen[] => {
      const window = sites[siteKey(policy.target.id, id)];
      if (window === undefined) return [];
      const evidenceFrom = judged === id && now >= item.evidenceFrom ? item.evidenceFrom : 0;
      const { view, why } = conclude(
        policy.config,
        policy.target,
        { samples: window.samples, tick: window.tick, evidenceFrom },
        now,
      );
      return [{ vantage, site: id, view, why }];
    }),
  );
}

/** The numbers behind each verdict that this decision gave. */
function verifiedBy({ policy }: Scene, before: TargetItem, { item }: Replay): string[] {
  const after = [...(item.incident === undefined ? [] : [item.incident]), ...item.closed];
  const wanted = policy.target.rules.recovery.observations;
  return after.flatMap(({ attempts }) =>
    attempts.flatMap((attempt) => {
      const was = before.incident?.attempts.find(({ id }) => id === attempt.id);
      if (attempt.verdict === undefined || was?.verdict !== undefined || attempt.verifyFrom === undefined) return [];
      const from = new Date(attempt.verifyFrom).toISOString().slice(11, 19);
      return [
        `${attempt.verdict} on samples that began after ${from}, the end of the work with warm-up and skew: ${item.recovery.streak} healthy observations in a row, ${wanted} wanted`,
      ];
    }),
  );
}

function compare(record: DecisionRecord, again: Replay): Comparison {
  const reasons = again.because.join("\n") === record.because.join("\n");
  if (record.result === again.result && reasons && again.state === record.state) return { kind: "same" };
  if (record.abridged === true)
    return { kind: "not-compared", why: "there was too much to look at for one entry, which holds a part of it" };
  if (!reasons) return { kind: "differs", where: `the reasons now: ${again.because.join("; ")}` };
  if (again.state !== record.state)
    return { kind: "differs", where: `it comes to "${again.state}", and was "${record.state}"` };
  if (record.result === undefined)
    return { kind: "not-compared", why: "an earlier version recorded it: the reasons and the state are the same" };
  return { kind: "differs", where: `the reasons and the state are the same; ${differing(record.parts, again.parts)}` };
}

function differing(then: DecisionRecord["parts"] = {}, now: Replay["parts"]): string {
  const names = Object.keys({ ...then, ...now }).filter((name) => then[name] !== now[name]);
  return names.length === 0 ? "what its outbox asks for differs" : `these differ: ${names.join(", ")}`;
}
