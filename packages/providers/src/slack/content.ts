import type { ChatMessage } from "../port.ts";
import { clipMrkdwn } from "./mrkdwn.ts";

/** https://docs.slack.dev/reference/methods/chat.postMessage#truncating: above 4,000 characters a text is hard to read, above 40,000 it is cut. */
const MAX_TEXT = 4_000;
/** https://docs.slack.dev/reference/block-kit/blocks */
const MAX_BLOCKS = 50;
/** https://docs.slack.dev/reference/block-kit/composition-objects/text-object */
const MAX_TEXT_OBJECT = 3_000;

/** The text and blocks of a message within Slack's limits, which would refuse it whole otherwise. */
export function contentOf(message: Pick<ChatMessage, "text" | "blocks">): { text: string; blocks: unknown[] } {
  return { text: clipMrkdwn(message.text, MAX_TEXT), blocks: message.blocks.slice(0, MAX_BLOCKS).map(clipTexts) };
}

export function clipText(text: string): string {
  return clipMrkdwn(text, MAX_TEXT);
}

/** Clips every text object in a block, at any depth a block has. */
function clipTexts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clipTexts);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === "text" && typeof inner === "string" ? clipMrkdwn(inner, MAX_TEXT_OBJECT) : clipTexts(inner),
    ]),
  );
}
