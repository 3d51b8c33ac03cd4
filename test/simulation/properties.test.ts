import { readFileSync } from "node:fs";
import { type healthOf, newTargetItem } from "@neuropilot/core";
import { healthObserved, type OutgoingEvent } from "@neuropilot/events";
import { describe, expect, it } from "vitest";
import { ABLATIONS } from "./ablations.ts";
import { Bus } from "./bus.ts";
import { Engine } from "./engine.ts";
import { Hazards } from "./hazards.ts";
import { PROPERTIES, violations } from "./invariants.ts";
import { START } from "./plan.ts";
import { policyOf } from "./policy.ts";
import { ofHealth } from "./properties/health.ts";
import { Watch } from "./watch.ts";
import { World } from "./world.ts";

/** Most properties are shown red by the ablations; here are those that no ablation can break. */
describe("a property notices what breaks it", () => {
  it("I9: a token that falls", () => {
    const watch = new Watch(policyOf(["east"]), () => undefined);
    const item = newTargetItem("api", START);
    watch.wrote({ ...item, tokens: 5 }, 100, { name: "decide", stale: false });
    watch.wrote({ ...item, tokens: 4 }, 100, { name: "decide", stale: false });
    expect(watch.breaches.map(({ property }) => property)).toEqual(["I9"]);
  });

  it("I7: health that depends on the order of windows", async () => {
    const world = new World(3, { hours: 0.1, focus: { vantages: 3 } });
    await world.run();
    expect(await ofHealth(world)).toEqual([]);
    const byFirst: typeof healthOf = (_config, _target, _site, { windows }) => ({
      state: windows[0]?.vantage === "east" ? "healthy" : "down",
      why: "",
      views: {},
      observation: 0,
    });
    expect((await ofHealth(world, byFirst)).map(({ property }) => property)).toContain("I7");
  });

  it("I17: an event that has hopped too often", () => {
    const breaches: string[] = [];
    const engine = new Engine(START);
    const hazards = new Hazards(
      1,
      {},
      () => engine.now,
      () => ({}),
    );
    const bus = new Bus(engine, hazards, false, {
      instancesOf: () => [],
      receive: () => undefined,
      breach: (property) => breaches.push(property),
    });
    const event = healthObserved.entry({
      v: 1,
      id: "evt_1",
      at: START,
      target: "api",
      cause: "test",
      hops: 3,
      vantage: "east",
      site: "primary",
      tick: START,
      view: "down",
      first: false,
    });
    bus.put(event);
    expect(breaches).toEqual([]);
    const further: OutgoingEvent = { ...event, detail: event.detail.replace('"hops":3', '"hops":4') };
    bus.put(further);
    expect(breaches).toEqual(["I17"]);
  });

  it("S1 and bug: an item that grew, and a function that threw", async () => {
    const world = new World(3, { hours: 0.05, faults: new Set() });
    await world.run();
    world.watch.breach("bug", "decide threw");
    world.watch.largest = 300_000;
    expect((await violations(world)).map(({ property, name }) => [property, name])).toEqual([
      ["bug", "no bug"],
      ["S1", "items stay small"],
    ]);
  });
});

it("every property has an id of its own, a name and a guarantee in one sentence", () => {
  expect(new Set(PROPERTIES.map(({ id }) => id)).size).toBe(PROPERTIES.length);
  for (const { name, guarantee } of PROPERTIES) {
    expect(name).toMatch(/^[a-z]/);
    expect(guarantee).toMatch(/^[^.]+\.$/);
  }
});

it("the documentation has every property and every ablation, in the words that are printed", () => {
  // A formatter may have padded the tables.
  const text = readFileSync(new URL("../../docs/simulation.md", import.meta.url), "utf8").replaceAll(/ +/g, " ");
  const rows = [
    ...PROPERTIES.map(({ id, name, guarantee }) => `| ${id} | ${name} | ${guarantee} |`),
    ...ABLATIONS.map(({ name, takesAway, caughtBy }) => `| \`${name}\` | ${takesAway} | ${caughtBy.join(", ")} |`),
  ];
  expect(rows.filter((row) => !text.includes(row))).toEqual([]);
});
