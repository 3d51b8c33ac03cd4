import type { z } from "zod";
import type { IllKind, Remedy, Rung } from "./resolved.ts";
import {
  type ConfigInput,
  configSchema,
  type ParsedConfig,
  type ParsedTarget,
  type remedies,
  type rules,
  type Written,
} from "./schema.ts";

/** The same with every field there, however deep. */
export type Complete<T> = T extends readonly unknown[] | string | number | boolean | null
  ? T
  : T extends object
    ? { [K in keyof T]-?: Complete<Exclude<T[K], undefined>> }
    : T;

type RemediesInput = Written<typeof remedies>;
type Timing = Omit<Complete<Exclude<RemediesInput["restart"], undefined>>, "mode">;

interface DefaultInput
  extends Complete<
      Pick<ConfigInput, "name" | "interval" | "reconcileInterval" | "mode" | "rules" | "controls" | "probe">
    >,
    Complete<Pick<ConfigInput, "fleetBudget" | "fleetGuard" | "healing" | "history">> {
  readonly vantages: string[];
  readonly remedies: Record<Remedy, Timing>;
  readonly providers: Record<"railway" | "cloudflare" | "slack", { readonly baseUrl: string }>;
}

/** Every default of the config, as one would write it. docs/configuration.md is checked against it. */
export const DEFAULTS: DefaultInput = {
  name: "neuropilot",
  interval: "60s",
  reconcileInterval: "60s",
  vantages: ["local"],
  mode: "observe",
  controls: {
    // Three owners, so that the trouble of one does not make us blind. Each is made to be asked by anyone.
    endpoints: [
      { id: "cloudflare", url: "https://www.cloudflare.com/cdn-cgi/trace" },
      { id: "google", url: "https://www.google.com/generate_204" },
      { id: "mozilla", url: "https://detectportal.firefox.com/success.txt" },
    ],
    allowPrivate: false,
    timeout: "5s",
  },
  probe: { concurrency: 10, shardSize: 50 },
  rules: {
    down: { hold: "30s", holdAlone: "90s", reprobe: "5s" },
    slow: { threshold: "400ms", window: "5m", share: "60%", minSamples: 15, minParts: 4 },
    failing: { rate: "5%", window: "2m", minSamples: 20, minFailures: 4 },
    loaded: { memory: "85%" },
    lagging: { alert: "2s", page: "10s" },
    expiring: { days: 14 },
    suspicion: { for: "5m" },
    recovery: { observations: 3 },
    inconclusive: { hold: "3m" },
  },
  remedies: {
    restart: { cooldown: "10m", cooldownCap: "6h", warmUp: "30s", verify: "5m", follow: "5m", skipBelow: 0 },
    // A purge sends every visitor to the origin at once: rarely.
    "purge-cache": { cooldown: "1h", cooldownCap: "6h", warmUp: "10s", verify: "5m", follow: "5m", skipBelow: 0 },
    scale: { cooldown: "10m", cooldownCap: "6h", warmUp: "1m", verify: "5m", follow: "5m", skipBelow: 0 },
    // Hard to undo: longer apart than the partitions that pass by themselves.
    failover: { cooldown: "1h", cooldownCap: "6h", warmUp: "1m", verify: "5m", follow: "5m", skipBelow: 0 },
    rollback: { cooldown: "1h", cooldownCap: "6h", warmUp: "1m", verify: "5m", follow: "5m", skipBelow: 0 },
  },
  fleetBudget: { max: 6, per: "1h" },
  fleetGuard: { share: "30%", minTargets: 3, within: "5m" },
  healing: {
    callNotAfter: "150s",
    callTimeout: "10s",
    clockSkew: "2s",
    followPoll: "5s",
    maxEventAge: "180s",
    resetAfterHealthy: "24h",
  },
  history: { keepDays: 30 },
  providers: {
    railway: { baseUrl: "https://backboard.railway.com/graphql/v2" },
    cloudflare: { baseUrl: "https://api.cloudflare.com/client/v4" },
    slack: { baseUrl: "https://slack.com/api" },
  },
};

/** Defaults of a target that are not the config's own. */
export const TARGET_DEFAULTS = {
  method: "GET",
  headers: {},
  expect: { status: "2xx" },
  timeout: "10s",
  redirects: 0,
  allowPrivate: false,
  allowPunycode: false,
  bodyCap: "64kB",
  // The ladders' four calls for one outage fit within the hour; a flapping target's do not.
  budget: { max: 4, per: "1h" },
} as const satisfies Partial<ConfigInput["targets"][number]>;

const PAGE: Rung = { remedy: "page", times: 1 };
const RESTART: Rung = { remedy: "restart", times: 3 };
const FAILOVER: Rung = { remedy: "failover", times: 1 };

/** The ladders before what a target cannot do is left out. An empty one tells people and calls nothing. */
export const LADDERS: Readonly<Record<IllKind, readonly Rung[]>> = {
  down: [FAILOVER, RESTART, PAGE],
  slow: [RESTART, FAILOVER, PAGE],
  failing: [{ remedy: "purge-cache", times: 1 }, { remedy: "restart", times: 1 }, PAGE],
  loaded: [{ remedy: "scale", times: 1 }, PAGE],
  lagging: [],
  misconfigured: [],
  blocked: [],
  expiring: [],
  inconclusive: [],
};

export type CompleteRules = Complete<z.output<typeof rules>>;
export type CompleteTimings = Record<
  Remedy,
  Omit<Complete<Exclude<z.output<typeof remedies>["restart"], undefined>>, "mode">
>;

type Single = "name" | "interval" | "reconcileInterval" | "mode" | "vantages" | "controls" | "probe";
type Settings = Complete<Pick<ParsedConfig, Single | "fleetBudget" | "fleetGuard" | "healing" | "history">> & {
  readonly rules: CompleteRules;
  readonly remedies: CompleteTimings;
  readonly providers: Record<"railway" | "cloudflare" | "slack", { readonly baseUrl: string }>;
};
type TargetSettings = Complete<Pick<ParsedTarget, Exclude<keyof typeof TARGET_DEFAULTS, "expect" | "headers">>>;

/** DEFAULTS names every field (its type says so), so nothing is missing once the schema has read it. */
function readDefaults(): { readonly config: Settings; readonly target: TargetSettings } {
  const parsed = configSchema.parse({
    ...DEFAULTS,
    targets: [{ ...TARGET_DEFAULTS, id: "defaults", url: "https://example.com" }],
  });
  return { config: parsed as Settings, target: parsed.targets[0] as TargetSettings };
}

export const READ_DEFAULTS = readDefaults();

/** Any part of it, however deep. */
export type Partly<T> = T extends readonly unknown[] | string | number | boolean | null
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: Partly<T[K]> | undefined }
    : T;

/** A value with what the changes name in its place, the later ones over the earlier; lists are replaced whole. */
export function overlay<T extends object>(base: T, ...changes: readonly (Partly<NoInfer<T>> | undefined)[]): T {
  const result = new Map<string, unknown>(Object.entries(base));
  for (const change of changes)
    for (const [key, value] of Object.entries(change ?? {})) {
      if (value === undefined) continue;
      const under = result.get(key);
      result.set(key, isPlain(under) && isPlain(value) ? overlay<Record<string, unknown>>(under, value) : value);
    }
  // Every key of `base` is there, and a change has only parts of T.
  return Object.fromEntries(result) as T;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
