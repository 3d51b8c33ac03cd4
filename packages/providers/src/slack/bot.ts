import * as z from "zod/mini";
import { callVendor } from "../http.ts";
import type { CallLimits, ChatFound, ChatMessage, ChatOutcome, ChatProvider, ChatReply, Fetch } from "../port.ts";
import { readWebApi, type WebApiResult } from "./answers.ts";
import { clipText, contentOf } from "./content.ts";

/** Marks our messages, so that one can be found again: https://docs.slack.dev/messaging/message-metadata */
const EVENT_TYPE = "neuropilot_incident";

const posted = z.object({ channel: z.string(), ts: z.string() });
const ours = z.object({
  event_type: z.literal(EVENT_TYPE),
  event_payload: z.object({ incident_id: z.string(), source: z.string(), seq: z.optional(z.number()) }),
});
const page = z.object({
  messages: z.array(z.object({ ts: z.string(), metadata: z.optional(z.unknown()) })),
  has_more: z.optional(z.boolean()),
  response_metadata: z.optional(z.nullable(z.object({ next_cursor: z.optional(z.string()) }))),
});
type Message = z.infer<typeof page>["messages"][number];

const PAGE_SIZE = 200;
/** A busy channel's few hours; past this a second message is the lesser evil. */
const MAX_PAGES = 5;
const CLOCK_SLACK_MS = 5 * 60_000;

/**
 * Slack through its Web API with a bot token (scope `chat:write`): one message per incident, changed in place, with a thread.
 * `baseUrl` is https://slack.com/api; `channel` an id (C…), or a name, which can be posted to but not looked through.
 *
 * There is no idempotency key, so every message carries the incident in its metadata, and `find` looks for it (scope
 * `channels:history`, `groups:history` for private channels).
 */
export function createSlackBot(options: {
  readonly baseUrl: string;
  readonly token: string;
  readonly channel: string;
  readonly fetch?: Fetch;
}): ChatProvider {
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  const call = async (
    method: "GET" | "POST",
    path: string,
    limits: CallLimits,
    json?: Readonly<Record<string, unknown>>,
  ): Promise<WebApiResult> => {
    const answer = await callVendor({
      fetch: options.fetch,
      method,
      url: `${baseUrl}/${path}`,
      headers: {
        authorization: `Bearer ${options.token}`,
        ...(json === undefined ? {} : { "content-type": "application/json; charset=utf-8" }),
      },
      json,
      timeoutMs: limits.timeoutMs,
      secrets: [options.token],
    });
    return readWebApi(answer, Date.now());
  };
  const send = async (
    method: string,
    limits: CallLimits,
    body: Readonly<Record<string, unknown>>,
  ): Promise<ChatOutcome> => {
    if (options.channel.trim() === "")
      return {
        kind: "rejected",
        detail: "providers.slack.channel is not set: set it to the id of the channel to post in (C…)",
      };
    return sentOf(await call("POST", method, limits, body));
  };
  const look = (method: string, query: Record<string, string>, until: number): Promise<Looked> =>
    lookThrough((cursor) => {
      const search = new URLSearchParams({
        ...query,
        limit: String(PAGE_SIZE),
        include_all_metadata: "true",
        ...cursor,
      });
      return call("GET", `${method}?${search}`, { timeoutMs: until - Date.now() });
    });

  return {
    canUpdate: true,
    post: (message, limits) =>
      send("chat.postMessage", limits, {
        channel: options.channel,
        ...contentOf(message),
        ...QUIET,
        metadata: metadataOf(message),
      }),
    update: (channel, messageId, message, limits) =>
      send("chat.update", limits, { channel, ts: messageId, ...contentOf(message), metadata: metadataOf(message) }),
    reply: (channel, messageId, reply, limits) =>
      send("chat.postMessage", limits, {
        channel,
        thread_ts: messageId,
        text: clipText(reply.text),
        reply_broadcast: reply.broadcast,
        ...QUIET,
        metadata: metadataOf(reply),
      }),
    async find(wanted, limits): Promise<ChatFound> {
      const until = Date.now() + limits.timeoutMs;
      const channel = wanted.known?.channel ?? options.channel;
      if (!/^[CGD][A-Z0-9]{2,}$/.test(channel))
        return {
          kind: "cannot-look",
          detail: `providers.slack.channel is "${channel}", a name: only a channel given by its id (C…) can be looked through`,
        };
      const found = wanted.known === undefined ? await findMessage(look, channel, wanted, until) : undefined;
      if (found !== undefined && found.kind !== "message") return found;
      const messageId = found?.messageId ?? wanted.known?.messageId ?? "";
      const thread = await look("conversations.replies", { channel, ts: messageId }, until);
      if (thread.kind !== "messages") return thread;
      if (!thread.messages.some((candidate) => candidate.ts === messageId)) return { kind: "absent" };
      const seqs = thread.messages.flatMap((candidate) => markOf(candidate, wanted)?.seq ?? []);
      return { kind: "found", channel, messageId, threadSeq: Math.max(0, ...seqs) };
    },
  };
}

/** Nothing in an alert should grow a preview or turn into a link or mention by itself. */
const QUIET = { unfurl_links: false, unfurl_media: false, link_names: false };

function metadataOf(message: ChatMessage | ChatReply): Readonly<Record<string, unknown>> {
  const { key, source } = message;
  const seq = "seq" in message ? { seq: message.seq } : {};
  return { event_type: EVENT_TYPE, event_payload: { incident_id: key, source, ...seq } };
}

function markOf(message: Message, wanted: { key: string; source: string }): { seq?: number | undefined } | undefined {
  const parsed = z.safeParse(ours, message.metadata);
  if (!parsed.success) return undefined;
  const { incident_id, source, seq } = parsed.data.event_payload;
  return incident_id === wanted.key && source === wanted.source ? { seq } : undefined;
}

function sentOf(result: WebApiResult): ChatOutcome {
  if (result.kind !== "ok") return result;
  const parsed = z.safeParse(posted, result.value);
  // Slack took it but did not say where it is: whoever needs to know must look.
  if (!parsed.success) return { kind: "unknown", detail: "Slack took the message but did not say where it stands" };
  return { kind: "sent", channel: parsed.data.channel, messageId: parsed.data.ts };
}

type Looked =
  | { readonly kind: "messages"; readonly messages: readonly Message[] }
  | Exclude<ChatFound, { kind: "found" }>;

/** All pages that are worth reading. https://docs.slack.dev/apis/web-api/pagination */
async function lookThrough(fetchPage: (cursor: Record<string, string>) => Promise<WebApiResult>): Promise<Looked> {
  const messages: Message[] = [];
  let cursor: Record<string, string> = {};
  for (let count = 0; count < MAX_PAGES; count += 1) {
    const result = await fetchPage(cursor);
    switch (result.kind) {
      case "gone":
        return { kind: "absent" };
      case "rejected":
        return { kind: "cannot-look", detail: `${result.detail} (to find earlier messages: channels:history)` };
      case "retry-later":
        return result;
      case "unknown":
        return { kind: "retry-later", afterMs: 15_000, detail: result.detail };
      case "ok":
        break;
    }
    const parsed = z.safeParse(page, result.value);
    if (!parsed.success) return { kind: "cannot-look", detail: "Slack's history has a form that we cannot read" };
    messages.push(...parsed.data.messages);
    const next = parsed.data.response_metadata?.next_cursor ?? "";
    if (next === "") return { kind: "messages", messages };
    cursor = { cursor: next };
  }
  return { kind: "messages", messages };
}

async function findMessage(
  look: (method: string, query: Record<string, string>, until: number) => Promise<Looked>,
  channel: string,
  wanted: { key: string; source: string; since: number },
  until: number,
): Promise<{ kind: "message"; messageId: string } | Exclude<ChatFound, { kind: "found" }>> {
  const oldest = (Math.max(wanted.since - CLOCK_SLACK_MS, 0) / 1000).toFixed(6);
  const history = await look("conversations.history", { channel, oldest }, until);
  if (history.kind !== "messages") return history;
  // A thread's broadcast stands in the history as well; only the message itself has no seq. The oldest is the first one told.
  const found = history.messages
    .filter((message) => {
      const mark = markOf(message, wanted);
      return mark !== undefined && mark.seq === undefined;
    })
    .sort((a, b) => Number(a.ts) - Number(b.ts))[0];
  return found === undefined ? { kind: "absent" } : { kind: "message", messageId: found.ts };
}
