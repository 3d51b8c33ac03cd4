import { callVendor } from "../http.ts";
import type { CallLimits, Fetch, RemedyProvider } from "../port.ts";
import { purgeOutcome } from "./answers.ts";
import { type PurgeSelector, purgeBody } from "./selectors.ts";

/** Where to purge: a zone and what in it. */
export interface PurgeWhere {
  readonly zoneId: string;
  readonly selector: PurgeSelector;
}

/** One purge call, ready to be sent. */
export interface PurgePlan {
  readonly zoneId: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * Purges a Cloudflare zone's cache: `POST /zones/{zone}/purge_cache` with exactly one kind of selector.
 * https://developers.cloudflare.com/api/resources/cache/methods/purge/
 *
 * `baseUrl` ends with the API's version, as https://api.cloudflare.com/client/v4. A purge is over once it is accepted; there
 * is nothing to follow. Without a token every call is `rejected` with `no-credentials`.
 */
export function createCloudflare(options: {
  readonly baseUrl: string;
  readonly token: string | undefined;
  readonly fetch?: Fetch;
}): RemedyProvider<PurgeWhere, PurgePlan> {
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  const { token } = options;
  return {
    async prepare({ zoneId, selector }) {
      if (token === undefined || token === "")
        return {
          kind: "rejected",
          reason: "no-credentials",
          detail:
            "CLOUDFLARE_API_TOKEN is not set, so no cache can be purged: set it to a token that may purge this zone",
        };
      if (zoneId.trim() === "")
        return { kind: "rejected", reason: "invalid-request", detail: "cloudflare.zoneId is empty: set the zone's id" };
      const body = purgeBody(selector);
      if (!body.ok) return { kind: "rejected", reason: "invalid-request", detail: `cloudflare.${body.problem}` };
      return { kind: "ready", plan: { zoneId, body: body.body } };
    },
    async act(plan: PurgePlan, limits: CallLimits) {
      const answer = await callVendor({
        fetch: options.fetch,
        method: "POST",
        url: `${baseUrl}/zones/${encodeURIComponent(plan.zoneId)}/purge_cache`,
        headers: { authorization: `Bearer ${token ?? ""}` },
        json: plan.body,
        timeoutMs: limits.timeoutMs,
        secrets: token === undefined ? [] : [token],
      });
      return purgeOutcome(answer, Date.now());
    },
    async follow() {
      return { kind: "over", detail: "a purge is over once it is accepted" };
    },
  };
}
