import type { AuditRow } from "./chain.ts";
import { type Decision, replay } from "./decide.ts";
import type { Incident, TargetItem } from "./item.ts";
import { type DecisionRecord, policyDigest, readRecord, type StepRecord } from "./record.ts";
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
  readonly health: View;
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

/**
 * Tells one incident again from its target's audit log. Every decision in it is made again from what it was made from, under the
 * policy that stood in the log then; nothing else is read.
 */
export class Retelling {
  readonly #incident: Pick<Incident, "id" | "target">;
  readonly #attempts: Set<string>;
  readonly #policies = new Map<string, Policy>();
  readonly #fallback: Policy | undefined;
  #policyChange: Explained | undefined;

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
    if (!read.ok) return [{ kind: "unreadable", n, problem: read.problem }];
    const { record } = read;
    switch (record.kind) {
      case "policy":
        return this.#learn(n, at, record);
      case "step":
        return this.#attempts.has(record.attempt) ? [stepOf(n, record)] : [];
      case "decision":
        return this.#isOurs(record) ? this.#told(this.#decision(n, record)) : [];
    }
  }

  #learn(
    n: number,
    at: number,
    record: { readonly digest: string; readonly config: Policy["config"] },
  ): readonly Explained[] {
    const target = record.config.targets.find(({ id }) => id === this.#incident.target);
    if (target === undefined) return [{ kind: "unreadable", n, problem: "the policy in it lacks this target" }];
    const policy = { config: record.config, target };
    if (policyDigest(policy) !== record.digest)
      return [{ kind: "unreadable", n, problem: "the policy in it does not fit its digest" }];
    this.#policies.set(record.digest, policy);
    this.#policyChange = { kind: "policy", n, at, digest: record.digest };
    return [];
  }

  /** The policy is told right before the first decision that was made under it. */
  #told(decision: Explained): readonly Explained[] {
    const change = this.#policyChange;
    this.#policyChange = undefined;
    return change === undefined ? [decision] : [change, decision];
  }

  #isOurs({ item, state }: DecisionRecord): boolean {
    const { id } = this.#incident;
    const words = state.split(" ");
    const ours = item.incident?.id === id || words[0] === id || words.some((word) => word.startsWith(`${id}=`));
    if (ours) for (const [word] of state.matchAll(/\batt_[^\s=]+/g)) this.#attempts.add(word);
    return ours;
  }

  #decision(n: number, record: DecisionRecord): Explained {
    const policy = record.policy === undefined ? this.#fallback : this.#policies.get(record.policy);
    if (policy === undefined) return withoutPolicy(n, record);
    try {
      return retold(n, policy, record);
    } catch (error) {
      return { kind: "unreadable", n, problem: error instanceof Error ? error.message : String(error) };
    }
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
    health: record.item.health.state,
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
    verified: verifiedBy(scene, record.item, again.decision),
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
function verifiedBy({ policy }: Scene, before: TargetItem, { item }: Decision): string[] {
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

function compare(
  record: DecisionRecord,
  again: { readonly because: readonly string[]; readonly state: string; readonly result: string },
): Comparison {
  const reasons = again.because.join("\n") === record.because.join("\n");
  if (record.result === again.result && reasons && again.state === record.state) return { kind: "same" };
  if (record.abridged === true)
    return {
      kind: "not-compared",
      why: "there was too much to look at for one entry, so it holds the newest samples only",
    };
  if (!reasons) return { kind: "differs", where: `the reasons now: ${again.because.join("; ")}` };
  if (again.state !== record.state)
    return { kind: "differs", where: `it comes to "${again.state}", and was "${record.state}"` };
  if (record.result === undefined)
    return { kind: "not-compared", why: "an earlier version recorded it: the reasons and the state are the same" };
  return { kind: "differs", where: "the reasons and the state are the same, the item or its requests differ" };
}
