export { createSlackBot } from "./bot.ts";
export { clipMrkdwn, escapeMrkdwn, mentionMrkdwn } from "./mrkdwn.ts";
export { createSlackWebhook } from "./webhook.ts";
