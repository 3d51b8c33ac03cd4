import * as z from "zod/mini";
import { defineEvent, envelopeShape } from "../envelope.ts";

/** A vantage saw something that needs attention. It only wakes: what is true stands in the windows. */
export const healthObserved = defineEvent(
  "health.observed",
  z.object({
    ...envelopeShape,
    vantage: z.string(),
    site: z.string(),
    /** The scheduled time of the tick, epoch milliseconds. */
    tick: z.int(),
    view: z.string(),
    /** The first bad sample after a healthy time: the other vantages look at once. */
    first: z.boolean(),
  }),
);
export type HealthObserved = Parameters<typeof healthObserved.entry>[0];
