import { type CompleteRules, LADDERS, overlay, type Partly, READ_DEFAULTS } from "./defaults.ts";
import type { Override, ReadEnvironment } from "./environment-variables.ts";
import {
  type Config,
  type Expectation,
  ILL_KINDS,
  type IllKind,
  type MaintenanceWindow,
  REMEDIES,
  type Remedy,
  type RemedyPolicy,
  type Rules,
  type Rung,
  type SiteConfig,
  type TargetConfig,
} from "./resolved.ts";
import type { ParsedConfig, ParsedTarget } from "./schema.ts";

/** What this version has a function for; a rung for anything else would wait for a call that nobody makes. */
const CARRIED_OUT: ReadonlySet<Remedy> = new Set(["restart", "purge-cache"]);
/** The longest that one look may take out of the interval by default, so that a second one fits into the tick. */
const LOOK_SHARE = 0.5;

const DAY_MS = 86_400_000;
const PAGE: Rung = { remedy: "page", times: 1 };
const WEEKDAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"] as const;

/** Puts defaults and the environment's overrides in. The result holds only if `findConflicts` has nothing to say about it. */
export function fillConfig(parsed: ParsedConfig, overrides: ReadEnvironment["overrides"]): Config {
  const values = overrides.map(({ value }) => value);
  const base = READ_DEFAULTS.config;
  const intervalMs = values.findLast((value) => value.kind === "interval")?.ms ?? parsed.interval ?? base.interval;
  const controls = overlay(base.controls, parsed.controls);
  const healing = overlay(base.healing, parsed.healing);
  const fleetBudget = overlay(base.fleetBudget, parsed.fleetBudget);
  const fleetGuard = overlay(base.fleetGuard, parsed.fleetGuard);
  const { slack, railway, cloudflare } = parsed.providers ?? {};
  return {
    schema: 1,
    name: parsed.name ?? base.name,
    intervalMs,
    reconcileMs: parsed.reconcileInterval ?? base.reconcileInterval,
    vantages: parsed.vantages ?? base.vantages,
    controls: {
      endpoints: controls.endpoints,
      allowPrivate: controls.allowPrivate,
      timeoutMs: parsed.controls?.timeout ?? Math.min(base.controls.timeout, intervalMs * LOOK_SHARE),
    },
    probe: overlay(base.probe, parsed.probe),
    targets: parsed.targets.map((target) => fillTarget(parsed, target, intervalMs, values)),
    fleetBudget: { max: fleetBudget.max, perMs: fleetBudget.per },
    fleetGuard: { share: fleetGuard.share, minTargets: fleetGuard.minTargets, withinMs: fleetGuard.within },
    healing: {
      callNotAfterMs: healing.callNotAfter,
      callTimeoutMs: healing.callTimeout,
      clockSkewMs: healing.clockSkew,
      followPollMs: healing.followPoll,
      maxEventAgeMs: healing.maxEventAge,
      resetAfterHealthyMs: healing.resetAfterHealthy,
    },
    history: { keepMs: overlay(base.history, parsed.history).keepDays * DAY_MS },
    providers: {
      railway: { baseUrl: railway?.baseUrl ?? base.providers.railway.baseUrl },
      cloudflare: { baseUrl: cloudflare?.baseUrl ?? base.providers.cloudflare.baseUrl },
      slack: {
        baseUrl: slack?.baseUrl ?? base.providers.slack.baseUrl,
        ...(slack?.channel === undefined ? {} : { channel: slack.channel }),
        ...(slack?.mention === undefined ? {} : { mention: slack.mention }),
      },
    },
  };
}

function fillTarget(
  parsed: ParsedConfig,
  target: ParsedTarget,
  intervalMs: number,
  overrides: readonly Override[],
): TargetConfig {
  const base = READ_DEFAULTS.target;
  const budget = overlay(base.budget, target.budget);
  const sites = fillSites(target);
  return {
    id: target.id,
    sites,
    method: target.method ?? base.method,
    headers: target.headers ?? {},
    timeoutMs: target.timeout ?? Math.min(base.timeout, intervalMs * LOOK_SHARE),
    redirects: target.redirects ?? base.redirects,
    allowPrivate: target.allowPrivate ?? base.allowPrivate,
    bodyCapBytes: target.bodyCap ?? base.bodyCap,
    expect: fillExpectations(target.expect),
    rules: fillRules(parsed, target, overrides),
    ladders: fillLadders(target, sites),
    remedies: fillRemedies(parsed, target, overrides),
    budget: { max: budget.max, perMs: budget.per },
    maintenance: [...(parsed.maintenance ?? []), ...(target.maintenance ?? [])].map(fillWindow),
  };
}

function fillSites(target: ParsedTarget): readonly SiteConfig[] {
  const { url, railway, cloudflare } = target;
  const sites = target.sites ?? (url === undefined ? [] : [{ id: "primary", url, railway, cloudflare }]);
  return sites.map((site) => ({
    id: site.id,
    url: site.url,
    ...(site.railway === undefined ? {} : { railway: site.railway }),
    ...(site.cloudflare === undefined
      ? {}
      : { cloudflare: { zoneId: site.cloudflare.zoneId, purge: fillPurge(site.url, site.cloudflare.purge) } }),
  }));
}

type Purge = Exclude<SiteConfig["cloudflare"], undefined>["purge"];

function fillPurge(url: string, purge: { [K in keyof Purge]?: Purge[K] | undefined } | undefined): Purge {
  if (purge === undefined) return { tags: [], hosts: [new URL(url).hostname], prefixes: [], everything: false };
  const { tags = [], hosts = [], prefixes = [], everything = false } = purge;
  return { tags, hosts, prefixes, everything };
}

/** `certificateDays` is no expectation of the answer: a failed one may lead to a restart, which renews no certificate. */
function fillExpectations(expect: ParsedTarget["expect"]): readonly Expectation[] {
  const { status, body, json, header } = expect ?? {};
  return [
    { kind: "status", anyOf: status ?? [{ from: 200, to: 299 }] },
    ...(body === undefined ? [] : [{ kind: "body-contains" as const, text: body }]),
    ...(json === undefined ? [] : [{ kind: "json" as const, ...json }]),
    ...(header === undefined ? [] : [{ kind: "header" as const, ...header }]),
  ];
}

function fillRules(parsed: ParsedConfig, target: ParsedTarget, overrides: readonly Override[]): Rules {
  const days = target.expect?.certificateDays;
  const expiring = days === undefined ? undefined : { expiring: { days } };
  const { down, slow, failing, loaded, lagging, suspicion, recovery, inconclusive, ...rest } = overlay(
    READ_DEFAULTS.config.rules,
    parsed.rules,
    expiring,
    target.rules,
    ...overrides.map(ruleChange),
  );
  return {
    down: { holdMs: down.hold, holdAloneMs: down.holdAlone, reprobeMs: down.reprobe },
    slow: {
      thresholdMs: slow.threshold,
      windowMs: slow.window,
      share: slow.share,
      minSamples: slow.minSamples,
      minParts: slow.minParts,
    },
    failing: {
      rate: failing.rate,
      windowMs: failing.window,
      minSamples: failing.minSamples,
      minFailures: failing.minFailures,
    },
    loaded,
    lagging: { alertMs: lagging.alert, pageMs: lagging.page },
    expiring: rest.expiring,
    suspicion: { forMs: suspicion.for },
    recovery,
    inconclusive: { holdMs: inconclusive.hold },
  };
}

function ruleChange(override: Override): Partly<CompleteRules> {
  switch (override.kind) {
    case "slow-threshold":
      return { slow: { threshold: override.ms } };
    case "error-rate":
      return { failing: { rate: override.rate } };
    case "lag-alert":
      return { lagging: { alert: override.ms } };
    case "memory":
      return { loaded: { memory: override.rate } };
    case "interval":
    case "switch":
      return {};
  }
}

function fillRemedies(
  parsed: ParsedConfig,
  target: ParsedTarget,
  overrides: readonly Override[],
): Readonly<Record<Remedy, RemedyPolicy>> {
  const policy = (remedy: Remedy): RemedyPolicy => {
    const own = target.remedies?.[remedy];
    const common = parsed.remedies?.[remedy];
    const timing = overlay(READ_DEFAULTS.config.remedies[remedy], common, own);
    // What the target says comes before what the config says; in each, the remedy before the rest.
    const named = own?.mode ?? target.mode ?? common?.mode ?? parsed.mode;
    const turned = overrides.findLast((value) => value.kind === "switch" && value.remedy === remedy);
    const on = turned?.kind === "switch" ? turned.on : undefined;
    return {
      mode: on === false ? "observe" : (named ?? (on === true ? "auto" : "observe")),
      modeIsOpen: named === undefined,
      cooldownMs: timing.cooldown,
      cooldownCapMs: timing.cooldownCap,
      warmUpMs: timing.warmUp,
      verifyMs: timing.verify,
      followMs: timing.follow,
      skipBelow: timing.skipBelow,
    };
  };
  return {
    restart: policy("restart"),
    "purge-cache": policy("purge-cache"),
    scale: policy("scale"),
    failover: policy("failover"),
    rollback: policy("rollback"),
  };
}

function fillWindow(window: Exclude<ParsedTarget["maintenance"], undefined>[number]): MaintenanceWindow {
  const { weekly, from, to, reason } = window;
  if (weekly === undefined) return { fromMs: from.ms, toMs: to.ms, reason };
  const weekdays = [...new Set(weekly.map((day) => WEEKDAYS.indexOf(day)))].sort();
  return { weekdays, fromOfDayMs: from.ms, toOfDayMs: to.ms, reason };
}

/** Why none of these sites can have a remedy; undefined where at least one can. */
export function whyNot(remedy: Remedy, sites: readonly SiteConfig[]): string | undefined {
  if (remedy === "failover" && sites.length < 2) return "there is no second site";
  if (remedy !== "purge-cache" && remedy !== "failover" && sites.every((site) => site.railway === undefined))
    return "no railway is configured";
  if (remedy === "purge-cache" && sites.every((site) => site.cloudflare === undefined))
    return "no cloudflare zone is configured";
  return CARRIED_OUT.has(remedy) ? undefined : "this version cannot carry it out yet";
}

function fillLadders(target: ParsedTarget, sites: readonly SiteConfig[]): Readonly<Record<IllKind, readonly Rung[]>> {
  const ladder = (kind: IllKind): readonly Rung[] => {
    const own = target.ladders?.[kind];
    const rungs = own ?? LADDERS[kind].filter(({ remedy }) => remedy === "page" || whyNot(remedy, sites) === undefined);
    // A ladder that tries something always ends with a person.
    return rungs.length === 0 || rungs.some(({ remedy }) => remedy === "page") ? rungs : [...rungs, PAGE];
  };
  return {
    inconclusive: ladder("inconclusive"),
    expiring: ladder("expiring"),
    blocked: ladder("blocked"),
    misconfigured: ladder("misconfigured"),
    lagging: ladder("lagging"),
    loaded: ladder("loaded"),
    slow: ladder("slow"),
    failing: ladder("failing"),
    down: ladder("down"),
  };
}

/**
 * Remedies that this target's ladders leave out, with the reason: those that every target is meant to have, and others only
 * where the config or a variable asked for them.
 */
export function leftOut(
  config: ParsedConfig,
  parsed: ParsedTarget,
  target: TargetConfig,
  overrides: readonly Override[],
): readonly { remedy: Remedy; why: string }[] {
  const askedFor = (remedy: Remedy) =>
    parsed.remedies?.[remedy] !== undefined ||
    config.remedies?.[remedy] !== undefined ||
    overrides.some((value) => value.kind === "switch" && value.on && value.remedy === remedy) ||
    (remedy === "failover" && target.sites.length > 1);
  const byDefault = (remedy: Remedy) =>
    CARRIED_OUT.has(remedy) &&
    ILL_KINDS.some(
      (kind) => parsed.ladders?.[kind] === undefined && LADDERS[kind].some((rung) => rung.remedy === remedy),
    );
  return REMEDIES.filter((remedy) => byDefault(remedy) || askedFor(remedy)).flatMap((remedy) => {
    const why = whyNot(remedy, target.sites);
    return why === undefined ? [] : [{ remedy, why }];
  });
}

/** What of a site's cache no ladder of its target gets to, as one purge takes one kind; and the ladder that would. */
export function unreachedPurges(
  target: TargetConfig,
): { readonly kinds: readonly string[]; readonly ladder: IllKind; readonly rungs: readonly string[] } | undefined {
  const sites = target.sites.map((site) => purgeKinds(site.cloudflare?.purge));
  const purges = (kind: IllKind) =>
    target.ladders[kind].reduce((sum, rung) => sum + (rung.remedy === "purge-cache" ? rung.times : 0), 0);
  const farthest = ILL_KINDS.reduce((best, kind) => (purges(kind) > purges(best) ? kind : best), "failing");
  const reached = purges(farthest);
  const missed = new Set(sites.flatMap((kinds) => kinds.slice(reached)));
  if (missed.size === 0) return undefined;
  const rungs = [...target.ladders[farthest]];
  const last = rungs.findLastIndex((rung) => rung.remedy === "purge-cache");
  const missing = Math.max(...sites.map((kinds) => kinds.length)) - reached;
  if (last < 0) rungs.unshift({ remedy: "purge-cache", times: missing });
  else rungs[last] = { remedy: "purge-cache", times: (rungs[last]?.times ?? 0) + missing };
  if (!rungs.some(({ remedy }) => remedy === "page")) rungs.push(PAGE);
  return {
    kinds: PURGE_KINDS.filter((kind) => missed.has(kind)),
    ladder: farthest,
    rungs: rungs.map(({ remedy, times }) => (times === 1 ? remedy : `${remedy} x${times}`)),
  };
}

/** In the order in which they are purged. */
const PURGE_KINDS: readonly (keyof Purge)[] = ["tags", "hosts", "prefixes", "everything"];

function purgeKinds(purge: Purge | undefined): readonly (keyof Purge)[] {
  if (purge === undefined) return [];
  return PURGE_KINDS.filter((kind) => (kind === "everything" ? purge.everything : purge[kind].length > 0));
}
