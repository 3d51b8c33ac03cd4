import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sampleAt } from "./fixture.ts";
import { BLOCK_MS, type HistoryBlock } from "./history.ts";
import { historyDue } from "./history-due.ts";
import { appendSamples, type WindowItem } from "./window.ts";

const START = 1_800_000_000_000;
const MINUTE = 60_000;

function windowOf(starts: readonly number[], change: Partial<WindowItem> = {}): WindowItem {
  const samples = starts.map((at) => sampleAt(at));
  const at = starts.at(-1) ?? START;
  const sites = { "api/primary": { samples, view: "healthy", since: START, tick: at } };
  return { vantage: "east", shard: "0", tick: at, step: 1, run: "run_1", at, ended: true, sites, ...change };
}

const startsOf = (blocks: readonly HistoryBlock[]) =>
  blocks.flatMap((block) => Object.values(block.sites).flatMap((samples) => samples.map(({ startedAt }) => startedAt)));

describe("what is due for the history", () => {
  it("is nothing while its five minutes are not over, and all of them then", () => {
    const starts = [0, 1, 2, 3, 4].map((minute) => START + minute * MINUTE);
    expect(historyDue(windowOf(starts, { historyTo: START }), START + BLOCK_MS - 1)).toEqual({
      blocks: [],
      historyTo: START,
    });
    const { blocks, historyTo } = historyDue(windowOf(starts, { historyTo: START }), START + BLOCK_MS);
    expect(blocks).toMatchObject([{ vantage: "east", shard: "0", from: START, to: START + BLOCK_MS }]);
    expect(startsOf(blocks)).toEqual(starts);
    expect(historyTo).toBe(START + BLOCK_MS);
  });

  it("is a block for each five minutes where more than one could not be written", () => {
    const starts = [1, 6, 9, 11].map((minute) => START + minute * MINUTE);
    const { blocks } = historyDue(windowOf(starts), START + 12 * MINUTE);
    expect(blocks.map(({ from }) => from)).toEqual([START, START + BLOCK_MS]);
    expect(startsOf(blocks)).toEqual(starts.slice(0, 3));
  });

  it("is the same whenever it is asked for, as long as the window holds it", () => {
    const starts = [1, 2, 3].map((minute) => START + minute * MINUTE);
    const later = [...starts, START + 6 * MINUTE];
    expect(historyDue(windowOf(later), START + 7 * MINUTE)).toEqual(historyDue(windowOf(starts), START + 5 * MINUTE));
  });

  it("is all that there is, early, before a window forgets what is too many", () => {
    const starts = Array.from({ length: 80 }, (_, second) => START + second * 1_000);
    const { blocks, historyTo } = historyDue(windowOf(starts, { historyTo: START }), START + 80_500);
    expect(startsOf(blocks)).toEqual(starts);
    expect(historyTo).toBe(START + 80_500);
  });

  it("is everything once the clock was set back so far that the tick forgets the window", () => {
    const starts = [61, 62].map((minute) => START + minute * MINUTE);
    const due = historyDue(windowOf(starts, { historyTo: START + 60 * MINUTE }), START);
    expect(startsOf(due.blocks)).toEqual(starts);
    expect(due.historyTo).toBeUndefined();
  });

  it("is again of a time that was over once, after the clock was set back by a minute", () => {
    const window = windowOf([START + 4 * MINUTE], { historyTo: START + BLOCK_MS });
    expect(historyDue(window, START + 4 * MINUTE).historyTo).toBe(START);
  });

  it("leaves out no sample and takes none twice, however the ticks come, unless the table is away for minutes", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1_000, 10_000, 60_000),
        fc.array(
          fc.record({
            skip: fc.constantFrom(0, 0, 0, 1),
            samples: fc.integer({ min: 1, max: 3 }),
            fails: fc.constantFrom(false, false, false, true),
          }),
          { minLength: 20, maxLength: 200 },
        ),
        (intervalMs, ticks) => {
          let [now, historyTo, failures] = [START + 17, undefined as number | undefined, 0];
          let samples = windowOf([]).sites["api/primary"]?.samples ?? [];
          const [taken, kept]: [number[], number[]] = [[], []];
          for (const { skip, samples: count, fails } of ticks) {
            now += intervalMs * (1 + skip);
            const window = windowOf(samples.map(({ startedAt }) => startedAt));
            const due = historyDue(historyTo === undefined ? window : { ...window, historyTo }, now);
            // At most two failures in a row, none after a tick that was skipped: a window holds ten minutes, or 160 samples where
            // a tick takes three every second, and no more.
            const failed = fails && skip === 0 && due.blocks.length > 0 && ++failures % 3 !== 0;
            if (!failed) {
              kept.push(...startsOf(due.blocks));
              historyTo = due.historyTo;
            }
            const added = Array.from({ length: count }, (_, n) => now + n * 100);
            taken.push(...added);
            samples = [
              ...appendSamples(
                samples,
                added.map((at) => sampleAt(at)),
                now + 300,
              ),
            ];
          }
          expect(kept).toEqual(taken.slice(0, kept.length));
          const left = taken.slice(kept.length);
          expect(left.every((at) => at >= (historyTo ?? 0))).toBe(true);
          for (const at of left) expect(samples.some(({ startedAt }) => startedAt === at)).toBe(true);
        },
      ),
    );
  });
});
