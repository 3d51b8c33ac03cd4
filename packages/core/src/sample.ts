/**
 * What one look at one site showed.
 *
 * `ok`; failures a restart may cure: `refused` (connection refused, reset, closed early), `timeout`, `status` (5xx),
 * `assertion` (an expectation not met, an unexpected status); faults a restart cannot cure: `blocked` (a WAF or bot rule
 * answered), `tls`, `dns`, `forbidden` (the address guard), `redirect`; and `local`: our own machine failed (no route, no sockets).
 */
export const OUTCOMES = [
  "ok",
  "refused",
  "timeout",
  "status",
  "assertion",
  "blocked",
  "tls",
  "dns",
  "forbidden",
  "redirect",
  "local",
] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Sample {
  /** Epoch milliseconds at the start of the request, by the vantage's clock. */
  readonly startedAt: number;
  readonly outcome: Outcome;
  /** HTTP status, 0 where none came. */
  readonly status: number;
  /** From the connection (after TLS) to the first byte, milliseconds; 0 where none came. */
  readonly ttfbMs: number;
  /** From the start to the last byte or the failure, milliseconds. */
  readonly totalMs: number;
  /** Our own event loop was late meanwhile: does not count. */
  readonly tainted: boolean;
  /** Sent on a connection that was already open. */
  readonly reused: boolean;
  readonly phases?: { readonly dnsMs?: number; readonly connectMs?: number; readonly tlsMs?: number };
  /** Days until the certificate ends, where there is one. */
  readonly certificateDays?: number;
  /** One line for people, from the error or the expectation; never a body, never a secret. */
  readonly detail?: string;
}
