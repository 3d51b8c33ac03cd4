import middy from "@middy/core";
import { type ReconcileReport, reconcile } from "@neuropilot/loop";
import { environment } from "./environment.ts";

/** Picks up from state whatever is due. */
export const handler = middy(async (): Promise<ReconcileReport> => reconcile(environment()));
