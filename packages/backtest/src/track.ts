import type { Config, TargetConfig } from "@neuropilot/config";
import { freshMs, healthOf, quorumOf, type Sample, siteKey, type WindowItem } from "@neuropilot/core";
import { type Calm, Lane } from "./lane.ts";
import { type Player, SHARD } from "./player.ts";
import type { Recovery } from "./recovery.ts";
import { type Minute, SiteTruth, type Trouble, type TruthRules } from "./truth.ts";
import { type Facet, WindowTrack } from "./window-track.ts";

/** Policies to which the same samples look healthy or suspect in the same way: one judgement of a quiet moment serves all. */
interface Group {
  readonly player: Player;
  readonly target: TargetConfig;
  readonly lanes: Lane[];
  readonly facet: number;
  readonly vantages: readonly string[];
  readonly quorum: number;
  readonly freshMs: number;
  /** Fewer bad samples than this within such a time, over all windows, are no error rate for any lane. */
  leastBad: number;
  failingMs: number;
  /** Fewer slow ones in one window do not make it slow. */
  leastSlow: number;
  /** So many vantages that are ill by themselves are worth a look. */
  leastIll: number;
  windows: readonly WindowItem[];
  windowsVersion: number;
}

interface Site {
  readonly id: string;
  readonly truth: SiteTruth;
  readonly windows: Map<string, WindowTrack>;
  readonly heard: ((minute: Minute) => void)[];
  recoveries: Recovery[];
}

export interface TrackOptions {
  readonly truth: TruthRules;
  readonly stepMs: number;
  readonly aloneWithinMs: number;
  readonly later: (at: number, run: (now: number) => void) => void;
  /** Decide at every look, also where nothing can come of it: what the short way is compared with. */
  readonly everyLook: boolean;
}

/** One target's history as it passes: what its vantages hold, and every policy's lane. */
export class TargetTrack {
  readonly id: string;
  readonly #options: TrackOptions;
  readonly #sites = new Map<string, Site>();
  readonly #groups = new Map<string, Group>();
  readonly #calls: { readonly site: string; readonly at: number }[] = [];
  readonly #vantages: string[] = [];
  #version = 0;

  constructor(id: string, options: TrackOptions) {
    this.id = id;
    this.#options = options;
  }

  /** Makes room for what a policy looks at; before any `add`, so that all windows have the same facets. */
  prepare(config: Config, target: TargetConfig): void {
    for (const { id } of target.sites) for (const vantage of config.vantages) this.#window(id, vantage);
  }

  add(player: Player, target: TargetConfig, start: number): Lane {
    const group = this.#groupOf(player, target);
    const lane = new Lane(
      player,
      target,
      {
        windows: () => this.#windowsOf(group),
        later: this.#options.later,
        watch: (site, recovery) => void this.#sites.get(site)?.recoveries.push(recovery),
        realCallBetween: (site, from, to) =>
          this.#calls.some((call) => call.site === site && from <= call.at && call.at <= to),
        aloneWithinMs: this.#options.aloneWithinMs,
      },
      start,
    );
    group.lanes.push(lane);
    return lane;
  }

  #groupOf(player: Player, target: TargetConfig): Group {
    const { config } = player;
    const { rules } = target;
    const vantages = [...config.vantages].sort();
    const sites = target.sites.map(({ id }) => id);
    const key = JSON.stringify([rules.slow.thresholdMs, rules.expiring.days, config.intervalMs, vantages, sites]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      const look = {
        slowMs: rules.slow.thresholdMs,
        expiringDays: rules.expiring.days,
        intervalMs: config.intervalMs,
      };
      const facets = [...this.#sites.values()].flatMap((site) =>
        [...site.windows.values()].map((window) => window.addFacet(look)),
      );
      group = {
        player,
        target,
        lanes: [],
        facet: facets[0] ?? 0,
        vantages,
        quorum: quorumOf(config),
        freshMs: freshMs(config),
        leastBad: Number.POSITIVE_INFINITY,
        failingMs: 0,
        leastSlow: Number.POSITIVE_INFINITY,
        leastIll: Number.POSITIVE_INFINITY,
        windows: [],
        windowsVersion: -1,
      };
      this.#groups.set(key, group);
    }
    // A vantage that is ill alone is no health, but the guard of the whole fleet counts it.
    const minding = config.targets.length >= config.fleetGuard.minTargets;
    group.leastBad = Math.min(group.leastBad, rules.failing.minFailures);
    group.failingMs = Math.max(group.failingMs, rules.failing.windowMs);
    group.leastSlow = Math.min(group.leastSlow, Math.max(1, rules.slow.share * rules.slow.minSamples));
    group.leastIll = Math.min(group.leastIll, minding ? 1 : group.quorum);
    return group;
  }

  #window(siteId: string, vantage: string): void {
    let site = this.#sites.get(siteId);
    if (site === undefined) {
      const heard: ((minute: Minute) => void)[] = [];
      const truth = new SiteTruth({ target: this.id, site: siteId }, this.#options.truth, this.#options.stepMs, heard);
      site = { id: siteId, truth, windows: new Map(), heard, recoveries: [] };
      const own = site;
      heard.push((minute) => {
        if (own.recoveries.length === 0) return;
        for (const recovery of own.recoveries) recovery.hear(minute);
        own.recoveries = own.recoveries.filter(({ done }) => !done);
      });
      this.#sites.set(siteId, site);
    }
    if (!site.windows.has(vantage)) site.windows.set(vantage, new WindowTrack());
    if (!this.#vantages.includes(vantage)) this.#vantages.push(vantage);
  }

  /** Answers whether any policy knows this site and vantage. */
  push(siteId: string, vantage: string, sample: Sample, now: number): boolean {
    const site = this.#sites.get(siteId);
    const window = site?.windows.get(vantage);
    if (site === undefined || window === undefined) return false;
    window.push(sample, now);
    site.truth.add(this.#vantages.indexOf(vantage), sample, now);
    this.#version++;
    return true;
  }

  call(site: string, at: number): void {
    this.#calls.push({ site, at });
  }

  /** Lets every lane look that anything can come of. */
  look(kind: "wake" | "reconcile", now: number): void {
    // Of a target that the history has not come to, or never knew, nothing can be said.
    if (this.#version === 0) return;
    for (const group of this.#groups.values()) {
      const calm = this.#options.everyLook ? undefined : this.#calm(group, now);
      for (const lane of group.lanes) {
        const found = this.#options.everyLook || lane.isHot(now) ? undefined : (calm ?? lane.judge(now));
        if (found === undefined || lane.item.health.state !== found.state) lane.look(kind, now);
        else if (found.state === "healthy") lane.skip(found.observation);
      }
    }
  }

  /**
   * What a look at a quiet target comes to, for every lane of the group that has no incident: `healthy` or `suspect`; undefined
   * where a lane may find more. Sound because too few bad samples make no error rate, fewer than a quorum of vantages that may
   * be ill make no agreement, and a quorum of vantages whose tick is clean is `healthy`.
   */
  #calm(group: Group, now: number): Calm | undefined {
    const { facet, vantages, quorum } = group;
    for (const site of this.#sites.values()) if (this.#mayBeIll(group, site, now)) return undefined;
    const first = this.#sites.get(group.target.sites[0]?.id ?? "");
    let clean = 0;
    let observation = Number.POSITIVE_INFINITY;
    for (const vantage of vantages) {
      const window = first?.windows.get(vantage);
      const view = window?.facets[facet];
      if (window === undefined || view === undefined || window.lastCountingAt < now - group.freshMs) continue;
      observation = Math.min(observation, view.tick);
      if (isClean(window, view, group.leastSlow)) clean++;
    }
    if (clean >= quorum) return { state: "healthy", observation };
    return this.#judged(group, now);
  }

  #mayBeIll(
    { target, facet, vantages, failingMs, leastBad, leastSlow, leastIll }: Group,
    site: Site,
    now: number,
  ): boolean {
    if (!target.sites.some(({ id }) => id === site.id)) return false;
    let bad = 0;
    let ill = 0;
    for (const vantage of vantages) {
      const window = site.windows.get(vantage);
      const view = window?.facets[facet];
      if (window === undefined || view === undefined) continue;
      bad += window.badSince(now - failingMs);
      if (isTroubled(window, view, leastSlow)) ill++;
    }
    return bad >= leastBad || ill >= leastIll;
  }

  /** Nothing is ill, and not all is clean: the real rules say whether it is suspect. */
  #judged(group: Group, now: number): Calm | undefined {
    const { player, target } = group;
    const world = { windows: this.#windowsOf(group), heartbeats: player.heartbeats(now) };
    const { state, observation } = healthOf(player.config, target, target.sites[0]?.id ?? "", world, 0, now);
    return state === "healthy" || state === "suspect" ? { state, observation } : undefined;
  }

  #windowsOf(group: Group): readonly WindowItem[] {
    if (group.windowsVersion === this.#version) return group.windows;
    group.windowsVersion = this.#version;
    group.windows = group.vantages.map((vantage) => this.#windowItem(group, vantage));
    return group.windows;
  }

  #windowItem({ target, facet }: Group, vantage: string): WindowItem {
    let at = 0;
    const sites = target.sites.flatMap(({ id }) => {
      const window = this.#sites.get(id)?.windows.get(vantage);
      const last = window?.samples.at(-1);
      if (window === undefined || last === undefined) return [];
      at = Math.max(at, last.startedAt);
      const tick = window.facets[facet]?.tick ?? 0;
      return [[siteKey(this.id, id), { samples: window.samples, view: "suspect", since: tick, tick }] as const];
    });
    return {
      vantage,
      shard: SHARD,
      tick: at,
      step: 1,
      run: "run_backtest",
      at,
      ended: true,
      sites: Object.fromEntries(sites),
    };
  }

  end(): readonly Trouble[] {
    return [...this.#sites.values()].flatMap(({ truth }) => {
      truth.end();
      return truth.troubles;
    });
  }
}

/** Whether a vantage may, by its own samples, be ill: its last one is bad or expiring, or many were slow. */
function isTroubled({ lastBadAt, lastCountingAt }: WindowTrack, view: Facet, leastSlow: number): boolean {
  if (lastCountingAt === Number.NEGATIVE_INFINITY) return false;
  return lastBadAt >= lastCountingAt || view.slow >= leastSlow || view.lastExpiringAt >= lastCountingAt;
}

/** Whether it is sure to hold the site to be healthy, as far as it is fresh: nothing bad or slow in its tick either. */
function isClean(window: WindowTrack, view: Facet, leastSlow: number): boolean {
  return !isTroubled(window, view, leastSlow) && window.lastBadAt < view.tick && view.lastSlowAt < view.tick;
}
