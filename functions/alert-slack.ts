import middy from "@middy/core";
import { incidentChanged } from "@neuropilot/events";
import { type AlertResult, bringUpToDate, noteUnusable } from "@neuropilot/loop";
import { createSlackBot, createSlackWebhook } from "@neuropilot/providers";
import { environment, optional } from "./environment.ts";

/** Brings Slack up to date with one incident, rendering what is true now. */
export const handler = middy(async (event: unknown): Promise<AlertResult> => {
  const parsed = incidentChanged.parse(event);
  if (!parsed.ok) throw new Error(`not an incident.changed: ${parsed.problem}`);
  const deps = environment();
  const { baseUrl, channel, mention } = deps.config.providers.slack;
  const webhook = optional("SLACK_WEBHOOK_URL");
  const token = optional("SLACK_BOT_TOKEN");
  const { incident, target } = parsed.detail;
  const request = { incident, target, channel: "slack", ...(mention === undefined ? {} : { mention }) };
  if (token === undefined && webhook === undefined)
    return noteUnusable(deps, request, "neither SLACK_BOT_TOKEN nor SLACK_WEBHOOK_URL is set: set one of them");
  const chat =
    token === undefined
      ? createSlackWebhook({ url: webhook ?? "" })
      : createSlackBot({ baseUrl, token, channel: channel ?? "" });
  return bringUpToDate(deps, chat, request);
});
