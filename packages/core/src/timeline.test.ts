import { describe, expect, it } from "vitest";
import { incidentOf } from "./fixture.ts";
import { newTargetItem, type OutboxEntry, type TargetItem } from "./item.ts";
import { firstTime, shorten, withEntry, withHuman } from "./timeline.ts";

const NOW = 1_800_000_000_000;

function ill(id = "inc_api_1", change: Partial<TargetItem> = {}): TargetItem {
  return { ...newTargetItem("api", NOW), incident: incidentOf({ id, openedAt: NOW }), ...change };
}

describe("a text", () => {
  it.each([
    [0, 0],
    [299, 299],
    [300, 300],
    [301, 300],
    [9_000, 300],
  ])("of %s characters is kept as %s", (length, kept) => {
    const text = "x".repeat(length);
    expect(shorten(text)).toBe(kept === length ? text : `${"x".repeat(kept - 1)}…`);
  });
});

describe("a timeline", () => {
  it("numbers its entries and asks for people to be told of the newest", () => {
    const first = withEntry(ill(), NOW, "opened", "down");
    const second = withEntry(first, NOW + 5, "attempt", "z".repeat(400));
    expect(second.incident?.timeline).toEqual([
      { at: NOW, seq: 1, kind: "opened", text: "down" },
      { at: NOW + 5, seq: 2, kind: "attempt", text: `${"z".repeat(299)}…` },
    ]);
    expect(second.incident?.seq).toBe(2);
    expect(second.outbox).toEqual({
      "incident:inc_api_1": { kind: "incident.changed", incident: "inc_api_1", seq: 2, at: NOW + 5 },
    });
  });

  it.each([
    [99, 99],
    [100, 100],
    [101, 100],
    [150, 100],
  ])("of %s entries keeps %s: how it began and where it stands", (count, kept) => {
    let item = ill();
    for (let index = 0; index < count; index++) item = withEntry(item, NOW, "changed", `entry ${index + 1}`);
    const texts = item.incident?.timeline.map(({ text }) => text) ?? [];
    expect(texts.length).toBe(kept);
    expect(texts.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, index) => `entry ${index + 1}`));
    expect(texts.slice(20)).toEqual(
      Array.from({ length: kept - 20 }, (_, index) => `entry ${count - kept + 21 + index}`),
    );
  });

  it("is not begun without an incident", () => {
    const { incident: _, ...well } = ill();
    expect(withEntry(well, NOW, "changed", "x")).toBe(well);
    expect(withHuman(well, NOW, "x")).toBe(well);
  });

  it("says why a person is needed, in the entry and in the incident", () => {
    const why = "w".repeat(400);
    const { incident } = withHuman(ill(), NOW, why);
    expect(incident?.needsHuman).toEqual({ at: NOW, why: `${"w".repeat(299)}…` });
    expect(incident?.timeline).toEqual([{ at: NOW, seq: 1, kind: "human", text: `${"w".repeat(299)}…` }]);
  });
});

describe("people who were told of nothing yet", () => {
  const request: OutboxEntry = {
    kind: "remediation.requested",
    attempt: "att_api_1",
    remedy: "restart",
    site: "primary",
    at: NOW,
  };
  const untold = (count: number): Record<string, OutboxEntry> =>
    Object.fromEntries(
      Array.from({ length: count }, (_, index) => [
        `incident:inc_api_${index + 1}`,
        { kind: "incident.changed" as const, incident: `inc_api_${index + 1}`, seq: 1, at: NOW },
      ]),
    );

  it.each([
    [99, 100, "inc_api_1"],
    [100, 100, "inc_api_2"],
    [130, 100, "inc_api_32"],
  ])("of %s incidents hear of the newest %s, and every request stays", (before, kept, oldest) => {
    const item = ill("inc_api_now", { outbox: { "request:att_api_1": request, ...untold(before) } });
    const { outbox } = withEntry(item, NOW, "opened", "down");
    const changes = Object.values(outbox).flatMap((entry) => (entry.kind === "incident.changed" ? entry.incident : []));
    expect(changes.length).toBe(kept);
    expect(changes[0]).toBe(oldest);
    expect(changes.at(-1)).toBe("inc_api_now");
    expect(outbox["request:att_api_1"]).toBe(request);
  });
});

describe("what is told once", () => {
  it("is news the first time in an incident, and never without one", () => {
    const once = firstTime(ill(), "paused:restart");
    const twice = firstTime(once.item, "paused:restart");
    const other = firstTime(twice.item, "cooldown:restart");
    expect([once.first, twice.first, other.first]).toEqual([true, false, true]);
    expect(other.item.incident?.said).toEqual(["paused:restart", "cooldown:restart"]);
    const { incident: _, ...well } = ill();
    expect(firstTime(well, "paused:restart")).toEqual({ item: well, first: false });
  });
});
