/** A rate of rare events with its uncertainty. */
export interface Rate {
  readonly events: number;
  readonly years: number;
  readonly perYear: number;
  /** Exact 95 % Poisson interval of `perYear`. */
  readonly low: number;
  readonly high: number;
}

const ONE_SIDED = 0.025;

/**
 * Events per year with Garwood's exact interval: the means for which so few, or so many, events have a probability of 2.5 %.
 * F. Garwood, Fiducial limits for the Poisson distribution, Biometrika 28 (1936): https://doi.org/10.1093/biomet/28.3-4.437
 */
export function rateOf(events: number, years: number): Rate {
  const low = events === 0 ? 0 : meanWhere((mean) => 1 - atMost(events - 1, mean), ONE_SIDED, events);
  const high = meanWhere((mean) => 1 - atMost(events, mean), 1 - ONE_SIDED, events);
  return { events, years, perYear: events / years, low: low / years, high: high / years };
}

/** The mean at which a probability that grows with it has this value, by bisection. */
function meanWhere(probability: (mean: number) => number, value: number, events: number): number {
  let [low, high] = [0, events + 10 * Math.sqrt(events + 1) + 10];
  for (let step = 0; step < 80; step++) {
    const middle = (low + high) / 2;
    if (probability(middle) < value) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The probability of at most so many events, by the sum of its terms, each from its logarithm. */
function atMost(events: number, mean: number): number {
  if (mean === 0) return 1;
  let logTerm = -mean;
  let sum = Math.exp(logTerm);
  for (let count = 1; count <= events; count++) {
    logTerm += Math.log(mean / count);
    sum += Math.exp(logTerm);
  }
  return Math.min(1, sum);
}

/** Delays of so many faults, milliseconds. What was not found within the time counts as that time. */
export interface Delay {
  readonly runs: number;
  readonly missed: number;
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

export function delayOf(found: readonly number[], runs: number, withinMs: number): Delay {
  const all = [...found, ...Array.from({ length: runs - found.length }, () => withinMs)].sort((a, b) => a - b);
  return {
    runs,
    missed: runs - found.length,
    meanMs: all.reduce((sum, delay) => sum + delay, 0) / Math.max(1, runs),
    p99Ms: all[Math.max(0, Math.ceil(0.99 * runs) - 1)] ?? withinMs,
    worstMs: all.at(-1) ?? withinMs,
  };
}
