import { type SlackOptions, type SlackStandIn, startSlack } from "@neuropilot/local";
import { type ChatMessage, createSlackBot, createSlackWebhook } from "@neuropilot/providers";
import { afterEach, describe, expect, it } from "vitest";

const CHANNEL = "C0DEMO0001";
const TOKEN = "xoxb-1";
const LIMITS = { timeoutMs: 5_000 };
const BRIEF = { timeoutMs: 200 };
const open: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function stage(change: Partial<SlackOptions> = {}, token = TOKEN, channel = CHANNEL) {
  const slack = await startSlack({ token: TOKEN, channel: CHANNEL, rate: "off", ...change });
  open.push(() => slack.close());
  return {
    slack,
    bot: createSlackBot({ baseUrl: slack.baseUrl, token, channel }),
    webhook: createSlackWebhook({ url: slack.webhookUrl }),
  };
}

const section = (text: string) => ({ type: "section", text: { type: "mrkdwn", text } });
const message = (text: string, key = "inc_api_1"): ChatMessage => ({
  key,
  source: "shop",
  text,
  blocks: [section(text)],
});
const reply = (text: string, seq: number, broadcast = false) => ({
  key: "inc_api_1",
  source: "shop",
  seq,
  text,
  broadcast,
});

const raw = (slack: SlackStandIn, method: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${slack.baseUrl}/${method}`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json; charset=utf-8", ...headers },
    body: JSON.stringify(body),
  }).then((answer) => answer.json());

describe("the bot against Slack", () => {
  it("posts a message, changes it in place, adds to its thread, and finds all of it again", async () => {
    const { slack, bot } = await stage();
    const sent = await bot.post(message("api is down"), LIMITS);
    if (sent.kind !== "sent") throw new Error(sent.detail);
    expect(await bot.update(sent.channel, sent.messageId, message("api is healthy"), LIMITS)).toEqual(sent);
    await bot.reply(sent.channel, sent.messageId, reply("restarting", 2), LIMITS);
    await bot.reply(sent.channel, sent.messageId, reply("a person is needed", 3, true), LIMITS);
    expect(slack.messages).toMatchObject([
      {
        text: "api is healthy",
        edits: [{ text: "api is down" }],
        replies: [
          { text: "restarting", broadcast: false },
          { text: "a person is needed", broadcast: true },
        ],
      },
    ]);
    const wanted = { key: "inc_api_1", source: "shop", since: Date.now() };
    const found = { kind: "found", channel: CHANNEL, messageId: sent.messageId, threadSeq: 3 };
    expect(await bot.find(wanted, LIMITS)).toEqual(found);
    expect(await bot.find({ ...wanted, known: sent }, LIMITS)).toEqual(found);
    expect(await bot.find({ ...wanted, key: "inc_api_2" }, LIMITS)).toEqual({ kind: "absent" });
    slack.remove(sent.messageId);
    expect(await bot.find({ ...wanted, known: sent }, LIMITS)).toEqual({ kind: "absent" });
  });

  it("that may not read the channel says that it cannot look", async () => {
    const { bot } = await stage({ mayReadHistory: false });
    expect(await bot.find({ key: "a", source: "b", since: 0 }, LIMITS)).toMatchObject({
      kind: "cannot-look",
      detail: expect.stringContaining("channels:history"),
    });
  });

  it.each([
    ["a wrong token", "xoxb-2", CHANNEL, /SLACK_BOT_TOKEN/],
    ["a channel that is not there", TOKEN, "C0NOTHERE1", /providers\.slack\.channel/],
  ])("with %s is rejected, with the fix", async (_name, token, channel, fix) => {
    const { slack, bot } = await stage({}, token, channel);
    expect(await bot.post(message("x"), LIMITS)).toMatchObject({
      kind: "rejected",
      detail: expect.stringMatching(fix),
    });
    expect(slack.messages).toHaveLength(0);
  });

  it("learns that a message or thread is gone", async () => {
    const { bot } = await stage();
    expect(await bot.update(CHANNEL, "1.000001", message("x"), LIMITS)).toMatchObject({ kind: "gone" });
    expect(await bot.reply(CHANNEL, "1.000001", reply("x", 1), LIMITS)).toMatchObject({ kind: "gone" });
  });

  it("is held to about one post a second, and told how long to wait", async () => {
    let now = 1_700_000_000_000;
    const { slack, bot } = await stage({ rate: { burst: 2 }, now: () => now });
    const outcomes = [];
    for (let count = 0; count < 3; count += 1) outcomes.push(await bot.post(message("x", `inc_${count}`), LIMITS));
    expect(outcomes.map(({ kind }) => kind)).toEqual(["sent", "sent", "retry-later"]);
    expect(outcomes[2]).toMatchObject({ afterMs: 1_000 });
    now += 1_000;
    expect(await bot.post(message("x"), LIMITS)).toMatchObject({ kind: "sent" });
    expect(slack.messages).toHaveLength(3);
  });

  it.each<[Parameters<SlackStandIn["fail"]>[0], object, number]>([
    [{ kind: "down" }, { kind: "unknown" }, 0],
    [{ kind: "timeout" }, { kind: "unknown" }, 0],
    [{ kind: "accepts-and-dies" }, { kind: "unknown" }, 1],
    [{ kind: "rate-limited", retryAfterSeconds: 9 }, { kind: "retry-later", afterMs: 9_000 }, 0],
    [{ kind: "ok-false", error: "is_archived" }, { kind: "rejected" }, 0],
  ])("that meets %j has the outcome that follows", async (fault, outcome, arrived) => {
    const { slack, bot } = await stage();
    slack.fail(fault);
    expect(await bot.post(message("x"), fault?.kind === "timeout" ? BRIEF : LIMITS)).toMatchObject(outcome);
    expect(slack.messages).toHaveLength(arrived);
  });

  it("to an address where nobody listens is retried later: nothing was sent", async () => {
    const { slack, bot } = await stage();
    await slack.close();
    expect(await bot.post(message("x"), LIMITS)).toMatchObject({ kind: "retry-later" });
  });
});

describe("Slack refuses", () => {
  it.each([
    ["a block of a kind it does not know", { text: "x", blocks: [{ type: "banner" }] }, "invalid_blocks"],
    ["a text above 3,000 in a block", { text: "x", blocks: [section("x".repeat(3_001))] }, "invalid_blocks"],
    ["an empty text in a block", { text: "x", blocks: [section("")] }, "invalid_blocks"],
    ["more than 50 blocks", { text: "x", blocks: Array.from({ length: 51 }, () => section("x")) }, "invalid_blocks"],
    ["nothing to say", {}, "no_text"],
    ["an argument it does not know", { text: "x", thread: "1.1" }, "invalid_arguments"],
    ["an answer to no message", { text: "x", thread_ts: "1.000001" }, "thread_not_found"],
    ["metadata without a payload", { text: "x", metadata: { event_type: "a" } }, "invalid_metadata_format"],
  ])("%s", async (_name, body, error) => {
    const { slack } = await stage();
    expect(await raw(slack, "chat.postMessage", { channel: CHANNEL, ...body })).toMatchObject({ ok: false, error });
    expect(slack.messages).toHaveLength(0);
  });

  it("a content type without its charset, a method it does not have, and a call without a token", async () => {
    const { slack } = await stage();
    const body = { channel: CHANNEL, text: "x" };
    expect(await raw(slack, "chat.postMessage", body, { "content-type": "application/json" })).toMatchObject({
      error: "missing_charset",
    });
    expect(await raw(slack, "chat.shout", body)).toMatchObject({ error: "unknown_method" });
    const bare = await fetch(`${slack.baseUrl}/chat.postMessage`, { method: "POST" });
    expect([bare.status, await bare.json()]).toMatchObject([200, { ok: false, error: "not_authed" }]);
  });

  it("to change a message in a channel given by name, and keeps old blocks where none are sent", async () => {
    const { slack, bot } = await stage();
    const sent = await bot.post(message("before"), LIMITS);
    if (sent.kind !== "sent") throw new Error(sent.detail);
    const change = { ts: sent.messageId, text: "after" };
    expect(await raw(slack, "chat.update", { channel: "#alerts", ...change })).toMatchObject({
      error: "channel_not_found",
    });
    expect(await raw(slack, "chat.update", { channel: CHANNEL, ...change })).toMatchObject({ ok: true });
    expect(slack.messages[0]).toMatchObject({ text: "after", blocks: [section("before")] });
  });
});

describe("the webhook against Slack", () => {
  it("posts, and can do nothing else", async () => {
    const { slack, webhook } = await stage();
    expect(await webhook.post(message("api is down"), LIMITS)).toMatchObject({ kind: "sent" });
    expect(slack.messages).toMatchObject([{ text: "api is down" }]);
    expect(webhook.canUpdate).toBe(false);
    expect(await webhook.find({ key: "a", source: "b", since: 0 }, LIMITS)).toMatchObject({ kind: "cannot-look" });
  });

  it.each<[Parameters<SlackStandIn["fail"]>[0], object]>([
    [{ kind: "ok-false", error: "channel_is_archived" }, { kind: "rejected" }],
    [
      { kind: "rate-limited", retryAfterSeconds: 2 },
      { kind: "retry-later", afterMs: 2_000 },
    ],
    [{ kind: "down" }, { kind: "unknown" }],
  ])("that meets %j has the outcome that follows", async (fault, outcome) => {
    const { slack, webhook } = await stage();
    slack.fail(fault);
    expect(await webhook.post(message("x"), LIMITS)).toMatchObject(outcome);
  });
});
