import { ABLATIONS, type Ablation } from "./ablations.ts";
import { violations } from "./invariants.ts";
import { World } from "./world.ts";

export interface Caught {
  readonly ablation: Ablation;
  /** Which property noticed; undefined if none of those that should has, on all seeds. */
  readonly property: string | undefined;
  readonly text: string;
  /** The seed on which it was noticed, and how many were run until then. */
  readonly seed: number;
  readonly seeds: number;
}

/** Takes one protection away, seed after seed, until one of the properties that fit notices. */
export async function runAblation(
  ablation: Ablation,
  plan: { readonly from?: number; readonly most: number },
): Promise<Caught> {
  const wanted = ABLATIONS.find(({ name }) => name === ablation)?.caughtBy ?? [];
  const from = plan.from ?? 1;
  for (let seed = from; seed < from + plan.most; seed++) {
    const world = new World(seed, { ablation });
    await world.run();
    const found = (await violations(world)).find(({ property }) => wanted.includes(property));
    if (found !== undefined)
      return { ablation, property: found.property, text: found.text, seed, seeds: seed - from + 1 };
  }
  return { ablation, property: undefined, text: "no promise was broken", seed: from, seeds: plan.most };
}
