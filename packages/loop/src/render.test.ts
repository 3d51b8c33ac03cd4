import type { Config } from "@neuropilot/config";
import type { Attempt, Incident, TimelineEntry } from "@neuropilot/core";
import { describe, expect, it } from "vitest";
import { renderIncident, renderThread } from "./render.ts";

const T0 = Date.UTC(2026, 10, 25, 3, 11, 2);
/** Only the name of the installation is read. */
const CONFIG = { name: "shop" } as Config;

function incident(change: Partial<Incident> = {}): Incident {
  return {
    id: "inc_api_1",
    target: "api",
    site: "primary",
    kind: "down",
    why: "local: 6 bad in a row over 31 s, the last: connection refused",
    openedAt: T0 + 31_000,
    failedAt: T0,
    seq: 1,
    attempts: [],
    timeline: [entry(1, "opened", "down at primary")],
    unavailable: [],
    ladderEnded: false,
    wouldHave: [],
    ...change,
  };
}

function entry(seq: number, kind: TimelineEntry["kind"], text: string, at = T0 + seq * 1_000): TimelineEntry {
  return { seq, kind, text, at };
}

function attempt(change: Partial<Attempt> = {}): Attempt {
  return {
    id: "att_api_1",
    remedy: "restart",
    site: "primary",
    kind: "down",
    state: "claimed",
    token: 1,
    at: T0 + 32_000,
    because: "down",
    mayHaveCalled: false,
    step: 0,
    ...change,
  };
}

const called = { mayHaveCalled: true, callStartedAt: T0 + 33_000 };

function firstLine(change: Partial<Incident>, now = T0 + 60_000): string {
  const message = renderIncident(CONFIG, incident(change), now, { withTimeline: false });
  return text(message.blocks[0]).split("\n")[0] ?? "";
}

function text(block: unknown): string {
  return JSON.parse(JSON.stringify(block)).text.text;
}

const whole = (change: Partial<Incident>, options = { withTimeline: true, mention: "<!here>" }) =>
  JSON.stringify(renderIncident(CONFIG, incident(change), T0 + 60_000, options));

describe("the first line says what is ill and what is being done", () => {
  it.each<[string, Partial<Incident>, string]>([
    ["just seen", {}, ":large_orange_circle: *api is down*: looking into it"],
    ["claimed", { attempts: [attempt()] }, ":large_orange_circle: *api is down*: restarting it now"],
    [
      "claimed, with a record here",
      { attempts: [attempt({ record: "restart has helped 5 of 6 times here when down" })] },
      ":large_orange_circle: *api is down*: restarting it now (restart has helped 5 of 6 times here when down)",
    ],
    [
      "accepted",
      { attempts: [attempt({ ...called, state: "following" })] },
      ":large_orange_circle: *api is down*: restarting it, accepted at 03:11:35 UTC",
    ],
    [
      "warming up",
      { attempts: [attempt({ ...called, state: "verifying", verifyFrom: T0 + 90_000, verifyUntil: T0 + 300_000 })] },
      ":large_orange_circle: *api is down*: the restart is done; it starts up, then fresh samples show until 03:16:02 UTC whether it helped",
    ],
    [
      "an answer that was lost",
      {
        attempts: [
          attempt({
            ...called,
            state: "verifying",
            outcome: { kind: "unknown", why: "timeout", detail: "x" },
            verifyFrom: T0,
            verifyUntil: T0 + 300_000,
          }),
        ],
      },
      ":large_orange_circle: *api is down*: whether the restart took place is not known; fresh samples show until 03:16:02 UTC whether it helped",
    ],
    [
      "proposed",
      { attempts: [attempt({ state: "proposed" })] },
      ":large_orange_circle: *api is down*: the restart waits for a person's yes",
    ],
    [
      "without effect, the next one under way",
      {
        kind: "failing",
        needsHuman: { at: T0, why: "restart did not help" },
        attempts: [
          attempt({ ...called, state: "no-effect", verdict: "no-effect" }),
          attempt({ remedy: "purge-cache" }),
        ],
      },
      ":red_circle: *api answers with errors*: purging its cache now",
    ],
    [
      "nothing left to try",
      { needsHuman: { at: T0, why: "every remedy was tried" } },
      ":red_circle: *api is down*: nothing more is tried now, a person is needed",
    ],
    [
      "a person called, the ladder not yet at its end",
      {
        needsHuman: { at: T0, why: "restart did not help (attempt 1)" },
        lastRefusal: { guard: "cooldown", text: "restart cools down", at: T0, until: T0 + 86_400_000 },
      },
      ":red_circle: *api is down*: nothing is done now, a person is needed: restart cools down (until 03:11:02 UTC)",
    ],
    [
      "refused by a guard",
      { lastRefusal: { guard: "cooldown", text: "the last restart was 2 min ago", at: T0 } },
      ":large_orange_circle: *api is down*: nothing is done now: the last restart was 2 min ago",
    ],
    [
      "only observing",
      { wouldHave: [{ remedy: "restart", at: T0 }] },
      ":large_orange_circle: *api is down*: nothing is done (mode observe); in mode auto we would be restarting it",
    ],
    [
      "at another site",
      { site: "secondary", kind: "slow" },
      ":large_orange_circle: *api (secondary) is slow*: looking into it",
    ],
    [
      "healed",
      {
        endedAt: T0 + 95_000,
        end: "healed",
        attempts: [attempt({ ...called, state: "healed", verdict: "healed" })],
      },
      ":large_green_circle: *api is healthy again after 1 min 35 s*: it was down; the restart at 03:11:35 UTC helped, as fresh samples show",
    ],
    [
      "recovered alone",
      { endedAt: T0 + 7_260_000, end: "recovered" },
      ":large_green_circle: *api is healthy again after 2 h 1 min*: it was down; it recovered by itself, nothing was done",
    ],
    [
      "recovered, but not because of us",
      {
        endedAt: T0 + 5_000,
        end: "recovered",
        attempts: [attempt({ ...called, state: "self-resolved", verdict: "self-resolved" })],
      },
      ":large_green_circle: *api is healthy again after 5 s*: it was down; it recovered, and no remedy can claim it",
    ],
    [
      "recovered from what is not a word with is or has",
      { kind: "failing", endedAt: T0 + 5_000, end: "recovered" },
      ":large_green_circle: *api is healthy again after 5 s*: it answered with errors; it recovered by itself, nothing was done",
    ],
    [
      "could not be seen, and then was seen to be down",
      { kind: "inconclusive", endedAt: T0 + 5_000, end: "superseded" },
      ":white_circle: *api could not be seen from here*: what came then is an incident of its own",
    ],
    [
      "taken out of the config",
      { endedAt: T0 + 5_000, end: "target-removed" },
      ":large_green_circle: *api is no longer watched*: it left the configuration while it was ill",
    ],
  ])("%s", (_name, change, line) => {
    expect(firstLine(change)).toBe(line);
  });
});

describe("the message", () => {
  it("gives the beginning and the end with date, second and zone", () => {
    const shown = whole({ endedAt: T0 + 95_000, end: "recovered" });
    expect(shown).toContain("began 2026-11-25 03:11:02 UTC");
    expect(shown).toContain("over at 2026-11-25 03:12:37 UTC");
  });

  it("calls the person only while one is needed, and only where the message itself is what they hear", () => {
    const needsHuman = { at: T0, why: "restart did not help (attempt 1)" };
    expect(whole({ needsHuman })).toContain("<!here> *A person is needed*: restart did not help (attempt 1)");
    expect(whole({ needsHuman, endedAt: T0 + 1, end: "recovered" })).not.toContain("<!here>");
    expect(whole({})).not.toContain("<!here>");
  });

  it("lists what was tried and what came of it", () => {
    const attempts = [
      attempt({ ...called, state: "no-effect", verdict: "no-effect" }),
      attempt({ id: "att_api_2", state: "rejected", note: "Railway: not authorized" }),
      attempt({ id: "att_api_3", state: "abandoned", note: "paused" }),
      attempt({ id: "att_api_4" }),
    ];
    const shown = whole({ attempts });
    expect(shown).toContain("03:11:35 UTC  the restart of primary: did not help");
    expect(shown).toContain("was refused: Railway: not authorized");
    expect(shown).not.toContain("paused");
  });

  it("lets nothing from a target, a vendor or a person act in the channel", () => {
    const evil = "<!channel> <https://evil.test|click> @here `x`\n*A person is needed*: call evil";
    const attempts = [attempt({ state: "rejected", note: evil })];
    const shown = whole({
      why: evil,
      attempts,
      target: evil,
      site: evil,
      needsHuman: { at: T0, why: evil },
      lastRefusal: { guard: "x", text: evil, at: T0 },
      timeline: [entry(1, "opened", evil)],
    });
    const thread = renderThread(incident({ timeline: [entry(1, "opened", evil)] }), 0, undefined)?.text ?? "";
    for (const where of [shown, thread]) {
      expect(where).not.toMatch(/<!channel>|<https|@here/);
      expect(where).not.toMatch(/(\n|\\n)\*A person is needed\*: call evil/);
    }
  });

  it("stays within Slack's limits, however much there is to say", () => {
    const long = "&<>".repeat(5_000);
    const attempts = Array.from({ length: 40 }, () => attempt({ state: "rejected", note: long, ...called }));
    const timeline = Array.from({ length: 200 }, (_, index) => entry(index + 1, "attempt", long));
    const message = renderIncident(CONFIG, incident({ why: long, attempts, timeline }), T0, { withTimeline: true });
    expect(message.blocks.length).toBeLessThanOrEqual(50);
    for (const block of message.blocks.slice(0, -1)) expect(text(block).length).toBeLessThanOrEqual(3_000);
  });
});

describe("the thread", () => {
  it("has every entry once and in order, in replies of a readable length", () => {
    const timeline = Array.from({ length: 120 }, (_, index) =>
      entry(index + 1, "attempt", `step ${index + 1} ${"x".repeat(90)}`),
    );
    const steps: string[] = [];
    let seq = 0;
    for (let part = renderThread(incident({ timeline }), seq, undefined); part !== undefined; ) {
      expect(part.text.length).toBeLessThanOrEqual(3_900);
      expect(part.broadcast).toBe(false);
      steps.push(...part.text.split("\n").map((line) => /step \d+/.exec(line)?.[0] ?? ""));
      seq = part.seq;
      part = renderThread(incident({ timeline }), seq, undefined);
    }
    expect(steps).toEqual(timeline.map(({ seq }) => `step ${seq}`));
  });

  it("calls the person in a reply of its own, broadcast, with the mention", () => {
    const timeline = [
      entry(1, "opened", "down"),
      entry(2, "human", "restart did not help"),
      entry(3, "attempt", "restart"),
    ];
    const parts = [0, 1, 2].map((after) => renderThread(incident({ timeline }), after, "@here"));
    expect(parts.map((part) => part?.broadcast)).toEqual([false, true, false]);
    expect(parts[1]?.text).toContain("<!here> *api is down, and a person is needed*: restart did not help");
    expect(parts.map((part) => part?.seq)).toEqual([1, 2, 3]);
  });

  it("calls nobody for what is over, and only once for what has piled up", () => {
    const timeline = [entry(1, "opened", "down"), entry(2, "human", "first"), entry(3, "human", "second")];
    expect(renderThread(incident({ timeline }), 0, "@here")).toMatchObject({ broadcast: false, seq: 2 });
    expect(renderThread(incident({ timeline }), 2, "@here")).toMatchObject({ broadcast: true, seq: 3 });
    const over = incident({ timeline, endedAt: T0 + 10_000, end: "recovered" });
    expect(renderThread(over, 0, "@here")).toMatchObject({ broadcast: false, seq: 3 });
  });

  it("names the date where an entry is of another day", () => {
    const timeline = [entry(1, "opened", "down", T0), entry(2, "attempt", "restart", T0 + 86_400_000)];
    expect(renderThread(incident({ timeline }), 0, undefined)?.text).toBe(
      "`03:11:02 UTC` down\n`2026-11-26 03:11:02 UTC` restart",
    );
  });

  it("has nothing to add when nothing is new", () => {
    expect(renderThread(incident(), 1, undefined)).toBeUndefined();
  });
});
