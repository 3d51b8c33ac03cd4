import { createMemoryTable, type KeyRange, type Row, type Table, TableUnavailable } from "@neuropilot/store";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Kind, kinds, memory } from "./tables.ts";

const row = (over: Partial<Row> = {}): Row => ({ pk: "TARGET#a", sk: "STATE", version: 1, body: "{}", ...over });

describe.each(kinds)("the table: $name", ({ start }) => {
  let running: Awaited<ReturnType<Kind["start"]>> | undefined;
  let table: Table = createMemoryTable();
  beforeAll(async () => {
    running = await start();
  });
  beforeEach(async () => {
    if (running !== undefined) table = await running.empty();
  });
  afterAll(() => running?.stop());

  test("a row comes back as it was written, with and without what is optional", async () => {
    const rows = [
      row({
        sk: "all",
        version: 7,
        tick: 1_800_000_000_000,
        nextActionAt: 1_800_000_000_123,
        expiresAt: 1_900_000_000,
      }),
      row({ sk: "none", body: "" }),
      row({ sk: "odd", body: '{"a":"\\u0000 \\"é 漢 🚑\\n"} é 漢 🚑', tick: 0, nextActionAt: 0, version: 0 }),
      row({ sk: "fraction", tick: 0.5, nextActionAt: -1.25 }),
    ];
    for (const each of rows) expect(await table.put(each, { kind: "absent" })).toBe("written");
    for (const each of rows) expect(await table.get(each)).toEqual(each);
  });

  test("what is not there is undefined, and an empty partition is empty", async () => {
    expect(await table.get({ pk: "nobody", sk: "nothing" })).toBeUndefined();
    expect(await table.query("nobody")).toEqual([]);
    expect(await table.due(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
  });

  test.each([
    { present: undefined, condition: { kind: "absent" as const }, written: "written" },
    { present: undefined, condition: { kind: "version-is" as const, version: 0 }, written: "refused" },
    { present: undefined, condition: { kind: "version-is" as const, version: 1 }, written: "refused" },
    { present: 1, condition: { kind: "absent" as const }, written: "refused" },
    { present: 1, condition: { kind: "version-is" as const, version: 1 }, written: "written" },
    { present: 1, condition: { kind: "version-is" as const, version: 2 }, written: "refused" },
    { present: 2, condition: { kind: "version-is" as const, version: 1 }, written: "refused" },
  ])("over version $present, a write on condition $condition is $written", async ({ present, condition, written }) => {
    const before = present === undefined ? undefined : row({ version: present, body: "before" });
    if (before !== undefined) await table.put(before, { kind: "absent" });
    const after = row({ version: 9, body: "after" });
    expect(await table.put(after, condition)).toBe(written);
    expect(await table.get(after)).toEqual(written === "written" ? after : before);
  });

  test("a write replaces the whole row: what it does not name is gone, from the index too", async () => {
    await table.put(row({ nextActionAt: 5, tick: 5 }), { kind: "absent" });
    await table.put(row({ version: 2 }), { kind: "version-is", version: 1 });
    expect(await table.get(row())).toEqual(row({ version: 2 }));
    expect(await table.due(100, 10)).toEqual([]);
  });

  test("a partition's rows come in the order of their keys' bytes", async () => {
    const keys = ["b", "a", "B", "a#1", "a-1", "é", "漢", "\uffee", "🚑", "10", "9", "~"];
    for (const sk of keys) await table.put(row({ sk }), { kind: "absent" });
    await table.put(row({ pk: "TARGET#ab", sk: "another" }), { kind: "absent" });
    const expected = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect((await table.query("TARGET#a")).map(({ sk }) => sk)).toEqual(expected);
  });

  test("keys that look alike when joined are different rows", async () => {
    const alike = [
      { pk: "a\n", sk: "b" },
      { pk: "a", sk: "\nb" },
      { pk: "a/", sk: "b" },
      { pk: "a", sk: "/b" },
      { pk: "a ", sk: "b" },
    ];
    for (const key of alike) expect(await table.put(row(key), { kind: "absent" })).toBe("written");
    expect(await table.query("a")).toHaveLength(2);
  });

  test("a partition larger than one answer comes back whole", async () => {
    const body = "x".repeat(200_000);
    for (let n = 0; n < 8; n++) await table.put(row({ sk: String(n), body }), { kind: "absent" });
    expect(await table.query("TARGET#a")).toHaveLength(8);
  });

  test.each([
    { from: "10", to: "30", keys: ["10", "20", "30"] },
    { from: "11", to: "29", keys: ["20"] },
    { from: "", to: "10", keys: ["1", "10"] },
    { from: "é", to: "漢", keys: ["é", "漢"] },
    { from: "20", to: "20", keys: ["20"] },
    { from: "21", to: "22", keys: [] },
    { from: "30", to: "10", keys: [] },
  ])("the range from $from to $to has both ends, in the order of bytes, and no other partition", async (range) => {
    for (const sk of ["🚑", "30", "1", "é", "20", "漢", "10"]) await table.put(row({ sk }), { kind: "absent" });
    await table.put(row({ pk: "TARGET#b", sk: "20" }), { kind: "absent" });
    expect((await inPages(table, row().pk, { ...range, limit: 2 })).map(({ sk }) => sk)).toEqual(range.keys);
  });

  test("a page has no more rows than asked for, and the last one says that it is", async () => {
    const keys = Array.from({ length: 7 }, (_, n) => `k${n}`);
    for (const sk of keys) await table.put(row({ sk, body: sk }), { kind: "absent" });
    const first = await table.queryRange(row().pk, { from: "k1", to: "k6", limit: 4 });
    expect(first.rows).toEqual(["k1", "k2", "k3", "k4"].map((sk) => row({ sk, body: sk })));
    expect(first.next).toBe("k4");
    const second = await table.queryRange(row().pk, { from: "k1", to: "k6", limit: 4, after: "k4" });
    expect(second.rows.map(({ sk }) => sk)).toEqual(["k5", "k6"]);
    expect(second.next).toBeUndefined();
    expect(await table.queryRange("nobody", { from: "", to: "z", limit: 4 })).toEqual({ rows: [] });
  });

  test("a range larger than one answer comes back whole, page by page", async () => {
    const body = "x".repeat(200_000);
    for (let n = 0; n < 8; n++) await table.put(row({ sk: String(n), body }), { kind: "absent" });
    expect((await inPages(table, row().pk, { from: "1", to: "8", limit: 100 })).map(({ sk }) => sk)).toEqual([
      "1",
      "2",
      "3",
      "4",
      "5",
      "6",
      "7",
    ]);
  });

  test("a row that was removed is gone, from the index too, and may be written again", async () => {
    await table.put(row({ nextActionAt: 5 }), { kind: "absent" });
    await table.remove(row());
    await table.remove(row());
    await table.remove({ pk: "nobody", sk: "nothing" });
    expect(await table.get(row())).toBeUndefined();
    expect(await table.query(row().pk)).toEqual([]);
    expect(await table.due(100, 10)).toEqual([]);
    expect(await table.put(row(), { kind: "absent" })).toBe("written");
  });

  test("what is due comes longest overdue first, at most as many as asked for", async () => {
    for (const at of [40, 10, 30, 20, 1_000, 9])
      await table.put(row({ sk: `at ${at}`, nextActionAt: at }), { kind: "absent" });
    await table.put(row({ sk: "waits for nothing" }), { kind: "absent" });
    const due = async (now: number, limit: number) => (await table.due(now, limit)).map(({ sk }) => sk);
    expect(await due(40, 10)).toEqual(["at 9", "at 10", "at 20", "at 30", "at 40"]);
    expect(await due(39, 2)).toEqual(["at 9", "at 10"]);
    expect(await due(8, 10)).toEqual([]);
  });

  test.each([
    ["an empty pk", row({ pk: "" })],
    ["an empty sk", row({ sk: "" })],
    ["a time that is no number", row({ nextActionAt: Number.NaN })],
    ["a time without end", row({ nextActionAt: Number.POSITIVE_INFINITY })],
    ["a row above 400 KB", row({ body: "x".repeat(410_000) })],
    ["a row above 400 KB in bytes", row({ body: "é".repeat(205_000) })],
  ])("%s is an error, not a row", async (_, bad) => {
    await expect(table.put(bad, { kind: "absent" })).rejects.toThrow(TableUnavailable);
    expect(await table.query("TARGET#a")).toEqual([]);
  });

  test("of fifty claims at once one wins", async () => {
    await table.put(row(), { kind: "absent" });
    const claims = Array.from({ length: 50 }, (_, n) =>
      table.put(row({ version: 2, body: String(n) }), { kind: "version-is", version: 1 }),
    );
    const winners = (await Promise.all(claims)).flatMap((written, n) => (written === "written" ? [String(n)] : []));
    expect(winners).toEqual([(await table.get(row()))?.body]);
  });
});

async function inPages(table: Table, pk: string, { from, to, limit }: KeyRange): Promise<Row[]> {
  const rows: Row[] = [];
  let after: string | undefined;
  do {
    const page = await table.queryRange(pk, { from, to, limit, ...(after === undefined ? {} : { after }) });
    expect(page.rows.length).toBeLessThanOrEqual(limit);
    rows.push(...page.rows);
    after = page.next;
  } while (after !== undefined);
  return rows;
}

type Step =
  | { readonly kind: "put"; readonly row: Row; readonly condition: "absent" | "its version" | number }
  | { readonly kind: "get"; readonly pk: string; readonly sk: string }
  | { readonly kind: "query"; readonly pk: string }
  | { readonly kind: "range"; readonly pk: string; readonly from: string; readonly to: string; readonly limit: number }
  | { readonly kind: "remove"; readonly pk: string; readonly sk: string }
  | { readonly kind: "due"; readonly now: number; readonly limit: number };

const pk = fc.constantFrom("A", "B", "A#1");
const sk = fc.constantFrom("1", "2", "10", "é", "🚑", "\uffee");
/** The table server compares a range's ends by their UTF-16 units, which only beyond U+D7FF is another order; ours are digits. */
const bound = fc.constantFrom("1", "10", "2", "é");
const time = fc.oneof(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 0, max: 2_000_000_000_000 }));
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("put" as const),
        row: fc.record({ pk, sk, version: fc.nat(3), body: fc.string() }).chain((base) =>
          fc.record({ nextActionAt: fc.option(time), tick: fc.option(time) }).map(({ nextActionAt, tick }) => ({
            ...base,
            ...(nextActionAt === null ? {} : { nextActionAt }),
            ...(tick === null ? {} : { tick }),
          })),
        ),
        condition: fc.oneof(fc.constantFrom("absent" as const, "its version" as const), fc.nat(3)),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("get" as const), pk, sk }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("query" as const), pk }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), pk, sk }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("range" as const),
        pk,
        from: bound,
        to: bound,
        limit: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("due" as const), now: time, limit: fc.integer({ min: 1, max: 20 }) }),
    },
  ),
  { minLength: 5, maxLength: 40 },
);

async function take(table: Table, step: Step): Promise<unknown> {
  switch (step.kind) {
    case "put": {
      if (step.condition === "absent") return table.put(step.row, { kind: "absent" });
      const its = async () => (await table.get(step.row))?.version ?? 0;
      const version = typeof step.condition === "number" ? step.condition : await its();
      return table.put(step.row, { kind: "version-is", version });
    }
    case "get":
      return table.get(step);
    case "query":
      return table.query(step.pk);
    case "range":
      return inPages(table, step.pk, step);
    case "remove":
      return table.remove(step);
    case "due": {
      // Those of one time come in any order, so that a limit may cut any of them off: their times are what must agree.
      const keys = await table.due(step.now, step.limit);
      const rows = await Promise.all(keys.map((key) => table.get(key)));
      return rows.map((each) => each?.nextActionAt);
    }
  }
}

describe.each(kinds.filter((kind) => kind !== memory))("memory and $name", ({ start }) => {
  let running: Awaited<ReturnType<Kind["start"]>> | undefined;
  beforeAll(async () => {
    running = await start();
  });
  afterAll(() => running?.stop());

  test("answer any sequence of steps alike", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const here = createMemoryTable();
        const there = await running?.empty();
        if (there === undefined) throw new Error("it did not start");
        for (const step of sequence) expect(await take(there, step)).toEqual(await take(here, step));
      }),
      { numRuns: 20 },
    );
  });
});
