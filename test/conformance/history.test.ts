import { BLOCK_MS, type HistoryBlock, type Sample, unpackBlock } from "@neuropilot/core";
import { sampleAt } from "@neuropilot/core/fixture";
import { createMemoryTable, createState, type HistoryRead, type State, type Table } from "@neuropilot/store";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Kind, kinds } from "./tables.ts";

const START = 1_800_000_000_000;
const PLACE = { vantage: "us-east-1", shard: "0" };
const KEY = "api/primary";

function block(n: number, samples: readonly Sample[], change: Partial<HistoryBlock> = {}): HistoryBlock {
  const from = START + n * BLOCK_MS;
  return { ...PLACE, from, to: from + BLOCK_MS, sites: { [KEY]: samples }, ...change };
}

const within = (n: number, ...ms: readonly number[]) => ms.map((at) => sampleAt(START + n * BLOCK_MS + at));

async function read(state: State, from = 0, to = START * 2, place = PLACE): Promise<HistoryRead[]> {
  const found: HistoryRead[] = [];
  for await (const one of state.readHistory({ ...place, from, to })) found.push(one);
  return found;
}

describe.each(kinds)("the history on the table: $name", ({ start }) => {
  let running: Awaited<ReturnType<Kind["start"]>> | undefined;
  let table: Table = createMemoryTable();
  let state: State = createState(table);
  beforeAll(async () => {
    running = await start();
  });
  beforeEach(async () => {
    if (running !== undefined) table = await running.empty();
    state = createState(table);
  });
  afterAll(() => running?.stop());

  test("comes back in the order of time, each place its own", async () => {
    const written = [2, 0, 1].map((n) => block(n, within(n, 5, 60_000)));
    for (const each of written) expect(await state.writeHistory(each)).toBe("written");
    await state.writeHistory(block(1, within(1, 7), { shard: "1" }));
    const ok = (blocks: readonly HistoryBlock[]) => blocks.map((each) => ({ ok: true, block: each }));
    expect(await read(state)).toEqual(ok(written.toSorted((a, b) => a.from - b.from)));
    expect(await read(state, 0, START * 2, { ...PLACE, shard: "1" })).toHaveLength(1);
    expect(await read(state, 0, START * 2, { ...PLACE, vantage: "nowhere" })).toEqual([]);
  });

  test("written twice is there once, and of two that differ each sample is there once", async () => {
    const first = block(0, within(0, 10, 20, 30));
    expect(await state.writeHistory(first)).toBe("written");
    expect(await state.writeHistory(first)).toBe("refused");
    expect(await state.writeHistory(block(0, within(0, 20, 25)))).toBe("written");
    const merged = block(0, within(0, 10, 20, 25, 30));
    expect(await read(state)).toEqual([{ ok: true, block: merged }]);
  });

  test("that was cut early is read as one, with all its sites", async () => {
    const cut = START + 60_000;
    await state.writeHistory(block(0, within(0, 5), { to: cut }));
    await state.writeHistory({ ...block(0, []), from: cut, sites: { "web/primary": within(0, 70_000) } });
    const sites = { [KEY]: within(0, 5), "web/primary": within(0, 70_000) };
    expect(await read(state)).toEqual([{ ok: true, block: block(0, [], { sites }) }]);
  });

  test("of a part of the time has the samples of that part only, from the first millisecond, without the last", async () => {
    for (const n of [0, 1, 2]) await state.writeHistory(block(n, within(n, 0, 1_000, BLOCK_MS - 1)));
    const [from, to] = [START + 1_000, START + 2 * BLOCK_MS];
    expect(await read(state, from, to)).toEqual([
      { ok: true, block: { ...block(0, within(0, 1_000, BLOCK_MS - 1)), from } },
      { ok: true, block: block(1, within(1, 0, 1_000, BLOCK_MS - 1)) },
    ]);
    expect(await read(state, from, from)).toEqual([]);
    expect(await read(state, to, from)).toEqual([]);
  });

  test("larger than a page comes back whole", async () => {
    const many = Array.from({ length: 620 }, (_, n) => block(n, within(n, 1)));
    await Promise.all(many.map((each) => state.writeHistory(each)));
    const found = await read(state);
    expect(found.map((each) => each.ok && each.block.from)).toEqual(many.map(({ from }) => from));
  });

  test("that cannot be read names its row and what to do, and the rest is read", async () => {
    for (const n of [0, 1, 3]) await state.writeHistory(block(n, within(n, 1)));
    const [, second] = await table.query("HISTORY#us-east-1#0");
    if (second === undefined) throw new Error("nothing was written");
    const changed = `${second.body.slice(0, 20)}${second.body[20] === "A" ? "B" : "A"}${second.body.slice(21)}`;
    await table.put({ ...second, version: 2, body: changed }, { kind: "version-is", version: 1 });
    // A row of another time, put back in the wrong place.
    await table.put({ ...second, sk: `${START + 2 * BLOCK_MS}#copy` }, { kind: "absent" });
    const found = await read(state);
    expect(found.map(({ ok }) => ok)).toEqual([true, false, false, true]);
    expect(found[1]).toMatchObject({
      key: { pk: second.pk, sk: second.sk },
      problem: expect.stringMatching(new RegExp(`row ${second.pk} ${second.sk} cannot be read: its checksum.*Delete`)),
    });
    expect(found[2]).toMatchObject({ problem: expect.stringMatching(/holds a block of us-east-1 0 at/) });
  });

  test("too large for a row is in several, and nothing of it is lost", async () => {
    const noisy = (n: number) =>
      Array.from({ length: 160 }, (_, at) =>
        sampleAt(START + at * 1_000, "timeout", { detail: `${n} ${at} `.padEnd(200, "é") }),
      );
    const sites = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`api-${n}/primary`, noisy(n)]));
    const large = block(0, [], { sites });
    expect(await state.writeHistory(large)).toBe("written");
    expect(await state.writeHistory(large)).toBe("refused");
    const rows = await table.query("HISTORY#us-east-1#0");
    expect(rows.length).toBeGreaterThan(1);
    for (const row of rows) expect(unpackBlock(row.body).ok).toBe(true);
    expect(await read(state)).toEqual([{ ok: true, block: large }]);
    const one = block(
      1,
      noisy(0).flatMap((sample) =>
        Array.from({ length: 12 }, (_, n) => ({
          ...sample,
          startedAt: sample.startedAt + BLOCK_MS + n,
          detail: `${n}${sample.detail}`,
        })),
      ),
    );
    await state.writeHistory(one);
    const [, second] = await read(state);
    expect(second?.ok && second.block.sites[KEY]).toHaveLength(160 * 12);
  });

  test("may be removed by the table once it is older than it is kept", async () => {
    await state.writeHistory(block(0, within(0, 1)), 86_400_000);
    await state.writeHistory(block(1, within(1, 1)));
    const rows = await table.query("HISTORY#us-east-1#0");
    expect(rows.map(({ expiresAt }) => expiresAt)).toEqual([(START + BLOCK_MS + 86_400_000) / 1_000, undefined]);
  });

  test("is pruned from its oldest end, a few rows at a time, up to what had ended", async () => {
    for (const n of [0, 1, 2, 3]) await state.writeHistory(block(n, within(n, 1)));
    const before = START + 3 * BLOCK_MS;
    expect(await state.pruneHistory({ ...PLACE, before, limit: 2 })).toBe(2);
    expect((await read(state)).map((one) => one.ok && one.block.from)).toEqual([2, 3].map((n) => START + n * BLOCK_MS));
    expect(await state.pruneHistory({ ...PLACE, before, limit: 2 })).toBe(1);
    expect(await state.pruneHistory({ ...PLACE, before, limit: 2 })).toBe(0);
  });

  test.each([
    ["more than its time", { to: START + BLOCK_MS + 1 }],
    ["no time", { to: START }],
  ])("of %s is a bug, not a row", async (_, change) => {
    await expect(state.writeHistory(block(0, [], change))).rejects.toThrow(/must lie within a multiple of 300000 ms/);
  });
});
