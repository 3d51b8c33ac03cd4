import middy from "@middy/core";
import { remediationRequested } from "@neuropilot/events";
import { type RemedyAdapter, type RemedyResult, runRemedy } from "@neuropilot/loop";
import { createRailway } from "@neuropilot/providers";
import { environment, optional } from "./environment.ts";

const POLL_FOR_MS = 30_000;

/** Restarts a site through Railway, for one attempt, at most once. */
export const handler = middy(async (event: unknown): Promise<RemedyResult> => {
  const parsed = remediationRequested.parse(event);
  if (!parsed.ok) throw new Error(`not a remediation.requested: ${parsed.problem}`);
  const deps = environment();
  const provider = createRailway({
    baseUrl: deps.config.providers.railway.baseUrl,
    token: optional("RAILWAY_TOKEN"),
    tokenKind: optional("RAILWAY_TOKEN_KIND") === "account" ? "account" : "project",
  });
  const adapter = { provider, where: (site) => site.railway } satisfies RemedyAdapter<
    Railway,
    { deploymentId: string }
  >;
  return runRemedy(deps, adapter, {
    target: parsed.detail.target,
    attempt: parsed.detail.attempt,
    pollForMs: POLL_FOR_MS,
  });
});

type Railway = { projectId: string; environmentId: string; serviceId: string };
