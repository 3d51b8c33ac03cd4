import { type Effort, NOISES, PLACES } from "./compared.ts";
import { delays, type Phase } from "./delays.ts";
import { falseActions } from "./false-actions.ts";
import { defaultPolicy, type RuleChange } from "./policy.ts";
import { perYear } from "./table.ts";

/** What is promised of three vantages at 60 s ticks, whatever their phase. */
export const BARS = { worstMs: 100_000, meanMs: 65_000, perYear: 1 } as const;
const PHASES: readonly Phase[] = ["together", "spread", "random"];

export interface Verdict {
  /** What was measured, a line each. */
  readonly said: readonly string[];
  /** Which bars were missed, and by how much; empty where all hold. */
  readonly broken: readonly string[];
}

/** Measures what the bars are about, under the default rules or others. */
export async function checkBars({ runs, years, seed }: Effort, change: RuleChange = {}): Promise<Verdict> {
  const policy = defaultPolicy(PLACES["3 vantages"], change);
  const said: string[] = [];
  const broken: string[] = [];
  for (const phase of PHASES) {
    const { meanMs, worstMs, missed } = await delays(policy, NOISES["0.1 % alone"], "hard", runs, seed, phase);
    said.push(
      `refused, three vantages, ticks ${phase}: restart called after ${seconds(meanMs)} on average, ${seconds(worstMs)} at worst (bars ${seconds(BARS.meanMs)}, ${seconds(BARS.worstMs)}; ${runs} outages)`,
    );
    if (missed > 0) broken.push(`ticks ${phase}: ${missed} of ${runs} outages were missed`);
    else if (worstMs > BARS.worstMs)
      broken.push(`ticks ${phase}: ${seconds(worstMs)} at worst, the bar is ${seconds(BARS.worstMs)}`);
    if (meanMs > BARS.meanMs)
      broken.push(`ticks ${phase}: ${seconds(meanMs)} on average, the bar is ${seconds(BARS.meanMs)}`);
  }
  const { restarts, purges } = await falseActions(policy, NOISES.bursts, years, seed);
  said.push(
    `healthy, three vantages, 0.1 % in 60 s bursts: ${perYear(restarts)} restarts and ${perYear(purges)} purges a target-year (bar ${BARS.perYear} for both together, for a target without a cache is restarted instead; ${years} years)`,
  );
  // A target without a cache is restarted where this one is purged.
  const actions = restarts.perYear + purges.perYear;
  if (actions >= BARS.perYear)
    broken.push(`${actions.toFixed(2)} false actions a target-year, the bar is ${BARS.perYear}`);
  return { said, broken };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
