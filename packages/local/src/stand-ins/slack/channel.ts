/** A message as people see it, and how it came to look so. */
export interface SlackMessage {
  readonly ts: string;
  readonly text: string;
  readonly blocks: readonly unknown[];
  readonly metadata?: unknown;
  /** What it looked like before each edit, oldest first. */
  readonly edits: readonly { readonly at: number; readonly text: string; readonly blocks: readonly unknown[] }[];
  readonly replies: readonly SlackReply[];
}

export interface SlackReply {
  readonly ts: string;
  readonly text: string;
  readonly blocks: readonly unknown[];
  /** Also shown in the channel. */
  readonly broadcast: boolean;
  readonly metadata?: unknown;
}

interface Content {
  readonly text?: string | undefined;
  readonly blocks?: readonly unknown[] | undefined;
  readonly metadata?: unknown;
}

interface Window {
  readonly oldest?: string | undefined;
  readonly latest?: string | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
  readonly include_all_metadata?: string | undefined;
}

export interface Channel {
  readonly messages: readonly SlackMessage[];
  find(ts: string): SlackMessage | undefined;
  post(content: Content, thread: string | undefined, broadcast: boolean): SlackMessage | SlackReply;
  update(ts: string, content: Content): SlackMessage | undefined;
  remove(ts: string): void;
  history(window: Window): object;
  replies(ts: string, window: Window): object | undefined;
}

export function createChannel(now: () => number): Channel {
  const messages: SlackMessage[] = [];
  let last = 0;
  /** Seconds with six decimals, unique in the channel. */
  const nextTs = () => {
    last = Math.max(last + 1, now() * 1_000);
    return `${Math.floor(last / 1_000_000)}.${String(last % 1_000_000).padStart(6, "0")}`;
  };
  const find = (ts: string) => messages.find((message) => message.ts === ts);
  const replace = (message: SlackMessage) => {
    messages[messages.findIndex((candidate) => candidate.ts === message.ts)] = message;
    return message;
  };
  return {
    messages,
    find,
    post(content, thread, broadcast) {
      const base = {
        ts: nextTs(),
        text: content.text ?? "",
        blocks: content.blocks ?? [],
        ...(content.metadata === undefined ? {} : { metadata: content.metadata }),
      };
      const parent = thread === undefined ? undefined : find(thread);
      if (parent === undefined) {
        const message: SlackMessage = { ...base, edits: [], replies: [] };
        messages.push(message);
        return message;
      }
      const reply: SlackReply = { ...base, broadcast };
      replace({ ...parent, replies: [...parent.replies, reply] });
      return reply;
    },
    update(ts, content) {
      const message = find(ts);
      if (message === undefined) return undefined;
      const { text, blocks } = message;
      return replace({
        ...message,
        text: content.text ?? text,
        // Left out, the old ones stay: https://docs.slack.dev/reference/methods/chat.update
        blocks: content.blocks ?? blocks,
        ...(content.metadata === undefined ? {} : { metadata: content.metadata }),
        edits: [...message.edits, { at: now(), text, blocks }],
      });
    },
    remove(ts) {
      const index = messages.findIndex((message) => message.ts === ts);
      if (index >= 0) messages.splice(index, 1);
    },
    history(window) {
      // A broadcast reply stands in the channel too.
      const all = messages.flatMap((message) => [message, ...message.replies.filter((reply) => reply.broadcast)]);
      const seen = all
        .filter(({ ts }) => Number(ts) > Number(window.oldest ?? 0) && Number(ts) < Number(window.latest ?? Infinity))
        .sort((a, b) => Number(b.ts) - Number(a.ts));
      return pageOf(seen, window);
    },
    replies(ts, window) {
      const message = find(ts);
      return message === undefined ? undefined : pageOf([message, ...message.replies], window);
    },
  };
}

function pageOf(all: readonly (SlackMessage | SlackReply)[], window: Window): object {
  const from = Number(window.cursor ?? 0);
  const limit = window.limit ?? 100;
  const withMetadata = window.include_all_metadata === "true" || window.include_all_metadata === "1";
  const more = from + limit < all.length;
  return {
    messages: all.slice(from, from + limit).map(({ ts, text, blocks, metadata }) => ({
      type: "message",
      ts,
      text,
      blocks,
      ...(withMetadata && metadata !== undefined ? { metadata } : {}),
    })),
    has_more: more,
    response_metadata: { next_cursor: more ? String(from + limit) : "" },
  };
}
