import type { Sample } from "@neuropilot/core";
import { fleet, LADDERS, remedyPolicy, targetConfig } from "@neuropilot/core/fixture";
import type { OutgoingEvent } from "@neuropilot/events";
import type { Prober } from "@neuropilot/probe";
import { createMemoryTable, createState } from "@neuropilot/store";
import type { Deps } from "./deps.ts";
import { runTick } from "./tick.ts";
import { wakeTarget } from "./wake.ts";

/** An installation for tests: the real use cases on a table in memory, watched from one place. */

export const START = 1_800_000_000_000;
const PAGE = { remedy: "page", times: 1 } as const;

const target = targetConfig({
  ladders: { ...LADDERS, slow: [PAGE], failing: [PAGE] },
  remedies: {
    restart: remedyPolicy(),
    "purge-cache": remedyPolicy(),
    scale: remedyPolicy(),
    failover: remedyPolicy(),
    rollback: remedyPolicy(),
  },
});

export const config = fleet({ vantages: ["east"], targets: [target] });

/** What is seen at a URL; a control is looked at like any other. */
type Seen = Sample["outcome"] | ((url: string) => Sample["outcome"]);

/** One installation in memory: time passes only where something sleeps. */
export function install(change: Partial<Deps> = {}) {
  const published: OutgoingEvent[] = [];
  const time = { now: START };
  let ids = 0;
  const deps: Deps = {
    config,
    state: createState(createMemoryTable()),
    publish: async (events) => {
      published.push(...events);
      return { sent: events.length, failed: [] };
    },
    clock: () => time.now,
    sleep: async (ms) => {
      time.now += Math.ceil(ms);
    },
    newId: (prefix) => `${prefix}${++ids}`,
    log: () => undefined,
    channels: ["slack"],
    ...change,
  };
  const prober = (seen: Seen): Prober => ({
    open: ({ url }) => ({
      sample: async () => {
        const outcome = typeof seen === "string" ? seen : seen(url);
        const status = outcome === "ok" ? 200 : 0;
        return { startedAt: time.now, outcome, status, ttfbMs: 40, totalMs: 50, tainted: false, reused: false };
      },
      close: () => undefined,
    }),
  });
  const tick = async (outcome: Seen, only?: { target: string; site: string }) => {
    const at = time.now;
    const request = { vantage: "east", shard: "0", tick: at, ...(only === undefined ? {} : { only }) };
    const report = await runTick(deps, prober(outcome), request);
    await wakeTarget(deps, "api", { kind: "wake", at: time.now, cause: "test" });
    return report;
  };
  /** Ticks until a restart is claimed; answers its attempt. */
  const breakDown = async () => {
    for (let round = 0; round < 5; round++) {
      await tick("refused");
      time.now = Math.max(time.now, START + (round + 1) * 60_000);
      const { incident } = await deps.state.readTarget("api", time.now);
      const claimed = incident?.attempts.find((attempt) => attempt.state === "claimed");
      if (claimed !== undefined) return claimed.id;
    }
    throw new Error("nothing was claimed");
  };
  const names = () => published.map((event) => event.detailType);
  return { deps, time, published, tick, breakDown, names };
}
