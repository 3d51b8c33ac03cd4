import type { Config } from "@neuropilot/config";
import { type Incident, newTargetItem, type TimelineEntry } from "@neuropilot/core";
import { type SlackOptions, startSlack } from "@neuropilot/local";
import { type AlertResult, bringUpToDate, type Deps, noteUnusable } from "@neuropilot/loop";
import { type ChatProvider, createSlackBot, createSlackWebhook } from "@neuropilot/providers";
import { createMemoryTable, createState } from "@neuropilot/store";
import { afterEach, describe, expect, it } from "vitest";

const CHANNEL = "C0DEMO0001";
const MINUTE = 60_000;
const INCIDENT = "inc_api_1";
const open: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** The store in memory, a clock that stands until it is moved, and Slack's stand-in over real sockets. */
async function stage(options: Partial<SlackOptions> & { webhook?: boolean; callTimeoutMs?: number } = {}) {
  const started = Date.now();
  let now = started;
  const slack = await startSlack({ token: "xoxb-1", channel: CHANNEL, rate: "off", now: () => now, ...options });
  open.push(() => slack.close());
  const lines: { level: string; event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  let ids = 0;
  const deps: Deps = {
    // Only these two are read when an alert is sent.
    config: { name: "shop", healing: { callTimeoutMs: options.callTimeoutMs ?? 5_000 } } as Config,
    state: createState(createMemoryTable()),
    publish: async (events) => ({ sent: events.length, failed: [] }),
    clock: () => now,
    sleep: async (ms) => {
      now += ms;
    },
    newId: (prefix) => {
      ids += 1;
      return `${prefix}${ids}`;
    },
    log: (level, event, fields) => lines.push({ level, event, fields }),
    channels: ["slack"],
  };
  const request = { incident: INCIDENT, target: "api", channel: "slack", mention: "<!here>" };
  const chat: ChatProvider =
    options.webhook === true
      ? createSlackWebhook({ url: slack.webhookUrl })
      : createSlackBot({ baseUrl: slack.baseUrl, token: "xoxb-1", channel: CHANNEL });
  return {
    slack,
    deps,
    lines,
    request,
    tell: (through = chat): Promise<AlertResult> => bringUpToDate(deps, through, request),
    chat,
    /** The incident moves on, as decide would write it. */
    async happen(kind: TimelineEntry["kind"], text: string, change: Partial<Incident> = {}): Promise<void> {
      await deps.state.updateTarget(
        "api",
        () => now,
        (item) => {
          const before = item.incident ?? newIncident(now);
          const seq = before.seq + 1;
          const timeline = [...before.timeline, { at: now, seq, kind, text }];
          return { ...newTargetItem("api", now), ...item, incident: { ...before, seq, timeline, ...change } };
        },
      );
    },
    wait(ms: number): void {
      now += ms;
    },
    delivery: () => deps.state.readDelivery(INCIDENT, "slack"),
    /** As reconcile does: every minute whatever is due. */
    async reconcileFor(minutes: number): Promise<void> {
      for (let minute = 0; minute < minutes; minute += 1) {
        now += MINUTE;
        const due = await deps.state.due(now, 10);
        if (due.some(({ pk }) => pk.startsWith("DELIVERY#"))) await bringUpToDate(deps, chat, request);
      }
    },
  };
}

function newIncident(now: number): Incident {
  return {
    id: INCIDENT,
    target: "api",
    site: "primary",
    kind: "down",
    why: "connection refused",
    openedAt: now,
    seq: 0,
    attempts: [],
    timeline: [],
    unavailable: [],
    ladderEnded: false,
    wouldHave: [],
  };
}

describe("an incident's alert", () => {
  it("is one message, changed in place, with the whole timeline in its thread, each entry once", async () => {
    const world = await stage();
    for (const text of ["down at primary", "restart of primary", "restart: healed"]) {
      await world.happen("attempt", text);
      expect(await world.tell()).toMatchObject({ kind: "sent" });
      expect(await world.tell()).toMatchObject({ kind: "up-to-date" });
      world.wait(MINUTE);
    }
    await world.happen("resolved", "healthy again", { endedAt: world.deps.clock(), end: "recovered" });
    await world.tell();
    expect(world.slack.messages).toHaveLength(1);
    const [message] = world.slack.messages;
    expect(message?.text).toContain("healthy again");
    expect(message?.edits).toHaveLength(3);
    const thread = message?.replies.map(({ text }) => text).join("\n") ?? "";
    for (const text of ["down at primary", "restart of primary", "restart: healed", "healthy again"])
      expect(thread.split(text)).toHaveLength(2);
    expect(await world.delivery()).toMatchObject({ sentSeq: 4, threadSeq: 4, wantedSeq: 4, failures: 0 });
  });

  it("leaves behind what people were told and when, the first and the newest of it", async () => {
    const world = await stage();
    const began = world.deps.clock();
    for (let count = 0; count < 50; count += 1) {
      await world.happen("attempt", `attempt ${count}`);
      await world.tell();
      world.wait(MINUTE);
    }
    const told = (await world.delivery())?.told ?? [];
    const minutes = told.map(({ at }) => Math.floor((at - began) / MINUTE));
    expect(minutes).toEqual([
      ...Array.from({ length: 20 }, (_, n) => n),
      ...Array.from({ length: 20 }, (_, n) => 30 + n),
    ]);
    expect(told[0]?.text).toMatch(/^api is down/);
    expect(told.at(-1)?.text).toBe(world.slack.messages[0]?.text);
  });

  it("delivered ten times at once is posted once", async () => {
    const world = await stage();
    await world.happen("opened", "down at primary");
    const results = await Promise.all(Array.from({ length: 10 }, () => world.tell()));
    expect(results.filter(({ kind }) => kind === "sent")).toHaveLength(1);
    expect(world.slack.messages).toHaveLength(1);
    expect(world.slack.messages[0]?.replies).toHaveLength(1);
  });

  it("calls a person in the thread, broadcast with the mention, once", async () => {
    const world = await stage();
    await world.happen("opened", "down at primary");
    await world.happen("human", "restart did not help", { needsHuman: { at: 0, why: "restart did not help" } });
    await world.tell();
    await world.happen("attempt", "restart of primary");
    await world.tell();
    const [message] = world.slack.messages;
    expect(message?.replies.map(({ broadcast }) => broadcast)).toEqual([false, true, false]);
    expect(message?.replies[1]?.text).toContain("<!here>");
    expect(JSON.stringify(message?.blocks)).not.toContain("<!here>");
  });

  it("tells what happened while it was sending, in the same run", async () => {
    const world = await stage();
    await world.happen("opened", "down at primary");
    let moved = false;
    world.slack.hooks.onExecuted = async () => {
      if (!moved) {
        moved = true;
        await world.happen("attempt", "restart of primary");
      }
    };
    expect(await world.tell()).toEqual({ kind: "sent", why: "seq 2" });
    expect(world.slack.messages[0]?.replies.map(({ text }) => text).join()).toContain("restart of primary");
  });

  it("that nobody knows any more is forgotten and not due for ever", async () => {
    const world = await stage();
    await world.happen("opened", "down at primary");
    world.slack.fail({ kind: "down" });
    await world.tell();
    expect(await world.deps.state.due(world.deps.clock() + MINUTE, 10)).toHaveLength(1);
    await world.deps.state.updateTarget("api", world.deps.clock, ({ incident: _, ...item }) => item);
    expect(await world.tell()).toMatchObject({ kind: "unknown-incident" });
    expect(await world.deps.state.due(world.deps.clock() + 10 * MINUTE, 10)).toHaveLength(0);
  });
});

describe("after a crash", () => {
  /** A provider whose run dies after Slack took the call: nothing after it is executed. */
  function dyingAfter(chat: ChatProvider, method: "post" | "reply"): ChatProvider {
    const die = new Error("killed");
    return {
      ...chat,
      async post(message, limits) {
        const outcome = await chat.post(message, limits);
        if (method === "post") throw die;
        return outcome;
      },
      async reply(channel, messageId, reply, limits) {
        const outcome = await chat.reply(channel, messageId, reply, limits);
        if (method === "reply") throw die;
        return outcome;
      },
    };
  }

  it.each(["post", "reply"] as const)(
    "between a %s and its record there is one message and one thread",
    async (method) => {
      const world = await stage();
      await world.happen("opened", "down at primary");
      await expect(world.tell(dyingAfter(world.chat, method))).rejects.toThrow("killed");
      expect(await world.tell()).toMatchObject({ kind: "busy" });
      await world.reconcileFor(2);
      expect(world.slack.messages).toHaveLength(1);
      expect(world.slack.messages[0]?.replies).toHaveLength(1);
      expect(await world.delivery()).toMatchObject({ sentSeq: 1, threadSeq: 1 });
      expect(await world.delivery()).not.toHaveProperty("claim");
    },
  );

  it("without the right to read the channel, one duplicate is accepted and the log says so", async () => {
    const world = await stage({ mayReadHistory: false });
    await world.happen("opened", "down at primary");
    await expect(world.tell(dyingAfter(world.chat, "post"))).rejects.toThrow("killed");
    await world.reconcileFor(10);
    expect(world.slack.messages).toHaveLength(2);
    expect(world.lines.filter(({ event }) => event === "may-be-told-twice")).toHaveLength(1);
  });

  it("before the call, the message is posted by the next run", async () => {
    const world = await stage();
    await world.happen("opened", "down at primary");
    const dead: ChatProvider = { ...world.chat, post: () => Promise.reject(new Error("killed")) };
    await expect(world.tell(dead)).rejects.toThrow("killed");
    await world.reconcileFor(2);
    expect(world.slack.messages).toHaveLength(1);
  });

  it("a run that outlived its claim writes nothing over its successor", async () => {
    const world = await stage();
    await world.happen("opened", "down at primary");
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const reached = new Promise<void>((resolve) => {
      world.slack.hooks.onExecuted = async () => {
        world.slack.hooks.onExecuted = undefined;
        resolve();
        await held;
      };
    });
    const slow = world.tell();
    await reached;
    world.wait(MINUTE);
    expect(await world.tell()).toMatchObject({ kind: "sent" });
    release();
    expect(await slow).toMatchObject({ kind: "busy" });
    expect(world.slack.messages).toHaveLength(1);
    expect(world.slack.messages[0]?.replies).toHaveLength(1);
    expect(await world.delivery()).toMatchObject({ sentSeq: 1, threadSeq: 1 });
  });
});

describe("when Slack fails", () => {
  it("for hours, one message says in the end what is true then", async () => {
    const world = await stage();
    world.slack.fail({ kind: "down" });
    await world.happen("opened", "down at primary");
    await world.tell();
    await world.reconcileFor(120);
    await world.happen("attempt", "restart of primary");
    await world.tell();
    await world.reconcileFor(120);
    await world.happen("resolved", "healthy again", { endedAt: world.deps.clock(), end: "recovered" });
    await world.tell();
    const tries = world.slack.calls.length;
    expect(tries).toBeLessThan(100);
    world.slack.fail(undefined);
    await world.reconcileFor(10);
    expect(world.slack.messages).toHaveLength(1);
    expect(world.slack.messages[0]?.text).toContain("healthy again");
    expect(world.slack.messages[0]?.replies.map(({ text }) => text).join()).toContain("restart of primary");
    expect(await world.delivery()).toMatchObject({ sentSeq: 3, threadSeq: 3, failures: 0 });
  });

  it("by never answering, the message is told once it answers again", async () => {
    const world = await stage({ callTimeoutMs: 600 });
    world.slack.fail({ kind: "timeout", times: 2 });
    await world.happen("opened", "down at primary");
    expect(await world.tell()).toMatchObject({ kind: "later" });
    await world.reconcileFor(30);
    expect(world.slack.messages).toHaveLength(1);
    expect(await world.delivery()).toMatchObject({ sentSeq: 1, threadSeq: 1 });
  });

  it("keeps to the wait that Slack asks for", async () => {
    const world = await stage();
    world.slack.fail({ kind: "rate-limited", retryAfterSeconds: 300, times: 1 });
    await world.happen("opened", "down at primary");
    expect(await world.tell()).toMatchObject({ kind: "later" });
    world.wait(299_000);
    expect(await world.tell()).toMatchObject({ kind: "later" });
    expect(world.slack.calls).toHaveLength(1);
    world.wait(1_000);
    expect(await world.tell()).toMatchObject({ kind: "sent" });
    expect(world.slack.messages).toHaveLength(1);
  });

  it("notes what is wanted while it waits, so that decide need not ask again", async () => {
    const world = await stage();
    world.slack.fail({ kind: "rate-limited", retryAfterSeconds: 300 });
    await world.happen("opened", "down at primary");
    await world.tell();
    await world.happen("attempt", "restart of primary");
    expect(await world.tell()).toMatchObject({ kind: "later" });
    expect(await world.delivery()).toMatchObject({ wantedSeq: 2, sentSeq: 0 });
  });

  it("with ok:false is tried rarely, says what to mend as an error once, and is told when it is mended", async () => {
    const world = await stage();
    world.slack.fail({ kind: "ok-false", error: "invalid_auth" });
    await world.happen("opened", "down at primary");
    await world.tell();
    await world.reconcileFor(120);
    expect(world.slack.calls.length).toBeLessThan(20);
    const errors = world.lines.filter(({ level }) => level === "error");
    expect(errors).toHaveLength(1);
    expect(JSON.stringify(errors)).toContain("SLACK_BOT_TOKEN");
    world.slack.fail(undefined);
    await world.reconcileFor(15);
    expect(world.slack.messages).toHaveLength(1);
  });

  it.each(["post", "reply"])("and the answer to a %s is lost, nothing is said twice", async (what) => {
    const world = await stage();
    await world.happen("opened", "down at primary");
    if (what === "reply") {
      world.slack.hooks.onExecuted = () => {
        world.slack.hooks.onExecuted = undefined;
        world.slack.fail({ kind: "accepts-and-dies", times: 1 });
      };
    } else world.slack.fail({ kind: "accepts-and-dies", times: 1 });
    expect(await world.tell()).toMatchObject({ kind: "later" });
    await world.reconcileFor(3);
    expect(world.slack.messages).toHaveLength(1);
    expect(world.slack.messages[0]?.replies).toHaveLength(1);
    expect(await world.delivery()).toMatchObject({ sentSeq: 1, threadSeq: 1 });
  });

  it.each(["edit_window_closed", "cant_update_message", "message_not_found"])(
    "with %s on a change, a new message takes over, with the timeline",
    async (error) => {
      const world = await stage();
      await world.happen("opened", "down at primary");
      await world.tell();
      await world.happen("attempt", "restart of primary");
      world.slack.fail({ kind: "ok-false", error, operation: "chat.update", times: 1 });
      expect(await world.tell()).toMatchObject({ kind: "sent" });
      expect(world.slack.messages).toHaveLength(2);
      expect(world.slack.messages[1]?.replies.map(({ text }) => text).join()).toMatch(
        /down at primary[\s\S]*restart of primary/,
      );
      await world.happen("attempt", "restart: healed");
      await world.tell();
      expect(world.slack.messages).toHaveLength(2);
      expect(world.slack.messages[1]?.edits).toHaveLength(1);
    },
  );

  it("after somebody deleted the message, a new one is posted", async () => {
    const world = await stage();
    await world.happen("opened", "down at primary");
    await world.tell();
    world.slack.remove(world.slack.messages[0]?.ts ?? "");
    await world.happen("attempt", "restart of primary");
    await world.tell();
    expect(world.slack.messages).toHaveLength(1);
    expect(world.slack.messages[0]?.replies).toHaveLength(1);
  });

  it("a flood of entries goes into the thread at Slack's pace, none lost", async () => {
    const world = await stage({ rate: { burst: 2 } });
    for (let step = 1; step <= 150; step += 1) await world.happen("attempt", `step ${step} ${"x".repeat(200)}`);
    await world.tell();
    await world.reconcileFor(5);
    const thread = world.slack.messages[0]?.replies.map(({ text }) => text).join("\n") ?? "";
    const steps = [...thread.matchAll(/step (\d+) /g)].map((match) => Number(match[1]));
    expect(steps).toEqual(Array.from({ length: 150 }, (_, index) => index + 1));
  });

  it("gives up news that nobody needs any more, and says so", async () => {
    const world = await stage();
    world.slack.fail({ kind: "ok-false", error: "invalid_auth" });
    await world.happen("resolved", "healthy again", { endedAt: world.deps.clock(), end: "recovered" });
    await world.tell();
    world.wait(4 * 86_400_000);
    await world.tell();
    expect(await world.deps.state.due(world.deps.clock() + 86_400_000, 10)).toHaveLength(0);
    expect(world.lines.at(-1)).toMatchObject({ event: "not-told" });
  });
});

describe("through a webhook", () => {
  it("only what is worth a message is posted: opened, a person is needed, resolved", async () => {
    const world = await stage({ webhook: true });
    const story: [TimelineEntry["kind"], string][] = [
      ["opened", "down at primary"],
      ["attempt", "restart of primary"],
      ["changed", "down → failing"],
      ["human", "restart did not help"],
      ["refused", "cooldown"],
      ["resolved", "healthy again"],
    ];
    for (const [kind, text] of story) {
      await world.happen(kind, text, kind === "human" ? { needsHuman: { at: 0, why: text } } : {});
      expect(await world.tell()).toMatchObject({ kind: "sent" });
    }
    expect(world.slack.messages).toHaveLength(3);
    expect(JSON.stringify(world.slack.messages[1]?.blocks)).toContain("<!here>");
    expect(await world.delivery()).toMatchObject({ sentSeq: 6, threadSeq: 6 });
  });

  it("delivered ten times at once is posted once", async () => {
    const world = await stage({ webhook: true });
    await world.happen("opened", "down at primary");
    await Promise.all(Array.from({ length: 10 }, () => world.tell()));
    expect(world.slack.messages).toHaveLength(1);
  });

  it("a lost answer costs one message more, and the log says so", async () => {
    const world = await stage({ webhook: true });
    world.slack.fail({ kind: "accepts-and-dies", times: 1 });
    await world.happen("opened", "down at primary");
    await world.tell();
    await world.reconcileFor(60);
    expect(world.slack.messages).toHaveLength(2);
    expect(world.lines.filter(({ event }) => event === "may-be-told-twice")).toHaveLength(1);
  });
});

describe("a channel without credentials", () => {
  it("is said once for an incident, is not due all the time, and is told once it has some", async () => {
    const world = await stage();
    const why = "neither SLACK_BOT_TOKEN nor SLACK_WEBHOOK_URL is set";
    await world.happen("opened", "down at primary");
    for (let count = 0; count < 5; count += 1) {
      expect(await noteUnusable(world.deps, world.request, why)).toEqual({ kind: "later", why });
      await world.happen("attempt", "restart of primary");
    }
    expect(world.lines.filter(({ level }) => level === "error")).toHaveLength(1);
    expect(await world.delivery()).toMatchObject({ wantedSeq: 5, sentSeq: 0 });
    expect(await world.deps.state.due(world.deps.clock() + 5 * MINUTE, 10)).toHaveLength(0);
    await world.reconcileFor(12);
    expect(world.slack.messages).toHaveLength(1);
    expect(await world.delivery()).toMatchObject({ sentSeq: 6 });
    expect(await world.delivery()).not.toHaveProperty("claim");
    expect(await world.delivery()).not.toHaveProperty("nextActionAt");
  });
});
