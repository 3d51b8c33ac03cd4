import { delays, naiveDelays, OUTAGES, type Outage } from "./delays.ts";
import { type FalseActions, falseActions, naiveFalseActions } from "./false-actions.ts";
import { NAIVE_RULES, type NaiveRule } from "./naive.ts";
import { MINUTE_MS, type Noise } from "./noise.ts";
import { defaultPolicy } from "./policy.ts";
import type { Delay } from "./statistics.ts";

export const OURS = "NeuroPilot";
export const PLACES = {
  "1 vantage": ["east"],
  "3 vantages": ["east", "west", "north"],
} as const satisfies Readonly<Record<string, readonly string[]>>;
const bursty = { kind: "bursts", share: 0.001, meanMs: MINUTE_MS } as const;
export const NOISES = {
  "0.1 % alone": { kind: "independent", share: 0.001 },
  "1 % alone": { kind: "independent", share: 0.01 },
  bursts: { ...bursty, common: 0, hitsControls: false },
  "2 % common": { ...bursty, common: 0.02, hitsControls: false },
  "2 % common, seen": { ...bursty, common: 0.02, hitsControls: true },
} as const satisfies Readonly<Record<string, Noise>>;
export type NoiseName = keyof typeof NOISES;
/** Noisier ones are played for a part of the years: there is more to see in each. */
const SHARE_OF_YEARS: Readonly<Partial<Record<NoiseName, number>>> = { "1 % alone": 0.05 };
/** What delays are measured under. */
export const DURING = {
  "0.1 % alone": "independent losses of 0.1 %",
  bursts: "bursts",
  "1 % alone": "independent losses of 1 %",
} as const satisfies Readonly<Partial<Record<NoiseName, string>>>;

/** What one rule does from one place. */
export interface Row {
  readonly place: string;
  readonly rule: string;
  readonly falseActions: Readonly<Record<string, FalseActions>>;
  /** By noise, then by outage. */
  readonly delays: Readonly<Record<string, Readonly<Record<string, Delay>>>>;
}

export interface Effort {
  readonly years: number;
  readonly runs: number;
  readonly seed: number;
}

interface Rule {
  readonly name: string;
  falseActions(noise: Noise, years: number): Promise<FalseActions>;
  delays(noise: Noise, outage: Outage): Promise<Delay>;
}

/** Every rule from every place; `told` hears what is being measured. */
export async function measure(effort: Effort, told: (text: string) => void): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const [place, vantages] of entriesOf(PLACES))
    for (const rule of rulesAt(vantages, effort)) {
      told(`${place}, ${rule.name} ...`);
      rows.push(await measureRule(place, rule, effort.years));
    }
  return rows;
}

function rulesAt(vantages: readonly string[], { runs, seed }: Effort): readonly Rule[] {
  const policy = defaultPolicy(vantages);
  const ours: Rule = {
    name: OURS,
    falseActions: (noise, years) => falseActions(policy, noise, years, seed),
    delays: (noise, outage) => delays(policy, noise, outage, runs, seed),
  };
  return [ours, ...entriesOf(NAIVE_RULES).map(([name]) => byHand(name))];

  function byHand(name: NaiveRule): Rule {
    return {
      name,
      falseActions: async (noise, years) => naiveFalseActions(name, vantages, noise, years, seed),
      delays: async (noise, outage) => naiveDelays(name, vantages, noise, outage, runs, seed),
    };
  }
}

async function measureRule(place: string, rule: Rule, years: number): Promise<Row> {
  const wrong: Record<string, FalseActions> = {};
  for (const [name, noise] of entriesOf(NOISES))
    wrong[name] = await rule.falseActions(noise, years * (SHARE_OF_YEARS[name] ?? 1));
  const late: Record<string, Record<string, Delay>> = {};
  for (const [name] of entriesOf(DURING)) {
    const found: Record<string, Delay> = {};
    for (const [outage] of entriesOf(OUTAGES)) found[outage] = await rule.delays(NOISES[name], outage);
    late[name] = found;
  }
  return { place, rule: rule.name, falseActions: wrong, delays: late };
}

/** An object literal's entries have its keys. */
function entriesOf<T extends object>(value: T): [keyof T & string, T[keyof T]][] {
  return Object.entries(value) as [keyof T & string, T[keyof T]][];
}
