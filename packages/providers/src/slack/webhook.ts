import { callVendor } from "../http.ts";
import type { ChatProvider, Fetch } from "../port.ts";
import { readWebhook } from "./answers.ts";
import { contentOf } from "./content.ts";

/**
 * Slack through an incoming webhook, the lesser choice: Slack does not say where a message stands, so none can be changed,
 * answered or found again. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
 */
export function createSlackWebhook(options: { readonly url: string; readonly fetch?: Fetch }): ChatProvider {
  const cannot = async () => ({ kind: "rejected", detail: "an incoming webhook can only post new messages" }) as const;
  return {
    canUpdate: false,
    async post(message, limits) {
      const answer = await callVendor({
        fetch: options.fetch,
        method: "POST",
        url: options.url,
        headers: { "content-type": "application/json; charset=utf-8" },
        json: { ...contentOf(message), unfurl_links: false, unfurl_media: false },
        timeoutMs: limits.timeoutMs,
        secrets: [options.url],
      });
      return readWebhook(answer, Date.now());
    },
    update: cannot,
    reply: cannot,
    async find() {
      return { kind: "cannot-look", detail: "an incoming webhook cannot read the channel" };
    },
  };
}
