import { ILL_KINDS, type TargetConfig, targetsOfShard } from "@neuropilot/config";
import {
  appendSamples,
  CLOCK_AHEAD_MS,
  conclude,
  type HistoryDue,
  historyDue,
  isBad,
  isIll,
  isIllToday,
  isSlow,
  isSuspicious,
  type Sample,
  type SiteWindow,
  samplesPerSuspiciousTick,
  siteKey,
  type View,
  type WindowItem,
} from "@neuropilot/core";
import { healthObserved } from "@neuropilot/events";
import type { Prober, ProbeSession } from "@neuropilot/probe";
import { TableUnavailable } from "@neuropilot/store";
import { Controls } from "./controls.ts";
import type { Deps } from "./deps.ts";
import { Slots } from "./slots.ts";

export interface TickRequest {
  readonly vantage: string;
  readonly shard: string;
  /** The scheduled time, epoch milliseconds: of two runs of a tick only one counts. */
  readonly tick: number;
  /** Another vantage's first suspicion: look at this site only. */
  readonly only?: { readonly target: string; readonly site: string };
}

export interface TickReport {
  readonly kind: "done" | "superseded" | "not-needed";
  readonly samples: number;
  readonly attention: number;
}

/** The share of the interval that a tick may take: 50 s of 60 s. */
const TICK_SHARE = 50 / 60;
/** A probe function may run for 60 s: a sample that could not time out before this is not begun. */
const END_MS = 57_000;

interface Watched {
  readonly target: TargetConfig;
  readonly site: string;
  readonly url: string;
  readonly key: string;
  window: SiteWindow;
  /** Suspicious before this tick began, by its own samples. */
  readonly wasSuspicious: boolean;
}

/**
 * One tick of one vantage's shard: a fresh sample of every site, more of those that are suspicious, re-probing of those that
 * just failed, within the tick's time. Writes the window, then wakes decide for what needs attention.
 */
export async function runTick(deps: Deps, prober: Prober, request: TickRequest): Promise<TickReport> {
  const run = new TickRun(deps, prober, request);
  return run.go();
}

class TickRun {
  readonly #deps: Deps;
  readonly #prober: Prober;
  readonly #request: TickRequest;
  readonly #id: string;
  readonly #deadline: number;
  /** Further samples must be able to time out before this, so that the window is written before the function's own end. */
  readonly #end: number;
  readonly #slots: Slots;
  #sites: Watched[] = [];
  #carried: Readonly<Record<string, SiteWindow>> = {};
  #historyTo: number | undefined;
  /** The window's tick: writes are on condition of an older one. */
  #fence = 0;
  /** Vantages that look at this shard now, this one among them. */
  #atWork: number;
  #step = 0;
  #samples = 0;
  #attention = 0;
  #superseded = false;
  readonly #controls: Controls;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: Deps, prober: Prober, request: TickRequest) {
    this.#deps = deps;
    this.#prober = prober;
    this.#request = { ...request, tick: Math.floor(request.tick) };
    this.#id = deps.newId("run_");
    this.#atWork = deps.config.vantages.length;
    this.#controls = new Controls(deps, prober);
    this.#deadline = deps.clock() + deps.config.intervalMs * TICK_SHARE;
    this.#end = deps.clock() + END_MS;
    this.#slots = new Slots(deps.config.probe.concurrency);
  }

  async go(): Promise<TickReport> {
    const { clock, config } = this.#deps;
    const { tick, only } = this.#request;
    const found = await this.#deps.state.readWindow(this.#request.vantage, this.#request.shard);
    // One that was written before our clock was set back is none: no tick could follow it for long.
    const before = found !== undefined && found.at > clock() + CLOCK_AHEAD_MS ? undefined : found;
    if (only !== undefined && before !== undefined && this.#stillRunning(before)) return this.#report("not-needed");
    // A look at one site must not stand in the way of the whole shard's next tick, whichever comes first.
    this.#fence = only === undefined ? tick : (before?.tick ?? 0) + 1;
    if (before !== undefined && before.tick >= this.#fence) return this.#report("superseded");
    this.#sites = this.#watch(before, only === undefined ? await this.#suspectedElsewhere() : new Set());
    this.#carried = before?.sites ?? {};
    this.#historyTo = before?.historyTo;
    if (this.#sites.length === 0) return this.#report("not-needed");
    const history = found === undefined || config.history.keepMs === 0 ? undefined : this.#keepHistory(found);
    try {
      return await this.#look();
    } finally {
      await history;
    }
  }

  async #look(): Promise<TickReport> {
    const { clock } = this.#deps;
    // One site's trouble with the table must neither stop the others nor leave them running on their own.
    const bug = await this.#settle([this.#checkControls(), ...this.#sites.map((site) => this.#watchSite(site))]);
    await this.#flush(true);
    if (bug !== undefined) throw bug;
    if (this.#superseded) return this.#report("superseded");
    const needing = this.#sites.filter(
      (site) => site.window.view !== "healthy" || isWatchedClosely(site.window, site.target, clock()),
    );
    await this.#wake(needing, false);
    return this.#report("done");
  }

  /**
   * Keeps for reports what is due of the window before, beside this tick's own work: it neither fails nor delays that. If it has
   * not ended before the window is written, the next tick asks for the same again, which then changes nothing.
   */
  #keepHistory(before: WindowItem): Promise<void> | undefined {
    const due = historyDue(before, this.#deps.clock());
    if (due.blocks.length > 0) return this.#writeHistory(before, due);
    this.#historyTo = due.historyTo;
    return undefined;
  }

  async #writeHistory(before: WindowItem, { blocks, historyTo }: HistoryDue): Promise<void> {
    const { config, state, log } = this.#deps;
    const { keepMs } = config.history;
    try {
      for (const block of blocks) await state.writeHistory(block, keepMs);
      this.#historyTo = historyTo;
    } catch (error) {
      log("warn", "history-not-written", {
        vantage: before.vantage,
        shard: before.shard,
        reason: error instanceof Error ? error.message : String(error),
        next: "the next tick tries again, as long as the window holds the samples (ten minutes)",
      });
    }
  }

  /** Waits for all; answers the first error that is not the table's, which is a bug and must not pass in silence. */
  async #settle(work: readonly Promise<void>[]): Promise<unknown> {
    let bug: unknown;
    for (const result of await Promise.allSettled(work)) {
      if (result.status === "fulfilled") continue;
      if (!(result.reason instanceof TableUnavailable)) bug ??= result.reason;
      this.#deps.log("warn", "tick-disturbed", {
        vantage: this.#request.vantage,
        reason: result.reason instanceof Error ? result.reason.message : String(result.reason),
        next: "the window is written at the end of the tick",
      });
    }
    return bug;
  }

  #report(kind: TickReport["kind"]): TickReport {
    return { kind, samples: this.#samples, attention: this.#attention };
  }

  #stillRunning(before: WindowItem): boolean {
    return !before.ended && this.#deps.clock() - before.at < this.#deps.config.intervalMs;
  }

  /** Sites that another vantage has lately seen bad: an error rate shows only in the samples of all together. */
  async #suspectedElsewhere(): Promise<ReadonlySet<string>> {
    const { config, state, clock } = this.#deps;
    const { vantage, shard } = this.#request;
    const others = config.vantages.filter((other) => other !== vantage);
    const beats = await Promise.all(others.map((other) => state.readHeartbeat(other, shard)));
    const fresh = beats.filter((beat) => beat !== undefined && beat.at > clock() - 2 * config.intervalMs);
    this.#atWork = fresh.length + 1;
    return new Set(fresh.flatMap((beat) => beat?.suspects ?? []));
  }

  #watch(before: WindowItem | undefined, suspects: ReadonlySet<string>): Watched[] {
    const { only, shard } = this.#request;
    const { config, clock } = this.#deps;
    return targetsOfShard(config, shard).flatMap((target) =>
      target.sites
        .filter((site) => only === undefined || (only.target === target.id && only.site === site.id))
        .map((site) => {
          const key = siteKey(target.id, site.id);
          const held = before?.sites[key] ?? { samples: [], view: "suspect", since: clock(), tick: 0 };
          const now = clock();
          return {
            target,
            site: site.id,
            url: site.url,
            key,
            // Until the next tick, which sees by itself whether another vantage still suspects it.
            window: suspects.has(key) || only !== undefined ? { ...held, suspectUntil: now + config.intervalMs } : held,
            wasSuspicious: isSuspicious(held.samples, target, now),
          };
        })
        .filter((site) => only === undefined || !site.wasSuspicious),
    );
  }

  async #watchSite(site: Watched): Promise<void> {
    const { config, clock, sleep } = this.#deps;
    const { rules } = site.target;
    const session = this.#prober.open({ ...site.target, url: site.url });
    let taken = 0;
    let announced = false;
    try {
      for (;;) {
        if (taken > 0 && clock() + site.target.timeoutMs > this.#end) return;
        // While we cannot see, the controls are asked again and again, so that the hold begins as soon as we can.
        if (taken > 0 && this.#controls.isBlind() && this.#controls.isDue(rules.down.reprobeMs))
          await this.#checkControls();
        await this.#take(site, session);
        taken++;
        if (this.#superseded) return;
        if (this.#fails(site) && this.#controls.isDue(rules.down.reprobeMs)) await this.#doubtOurselves();
        const last = site.window.samples.at(-1);
        if (last === undefined) return;
        const unseen = last.tainted && last.outcome !== "ok" && this.#controls.isBlind();
        const troubled = isBad(last) || isSlow(last, rules.slow.thresholdMs);
        const first = troubled && !site.wasSuspicious && !announced;
        const turned = this.#conclude(site);
        if (first || (turned && isIll(viewOf(site)))) {
          announced = true;
          await this.#checkControls();
          await this.#flush(false);
          await this.#wake([site], first);
        }
        const wanted = isWatchedClosely(site.window, site.target, clock())
          ? samplesPerSuspiciousTick(config, site.target, this.#atWork)
          : 1;
        const probing = (isBad(last) || unseen) && !isIll(viewOf(site));
        if (taken >= wanted && !probing) return;
        const left = this.#deadline - clock();
        const pause = probing
          ? rules.down.reprobeMs
          : Math.min(rules.down.reprobeMs, left / Math.max(1, wanted - taken + 1));
        if (pause >= left) return;
        await sleep(pause);
      }
    } finally {
      session.close();
    }
  }

  /** One sample under the bound on concurrency; what the tick's time does not reach is left out, which reads as not seen. */
  async #take(site: Watched, session: ProbeSession): Promise<void> {
    const { clock } = this.#deps;
    await this.#slots.enter();
    try {
      if (clock() >= this.#deadline) return;
      const sample = await session.sample();
      this.#samples++;
      this.#add(site, sample);
    } finally {
      this.#slots.leave();
    }
  }

  #add(site: Watched, sample: Sample): void {
    const { clock } = this.#deps;
    const seen = this.#controls.isBlind() ? taintedIfBad(sample) : sample;
    site.window = {
      ...site.window,
      tick: this.#request.tick,
      samples: appendSamples(site.window.samples, [seen], clock()),
    };
  }

  /** Renews the view; answers whether it is another than before. */
  #conclude(site: Watched): boolean {
    const { config, clock } = this.#deps;
    const { view } = conclude(
      config,
      site.target,
      { samples: site.window.samples, tick: this.#request.tick, evidenceFrom: 0 },
      clock(),
    );
    if (view === site.window.view) return false;
    const { illSince: held, ...window } = site.window;
    const isWell = view === "healthy" || view === "expiring";
    // Not seeing is no trouble of the target's, and ends none that was seen.
    const illSince = isWell ? undefined : (held ?? (view === "inconclusive" ? undefined : clock()));
    site.window = { ...window, view, since: clock(), ...(illSince === undefined ? {} : { illSince }) };
    return true;
  }

  async #checkControls(): Promise<void> {
    await this.#controls.check();
    if (this.#controls.isBlind()) this.#disown();
    await this.#beat();
  }

  #fails(site: Watched): boolean {
    const last = site.window.samples.at(-1);
    return last !== undefined && isBad(last);
  }

  /** What fails may be our own network, whose trouble is often short: the controls are asked again whenever something fails. */
  async #doubtOurselves(): Promise<void> {
    const wasBlind = this.#controls.isBlind();
    await this.#controls.check();
    if (this.#controls.isBlind()) this.#disown();
    if (this.#controls.isBlind() !== wasBlind) await this.#beat();
  }

  /** What failed while our own network may have been out says nothing about the targets, also once we see again. */
  #disown(): void {
    for (const site of this.#sites) {
      const samples = site.window.samples.map((sample) =>
        sample.startedAt < this.#controls.unsureFrom ? sample : taintedIfBad(sample),
      );
      site.window = { ...site.window, samples };
    }
  }

  async #beat(): Promise<void> {
    const { config, state, clock } = this.#deps;
    const { vantage, shard, tick } = this.#request;
    const now = clock();
    const { since, expiring, suspects } = this.#findings(now);
    const illSince = [...since.values()];
    await state.writeHeartbeat({
      vantage,
      shard,
      tick,
      at: now,
      controls: this.#controls.found,
      ill: illSince.filter((at) => at > now - config.fleetGuard.withinMs).length,
      total: targetsOfShard(config, shard).length,
      illSince,
      ...(expiring === 0 ? {} : { expiring }),
      suspects,
    });
  }

  /** What the shard's windows say: since when which target is ill, how many have a certificate that ends, which sites look bad. */
  #findings(now: number) {
    const since = new Map<string, number>();
    const expiring = new Set<string>();
    const suspects: string[] = [];
    for (const [target, key, window] of this.#windows()) {
      if (isSuspicious(window.samples, target, now)) suspects.push(key);
      const view = asView(window.view);
      if (view === "expiring") expiring.add(target.id);
      if (!isIllToday(view)) continue;
      const turned = window.illSince ?? window.since;
      since.set(target.id, Math.min(turned, since.get(target.id) ?? turned));
    }
    return { since, expiring: [...expiring].filter((id) => !since.has(id)).length, suspects };
  }

  /** Of every site of the shard that was ever looked at. */
  *#windows(): Generator<[TargetConfig, string, SiteWindow]> {
    const held = { ...this.#carried, ...Object.fromEntries(this.#sites.map((site) => [site.key, site.window])) };
    for (const target of targetsOfShard(this.#deps.config, this.#request.shard))
      for (const { id } of target.sites) {
        const key = siteKey(target.id, id);
        const window = held[key];
        if (window !== undefined) yield [target, key, window];
      }
  }

  /** Writes are one after another: each is a step of this run's tick. */
  async #flush(ended: boolean): Promise<void> {
    const next = this.#writing.then(() => this.#write(ended));
    this.#writing = next.catch(() => undefined);
    return next;
  }

  async #write(ended: boolean): Promise<void> {
    if (this.#superseded) return;
    const { state, clock } = this.#deps;
    const { vantage, shard } = this.#request;
    for (const site of this.#sites) this.#conclude(site);
    const own = Object.fromEntries(this.#sites.map((site) => [site.key, site.window]));
    const known = new Set(
      targetsOfShard(this.#deps.config, shard).flatMap((target) =>
        target.sites.map((site) => siteKey(target.id, site.id)),
      ),
    );
    const carried = Object.fromEntries(Object.entries(this.#carried).filter(([key]) => known.has(key)));
    this.#step++;
    const window: WindowItem = {
      vantage,
      shard,
      tick: this.#fence,
      step: this.#step,
      run: this.#id,
      at: clock(),
      ended,
      ...(this.#historyTo === undefined ? {} : { historyTo: this.#historyTo }),
      sites: { ...carried, ...own },
    };
    if ((await state.writeWindow(window)) === "refused") this.#superseded = true;
    else if (ended) await this.#beat();
  }

  async #wake(sites: readonly Watched[], first: boolean): Promise<void> {
    if (sites.length === 0 || this.#superseded) return;
    const { publish, newId, clock, log } = this.#deps;
    const { vantage, tick } = this.#request;
    this.#attention += sites.length;
    const report = await publish(
      sites.map((site) =>
        healthObserved.entry({
          v: 1,
          id: newId("evt_"),
          at: clock(),
          target: site.target.id,
          cause: this.#id,
          hops: 0,
          vantage,
          site: site.site,
          tick,
          view: site.window.view,
          first,
        }),
      ),
    );
    for (const { reason } of report.failed)
      log("warn", "publish-refused", { vantage, reason, next: "reconcile looks within its minute" });
  }
}

function isWatchedClosely(window: SiteWindow, target: TargetConfig, now: number): boolean {
  return isSuspicious(window.samples, target, now) || (window.suspectUntil ?? 0) > now;
}

function taintedIfBad(sample: Sample): Sample {
  return isBad(sample) ? { ...sample, tainted: true } : sample;
}

function viewOf(site: Watched): View {
  return asView(site.window.view);
}

/** Views are written by this file from `conclude` only; an unknown word of a later version reads as `suspect`. */
function asView(view: string): View {
  const known: readonly string[] = KNOWN_VIEWS;
  return known.includes(view) ? (view as View) : "suspect";
}

const KNOWN_VIEWS = ["healthy", "suspect", ...ILL_KINDS] as const satisfies readonly View[];
