import type { Config, TargetConfig } from "@neuropilot/config";
import type { Sample } from "@neuropilot/core";
import type { OutgoingEvent } from "@neuropilot/events";
import type { Prober } from "@neuropilot/probe";
import { createMemoryTable, createState } from "@neuropilot/store";
import type { Deps } from "./deps.ts";
import { runTick } from "./tick.ts";
import { wakeTarget } from "./wake.ts";

/** An installation for tests: the real use cases on a table in memory, watched from one place. */

export const START = 1_800_000_000_000;
const PAGE = { remedy: "page", times: 1 } as const;
const REMEDY = {
  mode: "auto",
  modeIsOpen: false,
  cooldownMs: 600_000,
  cooldownCapMs: 21_600_000,
  warmUpMs: 30_000,
  verifyMs: 300_000,
  followMs: 300_000,
} as const;

const target: TargetConfig = {
  id: "api",
  sites: [{ id: "primary", url: "https://api.example.com/health" }],
  method: "GET",
  headers: {},
  timeoutMs: 10_000,
  redirects: 0,
  allowPrivate: false,
  bodyCapBytes: 65_536,
  expect: [],
  rules: {
    down: { holdMs: 30_000, holdAloneMs: 90_000, reprobeMs: 5_000 },
    slow: { thresholdMs: 400, windowMs: 300_000, share: 0.6, minSamples: 15, minParts: 4 },
    failing: { rate: 0.05, windowMs: 120_000, minSamples: 20, minFailures: 3 },
    loaded: { memory: 0.85 },
    lagging: { alertMs: 2_000, pageMs: 10_000 },
    expiring: { days: 14 },
    suspicion: { forMs: 300_000 },
    recovery: { observations: 3 },
    inconclusive: { holdMs: 180_000 },
  },
  ladders: {
    inconclusive: [],
    expiring: [],
    blocked: [],
    misconfigured: [],
    lagging: [],
    loaded: [PAGE],
    slow: [PAGE],
    failing: [PAGE],
    down: [{ remedy: "restart", times: 3 }, PAGE],
  },
  remedies: { restart: REMEDY, "purge-cache": REMEDY, scale: REMEDY, failover: REMEDY, rollback: REMEDY },
  budget: { max: 4, perMs: 3_600_000 },
  maintenance: [],
};

export const config: Config = {
  schema: 1,
  name: "test",
  intervalMs: 60_000,
  reconcileMs: 60_000,
  vantages: ["east"],
  controls: { endpoints: [], allowPrivate: false, timeoutMs: 5_000 },
  probe: { concurrency: 10, shardSize: 50 },
  targets: [target],
  fleetBudget: { max: 6, perMs: 3_600_000 },
  fleetGuard: { share: 0.3, minTargets: 3, withinMs: 300_000 },
  healing: {
    callNotAfterMs: 150_000,
    callTimeoutMs: 10_000,
    clockSkewMs: 2_000,
    followPollMs: 5_000,
    maxEventAgeMs: 180_000,
    resetAfterHealthyMs: 86_400_000,
  },
  providers: { railway: { baseUrl: "" }, cloudflare: { baseUrl: "" }, slack: { baseUrl: "" } },
};

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
