import { createHash } from "node:crypto";
import type { AuditEntry, TargetItem } from "./item.ts";
import type { StepRecord } from "./record.ts";

/** The hash of an entry over everything before it: changing, removing or reordering one breaks all that follow. */
export function auditHash(previous: string, n: number, at: number, body: string): string {
  return createHash("sha256").update(`${previous}\n${n}\n${at}\n${body}`).digest("hex");
}

/** Appends a record (JSON) to the chain; the entry waits in the item until it is copied out. */
export function appendAudit(item: TargetItem, at: number, body: string): TargetItem {
  const n = item.audit.n + 1;
  const hash = auditHash(item.audit.head, n, at, body);
  const entry: AuditEntry = { n, at, previous: item.audit.head, hash, body };
  return { ...item, audit: { n, head: hash, pending: [...item.audit.pending, entry] } };
}

/** Records one step of an attempt that a remedy took: `calling` stands in the chain before the call goes out. */
export function auditStep(item: TargetItem, step: Omit<StepRecord, "kind">): TargetItem {
  return appendAudit(item, step.now, JSON.stringify({ kind: "step", ...step }));
}

/** The first entry that does not fit the chain, from the first entry on; undefined if all do. */
export function brokenLink(entries: readonly AuditEntry[]): number | undefined {
  let head = "";
  for (const [index, entry] of entries.entries()) {
    const fits = entry.n === index + 1 && entry.previous === head;
    if (!fits || entry.hash !== auditHash(entry.previous, entry.n, entry.at, entry.body)) return entry.n;
    head = entry.hash;
  }
  return undefined;
}
