import type { RejectedReason, UnknownReason } from "@neuropilot/core";
import * as z from "zod/mini";
import { callVendor, quoted, retryAfterMs, type VendorBody, withoutSecrets } from "../http.ts";
import type { CallLimits, Fetch } from "../port.ts";

export interface RailwayOptions {
  /** The API's origin, `https://backboard.railway.com`, with or without the `/graphql/v2` behind it. */
  readonly baseUrl: string;
  readonly token: string | undefined;
  /** A project token is good for one environment; `account` stands for account, workspace and OAuth tokens. */
  readonly tokenKind: "project" | "account";
  readonly fetch?: Fetch;
  /** Milliseconds since 1970; the system's clock unless a test gives another. */
  readonly clock?: () => number;
}

/**
 * What came of one GraphQL call.
 *
 * - `refused`: nothing was done and asking again will not help.
 * - `later`: nothing was done; ask again.
 * - `uncertain`: it was sent, and may have been done.
 */
export type GraphqlAnswer =
  | { readonly kind: "data"; readonly data: unknown; readonly remaining: number | undefined }
  | { readonly kind: "refused"; readonly reason: RejectedReason; readonly detail: string }
  | { readonly kind: "later"; readonly afterMs: number; readonly detail: string }
  | { readonly kind: "uncertain"; readonly why: UnknownReason; readonly detail: string };

/** How long until a vendor that cannot be reached, or is in trouble, is asked again. */
export const ASK_AGAIN_MS = 15_000;
/** Where a 429 does not say when: half the claim's life, so that a new attempt may still come in time. */
const RATE_LIMITED_MS = 60_000;
const LONGEST_WAIT_MS = 24 * 60 * 60 * 1000;

const graphqlError = z.object({ message: z.string(), path: z.optional(z.nullable(z.array(z.unknown()))) });
const envelope = z.object({
  data: z.optional(z.unknown()),
  errors: z.optional(z.nullable(z.array(graphqlError))),
});

/** One GraphQL operation over HTTP, without retries: https://docs.railway.com/integrations/api */
export async function callGraphql(
  options: RailwayOptions,
  query: string,
  variables: Readonly<Record<string, string>>,
  limits: CallLimits,
): Promise<GraphqlAnswer> {
  const token = options.token?.trim() ?? "";
  if (token === "")
    return {
      kind: "refused",
      reason: "no-credentials",
      detail:
        "RAILWAY_TOKEN is not set: create a project token in Railway (project settings, Tokens) for this environment and set it",
    };
  const say = (text: string) => quoted(withoutSecrets(text, [token]));
  const answer = await callVendor({
    fetch: options.fetch,
    method: "POST",
    url: endpoint(options.baseUrl),
    headers: options.tokenKind === "project" ? { "project-access-token": token } : { authorization: `Bearer ${token}` },
    json: { query, variables },
    timeoutMs: limits.timeoutMs,
    secrets: [token],
  });
  switch (answer.kind) {
    case "unsendable":
      return { kind: "refused", reason: "invalid-request", detail: say(answer.detail) };
    case "not-sent":
      return { kind: "later", afterMs: ASK_AGAIN_MS, detail: say(`Railway: ${answer.detail}`) };
    case "lost":
      return { kind: "uncertain", why: answer.why, detail: say(`Railway: ${answer.detail}`) };
    case "answered":
      return readAnswer(options, answer, say);
  }
}

function endpoint(baseUrl: string): string {
  const base = baseUrl.trim().replace(/\/+$/, "");
  return base.endsWith("/graphql/v2") ? base : `${base}/graphql/v2`;
}

function readAnswer(
  options: RailwayOptions,
  answer: { readonly status: number; readonly headers: Headers; readonly body: VendorBody },
  say: (text: string) => string,
): GraphqlAnswer {
  const { status, headers, body } = answer;
  // Before the body, which may be `{"data":null}` or a proxy's page.
  if (status === 429)
    return { kind: "later", afterMs: rateLimitedMs(options, headers), detail: "Railway's rate limit is used up (429)" };
  const parsed = body.kind === "json" ? envelope.safeParse(body.value) : undefined;
  const errors = parsed?.data?.errors ?? [];
  const data = parsed?.data?.data;
  if (errors.length > 0) return readErrors(options, status, headers, errors, say);
  if (status >= 200 && status < 300) {
    if (body.kind === "unreadable")
      return { kind: "uncertain", why: body.why, detail: `Railway answered ${status}, but ${body.detail}` };
    if (data === undefined || data === null)
      return {
        kind: "uncertain",
        why: "unreadable-answer",
        detail: say(`Railway answered ${status} without data${body.kind === "text" ? `: ${body.text}` : ""}`),
      };
    return { kind: "data", data, remaining: wholeNumber(headers.get("x-ratelimit-remaining")) };
  }
  return byStatus(options, status, say(body.kind === "text" ? body.text : ""));
}

/**
 * GraphQL errors carry no documented codes and come at any HTTP status, so the messages that Railway's own command line
 * looks for decide (https://github.com/railwayapp/cli, src/client.rs). Each of these is raised before anything is done.
 */
const KNOWN_ERRORS: readonly { readonly pattern: RegExp; readonly reason: RejectedReason; readonly fix: string }[] = [
  {
    pattern: /project token not found/i,
    reason: "unauthorized",
    fix: "Railway does not know this project token: create one for this environment and set RAILWAY_TOKEN",
  },
  {
    pattern: /not authorized|^unauthorized$|invalid token/i,
    reason: "unauthorized",
    fix: "RAILWAY_TOKEN may not do this: it must be valid, of the kind that RAILWAY_TOKEN_KIND says, and for this environment",
  },
  {
    pattern: /two factor authentication required/i,
    reason: "unauthorized",
    fix: "the workspace demands two-factor authentication: turn it on for the account behind RAILWAY_TOKEN, or use a project token",
  },
  {
    pattern: /^(deployment|service ?instance|service|environment|project) not found/i,
    reason: "not-found",
    fix: "check projectId, environmentId and serviceId in the config",
  },
];

function readErrors(
  options: RailwayOptions,
  status: number,
  headers: Headers,
  errors: readonly z.infer<typeof graphqlError>[],
  say: (text: string) => string,
): GraphqlAnswer {
  for (const { message } of errors) {
    const known = KNOWN_ERRORS.find((candidate) => candidate.pattern.test(message.trim()));
    if (known !== undefined)
      return { kind: "refused", reason: known.reason, detail: `Railway: ${say(message)}. ${known.fix}` };
    if (/rate.?limit/i.test(message))
      return { kind: "later", afterMs: rateLimitedMs(options, headers), detail: `Railway: ${say(message)}` };
  }
  const text = say(errors.map((error) => error.message).join("; "));
  // An error with a path was raised by a field that was being executed, whatever the status says:
  // https://spec.graphql.org/October2021/#sec-Errors.Error-result-format
  if (errors.some((error) => (error.path ?? []).length > 0))
    return { kind: "uncertain", why: "vendor-error", detail: `Railway answered ${status}: ${text}` };
  return byStatus(options, status, text);
}

function byStatus(options: RailwayOptions, status: number, text: string): GraphqlAnswer {
  const said = text === "" ? `Railway answered ${status}` : `Railway answered ${status}: ${text}`;
  if (status === 401 || status === 403)
    return {
      kind: "refused",
      reason: "unauthorized",
      detail: `${said}. Check RAILWAY_TOKEN (sent as ${options.tokenKind === "project" ? "a project" : "an account"} token)`,
    };
  if (status >= 300 && status < 400)
    return {
      kind: "refused",
      reason: "invalid-request",
      detail: `Railway answered ${status}, a redirect, which is not followed. Check providers.railway.baseUrl`,
    };
  if (status === 404 || status === 405)
    return { kind: "refused", reason: "not-found", detail: `${said}. Check providers.railway.baseUrl` };
  // 408 is a timeout behind a proxy, where the request may have gone through.
  if (status >= 400 && status < 500 && status !== 408)
    return { kind: "refused", reason: "invalid-request", detail: said };
  return { kind: "uncertain", why: "vendor-error", detail: said };
}

/** `Retry-After` comes with every 429; the documented `X-RateLimit-Reset` is a time of no stated form, so both usual ones are read. */
function rateLimitedMs(options: RailwayOptions, headers: Headers): number {
  const now = (options.clock ?? Date.now)();
  const wait = retryAfterMs(headers, now) ?? resetMs(headers, now) ?? RATE_LIMITED_MS;
  return Math.min(Math.max(wait, 1000), LONGEST_WAIT_MS);
}

function resetMs(headers: Headers, now: number): number | undefined {
  const value = headers.get("x-ratelimit-reset")?.trim() ?? "";
  const seconds = wholeNumber(value);
  if (seconds === undefined) {
    const at = Date.parse(value);
    return Number.isNaN(at) ? undefined : at - now;
  }
  if (seconds > 1e12) return seconds - now;
  return seconds > 1e9 ? seconds * 1000 - now : seconds * 1000;
}

function wholeNumber(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text.trim()) ? Number(text) : undefined;
}
