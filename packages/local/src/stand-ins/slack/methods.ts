import { z } from "zod";
import { blocks } from "./blocks.ts";

/** What a method takes; a field that the vendor does not know is a mistake of ours. */
const metadata = z.strictObject({
  event_type: z.string().regex(/^[a-z0-9_]+$/i),
  event_payload: z.record(z.string(), z.unknown()),
});

/** https://docs.slack.dev/reference/methods/chat.postMessage */
export const postArguments = z.strictObject({
  channel: z.string().min(1),
  text: z.string().max(40_000).optional(),
  blocks: blocks.optional(),
  thread_ts: z.string().optional(),
  reply_broadcast: z.boolean().optional(),
  metadata: metadata.optional(),
  unfurl_links: z.boolean().optional(),
  unfurl_media: z.boolean().optional(),
  link_names: z.boolean().optional(),
  mrkdwn: z.boolean().optional(),
});

/** https://docs.slack.dev/reference/methods/chat.update */
export const updateArguments = z.strictObject({
  channel: z.string().min(1),
  ts: z.string().min(1),
  text: z.string().max(40_000).optional(),
  blocks: blocks.optional(),
  metadata: metadata.optional(),
  link_names: z.boolean().optional(),
  reply_broadcast: z.boolean().optional(),
});

/** https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks */
export const webhookArguments = z.strictObject({
  text: z.string().max(40_000).optional(),
  blocks: blocks.optional(),
  unfurl_links: z.boolean().optional(),
  unfurl_media: z.boolean().optional(),
});

/** https://docs.slack.dev/reference/methods/conversations.history and conversations.replies */
export const readArguments = z.strictObject({
  channel: z.string().min(1),
  ts: z.string().optional(),
  oldest: z
    .string()
    .regex(/^\d+(\.\d+)?$/)
    .optional(),
  latest: z
    .string()
    .regex(/^\d+(\.\d+)?$/)
    .optional(),
  limit: z.coerce.number().int().min(1).max(999).optional(),
  cursor: z.string().optional(),
  include_all_metadata: z.enum(["true", "false", "1", "0"]).optional(),
  inclusive: z.string().optional(),
});

/** The error that Slack names for arguments that do not fit. */
export function errorOf(error: z.ZodError): string {
  const path = error.issues[0]?.path ?? [];
  if (path[0] === "blocks") return "invalid_blocks";
  if (path[0] === "metadata") return "invalid_metadata_format";
  if (path[0] === "text") return "msg_too_long";
  return "invalid_arguments";
}
