import type { Sample } from "./sample.ts";

/** What a writer and a reader of blocks must agree on. */

/** Plain bits of counts and lengths, of a status, of a certificate's days, of milliseconds: near what they mostly are. */
export const PLAIN = { count: 3, status: 8, days: 7, ms: 17 } as const;
/** How many plain bits a column has, in so many bits. */
export const WIDTH_BITS = 5;
/** Which outcome a sample has, in so many bits. */
export const OUTCOME_BITS = 4;

/** What many samples have in common. It stands in a block once, and each sample says which it is. */
export type Kind = Pick<Sample, "outcome" | "status" | "tainted" | "reused" | "certificateDays" | "detail">;
