import { describe, expect, it } from "vitest";
import { forecastSales } from "./forecast.ts";
import { listItems, salesOf } from "./inventory.ts";

const WEEK = [20, 18, 16, 18, 22, 6, 3];
const repeat = (weeks: number, growth = 0) =>
  Array.from({ length: weeks * 7 }, (_, day) => (WEEK[day % 7] ?? 0) + growth * day);

describe("the forecast", () => {
  it("repeats a week that never changes, with no error and no band", () => {
    const { days, meanAbsoluteError } = forecastSales(repeat(8), 14);
    expect(meanAbsoluteError).toBe(0);
    expect(days.map((day) => day.units)).toEqual([...WEEK, ...WEEK]);
    expect(days.every((day) => day.low === day.units && day.high === day.units)).toBe(true);
  });

  it("goes on with a trend", () => {
    const { days } = forecastSales(repeat(20, 0.5), 7);
    const truth = repeat(21, 0.5).slice(140);
    for (const [index, day] of days.entries()) expect(Math.abs(day.units - (truth[index] ?? 0))).toBeLessThan(1.5);
  });

  it("is never negative, and its band never narrows with the days", () => {
    const { days } = forecastSales(
      repeat(8).map((units, day) => Math.max(0, units - day + (day % 3))),
      30,
    );
    expect(days.every((day) => day.low >= 0 && day.units >= day.low && day.high >= day.units)).toBe(true);
    const noisy = forecastSales(
      repeat(8).map((units, day) => 100 + units + ((day * 7) % 5)),
      10,
    ).days.map((day) => day.high - day.low);
    for (let n = 1; n < noisy.length; n++) expect(noisy[n]).toBeGreaterThanOrEqual((noisy[n - 1] ?? 0) - 0.02);
  });

  it("beats yesterday's sales as a guess for today, for every item", () => {
    for (const { id } of listItems({ sort: "name", offset: 0, limit: 100 }).items) {
      const sales = salesOf(id) ?? [];
      const late = sales.slice(14);
      const naive = late.reduce((sum, units, n) => sum + Math.abs(units - (sales[13 + n] ?? 0)), 0) / late.length;
      expect(forecastSales(sales, 1).meanAbsoluteError, id).toBeLessThan(naive);
    }
  });

  it("refuses less than two weeks of sales", () => {
    expect(() => forecastSales(WEEK, 7)).toThrow("at least 14 days");
  });
});
