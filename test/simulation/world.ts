import type { Config } from "@neuropilot/config";
import { type Attempt, type AuditEntry, type Incident, isInFlight, siteKey, type TargetItem } from "@neuropilot/core";
import {
  healthObserved,
  incidentChanged,
  operatorSaid,
  remediationFinished,
  remediationRequested,
} from "@neuropilot/events";
import { type FunctionSpec, manifest } from "@neuropilot/functions/manifest";
import { readTick } from "@neuropilot/functions/wake-up";
import { bringUpToDate, type Deps, reconcile, runRemedy, runTick, wakeTarget } from "@neuropilot/loop";
import type { Prober } from "@neuropilot/probe";
import { createMemoryTable, createState, type State, type Table } from "@neuropilot/store";
import type { Parts } from "./ablation-parts.ts";
import { type Ablation, focusOf, partsOf } from "./ablations.ts";
import { Bus, type Delivered } from "./bus.ts";
import { type Call, callAt } from "./calls.ts";
import { Channel, type Heard } from "./chat.ts";
import { Chance, Engine, type Invocation } from "./engine.ts";
import { Functions } from "./functions.ts";
import { type Hazard, type HazardOptions, Hazards } from "./hazards.ts";
import { Operator } from "./operator.ts";
import {
  type Focus,
  MINUTE,
  type Mode,
  type Outage,
  type Plan,
  roughPlan,
  type Scenario,
  START,
  scenarioPlan,
} from "./plan.ts";
import { createProber, type Look } from "./prober.ts";
import { Service } from "./service.ts";
import { type Request, Vendor } from "./vendor.ts";
import { type Breach, Watch } from "./watch.ts";

export type { Ablation } from "./ablations.ts";
export type { Call } from "./calls.ts";
export { HOUR, type Scenario, START } from "./plan.ts";

export interface WorldOptions extends HazardOptions {
  readonly ablation?: Ablation;
  readonly scenario?: Scenario;
  /** Length of the rough part. */
  readonly hours?: number;
  /** Bends what the seed picks; that of the ablation, if absent. */
  readonly focus?: Focus;
}

/** As long as the slowest of the properties looks ahead. */
const QUIET_MS = 12 * MINUTE;

/** A whole installation on a seeded world: the real use cases, the manifest's rules, and everything around them simulated. */
export class World {
  readonly seed: number;
  readonly engine = new Engine(START);
  readonly plan: Plan;
  readonly config: Config;
  readonly services: ReadonlyMap<string, Service>;
  readonly channels: readonly Channel[];
  readonly calls: Call[] = [];
  readonly looks: Look[] = [];
  readonly watch: Watch;
  readonly plainState: State;
  readonly #hazards: Hazards;
  readonly #parts: Parts;
  readonly #table: Table = createMemoryTable();
  readonly #bus: Bus;
  readonly #vendor: Vendor;
  readonly #operator: Operator;
  readonly #functions: Functions;
  readonly #scenario: Scenario | undefined;
  readonly #byUrl: ReadonlyMap<string, Service>;
  #surelyLost = false;
  #ids = 0;
  #quietSince: number | undefined;
  #endedAt: number | undefined;

  constructor(seed: number, options: WorldOptions = {}) {
    const { scenario, ablation, hours } = options;
    this.seed = seed;
    this.#scenario = scenario;
    this.#parts = ablation === undefined ? {} : partsOf(ablation);
    const focus = options.focus ?? (ablation === undefined ? undefined : focusOf(ablation));
    const chance = new Chance(seed);
    let rates = {};
    this.#hazards = new Hazards(
      seed,
      options,
      () => this.engine.now,
      () => (this.#isCalm ? {} : rates),
    );
    this.plan =
      scenario === undefined ? roughPlan(chance, this.#hazards, { hours, focus }) : scenarioPlan(chance, scenario);
    rates = this.plan.rates;
    this.config = this.plan.config;
    this.engine.asleep = this.plan.asleep;
    this.services = this.#createServices();
    this.#byUrl = new Map(
      this.config.targets.flatMap((target) =>
        target.sites.flatMap(({ id, url }) => {
          const service = this.services.get(siteKey(target.id, id));
          return service === undefined ? [] : [[url, service] as const];
        }),
      ),
    );
    this.watch = new Watch(this.config, (target, attempt) => {
      if (scenario === undefined) this.#operator.sees(target, attempt);
    });
    this.channels = this.plan.channels.map((name) => this.#createChannel(name));
    this.#vendor = new Vendor(this.engine, this.#hazards, (request) => this.#onCall(request));
    this.#bus = new Bus(this.engine, this.#hazards, this.plan.busDropsOld, {
      instancesOf: (spec) => this.#instancesOf(spec),
      receive: (spec, event, instance) => this.#receive(spec, event, instance),
      breach: (property, text) => this.watch.breach(property, text),
    });
    this.plainState = createState(this.#table);
    this.#functions = new Functions({
      engine: this.engine,
      hazards: this.#hazards,
      plan: this.plan,
      table: this.#table,
      watch: this.watch,
      parts: this.#parts,
      isCalm: () => this.#isCalm,
      newId: (prefix) => this.#newId(prefix),
      publish: (event) => this.#bus.put(event),
    });
    this.#operator = new Operator({
      engine: this.engine,
      hazards: this.#hazards,
      config: this.config,
      state: this.plainState,
      publish: (event) => this.#bus.put(event),
    });
  }

  get chaosEnds(): number {
    return this.plan.chaosEnds;
  }

  /** When it ended, or will at the latest: once all is calm and quiet there is nothing left to wait for. */
  get ends(): number {
    return this.#endedAt ?? this.plan.ends;
  }

  get mode(): Mode {
    return this.plan.mode;
  }

  get vantageOutages(): readonly Outage[] {
    return this.plan.outages;
  }

  /** What really went wrong, in order. */
  get hazards(): readonly Hazard[] {
    const { now } = this.engine;
    return this.#hazards.happened.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
  }

  /** Everything that people read, in order. */
  get heard(): readonly Heard[] {
    return this.channels.flatMap(({ heard }) => heard).sort((a, b) => a.at - b.at);
  }

  /** What was found while it ran, at the moment of a write, a call or an event. */
  get breaches(): readonly Breach[] {
    return this.watch.breaches;
  }

  get largestItem(): number {
    return this.watch.largest;
  }

  async run(): Promise<void> {
    // One turn of the event loop, so that whoever runs many of these can be reached in between.
    await new Promise((resolve) => setImmediate(resolve));
    this.#scheduleTicks();
    if (this.#parts.reconciles !== false)
      this.#every(this.config.reconcileMs, this.plan.reconcileOffset, "reconcile", () =>
        this.#functions.invoke(specOf("reconcile"), undefined, (deps) => reconcile(deps)),
      );
    this.#scheduleOperator();
    while (this.engine.now < this.plan.ends) {
      await this.engine.runUntil(Math.min(this.engine.now + MINUTE, this.plan.ends));
      if (this.#scenario === undefined && this.#isOver()) break;
    }
    this.#endedAt = this.engine.now;
  }

  /** All is calm, and for long nothing has been under way that could still go wrong. */
  #isOver(): boolean {
    const { now } = this.engine;
    if (!this.#isCalm || !this.config.targets.every(({ id }) => this.#isQuiet(id))) this.#quietSince = undefined;
    else this.#quietSince ??= now;
    return this.#quietSince !== undefined && now - this.#quietSince >= QUIET_MS;
  }

  /** Nothing is under way, people know of whatever is wrong, and whatever is wrong is known. */
  #isQuiet(target: string): boolean {
    const { incident, outbox } = this.watch.itemOf(target);
    if (Object.keys(outbox).length > 0 || !this.watch.isTold(target, this.plan.channels)) return false;
    if (incident !== undefined) return !incident.attempts.some(isInFlight) && incident.needsHuman !== undefined;
    const own = [...this.services.values()].filter(({ key }) => key.startsWith(`${target}/`));
    return own.every((service) => service.faultAt(this.engine.now) === undefined);
  }

  get #isCalm(): boolean {
    return this.engine.now >= this.plan.chaosEnds;
  }

  #createServices(): ReadonlyMap<string, Service> {
    const chance = new Chance(this.seed ^ 0x5e41ce);
    return new Map(
      this.config.targets.flatMap((target) =>
        target.sites.map(({ id }) => {
          const key = siteKey(target.id, id);
          return [key, new Service(key, this.engine, chance, this.plan.faults.get(key) ?? [])] as const;
        }),
      ),
    );
  }

  #createChannel(name: string): Channel {
    return new Channel(name, {
      engine: this.engine,
      hazards: this.#hazards,
      down: this.plan.channelOutages.get(name) ?? [],
      newId: (prefix) => this.#newId(prefix),
    });
  }

  #newId(prefix: string): string {
    return `${prefix}${++this.#ids}`;
  }

  #every(ms: number, offset: number, what: string, run: (scheduled: number) => void): void {
    const next = (time: number) =>
      this.engine.at(time, () => {
        // Schedules have whole seconds. What a sleeper missed is not made up for.
        const late = Math.floor((this.engine.now - time) / ms) * ms;
        const scheduled = Math.floor((time + late) / 1_000) * 1_000;
        if (!this.#hazards.happens("skipped-tick", `a beat of ${what} is skipped`)) run(scheduled);
        if (this.#hazards.happens("doubled-tick", `a beat of ${what} comes twice`)) run(scheduled);
        next(time + late + ms);
      });
    next(START + offset);
  }

  #scheduleTicks(): void {
    const { vantages, intervalMs } = this.config;
    vantages.forEach((vantage, index) => {
      const even = this.plan.staggered ? (index * intervalMs) / vantages.length : 0;
      const offset = this.#scenario?.phases[index] ?? even;
      this.#every(intervalMs, offset, vantage, (tick) => {
        if (!this.#isOut(vantage)) this.#probe(vantage, { vantage, shard: "0", tick });
      });
    });
  }

  #isOut(vantage: string): boolean {
    const { now } = this.engine;
    return this.plan.outages.some((outage) => outage.vantage === vantage && outage.from <= now && now < outage.to);
  }

  #probe(vantage: string, event: Delivered): void {
    this.#functions.invoke(
      specOf("probe"),
      event,
      async (deps, invocation) => {
        const { shard, tick } = readTick(event, deps.clock());
        const woken = healthObserved.parse(event);
        const prober = this.#prober(vantage, deps, invocation);
        if (!woken.ok) return runTick(deps, prober, { vantage, shard, tick });
        if (woken.detail.vantage === vantage) return undefined;
        const only = { target: woken.detail.target, site: woken.detail.site };
        return runTick(deps, prober, { vantage, shard, tick, only });
      },
      vantage,
    );
  }

  #prober(vantage: string, { clock }: Deps, invocation: Invocation): Prober {
    return createProber({
      engine: this.engine,
      invocation,
      vantage,
      bursts: this.plan.bursts.get(vantage) ?? [],
      services: this.#byUrl,
      clock,
      isLost: () => this.#lostByChance(vantage),
      looked: (look) => this.looks.push(look),
    });
  }

  #lostByChance(vantage: string): boolean {
    const lost = this.#scenario?.lost;
    if (lost === undefined) return false;
    if (!this.#surelyLost && vantage === lost.surely && this.engine.now >= lost.from) {
      this.#surelyLost = true;
      return true;
    }
    return this.#hazards.timing.happens(lost.share);
  }

  #scheduleOperator(): void {
    for (const { from, to } of this.plan.pauses) this.engine.at(from, () => this.#operator.pause(to), true);
    if (this.#scenario !== undefined) return;
    this.#every(2 * MINUTE, this.plan.reconcileOffset, "the operator's day", () => {
      for (const { id } of this.config.targets) this.#operator.speak(this.watch.itemOf(id));
    });
  }

  #instancesOf(spec: FunctionSpec): readonly string[] {
    if (spec.perVantage) return this.config.vantages;
    return spec.name === "alert-slack" ? (this.#parts.channels?.(this.plan.channels) ?? this.plan.channels) : [""];
  }

  #receive(spec: FunctionSpec, delivered: Delivered, instance: string): void {
    const event = this.#parts.event?.(delivered, this.engine.now) ?? delivered;
    switch (spec.name) {
      case "probe":
        if (!this.#isOut(instance)) this.#probe(instance, { ...event, neuropilot: { vantage: instance, shard: "0" } });
        return;
      case "decide":
        this.#functions.invoke(spec, delivered, (deps) => decideOn(deps, event));
        return;
      case "restart":
      case "purge-cache":
        this.#remedy(spec, spec.name, event);
        return;
      case "alert-slack":
        this.#alert(spec, event, instance);
        return;
      case "reconcile":
        return;
    }
  }

  #remedy(spec: FunctionSpec, remedy: Request["remedy"], event: Delivered): void {
    this.#functions.invoke(spec, event, async (deps, invocation) => {
      const parsed = remediationRequested.parse(event);
      if (!parsed.ok) throw new Error(parsed.problem);
      const { target, attempt } = parsed.detail;
      const plain = this.#vendor.provider(remedy, invocation);
      const provider = this.#parts.provider?.(plain) ?? plain;
      const where = (site: { readonly id: string }, tried: Attempt) => {
        const service = this.services.get(siteKey(target, site.id));
        return service === undefined ? undefined : { attempt: tried.id, service };
      };
      return runRemedy(deps, { provider, where }, { target, attempt, pollForMs: remedy === "restart" ? 30_000 : 0 });
    });
  }

  #alert(spec: FunctionSpec, event: Delivered, name: string): void {
    const channel = this.channels.find((candidate) => candidate.name === name);
    if (channel === undefined) return;
    this.#functions.invoke(
      spec,
      event,
      async (deps, invocation) => {
        const parsed = incidentChanged.parse(event);
        if (!parsed.ok) throw new Error(parsed.problem);
        const { incident, target } = parsed.detail;
        const plain = channel.provider(invocation);
        const chat = this.#parts.chat?.(plain) ?? plain;
        return bringUpToDate(deps, chat, { incident, target, channel: name });
      },
      name,
    );
  }

  #onCall(request: Request): void {
    const { config, services, looks, watch, mode } = this;
    const { pausedSince } = this.#operator;
    this.calls.push(callAt({ now: this.engine.now, config, services, looks, watch, mode, pausedSince }, request));
  }

  /** Every incident of every target, the open ones last. */
  async incidents(): Promise<readonly Incident[]> {
    const found: Incident[] = [];
    for (const { id } of this.config.targets) {
      const item = await this.item(id);
      const archived = await this.plainState.archivedIncidents(id);
      const waiting = item.closed.filter((closed) => !archived.some((other) => other.id === closed.id));
      found.push(...archived, ...waiting, ...(item.incident === undefined ? [] : [item.incident]));
    }
    return found;
  }

  item(target = this.config.targets[0]?.id ?? ""): Promise<TargetItem> {
    return this.plainState.readTarget(target, this.engine.now);
  }

  async audit(target = this.config.targets[0]?.id ?? ""): Promise<readonly AuditEntry[]> {
    const archived = await this.plainState.readAudit(target);
    const { audit } = await this.item(target);
    const known = new Set(archived.map(({ n }) => n));
    return [...archived, ...audit.pending.filter(({ n }) => !known.has(n))];
  }
}

async function decideOn(deps: Deps, event: unknown): Promise<unknown> {
  const said = operatorSaid.parse(event);
  if (said.ok) {
    const { target, at, word, attempt, incident, by } = said.detail;
    if (word !== "approve" && word !== "deny" && word !== "acknowledge")
      return wakeTarget(deps, target, { kind: "wake", at, cause: said.detail.id });
    return wakeTarget(deps, target, {
      kind: "operator",
      at,
      word,
      by,
      ...(attempt === undefined ? {} : { attempt }),
      ...(incident === undefined ? {} : { incident }),
    });
  }
  for (const contract of [healthObserved, remediationFinished]) {
    const parsed = contract.parse(event);
    if (!parsed.ok) continue;
    const { target, at, id } = parsed.detail;
    return wakeTarget(deps, target, { kind: "wake", at, cause: id });
  }
  throw new Error("an event that decide cannot read");
}

function specOf(name: FunctionSpec["name"]): FunctionSpec {
  const spec = manifest.find((candidate) => candidate.name === name);
  if (spec === undefined) throw new Error(`${name} is not in the manifest`);
  return spec;
}
