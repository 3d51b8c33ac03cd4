import { describe, expect, it } from "vitest";
import type { Explained } from "./explain.ts";
import { withTimeline } from "./explain-timeline.ts";
import { incidentOf } from "./fixture.ts";
import type { TimelineEntry } from "./item.ts";

const decided = (n: number, at: number, because: readonly string[] = []): Explained => ({
  kind: "decision",
  n,
  at,
  input: { kind: "reconcile", at },
  site: "primary",
  health: "down",
  seen: [],
  because,
  verified: [],
  comparison: { kind: "same" },
});
const step = (n: number, at: number): Explained => ({ kind: "step", n, at, attempt: "att_api_1", state: "calling" });
const unread = (n: number): Explained => ({ kind: "unreadable", n, problem: "x" });
const entry = (at: number, text: string): TimelineEntry => ({ at, seq: at, kind: "attempt", text });
const telling = (at: number) => ({ channel: "slack", at, text: `as of ${at}` });
const withEntries = (...timeline: readonly TimelineEntry[]) => incidentOf({ timeline });

/** In short: the entry's number, or the time of what stands between. */
const order = (told: ReturnType<typeof withTimeline>) =>
  told.map((one) => ("n" in one ? `#${one.n}` : `${one.kind} ${one.at}`));

describe("a story with its timeline", () => {
  it("puts what remedies said and what people were told between the entries, by time", () => {
    const story = [decided(1, 10), step(2, 20), step(3, 20), decided(4, 40)];
    const told = withTimeline(story, withEntries(entry(20, "accepted"), entry(30, "over"), entry(50, "late")), [
      telling(40),
      telling(5),
      telling(15),
    ]);
    expect(order(told)).toEqual([
      "told 5",
      "#1",
      "told 15",
      "#2",
      "#3",
      "said 20",
      "said 30",
      "#4",
      "told 40",
      "said 50",
    ]);
    expect(told[5]).toEqual({ kind: "said", at: 20, what: "attempt", text: "accepted" });
    expect(told[0]).toEqual({ kind: "told", channel: "slack", at: 5, text: "as of 5" });
  });

  it("tells once what a decision gave as its reason, also where the timeline had to cut it", () => {
    const long = "y".repeat(400);
    const cut = `${long.slice(0, 299)}…`;
    const story = [decided(1, 10, ["attempt: claimed", `attempt: ${long}`, "refused: cut"])];
    const said = withTimeline(story, withEntries(entry(10, "claimed"), entry(10, cut), entry(10, "cut")), []);
    expect(order(said)).toEqual(["#1", "said 10"]);
    expect(said[1]).toMatchObject({ text: "cut" });
  });

  it("keeps the order of the log where an entry cannot be read, and a clock went back", () => {
    const story = [unread(1), decided(2, 30), unread(3), decided(4, 10)];
    expect(order(withTimeline(story, withEntries(entry(20, "x")), [telling(30)]))).toEqual([
      "#1",
      "said 20",
      "#2",
      "#3",
      "#4",
      "told 30",
    ]);
    expect(order(withTimeline([], withEntries(), []))).toEqual([]);
  });
});
