import { createFaultSwitch, type FaultLimits } from "../fault-switch.ts";
import { jsonAnswer, type StandInReply, type StandInRequest, startStandInServer } from "../server.ts";
import { createChannel, type SlackMessage } from "./channel.ts";
import { errorOf, postArguments, readArguments, updateArguments, webhookArguments } from "./methods.ts";

/**
 * How Slack fails, until told otherwise or so many `times`.
 *
 * - `down`: 503 for everything, nothing done.
 * - `rate-limited`: 429 with Retry-After, nothing done.
 * - `timeout`: no answer, nothing done.
 * - `accepts-and-dies`: does the work, then ends the connection without an answer.
 * - `ok-false`: HTTP 200 with this error (the webhook's own status for it), nothing done.
 */
export type SlackFault = (
  | { readonly kind: "down" | "timeout" | "accepts-and-dies" }
  | { readonly kind: "rate-limited"; readonly retryAfterSeconds: number }
  | { readonly kind: "ok-false"; readonly error: string }
) &
  FaultLimits;

/** Where a drill takes hold of a request; each is awaited, and may be changed at any time. */
export interface SlackHooks {
  /** It has arrived, and nothing has been made of it yet. */
  onCall?: ((operation: string) => void | Promise<void>) | undefined;
  /** The work is done, and not answered yet. */
  onExecuted?: ((operation: string) => void | Promise<void>) | undefined;
}

export interface SlackCall {
  /** Epoch milliseconds. */
  readonly at: number;
  /** `chat.postMessage`, `chat.update`, `conversations.history`, `conversations.replies` or `webhook`. */
  readonly operation: string;
}

export interface SlackOptions {
  /** 0, the default, takes any free port. */
  readonly port?: number;
  readonly token: string;
  /** The id of the one channel there is. */
  readonly channel: string;
  /** Where the incoming webhook listens. Default `/services/T0/B0/local`. */
  readonly webhookPath?: string;
  /** Whether the app may read the channel (`channels:history`). Default true. */
  readonly mayReadHistory?: boolean;
  /** Posts per channel: one a second after a short burst. `off` for tests that are not about it. */
  readonly rate?: { readonly burst: number } | "off";
  readonly now?: () => number;
  readonly log?: (line: string) => void;
}

export type { SlackMessage, SlackReply } from "./channel.ts";

export interface SlackStandIn {
  /** What `providers.slack.baseUrl` is set to. */
  readonly baseUrl: string;
  /** What SLACK_WEBHOOK_URL is set to. */
  readonly webhookUrl: string;
  /** Messages in the channel, oldest first, each with its edits and thread. */
  readonly messages: readonly SlackMessage[];
  /** Every request that arrived, whatever came of it. */
  readonly calls: readonly SlackCall[];
  fail(fault: SlackFault | undefined): void;
  readonly hooks: SlackHooks;
  /** Removes a message, as a person does. */
  remove(ts: string): void;
  close(): Promise<void>;
}

const BURST = 4;

/** Starts a stand-in of Slack: one workspace, one app, one channel. */
export async function startSlack(options: SlackOptions): Promise<SlackStandIn> {
  const now = options.now ?? Date.now;
  const channel = createChannel(now);
  const webhookPath = options.webhookPath ?? "/services/T0/B0/local";
  const allowed = createPacer(options.rate ?? { burst: BURST }, now);
  const calls: SlackCall[] = [];
  const fault = createFaultSwitch<SlackFault>();
  const hooks: SlackHooks = {};

  const handle = async (request: StandInRequest): Promise<StandInReply> => {
    const hook = request.path === webhookPath;
    const method = /^\/api\/([a-zA-Z.]+)$/.exec(request.path)?.[1];
    if (!hook && method === undefined) return text(404, "not found");
    const call: SlackCall = { at: now(), operation: hook ? "webhook" : (method ?? "") };
    calls.push(call);
    await hooks.onCall?.(call.operation);
    const failing = fault.take(call.operation);
    switch (failing?.kind) {
      case "down":
        return text(503, "<html><body>Service Unavailable</body></html>");
      case "timeout":
        return { kind: "hang" };
      case "rate-limited":
        return rateLimited(hook, failing.retryAfterSeconds);
      case "ok-false":
        return refuse(hook, failing.error);
      case "accepts-and-dies":
      case undefined:
        break;
    }
    const posts = hook || method === "chat.postMessage";
    const wait = posts ? allowed() : 0;
    if (wait > 0) return rateLimited(hook, wait);
    const reply = hook ? postByWebhook(request) : callMethod(method ?? "", request);
    await hooks.onExecuted?.(call.operation);
    return failing !== undefined ? { kind: "destroy" } : reply;
  };

  function callMethod(method: string, request: StandInRequest): StandInReply {
    const header = request.headers.authorization;
    if (header === undefined) return refuse(false, "not_authed");
    if (header !== `Bearer ${options.token}`) return refuse(false, "invalid_auth");
    switch (method) {
      case "chat.postMessage":
        return post(request);
      case "chat.update":
        return update(request);
      case "conversations.history":
      case "conversations.replies":
        return read(method, request);
      default:
        return refuse(false, "unknown_method");
    }
  }

  function post(request: StandInRequest): StandInReply {
    const body = readBody(request);
    if (typeof body === "string") return refuse(false, body);
    const parsed = postArguments.safeParse(body.value);
    if (!parsed.success) return refuse(false, errorOf(parsed.error), parsed.error.message);
    const { thread_ts, reply_broadcast, ...message } = parsed.data;
    if (message.channel !== options.channel) return refuse(false, "channel_not_found");
    if (!hasContent(message)) return refuse(false, "no_text");
    if (thread_ts !== undefined && channel.find(thread_ts) === undefined) return refuse(false, "thread_not_found");
    if (reply_broadcast === true && thread_ts === undefined) return refuse(false, "invalid_arguments");
    const stored = channel.post(message, thread_ts, reply_broadcast === true);
    return ok({ channel: options.channel, ts: stored.ts, message: { text: stored.text, ts: stored.ts } });
  }

  function update(request: StandInRequest): StandInReply {
    const body = readBody(request);
    if (typeof body === "string") return refuse(false, body);
    const parsed = updateArguments.safeParse(body.value);
    if (!parsed.success) return refuse(false, errorOf(parsed.error), parsed.error.message);
    // Only the id will do here, never a name.
    if (parsed.data.channel !== options.channel) return refuse(false, "channel_not_found");
    if (!hasContent(parsed.data)) return refuse(false, "no_text");
    const changed = channel.update(parsed.data.ts, parsed.data);
    if (changed === undefined) return refuse(false, "message_not_found");
    return ok({ channel: options.channel, ts: changed.ts, text: changed.text });
  }

  function read(method: "conversations.history" | "conversations.replies", request: StandInRequest): StandInReply {
    if (options.mayReadHistory === false) return refuse(false, "missing_scope");
    const parsed = readArguments.safeParse(Object.fromEntries(request.query));
    if (!parsed.success) return refuse(false, "invalid_arguments", parsed.error.message);
    if (parsed.data.channel !== options.channel) return refuse(false, "channel_not_found");
    const found =
      method === "conversations.history"
        ? channel.history(parsed.data)
        : channel.replies(parsed.data.ts ?? "", parsed.data);
    return found === undefined ? refuse(false, "thread_not_found") : ok(found);
  }

  function postByWebhook(request: StandInRequest): StandInReply {
    const body = readBody(request);
    const parsed = webhookArguments.safeParse(typeof body === "string" ? undefined : body.value);
    if (!parsed.success) return text(400, "invalid_payload");
    if (!hasContent(parsed.data)) return text(400, "no_text");
    channel.post(parsed.data, undefined, false);
    return text(200, "ok");
  }

  const server = await startStandInServer({ name: "slack", port: options.port ?? 0, handle, log: options.log });
  return {
    baseUrl: `${server.url}/api`,
    webhookUrl: `${server.url}${webhookPath}`,
    messages: channel.messages,
    calls,
    fail: fault.set,
    hooks,
    remove: (ts) => channel.remove(ts),
    close: () => server.close(),
  };
}

function hasContent(message: { text?: string | undefined; blocks?: readonly unknown[] | undefined }): boolean {
  return (message.text ?? "") !== "" || (message.blocks?.length ?? 0) > 0;
}

/** The body as JSON, or Slack's name for what is wrong with it. A missing charset is only a warning there, and an error here. */
function readBody(request: StandInRequest): { readonly value: unknown } | string {
  if (request.method !== "POST") return "invalid_http_method";
  if (!/^application\/json; ?charset=utf-8$/i.test(request.headers["content-type"] ?? "")) return "missing_charset";
  try {
    const value: unknown = JSON.parse(request.body);
    return { value };
  } catch {
    return "invalid_json";
  }
}

/** Whole seconds to wait before the next post, 0 if it may go. */
function createPacer(rate: { readonly burst: number } | "off", now: () => number): () => number {
  if (rate === "off") return () => 0;
  let tokens = rate.burst;
  let at = now();
  return () => {
    const time = now();
    tokens = Math.min(rate.burst, tokens + (time - at) / 1_000);
    at = time;
    if (tokens < 1) return Math.max(1, Math.ceil(1 - tokens));
    tokens -= 1;
    return 0;
  };
}

function ok(value: object): StandInReply {
  return { kind: "answer", answer: jsonAnswer(200, { ok: true, ...value }) };
}

const WEBHOOK_STATUS: Readonly<Record<string, number>> = {
  invalid_token: 403,
  action_prohibited: 403,
  channel_not_found: 404,
  no_service: 404,
  channel_is_archived: 410,
};

function refuse(hook: boolean, error: string, detail?: string): StandInReply {
  if (hook) return text(WEBHOOK_STATUS[error] ?? 400, error);
  const messages = detail === undefined ? {} : { response_metadata: { messages: [detail] } };
  return { kind: "answer", answer: jsonAnswer(200, { ok: false, error, ...messages }) };
}

function rateLimited(hook: boolean, seconds: number): StandInReply {
  const headers = { "retry-after": String(seconds) };
  if (!hook) return { kind: "answer", answer: jsonAnswer(429, { ok: false, error: "ratelimited" }, headers) };
  return { kind: "answer", answer: { status: 429, headers, body: "rate_limited" } };
}

function text(status: number, body: string): StandInReply {
  return { kind: "answer", answer: { status, headers: { "content-type": "text/html" }, body } };
}
