import type { CallOutcome } from "@neuropilot/core";
import * as z from "zod/mini";
import { quoted, retryAfterMs, type VendorAnswer } from "../http.ts";

/** Every answer of the API has this form: https://developers.cloudflare.com/fundamentals/api/how-to/make-api-calls/ */
const envelope = z.object({
  success: z.boolean(),
  errors: z.array(z.object({ code: z.number(), message: z.string() })),
  result: z.optional(z.nullable(z.object({ id: z.string() }))),
});
type Envelope = z.infer<typeof envelope>;
type Rejected = Extract<CallOutcome, { kind: "rejected" }>;

/** The purge bucket of the free plan gains a token every 12 s; the API's own limit blocks for up to 5 minutes. */
const RATE_LIMITED_MS = 60_000;
const NOT_SENT_MS = 15_000;

const TOKEN_FIX =
  'check CLOUDFLARE_API_TOKEN: it needs the permission "Zone, Cache Purge, Purge" for this zone (https://dash.cloudflare.com/profile/api-tokens)';
const ZONE_FIX = "check cloudflare.zoneId in the config: it stands on the zone's overview page";

interface Refusal {
  readonly reason: Rejected["reason"];
  readonly fix: string;
}
const UNAUTHORIZED: Refusal = { reason: "unauthorized", fix: TOKEN_FIX };
const NO_SUCH_ZONE: Refusal = { reason: "not-found", fix: ZONE_FIX };

/** By error code, what to make of it. Codes that are not here are judged by the status. */
const CODES: ReadonlyMap<number, Refusal> = new Map([
  [6003, UNAUTHORIZED],
  [6103, UNAUTHORIZED],
  [6111, UNAUTHORIZED],
  [9103, UNAUTHORIZED],
  [9106, UNAUTHORIZED],
  [9109, UNAUTHORIZED],
  [10000, UNAUTHORIZED],
  [1001, NO_SUCH_ZONE],
  [7000, NO_SUCH_ZONE],
  [7003, NO_SUCH_ZONE],
  // "Only enterprise zones can purge by tag": the API's word before every plan was given all selectors in 2025.
  [
    1107,
    { reason: "plan-does-not-allow", fix: "leave this kind of selector out of cloudflare.purge, or change the plan" },
  ],
]);

/** What came of a purge call. */
export function purgeOutcome(answer: VendorAnswer, now: number): CallOutcome {
  switch (answer.kind) {
    case "unsendable":
      return { kind: "rejected", reason: "invalid-request", detail: `Cloudflare: ${answer.detail}` };
    case "not-sent":
      return { kind: "retry-later", afterMs: NOT_SENT_MS, detail: `Cloudflare: ${answer.detail}` };
    case "lost":
      return { kind: "unknown", why: answer.why, detail: `Cloudflare: ${answer.detail}` };
    case "answered":
      return answeredOutcome(answer, now);
  }
}

function answeredOutcome(answer: Extract<VendorAnswer, { kind: "answered" }>, now: number): CallOutcome {
  const { status, headers, body } = answer;
  // https://developers.cloudflare.com/fundamentals/api/reference/limits/
  if (status === 429)
    return {
      kind: "retry-later",
      afterMs: Math.max(retryAfterMs(headers, now) ?? RATE_LIMITED_MS, 1_000),
      detail: `Cloudflare allows no further purge now (${said(answer)})`,
    };
  if (status >= 500)
    return { kind: "unknown", why: "vendor-error", detail: `Cloudflare answered ${status} (${said(answer)})` };
  if (status >= 300 && status < 400)
    return {
      kind: "rejected",
      reason: "invalid-request",
      detail: `Cloudflare answered ${status}, a redirect: check providers.cloudflare.baseUrl`,
    };
  if (body.kind === "unreadable") {
    if (status >= 400) return refused(status, []);
    return { kind: "unknown", why: body.why, detail: `Cloudflare answered ${status}, but ${body.detail}` };
  }
  const parsed = z.safeParse(envelope, body.kind === "json" ? body.value : undefined);
  if (!parsed.success)
    return status >= 400
      ? refused(status, [], said(answer))
      : { kind: "unknown", why: "unreadable-answer", detail: `Cloudflare answered ${status} with ${said(answer)}` };
  if (status >= 400 || !parsed.data.success) return refused(status, parsed.data.errors);
  return {
    kind: "applied",
    reference: parsed.data.result?.id ?? "",
    // A 200 says that the purge was taken, not that anything was in the cache.
    detail: "Cloudflare accepted the purge",
  };
}

function refused(status: number, errors: Envelope["errors"], said = ""): Rejected {
  const known = errors.map((error) => CODES.get(error.code)).find((entry) => entry !== undefined);
  const { reason, fix } = known ?? byStatus(status);
  const words =
    errors.map((error) => `${error.code} ${quoted(error.message)}`).join("; ") || said || `status ${status}`;
  return { kind: "rejected", reason, detail: `Cloudflare refused the purge: ${words}. To mend it, ${fix}` };
}

function byStatus(status: number): Refusal {
  if (status === 401 || status === 403) return UNAUTHORIZED;
  if (status === 404) return NO_SUCH_ZONE;
  return { reason: "invalid-request", fix: "check cloudflare.purge in the config" };
}

function said({ status, body }: Extract<VendorAnswer, { kind: "answered" }>): string {
  if (body.kind === "unreadable") return body.detail;
  if (body.kind === "text") return quoted(body.text) || `status ${status} and no text`;
  const parsed = z.safeParse(envelope, body.value);
  const words = parsed.success ? parsed.data.errors.map((error) => `${error.code} ${error.message}`).join("; ") : "";
  return quoted(words === "" ? JSON.stringify(body.value) : words);
}
