import { BLOCK_MS, type HistoryBlock, type Sample } from "@neuropilot/core";
import { createMemoryTable, createState, type HistoryRead, type State, TableUnavailable } from "@neuropilot/store";
import { describe, expect, it } from "vitest";
import { config, install, START } from "./fixture.ts";

const MINUTE = 60_000;
/** START lies within a block's time, so that the first one is a part. */
const FIRST = Math.floor(START / BLOCK_MS) * BLOCK_MS;
const PLACE = { vantage: "east", shard: "0" };

async function read(state: State): Promise<HistoryRead[]> {
  const found: HistoryRead[] = [];
  for await (const one of state.readHistory({ ...PLACE, from: 0, to: START * 2 })) found.push(one);
  return found;
}

async function blocks(state: State): Promise<HistoryBlock[]> {
  return (await read(state)).flatMap((one) => (one.ok ? [one.block] : []));
}

async function kept(state: State): Promise<Sample[]> {
  return (await blocks(state)).flatMap(({ sites }) => Object.values(sites).flat());
}

/** Counts the rows of history that are asked to be written, and refuses while `away`. */
function counting() {
  const table = createMemoryTable();
  const seen = { asked: 0, written: 0, away: false };
  const state = createState({
    ...table,
    put: async (row, condition) => {
      if (!row.pk.startsWith("HISTORY#")) return table.put(row, condition);
      seen.asked++;
      if (seen.away) throw new TableUnavailable("throttled");
      const written = await table.put(row, condition);
      if (written === "written") seen.written++;
      return written;
    },
  });
  return { state, seen, table };
}

async function night(minutes: number, change: Parameters<typeof install>[0] = {}) {
  const { deps, tick, time } = install(change);
  const at = async (minute: number, outcome: Sample["outcome"] = "ok") => {
    time.now = Math.max(time.now, START + minute * MINUTE);
    return tick(outcome);
  };
  for (let minute = 0; minute < minutes; minute++) await at(minute);
  return { deps, time, at, tick };
}

describe("the history that ticks leave", () => {
  it("is one row of five minutes, with every sample of them", async () => {
    const { state, seen } = counting();
    await night(21, { state });
    expect(seen).toMatchObject({ asked: 4, written: 4 });
    const starts = (await kept(state)).map(({ startedAt }) => (startedAt - START) / MINUTE);
    expect(starts).toEqual(Array.from({ length: 20 }, (_, minute) => minute).slice(0, starts.length));
    expect(starts.length).toBeGreaterThanOrEqual(16);
    for (const { from, to } of await blocks(state)) expect(to - from).toBe(BLOCK_MS);
  });

  it("has failures as they were, with the samples that suspicion added", async () => {
    const { deps, at } = await night(3);
    await at(3, "refused");
    for (let minute = 5; minute < 14; minute++) await at(minute);
    const window = (await deps.state.readWindow("east", "0"))?.sites["api/primary"]?.samples ?? [];
    const held = window.filter(({ startedAt }) => startedAt < FIRST + 2 * BLOCK_MS);
    const all = await kept(deps.state);
    expect(all.filter(({ outcome }) => outcome === "refused").length).toBeGreaterThan(1);
    for (const sample of held) expect(all).toContainEqual(sample);
  });

  it("gets nothing twice from a tick that ran twice at once", async () => {
    const { state, seen } = counting();
    const { time, tick } = await night(4, { state });
    time.now = START + 5 * MINUTE;
    await Promise.all([tick("ok"), tick("ok")]);
    expect(seen.written).toBe(1);
    const starts = (await kept(state)).map(({ startedAt }) => startedAt);
    expect(new Set(starts).size).toBe(starts.length);
  });

  it("does not miss what ticks before a gap of an hour saw", async () => {
    const { deps, at } = await night(4);
    await at(64);
    expect((await kept(deps.state)).map(({ startedAt }) => (startedAt - START) / MINUTE)).toEqual([0, 1, 2, 3]);
  });

  it("is written by the next tick where the table refused it, and the tick goes on meanwhile", async () => {
    const { state, seen } = counting();
    const lines: string[] = [];
    const { at } = await night(4, { state, log: (_level, event) => lines.push(event) });
    seen.away = true;
    for (const minute of [5, 6]) expect(await at(minute)).toMatchObject({ kind: "done", samples: 1 });
    expect(lines.filter((line) => line === "history-not-written")).toHaveLength(2);
    seen.away = false;
    await at(7);
    expect((await kept(state)).map(({ startedAt }) => (startedAt - START) / MINUTE)).toEqual([0, 1, 2, 3]);
    expect((await state.readWindow("east", "0"))?.historyTo).toBe(FIRST + BLOCK_MS);
  });

  it("is not written again by a tick that follows one that was cut off right after writing it", async () => {
    const { state, seen } = counting();
    const { at } = await night(4, { state });
    const before = await state.readWindow("east", "0");
    await at(5);
    // The window as it was, since the tick never got to write it.
    if (before === undefined) throw new Error("no window");
    await state.writeWindow({ ...before, tick: START + 5.5 * MINUTE, run: "run_cut" });
    await at(6);
    expect(seen).toMatchObject({ asked: 2, written: 1 });
  });

  it("has what was seen before and after the clock was set back by an hour", async () => {
    const { deps, time, tick } = await night(8);
    const before = (await deps.state.readWindow("east", "0"))?.sites["api/primary"]?.samples ?? [];
    time.now -= 60 * MINUTE;
    await tick("ok");
    const all = await kept(deps.state);
    for (const sample of before) expect(all).toContainEqual(sample);
    for (let minute = 0; minute < 70; minute++) {
      time.now += MINUTE;
      await tick("ok");
    }
    const starts = (await kept(deps.state)).map(({ startedAt }) => startedAt);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    for (const sample of before) expect(starts).toContain(sample.startedAt);
  });

  it("goes on where the look at one site that another vantage asked for comes between", async () => {
    const { deps, time, tick, at } = await night(6);
    time.now = START + 6 * MINUTE + 30_000;
    await tick("ok", { target: "api", site: "primary" });
    for (const minute of [7, 8, 9, 10, 11]) await at(minute);
    const starts = (await kept(deps.state)).map(({ startedAt }) => startedAt);
    expect(starts).toContain(START + 6 * MINUTE + 30_000);
    expect(new Set(starts).size).toBe(starts.length);
  });

  it("is none where the config keeps none", async () => {
    const { state, seen } = counting();
    await night(12, { state, config: { ...config, history: { keepMs: 0 } } });
    expect(seen.asked).toBe(0);
    expect(await read(state)).toEqual([]);
  });

  it("says when DynamoDB may remove it", async () => {
    const { state, table } = counting();
    await night(6, { state, config: { ...config, history: { keepMs: 86_400_000 } } });
    const [row] = await table.query("HISTORY#east#0");
    expect(row?.expiresAt).toBe((FIRST + BLOCK_MS + 86_400_000) / 1_000);
  });
});
