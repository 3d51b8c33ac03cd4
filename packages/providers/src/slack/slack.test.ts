import { describe, expect, it } from "vitest";
import type { ChatMessage, Fetch } from "../port.ts";
import { clipMrkdwn, createSlackBot, createSlackWebhook, escapeMrkdwn, mentionMrkdwn } from "./index.ts";

const LIMITS = { timeoutMs: 2_000 };
const MESSAGE: ChatMessage = { key: "inc_api_1", source: "shop", text: "api is down", blocks: [] };

function scripted(answers: (() => Response)[]) {
  const sent: { url: string; body: unknown; headers: Headers }[] = [];
  const fetch: Fetch = async (url, init) => {
    sent.push({
      url,
      body: init.body === undefined ? undefined : JSON.parse(String(init.body)),
      headers: new Headers(init.headers),
    });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === undefined) throw new Error("nothing to answer with");
    return answer();
  };
  return { sent, fetch };
}

const json =
  (value: unknown, status = 200, headers: Record<string, string> = {}) =>
  () =>
    new Response(JSON.stringify(value), { status, headers });

function bot(...answers: (() => Response)[]) {
  const { sent, fetch } = scripted(answers);
  return {
    sent,
    chat: createSlackBot({ baseUrl: "http://slack.test/api/", token: "xoxb-1", channel: "C0ALERTS", fetch }),
  };
}

describe("text from a target", () => {
  it.each([
    ["a & b < c > d", "a &amp; b &lt; c &gt; d"],
    ["<!channel> <@U123> <https://evil.test|click>", "&lt;!channel&gt; &lt;@U123&gt; &lt;https://evil.test|click&gt;"],
    ["line one\nA person is needed\r\u2028x", "line one A person is needed x"],
    ["`code`", "'code'"],
    ["abc\u202Egpj.exe", "abcgpj.exe"],
  ])("%j is shown and does nothing", (text, shown) => {
    expect(escapeMrkdwn(text)).toBe(shown);
  });

  it.each(["@here", "@channel", "@everyone", "@HERE"])("%s calls nobody", (text) => {
    expect(escapeMrkdwn(`is ${text} there`)).not.toContain(text);
  });

  it("is never cut in the middle of an entity or a character", () => {
    for (let max = 1; max < 40; max += 1) {
      const cut = clipMrkdwn(`${escapeMrkdwn("<<&😀>")}${"x".repeat(30)}`, max);
      expect(cut.length).toBeLessThanOrEqual(max);
      expect(cut.replace(/&(amp|lt|gt);/g, "")).not.toContain("&");
      expect(cut.isWellFormed()).toBe(true);
    }
  });
});

describe("a mention", () => {
  it.each([
    ["@here", "<!here>"],
    ["<!here>", "<!here>"],
    ["U0123456789", "<@U0123456789>"],
    ["<@U0123456789>", "<@U0123456789>"],
    ["S0123456789", "<!subteam^S0123456789>"],
    ["<!subteam^S0123456789>", "<!subteam^S0123456789>"],
    ["the team", "the team"],
    ["<https://evil.test>", "&lt;https://evil.test&gt;"],
  ])("%s is written %s", (mention, written) => {
    expect(mentionMrkdwn(mention)).toBe(written);
  });
});

describe("the bot", () => {
  it("posts with the charset, the token and the incident in the metadata, and learns where the message stands", async () => {
    const { chat, sent } = bot(json({ ok: true, channel: "C0ALERTS", ts: "1.000001" }));
    expect(await chat.post(MESSAGE, LIMITS)).toEqual({ kind: "sent", channel: "C0ALERTS", messageId: "1.000001" });
    expect(sent[0]?.url).toBe("http://slack.test/api/chat.postMessage");
    expect(sent[0]?.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(sent[0]?.headers.get("authorization")).toBe("Bearer xoxb-1");
    expect(sent[0]?.body).toMatchObject({
      channel: "C0ALERTS",
      metadata: { event_type: "neuropilot_incident", event_payload: { incident_id: "inc_api_1", source: "shop" } },
    });
  });

  it.each<[string, () => Response, object]>([
    [
      "invalid_auth",
      json({ ok: false, error: "invalid_auth" }),
      { kind: "rejected", detail: expect.stringContaining("SLACK_BOT_TOKEN") },
    ],
    [
      "channel_not_found",
      json({ ok: false, error: "channel_not_found" }),
      { kind: "rejected", detail: expect.stringContaining("/invite") },
    ],
    [
      "missing_scope",
      json({ ok: false, error: "missing_scope" }),
      { kind: "rejected", detail: expect.stringContaining("chat:write") },
    ],
    [
      "an error nobody knows",
      json({ ok: false, error: "strange" }),
      { kind: "rejected", detail: expect.stringContaining("strange") },
    ],
    [
      "ratelimited as ok:false",
      json({ ok: false, error: "ratelimited" }, 200, { "retry-after": "7" }),
      { kind: "retry-later", afterMs: 7_000 },
    ],
    [
      "429",
      json({ ok: false, error: "ratelimited" }, 429, { "retry-after": "3" }),
      { kind: "retry-later", afterMs: 3_000 },
    ],
    ["429 without a time", json({}, 429), { kind: "retry-later", afterMs: 30_000 }],
    ["message_not_found", json({ ok: false, error: "message_not_found" }), { kind: "gone" }],
    ["edit_window_closed", json({ ok: false, error: "edit_window_closed" }), { kind: "gone" }],
    ["cant_update_message", json({ ok: false, error: "cant_update_message" }), { kind: "gone" }],
    ["internal_error", json({ ok: false, error: "internal_error" }), { kind: "unknown" }],
    ["503", () => new Response("down", { status: 503 }), { kind: "unknown" }],
    ["200 as a page", () => new Response("<html>"), { kind: "unknown" }],
    ["ok:true that names no message", json({ ok: true }), { kind: "unknown" }],
    ["404 as a page", () => new Response("<html>", { status: 404 }), { kind: "rejected" }],
  ])("makes of %s what follows from it", async (_name, answer, outcome) => {
    expect(await bot(answer).chat.post(MESSAGE, LIMITS)).toMatchObject(outcome);
  });

  it("says which setting is missing where no channel is named, and sends nothing", async () => {
    const { fetch, sent } = scripted([]);
    const chat = createSlackBot({ baseUrl: "http://slack.test/api", token: "x", channel: "", fetch });
    expect(await chat.post(MESSAGE, LIMITS)).toMatchObject({
      kind: "rejected",
      detail: expect.stringContaining("providers.slack.channel"),
    });
    expect(sent).toHaveLength(0);
  });

  it("keeps a message within Slack's limits instead of having it refused", async () => {
    const { chat, sent } = bot(json({ ok: true, channel: "C0ALERTS", ts: "1.1" }));
    const section = { type: "section", text: { type: "mrkdwn", text: "&amp;".repeat(2_000) } };
    await chat.post(
      { ...MESSAGE, text: "x".repeat(50_000), blocks: Array.from({ length: 60 }, () => section) },
      LIMITS,
    );
    const body = JSON.parse(JSON.stringify(sent[0]?.body));
    expect(body.text.length).toBeLessThanOrEqual(4_000);
    expect(body.blocks).toHaveLength(50);
    expect(body.blocks[0].text.text.length).toBeLessThanOrEqual(3_000);
    expect(body.blocks[0].text.text).toMatch(/&amp;…$/);
  });

  it("never shows the token", async () => {
    const { chat } = bot(json({ ok: false, error: "bad token xoxb-1" }));
    expect(JSON.stringify(await chat.post(MESSAGE, LIMITS))).not.toContain("xoxb-1");
  });
});

describe("finding a message again", () => {
  const WANTED = { key: "inc_api_1", source: "shop", since: 1_700_000_000_000 };
  const mark = (incident_id: string, source = "shop", seq?: number) => ({
    event_type: "neuropilot_incident",
    event_payload: { incident_id, source, ...(seq === undefined ? {} : { seq }) },
  });

  it("reads page after page, and takes only the message of this incident and installation", async () => {
    const { chat, sent } = bot(
      json({
        ok: true,
        messages: [
          { ts: "9.1", metadata: mark("inc_api_2") },
          { ts: "9.0", metadata: mark("inc_api_1", "another") },
          { ts: "8.9", metadata: mark("inc_api_1", "shop", 4) },
        ],
        response_metadata: { next_cursor: "two" },
      }),
      json({ ok: true, messages: [{ ts: "8.5" }, { ts: "8.4", metadata: mark("inc_api_1") }] }),
      json({
        ok: true,
        messages: [
          { ts: "8.4", metadata: mark("inc_api_1") },
          { ts: "8.9", metadata: mark("inc_api_1", "shop", 4) },
        ],
      }),
    );
    expect(await chat.find(WANTED, LIMITS)).toEqual({
      kind: "found",
      channel: "C0ALERTS",
      messageId: "8.4",
      threadSeq: 4,
    });
    const queries = sent.map(({ url }) => new URL(url));
    expect(queries.map(({ pathname }) => pathname)).toEqual([
      "/api/conversations.history",
      "/api/conversations.history",
      "/api/conversations.replies",
    ]);
    expect(queries[0]?.searchParams.get("oldest")).toBe("1699999700.000000");
    expect(queries[1]?.searchParams.get("cursor")).toBe("two");
  });

  it.each<[string, () => Response, object]>([
    ["nothing there", json({ ok: true, messages: [] }), { kind: "absent" }],
    ["no scope for it", json({ ok: false, error: "missing_scope" }), { kind: "cannot-look" }],
    [
      "a rate limit",
      json({ ok: false, error: "ratelimited" }, 429, { "retry-after": "60" }),
      { kind: "retry-later", afterMs: 60_000 },
    ],
    ["Slack down", () => new Response("", { status: 503 }), { kind: "retry-later" }],
  ])("with %s says so", async (_name, answer, found) => {
    expect(await bot(answer).chat.find(WANTED, LIMITS)).toMatchObject(found);
  });

  it("ends, however many pages Slack claims to have", async () => {
    const { chat, sent } = bot(json({ ok: true, messages: [], response_metadata: { next_cursor: "again" } }));
    expect(await chat.find(WANTED, LIMITS)).toEqual({ kind: "absent" });
    expect(sent).toHaveLength(5);
  });

  it("is not possible in a channel that is given by its name", async () => {
    const { fetch } = scripted([]);
    const chat = createSlackBot({ baseUrl: "http://slack.test/api", token: "x", channel: "#alerts", fetch });
    expect(await chat.find(WANTED, LIMITS)).toMatchObject({
      kind: "cannot-look",
      detail: expect.stringContaining("#alerts"),
    });
  });
});

describe("the webhook", () => {
  const hook = (answer: () => Response) =>
    createSlackWebhook({ url: "http://hooks.test/services/T0/B0/s3cret", fetch: scripted([answer]).fetch });

  it.each<[string, () => Response, object]>([
    ["ok", () => new Response("ok"), { kind: "sent" }],
    [
      "no_service",
      () => new Response("no_service", { status: 404 }),
      { kind: "rejected", detail: expect.stringContaining("SLACK_WEBHOOK_URL") },
    ],
    ["invalid_payload", () => new Response("invalid_payload", { status: 400 }), { kind: "rejected" }],
    [
      "429",
      () => new Response("rate_limited", { status: 429, headers: { "retry-after": "5" } }),
      { kind: "retry-later", afterMs: 5_000 },
    ],
    ["500", () => new Response("rollup_error", { status: 500 }), { kind: "unknown" }],
    ["200 that is not ok", () => new Response("<html>login</html>"), { kind: "unknown" }],
  ])("makes of %s what follows from it, and never shows its address", async (_name, answer, outcome) => {
    const result = await hook(answer).post(MESSAGE, LIMITS);
    expect(result).toMatchObject(outcome);
    expect(JSON.stringify(result)).not.toContain("s3cret");
  });

  it("with an address that is none says so without repeating it", async () => {
    const result = await createSlackWebhook({ url: "s3cret" }).post(MESSAGE, LIMITS);
    expect(result).toMatchObject({ kind: "rejected" });
    expect(JSON.stringify(result)).not.toContain("s3cret");
  });
});
