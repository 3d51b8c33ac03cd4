import * as z from "zod/mini";
import { quoted, retryAfterMs, type VendorAnswer } from "../http.ts";
import type { ChatOutcome } from "../port.ts";

export type Unsent = Exclude<ChatOutcome, { kind: "sent" }>;

/** How a Web API call went: what Slack answered to a call that it took, or why it came to nothing. */
export type WebApiResult = { readonly kind: "ok"; readonly value: unknown } | Unsent;

/** A failure is HTTP 200 as well: https://docs.slack.dev/apis/web-api/#responses */
const verdict = z.object({ ok: z.boolean(), error: z.optional(z.string()) });

const RATE_LIMITED_MS = 30_000;
const NOT_SENT_MS = 15_000;
const UNAVAILABLE_MS = 60_000;

const REINSTALL = "check SLACK_BOT_TOKEN: install the app again and copy its bot token (xoxb-…)";
const CHANNEL =
  "check providers.slack.channel: use the channel's id (C…, at the end of its details), and invite the app with /invite";

/** What a person must do about an error. https://docs.slack.dev/reference/methods/chat.postMessage#errors */
const FIXES: Readonly<Record<string, string>> = {
  not_authed: REINSTALL,
  invalid_auth: REINSTALL,
  account_inactive: REINSTALL,
  token_revoked: REINSTALL,
  token_expired: REINSTALL,
  not_allowed_token_type: REINSTALL,
  missing_scope:
    "give the app the scope chat:write (and chat:write.public for channels it has not joined), then install it again",
  no_permission: "give the app the scope chat:write, then install it again",
  channel_not_found: CHANNEL,
  not_in_channel: CHANNEL,
  is_archived: "unarchive the channel or name another in providers.slack.channel",
  restricted_action: "a rule of the workspace forbids it: ask its administrator to let the app post in the channel",
  access_denied: "a rule of the workspace forbids it: ask its administrator to let the app post in the channel",
};

/** The message that was to be changed or answered cannot be. https://docs.slack.dev/reference/methods/chat.update#errors */
const GONE: ReadonlySet<string> = new Set([
  "message_not_found",
  "cant_update_message",
  "edit_window_closed",
  "thread_not_found",
  "cannot_reply_to_message",
]);

/** Slack says of these that part of the work may have been done: https://docs.slack.dev/reference/methods/chat.postMessage#errors */
const MAY_HAVE_WORKED: ReadonlySet<string> = new Set(["internal_error", "fatal_error", "request_timeout"]);
const NOT_NOW: ReadonlySet<string> = new Set(["service_unavailable", "team_added_to_org", "message_limit_exceeded"]);

/** Reads an answer of the Web API. */
export function readWebApi(answer: VendorAnswer, now: number): WebApiResult {
  const trouble = unanswered(answer, now);
  if (trouble !== undefined) return trouble;
  if (answer.kind !== "answered") return { kind: "unknown", detail: "Slack did not answer" };
  const { status, body, headers } = answer;
  const value = body.kind === "json" ? body.value : undefined;
  const parsed = z.safeParse(verdict, value);
  if (!parsed.success)
    return status >= 400
      ? { kind: "rejected", detail: `Slack answered ${status} and not as its API does: check providers.slack.baseUrl` }
      : { kind: "unknown", detail: `Slack answered ${status}, but ${unreadable(body)}` };
  if (parsed.data.ok && status < 300) return { kind: "ok", value };
  return refusal(parsed.data.error ?? `status ${status}`, headers, now);
}

function refusal(error: string, headers: Headers, now: number): Unsent {
  const name = quoted(error);
  if (error === "ratelimited" || error === "rate_limited") return rateLimited(headers, now);
  if (GONE.has(error)) return { kind: "gone", detail: `Slack: ${name}` };
  if (MAY_HAVE_WORKED.has(error)) return { kind: "unknown", detail: `Slack: ${name}` };
  if (NOT_NOW.has(error)) return { kind: "retry-later", afterMs: UNAVAILABLE_MS, detail: `Slack: ${name}` };
  const fix = FIXES[error] ?? "see https://docs.slack.dev/reference/methods/chat.postMessage#errors";
  return { kind: "rejected", detail: `Slack refused: ${name}. To mend it, ${fix}` };
}

/** The webhook's own answers: a word as plain text. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors */
export function readWebhook(answer: VendorAnswer, now: number): ChatOutcome {
  const trouble = unanswered(answer, now);
  if (trouble !== undefined) return trouble;
  if (answer.kind !== "answered") return { kind: "unknown", detail: "Slack did not answer" };
  const { status, body } = answer;
  const word = body.kind === "text" ? quoted(body.text) : "";
  if (status === 200 && word === "ok") return { kind: "sent", channel: "", messageId: "" };
  if (status < 400) return { kind: "unknown", detail: `Slack's webhook answered ${status}, but ${unreadable(body)}` };
  const fix =
    status === 400
      ? "this is a fault of ours: please report it"
      : "make a new incoming webhook and set SLACK_WEBHOOK_URL to it";
  return { kind: "rejected", detail: `Slack's webhook refused: ${word || `status ${status}`}. To mend it, ${fix}` };
}

/** What both ways of sending share: no answer, too many requests, a redirect, a fault of Slack's own. */
function unanswered(answer: VendorAnswer, now: number): Unsent | undefined {
  switch (answer.kind) {
    case "unsendable":
      return { kind: "rejected", detail: `Slack: ${answer.detail}` };
    case "not-sent":
      return { kind: "retry-later", afterMs: NOT_SENT_MS, detail: `Slack: ${answer.detail}` };
    case "lost":
      return { kind: "unknown", detail: `Slack: ${answer.detail}` };
    case "answered":
      if (answer.status === 429) return rateLimited(answer.headers, now);
      if (answer.status >= 500) return { kind: "unknown", detail: `Slack answered ${answer.status}` };
      if (answer.status >= 300 && answer.status < 400)
        return {
          kind: "rejected",
          detail: `Slack answered ${answer.status}, a redirect: check providers.slack.baseUrl`,
        };
      return undefined;
  }
}

/** https://docs.slack.dev/apis/web-api/rate-limits#responding-to-rate-limiting-conditions */
function rateLimited(headers: Headers, now: number): Unsent {
  const afterMs = Math.max(retryAfterMs(headers, now) ?? RATE_LIMITED_MS, 1_000);
  return { kind: "retry-later", afterMs, detail: `Slack asks to wait ${Math.ceil(afterMs / 1000)} s (rate limit)` };
}

function unreadable(body: Extract<VendorAnswer, { kind: "answered" }>["body"]): string {
  if (body.kind === "unreadable") return body.detail;
  return `the answer is not what Slack sends: ${quoted(body.kind === "text" ? body.text : JSON.stringify(body.value))}`;
}
