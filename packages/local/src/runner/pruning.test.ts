import { BLOCK_MS } from "@neuropilot/core";
import { createMemoryTable, createState } from "@neuropilot/store";
import { describe, expect, test } from "vitest";
import { pruneHistory, pruning } from "./pruning.ts";

const START = 1_800_000_000_000;
const EAST = { vantage: "east", shard: "0" };
const GONE = { vantage: "gone", shard: "3" };

function install() {
  const state = createState(createMemoryTable());
  const write = async (place: typeof EAST, blocks: number) => {
    for (let n = 0; n < blocks; n++) {
      const from = START + n * BLOCK_MS;
      await state.writeHistory({ ...place, from, to: from + BLOCK_MS, sites: {} });
    }
  };
  const left = async (place: typeof EAST) => {
    const starts: number[] = [];
    for await (const read of state.readHistory({ ...place, from: 0, to: START * 2 }))
      if (read.ok) starts.push((read.block.from - START) / BLOCK_MS);
    return starts;
  };
  return { state, write, left };
}

describe("pruning the history", () => {
  test("removes what ended before its time and nothing else", async () => {
    const { state, write, left } = install();
    await write(EAST, 6);
    expect(await pruneHistory(state, [EAST], START + 3 * BLOCK_MS + 1)).toBe(3);
    expect(await left(EAST)).toEqual([3, 4, 5]);
    expect(await pruneHistory(state, [EAST], START + 3 * BLOCK_MS + 1)).toBe(0);
  });

  test("takes a bounded number of rows at a time, the oldest first, and gets through with the next ones", async () => {
    const { state, write, left } = install();
    await write(EAST, 450);
    const removed = [1, 2, 3, 4].map(() => START + 1_000 * BLOCK_MS);
    const counts: number[] = [];
    for (const before of removed) {
      counts.push(await pruneHistory(state, [EAST], before));
      expect((await left(EAST))[0]).toBe(
        counts.reduce((sum, count) => sum + count) < 450 ? counts.length * 200 : undefined,
      );
    }
    expect(counts).toEqual([200, 200, 50, 0]);
  });

  test("finds the history of a place that left the config", async () => {
    const { state, write, left } = install();
    await write(GONE, 2);
    const controls = { answered: 0, total: 0 };
    await state.writeHeartbeat({ ...GONE, tick: START, at: START, controls, ill: 0, total: 0 });
    await pruneHistory(state, [EAST], START + 10 * BLOCK_MS);
    expect(await left(GONE)).toEqual([]);
  });

  test.each([
    { keepMs: 2 * BLOCK_MS, kept: [3, 4] },
    { keepMs: 0, kept: [] },
  ])("runs once an hour and keeps what the config says: $keepMs ms", async ({ keepMs, kept }) => {
    const { state, write, left } = install();
    await write(EAST, 5);
    const entry = pruning(state, keepMs, [EAST]);
    expect(entry.schedule).toEqual({ everyMs: 3_600_000 });
    await entry.run(START + 5 * BLOCK_MS, new AbortController().signal);
    expect(await left(EAST)).toEqual(kept);
  });
});
