import * as z from "zod/mini";
import { defineEvent, envelopeShape } from "../envelope.ts";

/** People should hear of an incident. The receiver renders what is true when it sends, never this event's moment. */
export const incidentChanged = defineEvent(
  "incident.changed",
  z.object({ ...envelopeShape, incident: z.string(), seq: z.int() }),
);
export type IncidentChanged = Parameters<typeof incidentChanged.entry>[0];
