import type { Config } from "@neuropilot/config";
import {
  type Attempt,
  type CallOutcome,
  findAttempt,
  type Incident,
  isInFlight,
  type Sample,
  type TargetItem,
} from "@neuropilot/core";
import {
  healthObserved,
  incidentChanged,
  type OutgoingEvent,
  operatorSaid,
  remediationFinished,
  remediationRequested,
  SOURCE,
} from "@neuropilot/events";
import { type FunctionSpec, manifest } from "@neuropilot/functions/manifest";
import { readTick } from "@neuropilot/functions/wake-up";
import { bringUpToDate, type Deps, reconcile, runRemedy, runTick, wakeTarget } from "@neuropilot/loop";
import type { Prober } from "@neuropilot/probe";
import type { ChatOutcome, ChatProvider, RemedyProvider } from "@neuropilot/providers";
import { createMemoryTable, createState, GLOBAL, type State, type Table, TableUnavailable } from "@neuropilot/store";
import { Chance, Engine, type Hazards, Invocation } from "./engine.ts";
import { policyOf } from "./policy.ts";
import { type Burst, burstAt, bursts, type Fault, Service, sample } from "./service.ts";

export const START = 1_800_000_000_000;
export const MINUTE = 60_000;
export const HOUR = 3_600_000;
const TARGET = "api";

/** What a run leaves out or does wrong on purpose, from outside: each must be found out. */
export type Ablation =
  | "no-reconcile"
  | "claim-without-condition"
  | "call-without-writing-calling"
  | "no-cooldown"
  | "retry-after-unknown"
  | "stale-looks-fresh"
  | "no-last-look-at-the-clock";

/** How rough the world is: probabilities of what can go wrong, each per occasion. */
export interface Chaos {
  readonly crash: number;
  readonly freeze: number;
  readonly slowTable: number;
  readonly tableError: number;
  readonly lostAnswer: number;
  readonly drop: number;
  readonly double: number;
  readonly delayMinutes: number;
  readonly delayHours: number;
  readonly refusedEntry: number;
  readonly skipTick: number;
  readonly vendorLies: number;
  readonly chatFails: number;
}

const CALM: Chaos = {
  crash: 0,
  freeze: 0,
  slowTable: 0.02,
  tableError: 0,
  lostAnswer: 0,
  drop: 0,
  double: 0,
  delayMinutes: 0,
  delayHours: 0,
  refusedEntry: 0,
  skipTick: 0,
  vendorLies: 0,
  chatFails: 0,
};

const ROUGH: Chaos = {
  crash: 0.05,
  freeze: 0.02,
  slowTable: 0.1,
  tableError: 0.004,
  lostAnswer: 0.004,
  drop: 0.08,
  double: 0.15,
  delayMinutes: 0.08,
  delayHours: 0.01,
  refusedEntry: 0.04,
  skipTick: 0.02,
  vendorLies: 0.5,
  chatFails: 0.2,
};

const WILD: Chaos = {
  crash: 0.15,
  freeze: 0.08,
  slowTable: 0.3,
  tableError: 0.015,
  lostAnswer: 0.015,
  drop: 0.25,
  double: 0.3,
  delayMinutes: 0.15,
  delayHours: 0.03,
  refusedEntry: 0.1,
  skipTick: 0.05,
  vendorLies: 0.8,
  chatFails: 0.5,
};

export interface Call {
  readonly at: number;
  readonly remedy: "restart" | "purge-cache";
  readonly attempt: string;
  /** Provably nothing was done, and the vendor said so. */
  readonly refused: boolean;
  /** Bad or slow samples that a vantage took shortly before. */
  readonly vantagesThatSawIt: number;
  readonly mode: "observe" | "approve" | "auto";
  /** Since when healing was paused, if it was. */
  readonly pausedSince: number | undefined;
  readonly inMaintenance: boolean;
}

interface Look extends Sample {
  readonly vantage: string;
  readonly trueAt: number;
}

/** A world made to measure instead of a rough one. */
export interface Scenario {
  readonly vantages: readonly string[];
  /** When each vantage's ticks begin within the interval, milliseconds. */
  readonly phases: readonly number[];
  readonly faults: readonly Fault[];
  readonly bursts: ReadonlyMap<string, readonly Burst[]>;
  /** Samples lost by chance, each on its own; the first of this vantage from then on is lost for certain. */
  readonly lost?: { readonly share: number; readonly surely: string; readonly from: number };
  readonly forMs: number;
  readonly ladders?: Config["targets"][number]["ladders"];
}

/** A whole installation on a seeded world: the real use cases, the manifest's rules, and everything around them simulated. */
export class World {
  readonly engine = new Engine(START);
  readonly config: Config;
  readonly service: Service;
  readonly calls: Call[] = [];
  readonly looks: Look[] = [];
  readonly told = new Map<string, number>();
  /** What was seen to be wrong while it ran, at the moment of a write. */
  readonly wrongWrites: string[] = [];
  readonly plainState: State;
  readonly chaosEnds: number;
  readonly ends: number;
  readonly mode: "observe" | "approve" | "auto";
  readonly seed: number;
  readonly vantageOutages: readonly { readonly vantage: string; readonly from: number; readonly to: number }[];
  readonly #chance: Chance;
  readonly #chaos: Chaos;
  readonly #ablation: Ablation | undefined;
  readonly #table: Table = createMemoryTable();
  readonly #skews = new Map<string, number>();
  readonly #bursts = new Map<string, readonly Burst[]>();
  readonly #scenario: Scenario | undefined;
  #surelyLost = false;
  #ids = 0;
  #pausedSince: number | undefined;
  #largest = 0;
  #token = 0;

  constructor(seed: number, options: { readonly ablation?: Ablation; readonly scenario?: Scenario } = {}) {
    this.seed = seed;
    this.#ablation = options.ablation;
    this.#scenario = options.scenario;
    const chance = new Chance(seed);
    this.#chance = chance;
    const { scenario } = options;
    this.#chaos = scenario === undefined ? chance.pick([CALM, ROUGH, ROUGH, WILD, WILD]) : CALM;
    this.chaosEnds = START + (scenario?.forMs ?? chance.between(0.7, 1.5) * HOUR);
    this.ends = scenario === undefined ? this.chaosEnds + 0.9 * HOUR : this.chaosEnds;
    this.mode = scenario !== undefined || chance.happens(0.85) ? "auto" : chance.pick(["approve", "observe"]);
    this.config = scenario === undefined ? this.#configure(chance) : configOf(scenario);
    this.service = new Service(this.engine, chance, scenario?.faults ?? this.#faults(chance));
    this.vantageOutages =
      scenario === undefined && chance.happens(0.3)
        ? this.config.vantages
            .slice(0, chance.integer(1, this.config.vantages.length))
            .map((vantage) => this.#outage(chance, vantage))
        : [];
    for (const vantage of this.config.vantages)
      this.#bursts.set(vantage, scenario?.bursts.get(vantage) ?? this.#noise(chance));
    this.plainState = createState(this.#watched(this.#table));
  }

  #noise(chance: Chance): readonly Burst[] {
    if (this.#scenario !== undefined) return [];
    return bursts(chance, START, this.chaosEnds, {
      share: chance.pick([0, 0.001, 0.01, 0.05]),
      meanMs: chance.pick([10_000, 60_000]),
      whole: 0.7,
    });
  }

  /** The largest target item written, in bytes. */
  get largestItem(): number {
    return this.#largest;
  }

  #configure(chance: Chance): Config {
    const vantages = ["east", "west", "north"].slice(0, chance.pick([1, 2, 3, 3, 3]));
    const maintenance = chance.happens(0.15)
      ? [{ fromMs: START + 20 * MINUTE, toMs: START + chance.between(30, 60) * MINUTE, reason: "upgrade" }]
      : [];
    const config = policyOf(vantages, { maintenance });
    const target = config.targets[0];
    if (target === undefined || this.mode === "auto") return config;
    const remedies = { ...target.remedies };
    for (const name of ["restart", "purge-cache"] as const) remedies[name] = { ...remedies[name], mode: this.mode };
    return { ...config, targets: [{ ...target, remedies }] };
  }

  #faults(chance: Chance): Fault[] {
    const faults: Fault[] = [];
    let from = START + chance.between(3, 30) * MINUTE;
    while (from < this.chaosEnds && faults.length < 6) {
      const kind = chance.pick(["refused", "refused", "hangs", "5xx", "slow", "failing", "blocked"] as const);
      const cure = kind === "failing" ? chance.pick(["purge-cache", "restart"] as const) : "restart";
      const until = chance.happens(0.4)
        ? from + chance.exponential(8) * MINUTE
        : from + chance.between(20, 400) * MINUTE;
      const share = kind === "failing" ? chance.between(0.1, 0.4) : kind === "slow" ? chance.between(0.8, 1) : 1;
      faults.push({ from, kind, share, until, cure: chance.happens(0.6) && kind !== "blocked" ? cure : "nothing" });
      from = until + chance.exponential(20) * MINUTE;
    }
    return faults;
  }

  #outage(chance: Chance, vantage: string) {
    const from = START + chance.between(0, 1.2) * HOUR;
    return { vantage, from, to: from + chance.between(3, 40) * MINUTE };
  }

  async run(): Promise<void> {
    this.#scheduleTicks();
    if (this.#ablation !== "no-reconcile")
      this.#every(this.config.reconcileMs, this.#chance.between(0, 60_000), () =>
        this.#invoke(specOf("reconcile"), undefined, (deps) => reconcile(deps)),
      );
    this.#scheduleOperator();
    await this.engine.runUntil(this.ends);
  }

  get #calm(): boolean {
    return this.engine.now >= this.chaosEnds;
  }

  #may(probability: number): boolean {
    return !this.#calm && this.#chance.happens(probability);
  }

  #every(ms: number, offset: number, run: (scheduled: number) => void): void {
    const next = (time: number) =>
      this.engine.at(time, () => {
        // Schedules have whole seconds.
        const scheduled = Math.floor(time / 1_000) * 1_000;
        if (!this.#may(this.#chaos.skipTick)) run(scheduled);
        if (this.#may(this.#chaos.skipTick)) run(scheduled);
        next(time + ms);
      });
    next(START + offset);
  }

  #scheduleTicks(): void {
    const staggered = this.#chance.happens(0.5);
    this.config.vantages.forEach((vantage, index) => {
      const even = staggered ? (index * this.config.intervalMs) / this.config.vantages.length : 0;
      const offset = this.#scenario?.phases[index] ?? even;
      this.#every(this.config.intervalMs, offset, (tick) => {
        if (!this.#isOut(vantage)) this.#probe(vantage, { vantage, shard: "0", tick });
      });
    });
  }

  #isOut(vantage: string): boolean {
    const { now } = this.engine;
    return this.vantageOutages.some((outage) => outage.vantage === vantage && outage.from <= now && now < outage.to);
  }

  #probe(vantage: string, event: unknown): void {
    this.#invoke(
      specOf("probe"),
      event,
      async (deps, invocation) => {
        const { shard, tick } = readTick(event, deps.clock());
        const woken = healthObserved.parse(event);
        const prober = this.#prober(vantage, deps, invocation);
        if (!woken.ok) return runTick(deps, prober, { vantage, shard, tick });
        if (woken.detail.vantage === vantage) return undefined;
        return runTick(deps, prober, {
          vantage,
          shard,
          tick,
          only: { target: woken.detail.target, site: woken.detail.site },
        });
      },
      vantage,
    );
  }

  #prober(vantage: string, deps: Deps, invocation: Invocation): Prober {
    return {
      open: (request) => ({
        sample: () =>
          invocation.through(async () => {
            const isControl = !request.url.includes("api.example.com");
            const trueAt = this.engine.now;
            const burst = burstAt(this.#bursts.get(vantage) ?? [], trueAt);
            const byBurst = burst !== undefined && (burst.whole || !isControl);
            const lost = byBurst || (!isControl && this.#lostByChance(vantage));
            const answer = lost
              ? sample(trueAt, "refused", 0, 0)
              : isControl
                ? sample(trueAt, "ok", 20, 30)
                : this.service.answer(request.timeoutMs);
            const startedAt = deps.clock();
            if (answer.totalMs > 2_000) await this.engine.sleep(answer.totalMs);
            const taken = { ...answer, startedAt };
            if (!isControl) this.looks.push({ ...taken, vantage, trueAt });
            return taken;
          }),
        close: () => undefined,
      }),
    };
  }

  #lostByChance(vantage: string): boolean {
    const lost = this.#scenario?.lost;
    if (lost === undefined) return false;
    if (!this.#surelyLost && vantage === lost.surely && this.engine.now >= lost.from) {
      this.#surelyLost = true;
      return true;
    }
    return this.#chance.happens(lost.share);
  }

  #scheduleOperator(): void {
    const chance = this.#chance;
    if (this.#scenario !== undefined) return;
    if (chance.happens(0.3)) {
      const at = START + chance.between(5, 80) * MINUTE;
      const until = at + chance.between(1, 60) * MINUTE;
      this.engine.at(at, () => this.#pause(until));
    }
    if (this.mode !== "approve") return;
    this.#every(2 * MINUTE, chance.between(0, MINUTE), () => void this.#answerProposal());
  }

  #pause(until: number): void {
    if (this.#pausedSince !== undefined) return;
    const paused = { at: Math.floor(this.engine.now), by: "ada", reason: "deploying" };
    void this.plainState.updateControl(this.#chance.pick([GLOBAL, TARGET]), () => ({ paused }));
    this.#pausedSince = this.engine.now;
    this.engine.at(until, () => {
      this.#pausedSince = undefined;
      for (const scope of [GLOBAL, TARGET]) void this.plainState.updateControl(scope, () => ({}));
    });
  }

  async #answerProposal(): Promise<void> {
    const item = await this.plainState.readTarget(TARGET, this.engine.now);
    const proposed = item.incident?.attempts.find((attempt) => attempt.state === "proposed");
    if (proposed === undefined) return;
    const word = this.#chance.pick(["approve", "approve", "deny", "acknowledge"] as const);
    const said = operatorSaid.entry({
      v: 1,
      id: this.#newId("evt_"),
      at: Math.floor(this.engine.now),
      target: TARGET,
      cause: "operator",
      hops: 0,
      word,
      by: "ada",
      ...(this.#chance.happens(0.7) ? { attempt: proposed.id } : {}),
    });
    this.#route(said);
  }

  #newId(prefix: string): string {
    return `${prefix}${++this.#ids}`;
  }

  /** Every function's clock is up to two seconds off, each by its own. */
  #skewOf(name: string): number {
    const known = this.#skews.get(name);
    if (known !== undefined) return known;
    const skew = this.#chance.between(-2_000, 2_000);
    this.#skews.set(name, skew);
    return skew;
  }

  #hazards(spec: FunctionSpec): Hazards {
    const remedy = spec.name === "restart" || spec.name === "purge-cache";
    const most = remedy ? 30 : 14;
    const crashes = this.#may(remedy ? this.#chaos.crash * 2 : this.#chaos.crash);
    const often = this.#ablation === "no-last-look-at-the-clock" ? 0.7 : this.#chaos.freeze * 2;
    const freezes = this.#may(remedy ? often : this.#chaos.freeze);
    return {
      ...(crashes ? { crashAt: this.#chance.integer(0, most) } : {}),
      crashAfterEffect: this.#chance.happens(0.5),
      // Mostly on the way from the last look at the state to the call, where it matters.
      ...(freezes
        ? { freeze: { at: this.#chance.integer(remedy ? 9 : 0, remedy ? 17 : most), ms: this.#freezeMs() } }
        : {}),
      // One machine that sleeps kills nothing; on AWS a function ends at its timeout.
      timeoutMs: this.#chance.happens(0.3) ? 6 * HOUR : spec.timeoutSeconds * 1_000,
    };
  }

  #freezeMs(): number {
    return this.#chance.happens(0.5) ? this.#chance.between(3_000, 30_000) : this.#chance.between(30_000, 900_000);
  }

  #invoke(
    spec: FunctionSpec,
    event: unknown,
    handler: (deps: Deps, invocation: Invocation) => Promise<unknown>,
    instance = "",
    tries = 0,
  ): void {
    const hazards = this.#hazards(spec);
    const invocation = new Invocation(this.engine, hazards);
    let done = false;
    const again = () => {
      if (done || tries >= spec.retries) return;
      done = true;
      this.engine.after((tries + 1) * MINUTE, () => this.#invoke(spec, event, handler, instance, tries + 1));
    };
    if (hazards.crashAt !== undefined || hazards.freeze !== undefined)
      this.engine.after(spec.timeoutSeconds * 1_000, () => {
        if (invocation.crashed) again();
      });
    handler(this.#deps(invocation, spec, instance), invocation).then(
      () => {
        done = true;
      },
      (error: unknown) => {
        if (!(error instanceof TableUnavailable)) this.wrongWrites.push(`${spec.name} threw: ${String(error)}`);
        again();
      },
    );
  }

  #deps(invocation: Invocation, spec: FunctionSpec, instance: string): Deps {
    const skew = this.#skewOf(spec.name + instance);
    // A remedy that never looks at the clock again cannot know that it was frozen on its way to the call.
    const began = this.engine.now;
    const standsStill = this.#ablation === "no-last-look-at-the-clock" && spec.secrets.length > 0;
    const state = createState(this.#unreliable(invocation, this.#watched(this.#table)));
    return {
      config: this.config,
      state: this.#ablated(state, spec),
      clock: () => Math.floor((standsStill ? began : this.engine.now) + skew),
      sleep: (ms) => invocation.through(() => this.engine.sleep(ms)),
      newId: (prefix) => this.#newId(prefix),
      log: () => undefined,
      channels: ["slack"],
      publish: (events) =>
        invocation.through(async () => {
          const failed = [];
          for (const event of events)
            if (this.#may(this.#chaos.refusedEntry)) failed.push({ event, reason: "ThrottlingException: try later" });
            else this.#route(event);
          return { sent: events.length - failed.length, failed };
        }),
    };
  }

  /** The bus: at least once, mostly; by the manifest's patterns; late, doubled and out of order. */
  #route(event: OutgoingEvent): void {
    const delivered = {
      id: this.#newId("bus_"),
      source: SOURCE,
      "detail-type": event.detailType,
      time: new Date(this.engine.now).toISOString(),
      detail: JSON.parse(event.detail),
    };
    for (const spec of manifest)
      for (const wake of spec.wakes)
        if (wake.kind === "event" && matches(wake.pattern, delivered))
          for (const vantage of spec.perVantage ? this.config.vantages : [""]) this.#deliver(spec, delivered, vantage);
  }

  #deliver(spec: FunctionSpec, event: Readonly<Record<string, unknown>>, vantage: string): void {
    const copies = this.#may(this.#chaos.drop) ? 0 : this.#may(this.#chaos.double) ? this.#chance.integer(2, 4) : 1;
    const sent = this.engine.now;
    for (let copy = 0; copy < copies; copy++) {
      const delay = this.#may(this.#chaos.delayHours)
        ? this.#chance.between(0.2, 3) * HOUR
        : this.#may(this.#chaos.delayMinutes)
          ? this.#chance.between(1, 10) * MINUTE
          : this.#chance.between(20, 600);
      this.engine.after(delay, () => {
        // The bus drops what is older than the rule allows; some runs do without that, for a consumer must not rely on it.
        if (this.seed % 2 === 0 && this.engine.now - sent > spec.maxEventAgeSeconds * 1_000) return;
        this.#receive(spec, event, vantage);
      });
    }
  }

  #receive(spec: FunctionSpec, event: Readonly<Record<string, unknown>>, vantage: string): void {
    switch (spec.name) {
      case "probe":
        if (!this.#isOut(vantage)) this.#probe(vantage, { ...event, neuropilot: { vantage, shard: "0" } });
        return;
      case "decide":
        this.#invoke(spec, event, (deps) => decideOn(deps, event));
        return;
      case "restart":
      case "purge-cache": {
        const { name } = spec;
        this.#invoke(spec, event, async (deps, invocation) => {
          const parsed = remediationRequested.parse(event);
          if (!parsed.ok) throw new Error(parsed.problem);
          const { target, attempt } = parsed.detail;
          const provider = this.#vendor(name, invocation);
          const where = (_site: unknown, tried: Attempt) => ({ attempt: tried.id });
          return runRemedy(deps, { provider, where }, { target, attempt, pollForMs: name === "restart" ? 30_000 : 0 });
        });
        return;
      }
      case "alert-slack":
        this.#invoke(spec, event, async (deps, invocation) => {
          const parsed = incidentChanged.parse(event);
          if (!parsed.ok) throw new Error(parsed.problem);
          const { incident, target } = parsed.detail;
          return bringUpToDate(deps, this.#chat(invocation), { incident, target, channel: "slack" });
        });
        return;
      case "reconcile":
        return;
    }
  }

  /** A vendor that may lie: does it and says nothing, says it and does nothing, refuses, or breaks off. */
  #vendor(
    remedy: "restart" | "purge-cache",
    invocation: Invocation,
  ): RemedyProvider<{ attempt: string }, { attempt: string }> {
    const lies = () => this.#may(this.#chaos.vendorLies);
    const apply = (afterMs: number) => this.engine.after(afterMs, () => this.service.apply(remedy));
    const overAt = new Map<string, number>();
    return {
      prepare: (where) =>
        invocation.through(async () => {
          await this.engine.sleep(this.#chance.between(50, 3_000));
          if (this.#may(this.#chaos.vendorLies * 0.1))
            return { kind: "retry-later", afterMs: 20_000, detail: "429 while looking" };
          return { kind: "ready", plan: where };
        }),
      act: (plan) => {
        const call = (refused: boolean) => this.calls.push(this.#call(remedy, plan.attempt, refused));
        const lie = lies() ? this.#chance.pick(LIES) : "none";
        const refused = lie === "429" || lie === "rejects";
        // The request leaves now, whatever becomes of its answer.
        call(refused);
        return invocation
          .through(async (): Promise<CallOutcome> => {
            await this.engine.sleep(this.#chance.between(50, 1_500));
            switch (lie) {
              case "none": {
                const takes = this.#chance.between(2_000, 60_000);
                apply(takes);
                overAt.set(plan.attempt, this.engine.now + takes);
                return { kind: "applied", reference: `${plan.attempt}@${Math.floor(this.engine.now + takes)}` };
              }
              case "accepts-and-does-nothing":
                return { kind: "applied", reference: `${plan.attempt}@${Math.floor(this.engine.now + 5_000)}` };
              case "never-finishes":
                return { kind: "applied", reference: `${plan.attempt}@${Math.floor(this.ends + HOUR)}` };
              case "times-out-and-does-it":
                apply(3_000);
                await this.engine.sleep(10_000);
                return { kind: "unknown", why: "timeout", detail: "no answer within 10 s" };
              case "times-out":
                await this.engine.sleep(10_000);
                return { kind: "unknown", why: "timeout", detail: "no answer within 10 s" };
              case "5xx":
                if (this.#chance.happens(0.5)) apply(3_000);
                return { kind: "unknown", why: "vendor-error", detail: "502" };
              case "429":
                return { kind: "retry-later", afterMs: this.#chance.between(5_000, 300_000), detail: "429" };
              case "rejects":
                return { kind: "rejected", reason: "unauthorized", detail: "Not Authorized" };
            }
          })
          .then((outcome) =>
            this.#ablation === "retry-after-unknown" && outcome.kind === "unknown"
              ? { kind: "retry-later" as const, afterMs: 1_000, detail: "asked again" }
              : outcome,
          );
      },
      follow: (reference) =>
        invocation.through(async () => {
          if (lies() && this.#chance.happens(0.3)) return { kind: "unavailable", afterMs: 5_000, detail: "503" };
          const over = Number(reference.slice(reference.indexOf("@") + 1)) <= this.engine.now;
          return over ? { kind: "over", detail: "SUCCESS" } : { kind: "in-progress", detail: "DEPLOYING" };
        }),
    };
  }

  #call(remedy: Call["remedy"], attempt: string, refused: boolean): Call {
    const { now } = this.engine;
    const target = this.config.targets[0];
    const recent = this.looks.filter(
      (look) => look.trueAt > now - 200_000 && look.trueAt <= now && (look.outcome !== "ok" || look.ttfbMs > 400),
    );
    return {
      at: now,
      remedy,
      attempt,
      refused,
      vantagesThatSawIt: new Set(recent.map((look) => look.vantage)).size,
      mode: this.mode,
      pausedSince: this.#pausedSince,
      inMaintenance:
        target?.maintenance.some(
          (window) => "fromMs" in window && window.fromMs + 2_000 <= now && now < window.toMs - 2_000,
        ) ?? false,
    };
  }

  #chat(invocation: Invocation): ChatProvider {
    const answer = (known?: { channel: string; messageId: string }) =>
      invocation.through(async (): Promise<ChatOutcome> => {
        await this.engine.sleep(this.#chance.between(50, 500));
        if (this.#may(this.#chaos.chatFails))
          return this.#chance.pick<ChatOutcome>([
            { kind: "retry-later", afterMs: 30_000, detail: "429" },
            { kind: "unknown", detail: "timeout" },
          ]);
        return { kind: "sent", channel: known?.channel ?? "C1", messageId: known?.messageId ?? this.#newId("ts_") };
      });
    const heard = async (key: string, outcome: Promise<ChatOutcome>) => {
      const sent = await outcome;
      if (sent.kind === "sent") this.told.set(key, this.engine.now);
      return sent;
    };
    return {
      canUpdate: true,
      post: (message) => heard(message.key, answer()),
      update: (channel, messageId, message) => heard(message.key, answer({ channel, messageId })),
      reply: (channel, messageId) => answer({ channel, messageId }),
      find: async () => ({ kind: "absent" }),
    };
  }

  #unreliable(invocation: Invocation, table: Table): Table {
    const reach = <T>(effect: () => Promise<T>, lost = false): Promise<T> =>
      invocation.through(async () => {
        if (this.#may(this.#chaos.slowTable)) await this.engine.sleep(this.#chance.exponential(300));
        if (this.#may(this.#chaos.tableError)) throw new TableUnavailable("throttled");
        const result = await effect();
        if (lost && this.#may(this.#chaos.lostAnswer)) throw new TableUnavailable("the answer was lost");
        return result;
      });
    return {
      get: (key) => reach(() => table.get(key)),
      put: (row, condition) =>
        reach(async () => {
          const written = await table.put(row, condition);
          // The client library asked again after a lost answer and met its own write.
          return written === "written" && this.#may(this.#chaos.lostAnswer) ? "refused" : written;
        }, true),
      query: (pk) => reach(() => table.query(pk)),
      due: (now, limit) => reach(() => table.due(now, limit)),
    };
  }

  /** Looks at every write of the target item as it happens. */
  #watched(table: Table): Table {
    return {
      ...table,
      put: async (row, condition) => {
        const isTarget = row.pk === `TARGET#${TARGET}`;
        if (isTarget && this.#ablation === "claim-without-condition") {
          const present = await table.get(row);
          return table.put(
            { ...row, version: (present?.version ?? 0) + 1 },
            present === undefined ? { kind: "absent" } : { kind: "version-is", version: present.version },
          );
        }
        const body = isTarget && this.#ablation === "no-cooldown" ? withoutCooldowns(row.body) : row.body;
        const written = await table.put({ ...row, body }, condition);
        if (isTarget && written === "written") this.#check(body);
        return written;
      },
    };
  }

  #check(body: string): void {
    this.#largest = Math.max(this.#largest, body.length);
    const item = itemOf(body);
    const inFlight = item.incident?.attempts.filter(isInFlight) ?? [];
    if (inFlight.length > 1) this.wrongWrites.push(`I2: ${inFlight.map(({ id }) => id).join(" and ")} are in flight`);
    // People see that a restart is coming, and stop it.
    if (this.#scenario === undefined && item.tokens > this.#token && this.#may(0.12))
      this.engine.after(this.#chance.between(0, 6_000), () =>
        this.#pause(this.engine.now + this.#chance.between(2, 15) * MINUTE),
      );
    if (item.tokens < this.#token) this.wrongWrites.push(`I9: the token fell from ${this.#token} to ${item.tokens}`);
    this.#token = item.tokens;
  }

  #ablated(state: State, spec: FunctionSpec): State {
    if (this.#ablation === "stale-looks-fresh") {
      const now = () => Math.floor(this.engine.now);
      return {
        ...state,
        readHeartbeats: async () =>
          (await state.readHeartbeats()).map((beat) => ({
            ...beat,
            at: now(),
            controls: { ...beat.controls, answered: beat.controls.total },
          })),
        readWindows: async (shards) =>
          (await state.readWindows(shards)).map((window) => {
            const sites = Object.entries(window.sites).map(([key, site]) => {
              const shift = now() - (site.samples.at(-1)?.startedAt ?? now());
              const samples = site.samples.map((taken) => ({ ...taken, startedAt: taken.startedAt + shift }));
              return [key, { ...site, tick: site.tick + shift, samples }] as const;
            });
            return { ...window, sites: Object.fromEntries(sites) };
          }),
      };
    }
    if (this.#ablation === "call-without-writing-calling" && spec.secrets.length > 0)
      return {
        ...state,
        updateTarget: (target, now, reduce) => {
          let skipped: TargetItem | undefined;
          return state
            .updateTarget(target, now, (item) => {
              const after = reduce(item);
              const begins = after?.incident?.attempts.some(
                (attempt) => attempt.state === "calling" && findAttempt(item, attempt.id)?.state === "claimed",
              );
              if (begins !== true) return after;
              skipped = after;
              return undefined;
            })
            .then((result) => (skipped === undefined ? result : { item: skipped, written: true }));
        },
      };
    return state;
  }

  async incidents(): Promise<readonly Incident[]> {
    const item = await this.item();
    const archived = await this.plainState.archivedIncidents(TARGET);
    const waiting = item.closed.filter((closed) => !archived.some(({ id }) => id === closed.id));
    return [...archived, ...waiting, ...(item.incident === undefined ? [] : [item.incident])];
  }

  item(): Promise<TargetItem> {
    return this.plainState.readTarget(TARGET, this.engine.now);
  }

  async audit() {
    const archived = await this.plainState.readAudit(TARGET);
    const { audit } = await this.item();
    const known = new Set(archived.map(({ n }) => n));
    return [...archived, ...audit.pending.filter(({ n }) => !known.has(n))];
  }
}

function configOf({ vantages, ladders }: Scenario): Config {
  return policyOf(vantages, ladders === undefined ? {} : { ladders });
}

const LIES = [
  "accepts-and-does-nothing",
  "never-finishes",
  "times-out-and-does-it",
  "times-out-and-does-it",
  "times-out",
  "5xx",
  "429",
  "rejects",
] as const;

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

/** The part of EventBridge's patterns that the manifest uses: fields, nested, each with a list of exact values. */
function matches(pattern: Readonly<Record<string, unknown>>, event: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(pattern).every(([key, wanted]) => {
    const value = event[key];
    if (Array.isArray(wanted)) return wanted.includes(value);
    return isRecord(wanted) && isRecord(value) && matches(wanted, value);
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The store wrote it from this type a moment ago. */
function itemOf(body: string): TargetItem {
  const value: unknown = JSON.parse(body);
  return value as TargetItem;
}

function withoutCooldowns(body: string): string {
  return JSON.stringify({ ...itemOf(body), cooldowns: {} });
}
