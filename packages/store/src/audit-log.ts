import type { AuditEntry, AuditRow } from "@neuropilot/core";
import type { Row, Table } from "./table.ts";

/** The audit log of every target: it can be added to and read, and nothing else. */
export interface AuditLog {
  /** Adds an entry at its place. What stands there already stays, whatever it is. */
  archiveAudit(target: string, entry: AuditEntry): Promise<void>;
  /** In the order of their places, page by page, so that memory stays flat. What cannot be read is named, and the rest is read. */
  auditRows(target: string): AsyncIterable<AuditRow>;
  /** All of it at once. Throws for an entry that cannot be read. */
  readAudit(target: string): Promise<AuditEntry[]>;
}

const PAGE_ROWS = 200;
const PLACE_DIGITS = 10;

export function createAuditLog(table: Table): AuditLog {
  return {
    async archiveAudit(target, entry) {
      await table.put(
        { pk: partitionOf(target), sk: keyOf(entry.n), version: 1, body: JSON.stringify(entry) },
        { kind: "absent" },
      );
    },
    auditRows: (target) => rowsOf(table, target),
    async readAudit(target) {
      const entries: AuditEntry[] = [];
      for await (const row of rowsOf(table, target)) {
        if ("problem" in row) throw new Error(row.problem);
        entries.push(row.entry);
      }
      return entries;
    },
  };
}

async function* rowsOf(table: Table, target: string): AsyncGenerator<AuditRow> {
  const range = { from: "!", to: "~", limit: PAGE_ROWS };
  let after: string | undefined;
  do {
    const page = await table.queryRange(partitionOf(target), after === undefined ? range : { ...range, after });
    for (const row of page.rows) yield rowOf(row);
    after = page.next;
  } while (after !== undefined);
}

function rowOf(row: Row): AuditRow {
  const number = Number(row.sk);
  const place = number >= 1 && keyOf(number) === row.sk ? number : 0;
  const refuse = (why: string): AuditRow => ({ place, problem: `the row ${row.pk} ${row.sk} cannot be read: ${why}` });
  if (place === 0) return refuse("its key is no place in the log");
  try {
    const value: unknown = JSON.parse(row.body);
    return isEntry(value) ? { place, entry: value } : refuse("it is not an audit entry");
  } catch {
    return refuse("it is not JSON");
  }
}

function isEntry(value: unknown): value is AuditEntry {
  if (typeof value !== "object" || value === null) return false;
  const entry: Partial<Record<keyof AuditEntry, unknown>> = value;
  const texts = [entry.previous, entry.hash, entry.body].every((field) => typeof field === "string");
  return texts && typeof entry.n === "number" && typeof entry.at === "number";
}

function keyOf(place: number): string {
  return String(place).padStart(PLACE_DIGITS, "0");
}

function partitionOf(target: string): string {
  return `AUDIT#${target}`;
}
