import type { Config, IllKind, Remedy, RemedyPolicy, Rung, TargetConfig } from "@neuropilot/config";

const RESTART: Rung = { remedy: "restart", times: 3 };
const PAGE: Rung = { remedy: "page", times: 1 };

export const LADDERS: Readonly<Record<IllKind, readonly Rung[]>> = {
  inconclusive: [],
  expiring: [],
  blocked: [],
  misconfigured: [],
  lagging: [],
  loaded: [PAGE],
  slow: [RESTART, { remedy: "failover", times: 1 }, PAGE],
  failing: [{ remedy: "purge-cache", times: 1 }, { remedy: "restart", times: 1 }, PAGE],
  down: [RESTART, PAGE],
};

function remedy(change: Partial<RemedyPolicy> = {}): RemedyPolicy {
  return {
    mode: "auto",
    modeIsOpen: false,
    cooldownMs: 600_000,
    cooldownCapMs: 21_600_000,
    warmUpMs: 30_000,
    verifyMs: 300_000,
    followMs: 300_000,
    ...change,
  };
}

/** One target under the default rules, watched from so many vantages. */
export function policyOf(vantages: readonly string[], change: Partial<TargetConfig> = {}): Config {
  const remedies: Record<Remedy, RemedyPolicy> = {
    restart: remedy(),
    "purge-cache": remedy({ warmUpMs: 10_000 }),
    scale: remedy(),
    failover: remedy(),
    rollback: remedy(),
  };
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
    ladders: LADDERS,
    remedies,
    budget: { max: 4, perMs: 3_600_000 },
    maintenance: [],
    ...change,
  };
  return {
    schema: 1,
    name: "simulation",
    intervalMs: 60_000,
    reconcileMs: 60_000,
    vantages,
    controls: {
      endpoints: [
        { id: "one", url: "https://one.example.net" },
        { id: "two", url: "https://two.example.net" },
      ],
      allowPrivate: false,
      timeoutMs: 5_000,
    },
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
    providers: {
      railway: { baseUrl: "https://railway.example.com" },
      cloudflare: { baseUrl: "https://cloudflare.example.com" },
      slack: { baseUrl: "https://slack.example.com" },
    },
  };
}
