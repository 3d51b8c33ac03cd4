import { z } from "zod";

/**
 * The blocks that are known here, with their limits: https://docs.slack.dev/reference/block-kit/blocks
 * Strict, so that a block that Slack would refuse is refused.
 */
const plainText = (max: number) =>
  z.strictObject({ type: z.literal("plain_text"), text: z.string().min(1).max(max), emoji: z.boolean().optional() });
const mrkdwn = (max: number) =>
  z.strictObject({ type: z.literal("mrkdwn"), text: z.string().min(1).max(max), verbatim: z.boolean().optional() });
const text = (max: number) => z.union([plainText(max), mrkdwn(max)]);
const blockId = z.string().max(255).optional();

const button = z.strictObject({
  type: z.literal("button"),
  text: plainText(75),
  action_id: z.string().max(255).optional(),
  url: z.url().max(3_000).optional(),
  value: z.string().max(2_000).optional(),
  style: z.enum(["primary", "danger"]).optional(),
});

const block = z.discriminatedUnion("type", [
  z
    .strictObject({
      type: z.literal("section"),
      text: text(3_000).optional(),
      fields: z.array(text(2_000)).min(1).max(10).optional(),
      accessory: button.optional(),
      block_id: blockId,
    })
    .refine((section) => section.text !== undefined || section.fields !== undefined, "a section needs text or fields"),
  z.strictObject({
    type: z.literal("context"),
    elements: z.array(text(3_000)).min(1).max(10),
    block_id: blockId,
  }),
  z.strictObject({ type: z.literal("header"), text: plainText(150), block_id: blockId }),
  z.strictObject({ type: z.literal("divider"), block_id: blockId }),
  z.strictObject({ type: z.literal("actions"), elements: z.array(button).min(1).max(25), block_id: blockId }),
]);

export const blocks = z.array(block).max(50);
