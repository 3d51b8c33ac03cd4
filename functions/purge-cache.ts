import middy from "@middy/core";
import { remediationRequested } from "@neuropilot/events";
import { type RemedyResult, runRemedy } from "@neuropilot/loop";
import { createCloudflare, purgeSelectors } from "@neuropilot/providers";
import { environment, optional } from "./environment.ts";

/** Purges a site's cache at Cloudflare, the narrowest selector first. */
export const handler = middy(async (event: unknown): Promise<RemedyResult> => {
  const parsed = remediationRequested.parse(event);
  if (!parsed.ok) throw new Error(`not a remediation.requested: ${parsed.problem}`);
  const deps = environment();
  const provider = createCloudflare({
    baseUrl: deps.config.providers.cloudflare.baseUrl,
    token: optional("CLOUDFLARE_API_TOKEN"),
  });
  return runRemedy(
    deps,
    {
      provider,
      where: ({ cloudflare }, attempt) => {
        if (cloudflare === undefined) return undefined;
        const selectors = purgeSelectors(cloudflare.purge);
        const selector = selectors[Math.min(attempt.step, selectors.length - 1)];
        return selector === undefined ? undefined : { zoneId: cloudflare.zoneId, selector };
      },
    },
    { target: parsed.detail.target, attempt: parsed.detail.attempt, pollForMs: 0 },
  );
});
