/** Sales repeat by the week. */
const SEASON_DAYS = 7;
/** How fast level, trend and weekday factors follow new sales: chosen by the smallest one-step error on the history. */
const GRID = [0.05, 0.2, 0.5] as const;

export interface Forecast {
  readonly method: "additive Holt-Winters, weekly season";
  readonly smoothing: { readonly level: number; readonly trend: number; readonly season: number };
  /** Mean absolute error of the one-day-ahead forecasts over the history, in units. */
  readonly meanAbsoluteError: number;
  /** Day 1 is tomorrow; units a day, never negative, with a band of twice the error's root mean square that widens with the days. */
  readonly days: readonly {
    readonly day: number;
    readonly units: number;
    readonly low: number;
    readonly high: number;
  }[];
}

/**
 * Forecasts daily sales by triple exponential smoothing: https://otexts.com/fpp3/holt-winters.html
 * `history` is units per day, oldest first, at least two weeks; `ahead` is how many days to forecast.
 */
export function forecastSales(history: readonly number[], ahead: number): Forecast {
  if (history.length < 2 * SEASON_DAYS)
    throw new RangeError(`a weekly forecast needs at least ${2 * SEASON_DAYS} days of sales, found ${history.length}`);
  let best: Fit | undefined;
  for (const level of GRID)
    for (const trend of GRID)
      for (const season of GRID) {
        const fit = smooth(history, { level, trend, season });
        if (best === undefined || fit.squaredError < best.squaredError) best = fit;
      }
  if (best === undefined) throw new Error("the grid of smoothing factors is empty");
  const { level, trend, seasons, smoothing, squaredError, absoluteError } = best;
  const days = Array.from({ length: ahead }, (_, index) => {
    const steps = index + 1;
    const units = level + steps * trend + at(seasons, (history.length + index) % SEASON_DAYS);
    const band = 2 * Math.sqrt(squaredError) * Math.sqrt(1 + index * smoothing.level ** 2);
    return {
      day: steps,
      units: rounded(Math.max(0, units)),
      low: rounded(Math.max(0, units - band)),
      high: rounded(Math.max(0, units + band)),
    };
  });
  return {
    method: "additive Holt-Winters, weekly season",
    smoothing,
    meanAbsoluteError: rounded(absoluteError),
    days,
  };
}

interface Fit {
  readonly smoothing: Forecast["smoothing"];
  readonly level: number;
  readonly trend: number;
  readonly seasons: readonly number[];
  /** Means over the days after the first two weeks, which only set the start. */
  readonly squaredError: number;
  readonly absoluteError: number;
}

function smooth(history: readonly number[], smoothing: Forecast["smoothing"]): Fit {
  const firstWeek = mean(history.slice(0, SEASON_DAYS));
  const secondWeek = mean(history.slice(SEASON_DAYS, 2 * SEASON_DAYS));
  let level = firstWeek;
  let trend = (secondWeek - firstWeek) / SEASON_DAYS;
  const seasons = history.slice(0, SEASON_DAYS).map((units) => units - firstWeek);
  let squares = 0;
  let absolutes = 0;
  let counted = 0;
  for (let day = SEASON_DAYS; day < history.length; day++) {
    const slot = day % SEASON_DAYS;
    const season = at(seasons, slot);
    const units = at(history, day);
    const error = units - (level + trend + season);
    if (day >= 2 * SEASON_DAYS) {
      squares += error ** 2;
      absolutes += Math.abs(error);
      counted++;
    }
    const before = level;
    level = smoothing.level * (units - season) + (1 - smoothing.level) * (level + trend);
    trend = smoothing.trend * (level - before) + (1 - smoothing.trend) * trend;
    seasons[slot] = smoothing.season * (units - level) + (1 - smoothing.season) * season;
  }
  const days = Math.max(1, counted);
  return { smoothing, level, trend, seasons, squaredError: squares / days, absoluteError: absolutes / days };
}

/** An element whose index is known to lie inside; a wrong index is a bug and throws. */
function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`no element ${index} of ${values.length}`);
  return value;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
