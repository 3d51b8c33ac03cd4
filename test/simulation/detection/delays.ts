import type { Config } from "@neuropilot/config";
import { type Chance, Engine } from "../engine.ts";
import { START } from "../plan.ts";
import { type Burst, burstAt, type Fault, Service } from "../service.ts";
import { Installation } from "./installation.ts";
import { NaiveMonitor, type NaiveRule, type Seen, watchNaively } from "./naive.ts";
import { burstsOf, goodOnes, MINUTE_MS, type Noise, streamOf } from "./noise.ts";
import { type Delay, delayOf } from "./statistics.ts";

/** What breaks, and how much of it. */
export const OUTAGES = {
  hard: { kind: "refused", share: 1 },
  "80 %": { kind: "failing", share: 0.8 },
  "50 %": { kind: "failing", share: 0.5 },
  "20 %": { kind: "failing", share: 0.2 },
  slow: { kind: "slow", share: 1 },
  "slow 80 %": { kind: "slow", share: 0.8 },
} as const satisfies Readonly<Record<string, Pick<Fault, "kind" | "share">>>;
export type Outage = keyof typeof OUTAGES;

/** How the vantages' ticks lie within the interval. */
export type Phase = "together" | "spread" | "random";

/** A service that breaks so late is missed. */
export const WITHIN_MS = 30 * MINUTE_MS;
/** As long as the longest window of any rule, and then some. */
const WELL_MS = 12 * MINUTE_MS;

interface Scene {
  readonly chance: Chance;
  readonly phases: readonly number[];
  readonly broke: number;
  readonly fault: Fault;
  readonly bursts: ReadonlyMap<string, readonly Burst[]>;
}

/** The same for every rule that is compared. */
function sceneOf(
  run: { readonly seed: number; readonly number: number },
  vantages: readonly string[],
  noise: Noise,
  outage: Outage,
  phase: Phase,
): Scene {
  const chance = streamOf(run.seed, `delay ${outage} ${run.number}`);
  const broke = START + WELL_MS + chance.between(0, MINUTE_MS);
  const offset = chance.between(0, MINUTE_MS);
  const phases = vantages.map((_, index) => {
    const drawn = chance.between(0, MINUTE_MS);
    if (phase === "random") return drawn;
    return phase === "together" ? offset : (offset + (index * MINUTE_MS) / vantages.length) % MINUTE_MS;
  });
  const fault: Fault = { from: broke, cure: "restart", until: Number.MAX_SAFE_INTEGER, ...OUTAGES[outage] };
  const all = noise.kind === "bursts" ? burstsOf(chance, noise, vantages, broke - START + WITHIN_MS) : [];
  const bursts = new Map(
    vantages.map((vantage) => [
      vantage,
      all
        .filter((burst) => burst.vantage === vantage)
        .map(({ from, to, whole }) => ({ from: from + START, to: to + START, whole })),
    ]),
  );
  return { chance, phases, broke, fault, bursts };
}

/** From the moment at which a service breaks to the first call of a remedy, under a policy. */
export async function delays(
  config: Config,
  noise: Noise,
  outage: Outage,
  runs: number,
  seed: number,
  phase: Phase = "random",
): Promise<Delay> {
  const found: number[] = [];
  for (let number = 0; number < runs; number++) {
    const { chance, broke, fault, ...rest } = sceneOf({ seed, number }, config.vantages, noise, outage, phase);
    const isLost = lossesOf(chance, noise);
    const installation = new Installation(chance, { config, ...rest, faults: [fault], isLost });
    const called = () => installation.actions.find(({ at }) => at >= broke);
    await installation.runUntil(broke + WITHIN_MS, () => called() !== undefined);
    const call = called();
    if (call !== undefined && call.at < broke + WITHIN_MS) found.push(call.at - broke);
  }
  return delayOf(found, runs, WITHIN_MS);
}

function lossesOf(chance: Chance, noise: Noise): () => boolean {
  if (noise.kind === "bursts") return () => false;
  let good = goodOnes(chance, noise.share);
  return () => {
    if (good-- > 0) return false;
    good = goodOnes(chance, noise.share);
    return true;
  };
}

/** The same of a rule written by hand. */
export function naiveDelays(
  rule: NaiveRule,
  vantages: readonly string[],
  noise: Noise,
  outage: Outage,
  runs: number,
  seed: number,
): Delay {
  const found: number[] = [];
  for (let number = 0; number < runs; number++) {
    const { chance, phases, broke, fault, bursts } = sceneOf({ seed, number }, vantages, noise, outage, "random");
    const isLost = lossesOf(chance, noise);
    const engine = new Engine(START);
    const service = new Service("api/primary", engine, chance, [fault]);
    const see = (vantage: string, at: number): Seen => {
      engine.now = at;
      const { outcome, ttfbMs } = service.answer(10_000);
      if (isLost() || burstAt(bursts.get(vantage) ?? [], at) !== undefined || outcome !== "ok") return "failed";
      return ttfbMs > 400 ? "slow" : "good";
    };
    const monitor = new NaiveMonitor(rule, vantages.length);
    const called = () => monitor.actions.find(({ at }) => at >= broke);
    const span = { from: START, to: broke + WITHIN_MS };
    watchNaively(monitor, vantages, phases, span, see, () => called() !== undefined);
    const call = called();
    if (call !== undefined) found.push(call.at - broke);
  }
  return delayOf(found, runs, WITHIN_MS);
}
