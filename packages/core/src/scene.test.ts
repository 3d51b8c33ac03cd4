import { describe, expect, it } from "vitest";
import { fleet, incidentOf, sampleAt, targetConfig, windowAfter, worldOf } from "./fixture.ts";
import { newTargetItem, type TargetItem } from "./item.ts";
import type { Outcome } from "./sample.ts";
import { type Draft, isNews, lookAt, needHuman, say, see } from "./scene.ts";
import { siteKey } from "./window.ts";

const NOW = 1_800_000_000_000;
const SITES = ["primary", "secondary"].map((id) => ({ id, url: `https://${id}.example.com/health` }));
const target = targetConfig({ sites: SITES });
const policy = { config: fleet({ targets: [target] }), target };
const INCIDENT = incidentOf({ openedAt: NOW });

/** What each site shows: good, bad for two minutes, or a certificate that ends. */
type Look = "well" | "down" | "expiring";

function seen(looks: Readonly<Record<string, Look>>, change: Partial<TargetItem> = {}, under = policy) {
  const samples = (look: Look) => {
    const outcome: Outcome = look === "down" ? "refused" : "ok";
    return Array.from({ length: 23 }, (_, index) =>
      sampleAt(NOW - 115_000 + index * 5_000, outcome, look === "expiring" ? { certificateDays: 2 } : {}),
    );
  };
  const windows = Object.entries(looks).map(([site, look], index) => {
    const window = windowAfter(undefined, "local", NOW - 55_000, samples(look), siteKey("api", site));
    return { ...window, shard: String(index) };
  });
  return see(under, { ...newTargetItem("api", NOW), ...change }, worldOf(windows), NOW);
}

describe("the site that matters", () => {
  it.each<[string, Readonly<Record<string, Look>>, Partial<TargetItem>, string, string]>([
    ["is the first when all are well", { primary: "well", secondary: "well" }, {}, "primary", "healthy"],
    ["is the one that is ill", { primary: "well", secondary: "down" }, {}, "secondary", "down"],
    ["is the first of two that are ill", { primary: "down", secondary: "down" }, {}, "primary", "down"],
    [
      "is one whose certificate ends, where nothing else is wrong",
      { primary: "well", secondary: "expiring" },
      {},
      "secondary",
      "expiring",
    ],
    [
      "is what is wrong now, before a certificate that ends in days",
      { primary: "expiring", secondary: "down" },
      {},
      "secondary",
      "down",
    ],
    [
      "is the incident's, whatever is wrong elsewhere",
      { primary: "well", secondary: "down" },
      { incident: INCIDENT },
      "primary",
      "healthy",
    ],
    ["is the first when nothing can be seen", {}, {}, "primary", "inconclusive"],
  ])("%s", (_name, looks, change, site, state) => {
    const scene = seen(looks, change);
    expect([scene.site, scene.health.state]).toEqual([site, state]);
    expect(Object.keys(scene.sites)).toEqual(["primary", "secondary"]);
  });

  it("that left the config is not known to be ill", () => {
    const scene = seen({ primary: "down" }, { incident: { ...INCIDENT, site: "gone" } });
    expect(scene.site).toBe("gone");
    expect(scene.health).toEqual({
      state: "inconclusive",
      why: "the site is no longer in the config",
      views: {},
      observation: 0,
    });
    expect(lookAt(scene, "primary").health.state).toBe("down");
    expect(lookAt(scene, "nowhere").health.state).toBe("inconclusive");
  });

  it("has no name where the config has no sites", () => {
    const none = targetConfig({ sites: [] });
    const scene = seen({}, {}, { config: fleet({ targets: [none] }), target: none });
    expect([scene.site, scene.health.state]).toEqual(["", "inconclusive"]);
  });
});

describe("what counts after a remedy", () => {
  const healing = (change: Partial<TargetItem>) => seen({ primary: "down", secondary: "down" }, change);

  it("at the incident's site are samples from after it, and everything at the others", () => {
    const scene = healing({ evidenceFrom: NOW - 8_000, incident: INCIDENT });
    expect(scene.sites.primary?.state).toBe("suspect");
    expect(scene.sites.secondary?.state).toBe("down");
  });

  it("at the site that was looked at last, where no incident is open", () => {
    const scene = healing({
      evidenceFrom: NOW - 8_000,
      health: { state: "down", since: NOW, why: "", site: "secondary" },
    });
    expect(scene.sites.primary?.state).toBe("down");
    expect(scene.sites.secondary?.state).toBe("suspect");
  });

  it("is what was seen before, until the vendor's work is over", () => {
    expect(healing({ evidenceFrom: NOW + 1, incident: INCIDENT }).sites.primary?.state).toBe("down");
    expect(healing({ evidenceFrom: NOW, incident: INCIDENT }).sites.primary?.state).toBe("inconclusive");
  });
});

describe("what is said", () => {
  const draft = (change: Partial<TargetItem> = {}): Draft => ({
    item: { ...newTargetItem("api", NOW), ...change },
    because: [],
  });

  it("stands in the reasons and in the timeline", () => {
    const made = draft({ incident: INCIDENT });
    say(made, NOW, "refused", "restart was not done");
    needHuman(made, NOW, "restart did not help");
    expect(made.because).toEqual(["refused: restart was not done", "human: restart did not help"]);
    expect(made.item.incident?.timeline.map(({ kind, text }) => [kind, text])).toEqual([
      ["refused", "restart was not done"],
      ["human", "restart did not help"],
    ]);
    expect([isNews(made, "x"), isNews(made, "x")]).toEqual([true, false]);
  });

  it("is nothing without an incident", () => {
    const made = draft();
    const { item } = made;
    say(made, NOW, "refused", "x");
    needHuman(made, NOW, "x");
    expect(made).toEqual({ item, because: [] });
    expect(isNews(made, "x")).toBe(false);
  });
});
