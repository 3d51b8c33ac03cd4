import { Chance } from "../engine.ts";
import { type Burst, bursts } from "../service.ts";

/** What loses samples of a service that is well. */
export type Noise =
  | { readonly kind: "independent"; readonly share: number }
  | {
      readonly kind: "bursts";
      /** The share of time that each vantage is in one, its own and the common ones together. */
      readonly share: number;
      readonly meanMs: number;
      /** The share of bursts that all vantages have together. */
      readonly common: number;
      /** The common ones, or with one vantage all of them, take its controls away as well. */
      readonly hitsControls: boolean;
    };

export const MINUTE_MS = 60_000;
export const YEAR_MS = 365.25 * 24 * 60 * MINUTE_MS;

/** A stream of chance for a purpose, the same for a seed whatever else is drawn. */
export function streamOf(seed: number, purpose: string): Chance {
  let hash = 0x811c9dc5 ^ seed;
  for (let index = 0; index < purpose.length; index++)
    hash = Math.imul(hash ^ purpose.charCodeAt(index), 0x01000193) >>> 0;
  return new Chance(hash);
}

export type VantageBurst = Burst & { readonly vantage: string };

/** Every vantage's bursts up to `end`, in order. */
export function burstsOf(
  chance: Chance,
  noise: Extract<Noise, { kind: "bursts" }>,
  vantages: readonly string[],
  end: number,
): VantageBurst[] {
  const { share, meanMs, common, hitsControls } = noise;
  const alone = vantages.length === 1;
  const own = { share: share * (alone ? 1 : 1 - common), meanMs, whole: alone && hitsControls ? 1 : 0 };
  const together = { share: alone ? 0 : share * common, meanMs, whole: hitsControls ? 1 : 0 };
  const shared = bursts(chance, 0, end, together);
  return vantages
    .flatMap((vantage) => [...bursts(chance, 0, end, own), ...shared].map((burst) => ({ ...burst, vantage })))
    .sort((a, b) => a.from - b.from);
}

/** Bursts so near each other that what one leaves behind may matter to the next. */
export function groupsOf(all: readonly VantageBurst[], apartMs: number): VantageBurst[][] {
  const groups: VantageBurst[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const burst of all) {
    const group = burst.from < end + apartMs ? groups.at(-1) : undefined;
    if (group === undefined) groups.push([burst]);
    else group.push(burst);
    end = Math.max(end, burst.to);
  }
  return groups;
}

/** Good samples before the next lost one, where each is lost by itself. */
export function goodOnes(chance: Chance, share: number): number {
  return Math.floor(Math.log(1 - chance.next()) / Math.log(1 - share));
}
