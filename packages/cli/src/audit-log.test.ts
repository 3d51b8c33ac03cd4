import { type AuditEntry, appendAudit, newTargetItem, type TargetItem } from "@neuropilot/core";
import { createMemoryTable, createState, type Table } from "@neuropilot/store";
import { describe, expect, it } from "vitest";
import { checkLog } from "./audit-log.ts";

const KEY = { pk: "AUDIT#api", version: 1 };

function itemWith(count: number, from = newTargetItem("api", 0)): TargetItem {
  let item = from;
  for (let n = item.audit.n + 1; n <= count; n++) item = appendAudit(item, 1_000 + n, `{"kind":"step","n":${n}}`);
  return item;
}

/** An instance whose target has so many entries, of which the last few still wait in its item. */
async function instance(entries: number, waiting = 0) {
  const table = createMemoryTable();
  const state = createState(table);
  const all = itemWith(entries).audit;
  for (const entry of all.pending.slice(0, entries - waiting)) await state.archiveAudit("api", entry);
  const pending = all.pending.slice(entries - waiting);
  await state.updateTarget(
    "api",
    () => 0,
    (item) => ({ ...item, audit: { ...all, pending } }),
  );
  return { table, state, entries: all.pending };
}

async function rewrite(table: Table, entry: AuditEntry, change: Partial<AuditEntry>, sk: string): Promise<void> {
  await table.remove({ pk: KEY.pk, sk });
  await table.put({ ...KEY, sk, body: JSON.stringify({ ...entry, ...change }) }, { kind: "absent" });
}

const brief = ({ damage }: Awaited<ReturnType<typeof checkLog>>) => damage.map(({ n, kind }) => `${n} ${kind}`);
const place = (n: number) => String(n).padStart(10, "0");

describe("the check of a target's log", () => {
  it.each([
    [0, 0],
    [4, 0],
    [4, 2],
    [4, 4],
  ])(
    "finds a log of %i entries whole, %i of them still in the item, and hears each once, in order",
    async (count, waiting) => {
      const { state, entries } = await instance(count, waiting);
      const heard: number[] = [];
      const log = await checkLog(state, "api", ({ place: n }) => void heard.push(n));
      expect(brief(log)).toEqual([]);
      expect(heard).toEqual(entries.map(({ n }) => n));
      expect(log.end).toEqual({ n: count, hash: entries.at(-1)?.hash ?? "" });
    },
  );

  it("finds a log whole to which entries are added while it is read", async () => {
    const { state } = await instance(3, 1);
    const added: AuditEntry[] = [];
    const running = {
      ...state,
      async *auditRows(target: string) {
        const before = await state.readTarget(target, 0);
        const after = itemWith(5, before);
        added.push(...after.audit.pending);
        for (const entry of added) await state.archiveAudit(target, entry);
        await state.updateTarget(
          target,
          () => 0,
          () => ({ ...after, audit: { ...after.audit, pending: [] } }),
        );
        yield* state.auditRows(target);
      },
    };
    expect(brief(await checkLog(running, "api"))).toEqual([]);
    expect(added.map(({ n }) => n)).toEqual([3, 4, 5]);
  });

  it("names an entry after the end that nobody's item knows of", async () => {
    const { table, state, entries } = await instance(3);
    const [last] = entries.slice(-1);
    if (last === undefined) throw new Error("there is no entry");
    await rewrite(table, last, { n: 4 }, place(4));
    expect(brief(await checkLog(state, "api"))).toEqual(["4 extra"]);
  });

  it("is not deceived by a second row that names the place of an entry which was changed", async () => {
    const { table, state, entries } = await instance(3);
    const [, second] = entries;
    if (second === undefined) throw new Error("there is no entry");
    await rewrite(table, second, { body: "{}" }, place(2));
    for (const sk of ["2", "02", "2.0", "0x2"]) await rewrite(table, second, {}, sk);
    expect(brief(await checkLog(state, "api"))).toContain("2 changed");
  });

  it("names a row whose key is no place, and nothing that waits in the item besides", async () => {
    const { table, state, entries } = await instance(3, 2);
    const [first] = entries;
    if (first === undefined) throw new Error("there is no entry");
    await rewrite(table, first, {}, "nowhere");
    expect(brief(await checkLog(state, "api"))).toEqual(["0 unreadable"]);
  });
});
