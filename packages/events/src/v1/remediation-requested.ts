import * as z from "zod/mini";
import { defineEvent, envelopeShape } from "../envelope.ts";

/** An attempt waits for its remedy function. It only wakes: token, parameters and deadlines stand in the item. */
export const remediationRequested = defineEvent(
  "remediation.requested",
  z.object({
    ...envelopeShape,
    attempt: z.string(),
    remedy: z.enum(["restart", "purge-cache", "scale", "failover", "rollback"]),
    site: z.string(),
  }),
);
export type RemediationRequested = Parameters<typeof remediationRequested.entry>[0];
