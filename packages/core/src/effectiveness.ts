import type { IllKind, Remedy } from "@neuropilot/config";
import type { Verdict } from "./item.ts";

/** How the called attempts of one remedy for one kind of ill health ended, by verdict. */
export type Tally = Readonly<Record<Verdict, number>>;

/** By `remedy/kind`, such as `restart/down`: bounded, for there are few of either. */
export type Effects = Readonly<Record<string, Tally>>;

/** How a kind of ill health came to an end. */
export interface Endings {
  readonly ended: number;
  /** Of those, without any call. */
  readonly alone: number;
  /** Times it was left alone for as long as an attempt takes until it is judged, or ended before that. */
  readonly left: number;
  /** Of those, well again within that time: what a remedy must do better than. */
  readonly soon: number;
}

export const NO_ENDINGS: Endings = { ended: 0, alone: 0, left: 0, soon: 0 };

const NONE: Tally = { healed: 0, "self-resolved": 0, "no-effect": 0, worse: 0, unknown: 0 };

export function tallyOf(effects: Effects | undefined, remedy: Remedy, kind: IllKind): Tally {
  return effects?.[`${remedy}/${kind}`] ?? NONE;
}

/** Counts one verdict. Each attempt gets one, in the write that ends it, so that none is counted twice. */
export function withVerdict(effects: Effects | undefined, remedy: Remedy, kind: IllKind, verdict: Verdict): Effects {
  const before = tallyOf(effects, remedy, kind);
  return { ...effects, [`${remedy}/${kind}`]: { ...before, [verdict]: before[verdict] + 1 } };
}

/** Tries of which it can be said whether they helped: not those that came too late, nor those that nobody could see the end of. */
export function judged(tally: Tally): number {
  return tally.healed + tally["no-effect"] + tally.worse;
}

/** 97.5th percentile of the normal distribution: two-sided 95 %. */
const Z = 1.959963984540054;

/**
 * The Wilson score interval of a share at 95 %, both ends from 0 to 1; from 0 to 1 where nothing was tried.
 * E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927); as in
 * https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval#Wilson_score_interval
 */
export function wilson(successes: number, tries: number): { readonly low: number; readonly high: number } {
  if (tries <= 0) return { low: 0, high: 1 };
  const share = successes / tries;
  const centre = share + (Z * Z) / (2 * tries);
  const spread = Z * Math.sqrt((share * (1 - share)) / tries + (Z * Z) / (4 * tries * tries));
  const scale = 1 + (Z * Z) / tries;
  // Exact at the ends, where rounding would leave the share itself outside.
  return {
    low: successes === 0 ? 0 : (centre - spread) / scale,
    high: successes === tries ? 1 : (centre + spread) / scale,
  };
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/**
 * "restart has helped 5 of 6 times here when down; left alone, 2 of 9 were well as soon", or undefined where the remedy has no
 * record yet.
 */
export function recordInWords(
  effects: Effects | undefined,
  remedy: Remedy,
  kind: IllKind,
  { left, soon }: Endings = NO_ENDINGS,
): string | undefined {
  const tally = tallyOf(effects, remedy, kind);
  const tries = judged(tally);
  if (tries + tally.unknown === 0) return undefined;
  const unknown = tally.unknown === 0 ? "" : `, and ${tally.unknown} ended unknown`;
  const helped =
    tries === 0
      ? "has not yet shown whether it helps"
      : `has helped ${tally.healed} of ${tries} times here when ${kind}`;
  const alone = left === 0 ? "" : `; left alone, ${soon} of ${left} were well as soon`;
  return `${remedy} ${helped}${unknown}${alone}`;
}

/** Fewer tries than this prove nothing, whatever their interval. */
const LEAST_TRIES = 5;

/** Why a remedy is not worth trying, with its numbers; undefined while it may be. */
export function uselessInWords(
  effects: Effects | undefined,
  remedy: Remedy,
  kind: IllKind,
  skipBelow: number,
): string | undefined {
  const tally = tallyOf(effects, remedy, kind);
  const tries = judged(tally);
  const { high } = wilson(tally.healed, tries);
  if (tries < LEAST_TRIES || high >= skipBelow) return undefined;
  return `it helped ${tally.healed} of ${tries} times here when ${kind}, so in at most ${percent(high)}, and the config skips it below ${percent(skipBelow)}`;
}
