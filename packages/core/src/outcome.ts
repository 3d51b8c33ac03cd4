/**
 * What came of asking a vendor. Expected failures are values; a provider never throws for one.
 *
 * - `applied`: the vendor accepted the work. `reference` finds it again (a deployment id).
 * - `already-done`: the vendor says that there was nothing left to do.
 * - `rejected`: nothing was done and asking again will not help (credentials, not found, invalid).
 * - `retry-later`: provably nothing was done; ask again after so many milliseconds.
 * - `unknown`: it may have been done (a timeout, a dropped connection, a 5xx after the request was sent).
 */
export type CallOutcome =
  | { readonly kind: "applied"; readonly reference: string; readonly detail?: string }
  | { readonly kind: "already-done"; readonly reference: string; readonly detail?: string }
  | { readonly kind: "rejected"; readonly reason: RejectedReason; readonly detail: string }
  | { readonly kind: "retry-later"; readonly afterMs: number; readonly detail: string }
  | { readonly kind: "unknown"; readonly why: UnknownReason; readonly detail: string };

export const REJECTED_REASONS = [
  "no-credentials",
  "unauthorized",
  "not-found",
  "nothing-to-restart",
  "invalid-request",
  "not-configured",
  "plan-does-not-allow",
] as const;
export type RejectedReason = (typeof REJECTED_REASONS)[number];

export const UNKNOWN_REASONS = [
  "timeout",
  "connection-lost",
  "vendor-error",
  "unreadable-answer",
  "runner-lost",
] as const;
export type UnknownReason = (typeof UNKNOWN_REASONS)[number];

/** Where accepted work stands: the vendor's own word, not ours about health. */
export type FollowStatus =
  | { readonly kind: "in-progress"; readonly detail: string }
  | { readonly kind: "over"; readonly detail: string }
  | { readonly kind: "failed"; readonly detail: string }
  | { readonly kind: "unavailable"; readonly afterMs: number; readonly detail: string };
