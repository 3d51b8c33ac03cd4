import { appendSamples, healthOf, type Sample, type SiteWindow } from "@neuropilot/core";
import { Chance } from "../engine.ts";
import type { Breach } from "../watch.ts";
import type { World } from "../world.ts";

/** Health is a function of the set of observations: their order and repetition change nothing. */
export async function ofHealth(world: World, judge: typeof healthOf = healthOf): Promise<Breach[]> {
  const { config, engine } = world;
  const chance = new Chance(world.seed);
  const windows = await world.plainState.readWindows(config.vantages.map((vantage) => ({ vantage, shard: "0" })));
  const heartbeats = await world.plainState.readHeartbeats();
  const shuffled = windows.map((window) => ({
    ...window,
    sites: Object.fromEntries(
      Object.entries(window.sites)
        .reverse()
        .map(([key, site]) => [key, again(chance, site, window.at)]),
    ),
  }));
  const others = { windows: mixed(chance, shuffled), heartbeats: mixed(chance, heartbeats) };
  return config.targets.flatMap((target) =>
    target.sites.flatMap(({ id }) => {
      const health = (sights: Parameters<typeof healthOf>[3]) => judge(config, target, id, sights, 0, engine.now);
      const [one, other] = [health({ windows, heartbeats }), health(others)];
      return one.state === other.state && one.observation === other.observation
        ? []
        : [{ property: "I7", text: `${target.id}/${id} is ${one.state}, and ${other.state} in another order` }];
    }),
  );
}

/** The same samples, come in another order. */
function again(chance: Chance, site: SiteWindow, at: number): SiteWindow {
  let samples: readonly Sample[] = [];
  const waiting = [...mixed(chance, site.samples)];
  while (waiting.length > 0) samples = appendSamples(samples, waiting.splice(0, chance.integer(1, 40)), at);
  return { ...site, samples };
}

function mixed<T>(chance: Chance, items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, at: chance.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
