import * as z from "zod/mini";
import { defineEvent, envelopeShape } from "../envelope.ts";

/** A person's word. Pauses are written to the control item first, so this only hurries what reads it. */
export const operatorSaid = defineEvent(
  "operator.said",
  z.object({
    ...envelopeShape,
    word: z.enum(["approve", "deny", "acknowledge", "silence", "pause", "resume", "drill"]),
    attempt: z.optional(z.string()),
    incident: z.optional(z.string()),
    by: z.string(),
  }),
);
export type OperatorSaid = Parameters<typeof operatorSaid.entry>[0];
