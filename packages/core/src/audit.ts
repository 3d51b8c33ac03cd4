import { createHash } from "node:crypto";
import type { AuditEntry, TargetItem } from "./item.ts";

/** The hash of an entry over everything before it: changing, removing or reordering one breaks all that follow. */
export function auditHash(previous: string, n: number, at: number, body: string): string {
  return createHash("sha256").update(`${previous}\n${n}\n${at}\n${body}`).digest("hex");
}

/** Appends to the chain; the entry waits in the item until it is copied out. */
export function appendAudit(item: TargetItem, at: number, content: unknown): TargetItem {
  const n = item.audit.n + 1;
  const body = JSON.stringify(content);
  const hash = auditHash(item.audit.head, n, at, body);
  const entry: AuditEntry = { n, at, previous: item.audit.head, hash, body };
  return { ...item, audit: { n, head: hash, pending: [...item.audit.pending, entry] } };
}
