import type { Config, IllKind, Remedy, RemedyPolicy, Rung, TargetConfig } from "@neuropilot/config";
import type { SeenWorld } from "./decide.ts";
import type { Health } from "./health.ts";
import type { Attempt, Incident } from "./item.ts";
import type { Outcome, Sample } from "./sample.ts";
import type { Scene } from "./scene.ts";
import type { View } from "./view.ts";
import { appendSamples, siteKey, type WindowItem } from "./window.ts";

/** Worlds for tests: the default policy, and windows filled with samples as vantages would. */

const RESTART: Rung = { remedy: "restart", times: 3 };
const PAGE: Rung = { remedy: "page", times: 1 };

export const LADDERS: Readonly<Record<IllKind, readonly Rung[]>> = {
  inconclusive: [],
  expiring: [],
  blocked: [],
  misconfigured: [],
  lagging: [],
  loaded: [PAGE],
  slow: [RESTART, PAGE],
  failing: [{ remedy: "purge-cache", times: 1 }, { remedy: "restart", times: 1 }, PAGE],
  down: [RESTART, PAGE],
};

export function remedyPolicy(change: Partial<RemedyPolicy> = {}): RemedyPolicy {
  return {
    mode: "auto",
    modeIsOpen: false,
    cooldownMs: 600_000,
    cooldownCapMs: 21_600_000,
    warmUpMs: 30_000,
    verifyMs: 300_000,
    followMs: 300_000,
    skipBelow: 0,
    ...change,
  };
}

export function targetConfig(change: Partial<TargetConfig> = {}): TargetConfig {
  const remedies: Record<Remedy, RemedyPolicy> = {
    restart: remedyPolicy(),
    "purge-cache": remedyPolicy({ warmUpMs: 10_000, verifyMs: 240_000 }),
    scale: remedyPolicy(),
    failover: remedyPolicy(),
    rollback: remedyPolicy(),
  };
  return {
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
    ladders: LADDERS,
    remedies,
    budget: { max: 4, perMs: 3_600_000 },
    maintenance: [],
    ...change,
  };
}

export function fleet(change: Partial<Config> = {}): Config {
  return {
    schema: 1,
    name: "test",
    intervalMs: 60_000,
    reconcileMs: 60_000,
    vantages: ["local"],
    controls: { endpoints: [], allowPrivate: false, timeoutMs: 5_000 },
    probe: { concurrency: 10, shardSize: 50 },
    targets: [targetConfig()],
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
    history: { keepMs: 30 * 86_400_000 },
    providers: {
      railway: { baseUrl: "http://railway.test" },
      cloudflare: { baseUrl: "http://cloudflare.test" },
      slack: { baseUrl: "http://slack.test" },
    },
    ...change,
  };
}

export function sampleAt(startedAt: number, outcome: Outcome = "ok", change: Partial<Sample> = {}): Sample {
  const good = outcome === "ok";
  return {
    startedAt,
    outcome,
    status: good ? 200 : 0,
    ttfbMs: good ? 40 : 0,
    totalMs: 50,
    tainted: false,
    reused: false,
    ...change,
  };
}

/** What a vantage holds after a tick at `tick` that added `samples` to what it held before. */
export function windowAfter(
  before: WindowItem | undefined,
  vantage: string,
  tick: number,
  samples: readonly Sample[],
  key = siteKey("api", "primary"),
): WindowItem {
  const held = before?.sites[key]?.samples ?? [];
  const now = samples.at(-1)?.startedAt ?? tick;
  const site = { samples: appendSamples(held, samples, now), view: "suspect", since: tick, tick };
  return {
    vantage,
    shard: "0",
    tick,
    step: 1,
    run: "run_test",
    at: now,
    ended: true,
    sites: { ...before?.sites, [key]: site },
  };
}

export function worldOf(windows: readonly WindowItem[], change: Partial<SeenWorld> = {}): SeenWorld {
  return {
    control: { global: {}, target: {} },
    budget: { target: {}, fleet: {} },
    heartbeats: windows.map((window) => ({
      vantage: window.vantage,
      shard: window.shard,
      tick: window.tick,
      at: window.at,
      controls: { answered: 2, total: 2 },
      ill: 0,
      total: 1,
    })),
    windows,
    told: {},
    ...change,
  };
}

/** A call of a restart that did not help, unless told otherwise. */
export function attemptOf(change: Partial<Attempt> = {}): Attempt {
  return {
    id: "att_api_1",
    remedy: "restart",
    site: "primary",
    kind: "down",
    state: "no-effect",
    token: 1,
    at: 0,
    because: "",
    mayHaveCalled: true,
    step: 0,
    ...change,
  };
}

export function incidentOf(change: Partial<Incident> = {}): Incident {
  return {
    id: "inc_api_1",
    target: "api",
    site: "primary",
    kind: "down",
    why: "refused",
    openedAt: 0,
    seq: 0,
    attempts: [],
    timeline: [],
    unavailable: [],
    ladderEnded: false,
    wouldHave: [],
    ...change,
  };
}

/** A moment at which the target's site is in this state. */
export function sceneOf(state: View, change: Partial<Scene> = {}): Scene {
  const target = targetConfig();
  const health: Health = { state, why: `it is ${state}`, views: {}, observation: 0 };
  const sites = { primary: health };
  return { policy: { config: fleet(), target }, world: worldOf([]), now: 0, sites, site: "primary", health, ...change };
}
