import { hostTrouble } from "./address.ts";
import { whyNot } from "./fill.ts";
import { describe, type Fault, type Path, pathText } from "./problem.ts";
import type { Refused } from "./refused.ts";
import {
  type Config,
  ILL_KINDS,
  type IllKind,
  REMEDIES,
  type Remedy,
  type Rules,
  type TargetConfig,
} from "./resolved.ts";
import type { ParsedConfig, ParsedTarget } from "./schema.ts";
import { shardsOf, targetsOfShard } from "./shards.ts";
import { formatDuration } from "./units.ts";

/** What single fields cannot show: each on its own may be right, together they cannot work. */
export interface Conflict extends Fault {
  readonly path: Path;
  /** Where the other values stand that it follows from: where one of those is refused, it says nothing. */
  readonly from: readonly Path[];
}

/** What was written, what came of it, which variables had a hand in it (field → variable), and what was refused before. */
export interface Subject {
  readonly parsed: ParsedConfig;
  readonly config: Config;
  readonly variables: ReadonlyMap<string, string>;
  readonly refused: Refused;
}

/** What the windows hold (core, `appendSamples`): nothing older, and no more samples per site and vantage. */
const WINDOW_KEEPS_MS = 600_000;
const WINDOW_KEEPS_SAMPLES = 160;
/** A tick ends after 50 s of 60 s, so that the next one never waits for it. */
const TICK_SHARE = 50 / 60;
/** A full window is about 5 kB per site, and an item of DynamoDB holds 400 kB. */
const MOST_SITES_PER_SHARD = 75;
/** Budgets are kept for a day. */
const LONGEST_BUDGET_MS = 86_400_000;
/** A remedy's function stops after 60 s and makes up to three calls. */
const LONGEST_CALL_MS = 20_000;
/** https://developers.cloudflare.com/cache/how-to/purge-cache */
const MOST_SELECTORS = 100;

export function* findConflicts(subject: Subject): Generator<Conflict> {
  yield* inSettings(subject);
  yield* inControls(subject);
  yield* inWindows(subject.parsed.maintenance, ["maintenance"]);
  yield* inRules(subject);
  yield* inTiming(subject);
  yield* inIds(subject);
  for (const [index, target] of subject.config.targets.entries()) {
    const written = subject.parsed.targets[index];
    if (written === undefined) continue;
    const path: Path = ["targets", index];
    yield* inSites(written, path);
    yield* inRequest(written, path);
    yield* inLadders(written, target, path);
    yield* inWindows(written.maintenance, [...path, "maintenance"]);
    yield* inBudget(target.budget.perMs, [...path, "budget", "per"]);
  }
  yield* inShards(subject);
}

function* inSettings({ config }: Subject): Generator<Conflict> {
  if (config.vantages.length === 0)
    yield conflict(["vantages"], "an empty list", "at least one place to watch from", '["local"]');
  yield* twice(config.vantages, (index) => ["vantages", index], "vantage");
  yield* inBudget(config.fleetBudget.perMs, ["fleetBudget", "per"]);
  if (config.healing.callTimeoutMs > LONGEST_CALL_MS)
    yield conflict(
      ["healing", "callTimeout"],
      formatDuration(config.healing.callTimeoutMs),
      `at most ${formatDuration(LONGEST_CALL_MS)}, so that a function outlives its calls`,
      '"10s"',
    );
  for (const vendor of ["railway", "cloudflare", "slack"] as const) {
    const { baseUrl } = config.providers[vendor];
    if (baseUrl.startsWith("http:") && hostTrouble(baseUrl)?.kind !== "private")
      yield conflict(
        ["providers", vendor, "baseUrl"],
        describe(baseUrl),
        "https:// for a public host: the token travels with every call",
        '"https://…"',
      );
  }
}

function* inBudget(perMs: number, path: Path): Generator<Conflict> {
  if (perMs > LONGEST_BUDGET_MS)
    yield conflict(path, formatDuration(perMs), "at most 24h: calls are remembered for a day", '"1h"');
}

function* inControls(subject: Subject): Generator<Conflict> {
  const { parsed, config } = subject;
  const { endpoints, timeoutMs, allowPrivate } = config.controls;
  yield* twice(
    endpoints.map(({ id }) => id),
    (index) => ["controls", "endpoints", index, "id"],
    "control",
  );
  if (timeoutMs > config.intervalMs * TICK_SHARE)
    yield conflict(["controls", "timeout"], formatDuration(timeoutMs), tickText(config), `"${halfInterval(config)}"`, [
      intervalOf(subject),
    ]);
  const watched = new Map<string, string>();
  for (const target of config.targets) for (const site of target.sites) watched.set(new URL(site.url).host, target.id);
  for (const [index, { url }] of endpoints.entries()) {
    const path: Path = ["controls", "endpoints", index, "url"];
    yield* inHost(url, { allowPrivate, allowPunycode: false, permits: ["controls"] }, path);
    const shared = watched.get(new URL(url).host);
    if (shared !== undefined && parsed.controls?.endpoints !== undefined)
      yield conflict(
        path,
        describe(url),
        `a host that no target has: when ${shared} fails, this control would fail with it and hide that`,
        '"https://www.google.com/generate_204"',
      );
  }
}

function* inHost(
  url: string,
  allowed: { readonly allowPrivate: boolean; readonly allowPunycode: boolean; readonly permits: Path },
  path: Path,
): Generator<Conflict> {
  const trouble = hostTrouble(url);
  const permit = allowed.permits[0] === "controls" ? "controls.allowPrivate" : "allowPrivate";
  if (trouble?.kind === "private" && !allowed.allowPrivate)
    yield conflict(
      path,
      `${describe(url)}, which is the private or local address ${trouble.host}`,
      `a public address, or ${permit}: true if it is meant`,
      '"https://api.example.com/health"',
      [[...allowed.permits, "allowPrivate"]],
    );
  if (trouble?.kind === "punycode" && !allowed.allowPunycode)
    yield conflict(
      path,
      `the host ${trouble.host}, a name with letters of another script that may only look like the right one`,
      "a name in plain letters, or allowPunycode: true on the target if it is meant",
      '"https://api.example.com/health"',
      [[...allowed.permits, "allowPunycode"]],
    );
}

function* inIds({ config }: Subject): Generator<Conflict> {
  yield* twice(
    config.targets.map(({ id }) => id),
    (index) => ["targets", index, "id"],
    "target",
  );
}

function* twice(ids: readonly string[], path: (index: number) => Path, what: string): Generator<Conflict> {
  const first = new Map<string, number>();
  for (const [index, id] of ids.entries()) {
    const before = first.get(id);
    if (before === undefined) first.set(id, index);
    else
      yield conflict(
        path(index),
        `"${id}", which ${pathText(path(before))} is already`,
        `another id for each ${what}`,
        `"${id}-2"`,
        [path(before)],
      );
  }
}

function* inSites(target: ParsedTarget, path: Path): Generator<Conflict> {
  const { url, sites } = target;
  if (url !== undefined && sites !== undefined)
    yield conflict(
      [...path, "sites"],
      "url and sites",
      "one of them: url is short for a single site",
      'url: "https://…"',
    );
  if (url === undefined && sites === undefined)
    yield conflict(
      [...path, "url"],
      "neither url nor sites",
      "an address to look at",
      '"https://api.example.com/health"',
      [[...path, "sites"]],
    );
  if (sites !== undefined) {
    if (sites.length === 0)
      yield conflict([...path, "sites"], "an empty list", "at least one site", '[{ id: "primary", url: "https://…" }]');
    for (const vendor of ["railway", "cloudflare"] as const)
      if (target[vendor] !== undefined)
        yield conflict(
          [...path, vendor],
          `${vendor} beside sites`,
          "it within the site that it belongs to",
          `sites: [{ id, url, ${vendor} }]`,
        );
    yield* twice(
      sites.map(({ id }) => id),
      (index) => [...path, "sites", index, "id"],
      "site of a target",
    );
    yield* sameAddress(sites, path);
  }
  const listed = (sites ?? []).map((site, index) => ({ ...site, at: [...path, "sites", index] as Path }));
  const short = url === undefined ? [] : [{ url, cloudflare: target.cloudflare, at: path }];
  for (const site of [...short, ...listed]) {
    const { allowPrivate = false, allowPunycode = false } = target;
    yield* inHost(site.url, { allowPrivate, allowPunycode, permits: path }, [...site.at, "url"]);
    yield* inPurge(site.cloudflare?.purge, [...site.at, "cloudflare", "purge"]);
  }
}

function* sameAddress(sites: readonly { readonly url: string }[], path: Path): Generator<Conflict> {
  const seen = new Set<string>();
  for (const [index, { url }] of sites.entries()) {
    if (seen.has(url))
      yield conflict(
        [...path, "sites", index, "url"],
        describe(url),
        "an address of its own for each site",
        '"https://eu.example.com"',
      );
    seen.add(url);
  }
}

type WrittenPurge = Exclude<ParsedTarget["cloudflare"], undefined>["purge"];

function* inPurge(purge: WrittenPurge, path: Path): Generator<Conflict> {
  if (purge === undefined) return;
  const lists = [purge.tags ?? [], purge.hosts ?? [], purge.prefixes ?? []];
  if (purge.everything !== true && lists.every((list) => list.length === 0))
    yield conflict(
      path,
      "nothing to purge",
      "tags, hosts or prefixes, or everything: true if the whole zone may go",
      '{ hosts: ["www.example.com"] }',
    );
  for (const name of ["tags", "hosts", "prefixes"] as const) {
    const count = purge[name]?.length ?? 0;
    if (count > MOST_SELECTORS)
      yield conflict(
        [...path, name],
        `a list of ${count}`,
        `at most ${MOST_SELECTORS}, as Cloudflare takes in one call`,
        '["assets"]',
      );
  }
}

function* inRequest(target: ParsedTarget, path: Path): Generator<Conflict> {
  if (target.method === "HEAD")
    for (const part of ["body", "json"] as const)
      if (target.expect?.[part] !== undefined)
        yield conflict(
          [...path, "expect", part],
          "an expectation of the body with HEAD",
          'method "GET": HEAD has no body',
          '"GET"',
        );
  const days = target.rules?.expiring?.days;
  const certificateDays = target.expect?.certificateDays;
  if (days !== undefined && certificateDays !== undefined && days !== certificateDays)
    yield conflict(
      [...path, "expect", "certificateDays"],
      `${certificateDays}, and ${days} in rules.expiring.days`,
      "one number: both set the same rule",
      String(days),
    );
}

/** The guards refuse these whatever the ladder says (core, cause guard), so the rung would only promise something. */
const NO_REMEDY_HELPS: readonly IllKind[] = ["inconclusive", "expiring", "blocked", "misconfigured", "lagging"];

function* inLadders(written: ParsedTarget, target: TargetConfig, path: Path): Generator<Conflict> {
  const places: readonly Path[] = written.sites?.map((_, index) => [...path, "sites", index]) ?? [path];
  const platforms: readonly Path[] = [
    ...(written.sites === undefined ? [[...path, "sites"]] : []),
    ...places.flatMap((place) => [
      [...place, "railway"],
      [...place, "cloudflare"],
    ]),
  ];
  for (const kind of ILL_KINDS) {
    const ladder = written.ladders?.[kind] ?? [];
    for (const [index, { remedy }] of ladder.entries()) {
      const at: Path = [...path, "ladders", kind, index];
      if (remedy === "page") {
        if (index < ladder.length - 1)
          yield conflict(
            at,
            '"page" before other rungs',
            '"page" at the end: nothing follows it',
            '["restart x3", "page"]',
          );
        continue;
      }
      const reason = NO_REMEDY_HELPS.includes(kind)
        ? `no remedy cures ${kind}`
        : kind === "loaded" && remedy === "restart"
          ? "a restart throws away capacity under load"
          : whyNot(remedy, target.sites);
      if (reason !== undefined)
        yield conflict(at, `"${remedy}": ${reason}`, instead(remedy, reason), '["page"]', platforms);
    }
  }
}

function instead(remedy: Remedy, reason: string): string {
  if (reason.startsWith("no railway")) return "railway for one of its sites, or a ladder without it";
  if (reason.startsWith("no cloudflare")) return "cloudflare for one of its sites, or a ladder without it";
  if (reason.startsWith("there is no second site")) return "a second site, or a ladder without it";
  return `a ladder without ${remedy}`;
}

function* inWindows(windows: ParsedTarget["maintenance"], path: Path): Generator<Conflict> {
  for (const [index, { weekly, from, to }] of (windows ?? []).entries()) {
    const wanted = weekly === undefined ? "once" : "time-of-day";
    const example = weekly === undefined ? '"2027-03-01T02:00:00Z"' : '"02:00"';
    let fits = true;
    for (const [name, edge] of [
      ["from", from],
      ["to", to],
    ] as const)
      if (edge.kind !== wanted) {
        fits = false;
        yield conflict(
          [...path, index, name],
          edge.kind === "once" ? "a date" : "a time of day without weekly",
          weekly === undefined
            ? "a date with its time and zone, or weekly: the days"
            : "a time of day in UTC, as the window is weekly",
          example,
          [[...path, index, "weekly"]],
        );
      }
    if (weekly?.length === 0)
      yield conflict([...path, index, "weekly"], "an empty list", "the days of the week", '["sunday"]');
    if (fits && to.ms <= from.ms)
      yield conflict(
        [...path, index, "to"],
        "an end that is not after the start",
        weekly === undefined
          ? "a moment after from"
          : 'a time after from on the same day; past midnight takes two windows, one to "24:00" and one from "00:00"',
        weekly === undefined ? '"2027-03-01T04:00:00Z"' : '"04:00"',
      );
  }
}

/** Where a rule of a target comes from: its own (refused or not), the environment, or the config. */
function origin(subject: Subject, index: number, field: Path): Path {
  const variable = subject.variables.get(pathText(field));
  if (variable !== undefined) return [variable];
  const own: Path = ["targets", index, ...field];
  return subject.refused.touches(own) || lookUp(subject.parsed.targets[index], field) !== undefined ? own : field;
}

function intervalOf({ variables }: Subject): Path {
  return [variables.get("interval") ?? "interval"];
}

function lookUp(value: unknown, path: Path): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = Object.entries(at).find(([key]) => key === String(part))?.[1];
  }
  return at;
}

function* inRules(subject: Subject): Generator<Conflict> {
  const { config } = subject;
  const interval = intervalOf(subject);
  for (const [index, { rules, timeoutMs }] of config.targets.entries()) {
    const at = (...field: string[]) => origin(subject, index, ["rules", ...field]);
    const timeoutAt: Path = ["targets", index, "timeout"];
    if (timeoutMs > config.intervalMs * TICK_SHARE)
      yield conflict(timeoutAt, formatDuration(timeoutMs), tickText(config), `"${halfInterval(config)}"`, [interval]);
    if (rules.slow.thresholdMs >= timeoutMs)
      yield conflict(
        at("slow", "threshold"),
        formatDuration(rules.slow.thresholdMs),
        `less than the timeout (${formatDuration(timeoutMs)}): a look ends there, so nothing slower is ever seen`,
        '"400ms"',
        [timeoutAt, interval],
      );
    yield* inSampling(config, rules, at, interval);
    if (rules.failing.rate >= 1)
      yield conflict(at("failing", "rate"), "100%", "less than 100%: more than all never fail", '"5%"');
    if (rules.failing.minFailures > rules.failing.minSamples)
      yield conflict(
        at("failing", "minFailures"),
        String(rules.failing.minFailures),
        `at most minSamples (${rules.failing.minSamples})`,
        "3",
        [at("failing", "minSamples")],
      );
    if (rules.lagging.alertMs >= rules.lagging.pageMs)
      yield conflict(
        at("lagging", "alert"),
        formatDuration(rules.lagging.alertMs),
        `less than lagging.page (${formatDuration(rules.lagging.pageMs)})`,
        '"2s"',
        [at("lagging", "page")],
      );
  }
}

function* inSampling(
  config: Config,
  rules: Rules,
  at: (...field: string[]) => Path,
  intervalAt: Path,
): Generator<Conflict> {
  const { slow, failing, down, suspicion } = rules;
  const interval = formatDuration(config.intervalMs);
  for (const [name, windowMs] of [
    ["slow", slow.windowMs],
    ["failing", failing.windowMs],
  ] as const)
    if (windowMs < config.intervalMs || windowMs > WINDOW_KEEPS_MS)
      yield conflict(
        at(name, "window"),
        formatDuration(windowMs),
        `from one interval (${interval}) to 10m, which is how long samples are kept`,
        `"${formatDuration(Math.min(WINDOW_KEEPS_MS, config.intervalMs * 5))}"`,
        [intervalAt],
      );
  if (suspicion.forMs <= config.intervalMs)
    yield conflict(
      at("suspicion", "for"),
      formatDuration(suspicion.forMs),
      `more than the interval (${interval}), or it is over before the next look`,
      `"${formatDuration(config.intervalMs * 5)}"`,
      [intervalAt],
    );
  const alone = config.vantages.length === 1;
  const hold = alone ? down.holdAloneMs : down.holdMs;
  if (hold > WINDOW_KEEPS_MS || hold / down.reprobeMs > WINDOW_KEEPS_SAMPLES)
    yield conflict(
      at("down", alone ? "holdAlone" : "hold"),
      formatDuration(hold),
      `at most 10m and ${WINDOW_KEEPS_SAMPLES} times reprobe (${formatDuration(down.reprobeMs)}): older samples are not kept`,
      alone ? '"90s"' : '"30s"',
      [at("down", "reprobe"), ["vantages"]],
    );
  // As core samples while suspicious: 1.2 times what the failing rule needs, shared between vantages.
  const perTick = Math.max(
    1,
    Math.ceil((failing.minSamples * 1.2 * config.intervalMs) / (failing.windowMs * config.vantages.length)),
  );
  const perVantage = Math.ceil(failing.minSamples / config.vantages.length);
  if (perVantage > WINDOW_KEEPS_SAMPLES)
    yield conflict(
      at("failing", "minSamples"),
      String(failing.minSamples),
      `at most ${WINDOW_KEEPS_SAMPLES * config.vantages.length}: ${WINDOW_KEEPS_SAMPLES} samples are kept for each vantage`,
      "20",
      [["vantages"]],
    );
  const pace = [at("failing", "minSamples"), at("failing", "window"), intervalAt, ["vantages"]];
  const ticks = Math.floor(slow.windowMs / config.intervalMs);
  const reachable = Math.min(WINDOW_KEEPS_SAMPLES, perTick * ticks);
  if (ticks > 0 && slow.minSamples > reachable)
    yield conflict(
      at("slow", "minSamples"),
      String(slow.minSamples),
      `at most ${reachable}: no vantage takes more within ${formatDuration(slow.windowMs)} at this interval`,
      String(Math.min(15, reachable)),
      [...pace, at("slow", "window")],
    );
  const covered = (WINDOW_KEEPS_SAMPLES / Math.max(1, perTick)) * config.intervalMs;
  if (slow.windowMs <= WINDOW_KEEPS_MS && covered < (slow.windowMs * slow.minParts) / 5)
    yield conflict(
      at("slow", "window"),
      formatDuration(slow.windowMs),
      `a window in which ${WINDOW_KEEPS_SAMPLES} samples reach back over ${slow.minParts} of its 5 parts: at this interval at most ${formatDuration(Math.floor((covered * 5) / slow.minParts / 1_000) * 1_000)}`,
      `"${formatDuration(config.intervalMs * 5)}"`,
      [...pace, at("slow", "minParts")],
    );
}

function* inTiming(subject: Subject): Generator<Conflict> {
  const { config } = subject;
  const { resetAfterHealthyMs } = config.healing;
  for (const [index, target] of config.targets.entries())
    for (const remedy of REMEDIES) {
      const { cooldownMs, cooldownCapMs, verifyMs } = target.remedies[remedy];
      const at = (field: string) => origin(subject, index, ["remedies", remedy, field]);
      const { observations } = target.rules.recovery;
      if (cooldownCapMs < cooldownMs)
        yield conflict(
          at("cooldownCap"),
          formatDuration(cooldownCapMs),
          `at least the cooldown (${formatDuration(cooldownMs)})`,
          `"${formatDuration(cooldownMs)}"`,
          [at("cooldown")],
        );
      if (cooldownCapMs > resetAfterHealthyMs)
        yield conflict(
          at("cooldownCap"),
          formatDuration(cooldownCapMs),
          `at most healing.resetAfterHealthy (${formatDuration(resetAfterHealthyMs)}), which would cut it short`,
          '"6h"',
          [["healing", "resetAfterHealthy"]],
        );
      const used = ILL_KINDS.some((kind) => target.ladders[kind].some((rung) => rung.remedy === remedy));
      if (used && verifyMs < observations * config.intervalMs)
        yield conflict(
          at("verify"),
          formatDuration(verifyMs),
          `at least ${observations} intervals (${formatDuration(observations * config.intervalMs)}): so many healthy observations prove recovery`,
          `"${formatDuration(observations * config.intervalMs)}"`,
          [intervalOf(subject), origin(subject, index, ["rules", "recovery", "observations"])],
        );
    }
}

function* inShards({ config }: Subject): Generator<Conflict> {
  for (const shard of shardsOf(config)) {
    const targets = targetsOfShard(config, shard);
    const sites = targets.reduce((sum, target) => sum + target.sites.length, 0);
    if (sites <= MOST_SITES_PER_SHARD) continue;
    const most = Math.max(...targets.map((target) => target.sites.length));
    yield conflict(
      ["probe", "shardSize"],
      `${config.probe.shardSize}, which puts ${sites} sites into one shard`,
      `a size that puts at most ${MOST_SITES_PER_SHARD} sites into a shard: their samples share one item`,
      String(Math.max(1, Math.floor(MOST_SITES_PER_SHARD / most))),
    );
    return;
  }
}

function tickText(config: Config): string {
  return `at most ${formatDuration(Math.floor(config.intervalMs * TICK_SHARE))}, the time of a tick at an interval of ${formatDuration(config.intervalMs)}`;
}

function halfInterval(config: Config): string {
  return formatDuration(Math.max(1, Math.floor(config.intervalMs / 2)));
}

function conflict(path: Path, found: string, wants: string, example: string, from: readonly Path[] = []): Conflict {
  return { path, found, wants, example, from };
}
