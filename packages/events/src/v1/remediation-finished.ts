import * as z from "zod/mini";
import { defineEvent, envelopeShape } from "../envelope.ts";

/** A remedy function wrote an outcome. It only wakes: the outcome stands in the item. */
export const remediationFinished = defineEvent(
  "remediation.finished",
  z.object({
    ...envelopeShape,
    attempt: z.string(),
    outcome: z.enum(["applied", "already-done", "rejected", "retry-later", "unknown", "not-called"]),
  }),
);
export type RemediationFinished = Parameters<typeof remediationFinished.entry>[0];
