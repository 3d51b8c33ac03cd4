import { type AuditEntry, type AuditRow, appendAudit, ChainCheck, newTargetItem } from "@neuropilot/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAuditLog } from "./audit-log.ts";
import { createMemoryTable } from "./memory.ts";
import type { Table } from "./table.ts";

const COUNT = 5;
const key = (n: number) => ({ pk: "AUDIT#api", sk: String(n).padStart(10, "0") });

function entries(count = COUNT): readonly AuditEntry[] {
  let item = newTargetItem("api", 0);
  for (let n = 1; n <= count; n++) item = appendAudit(item, 1_000 + n, `{"kind":"step","attempt":"att_api_${n}"}`);
  return item.audit.pending;
}

async function written(count = COUNT) {
  const table = createMemoryTable();
  const log = createAuditLog(table);
  for (const entry of entries(count)) await log.archiveAudit("api", entry);
  return { table, log };
}

/** Past everything that guards it, as a foreign hand would. */
async function overwrite(table: Table, n: number, body: string): Promise<void> {
  await table.remove(key(n));
  await table.put({ ...key(n), version: 1, body }, { kind: "absent" });
}

async function rowsOf(log: ReturnType<typeof createAuditLog>): Promise<AuditRow[]> {
  const rows: AuditRow[] = [];
  for await (const row of log.auditRows("api")) rows.push(row);
  return rows;
}

async function damageOf(log: ReturnType<typeof createAuditLog>): Promise<string[]> {
  const check = new ChainCheck();
  for (const row of await rowsOf(log)) check.add(row);
  return check.damage({ n: COUNT, hash: entries().at(-1)?.hash ?? "" }).map(({ n, kind }) => `${n} ${kind}`);
}

describe("the audit log in the table", () => {
  it("holds each entry at its place, page after page, for as long as there is a table", async () => {
    const { table, log } = await written(450);
    expect(await log.readAudit("api")).toEqual(entries(450));
    const row = await table.get(key(450));
    expect(row).toEqual({ ...key(450), version: 1, body: JSON.stringify(entries(450)[449]) });
    expect(await log.readAudit("web")).toEqual([]);
  });

  it("keeps what stands there when the same place is written again, be it the same or another entry", async () => {
    const { log } = await written();
    for (const entry of entries()) {
      await log.archiveAudit("api", entry);
      await log.archiveAudit("api", { ...entry, body: "{}" });
    }
    expect(await log.readAudit("api")).toEqual(entries());
  });

  it.each([
    ["no JSON", "{", /the row AUDIT#api 0000000003 cannot be read: it is not JSON/],
    ["null", "null", /it is not an audit entry/],
    ["text", '"x"', /it is not an audit entry/],
    ["an entry without a hash", JSON.stringify({ ...entries()[2], hash: undefined }), /it is not an audit entry/],
    ["an entry whose number is text", JSON.stringify({ ...entries()[2], n: "3" }), /it is not an audit entry/],
    ["an entry whose time is null", JSON.stringify({ ...entries()[2], at: null }), /it is not an audit entry/],
  ])("names a row that is %s, and reads all others", async (_name, body, problem) => {
    const { table, log } = await written();
    await overwrite(table, 3, body);
    const rows = await rowsOf(log);
    expect(rows.map((row) => ("problem" in row ? row.problem : row.entry.n))).toEqual([
      1,
      2,
      expect.stringMatching(problem),
      4,
      5,
    ]);
    await expect(log.readAudit("api")).rejects.toThrow(problem);
    expect(await damageOf(log)).toEqual(["3 unreadable"]);
  });

  it("names the entry whatever single byte of a row is changed", async () => {
    const byte = fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: COUNT }), fc.nat(), byte, async (n, at, other) => {
        const { table, log } = await written();
        const body = (await table.get(key(n)))?.body ?? "";
        const index = at % body.length;
        const after = `${body.slice(0, index)}${other}${body.slice(index + 1)}`;
        await overwrite(table, n, after);
        const found = await damageOf(log);
        if (after === body) expect(found).toEqual([]);
        else expect(found).toEqual([expect.stringMatching(`^${n} (changed|unreadable)$`)]);
      }),
    );
  });
});
