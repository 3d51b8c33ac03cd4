import type { Config } from "@neuropilot/config";
import { siteKey } from "@neuropilot/core";
import {
  type EventContract,
  healthObserved,
  type OutgoingEvent,
  remediationFinished,
  remediationRequested,
} from "@neuropilot/events";
import { type Deps, type RemedyAdapter, reconcile, runRemedy, runTick, wakeTarget } from "@neuropilot/loop";
import { createMemoryTable, createState } from "@neuropilot/store";
import { type Chance, Engine, Invocation } from "../engine.ts";
import { START } from "../plan.ts";
import { createProber } from "../prober.ts";
import { type Burst, type Fault, Service } from "../service.ts";

export type Remedy = "restart" | "purge-cache";

/** A call that reached the vendor. */
export interface Action {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly remedy: Remedy;
}

/** A service, and the networks through which it is watched. */
export interface Setting {
  readonly config: Config;
  /** When each vantage's ticks begin within the interval, milliseconds. */
  readonly phases: readonly number[];
  readonly faults: readonly Fault[];
  readonly bursts: ReadonlyMap<string, readonly Burst[]>;
  /** Asked once for each sample of the service, in the order in which they are taken: whether it is lost on its way. */
  readonly isLost?: (vantage: string, at: number) => boolean;
}

/** Clocks are so far off at most, either way. */
const SKEW_MS = 2_000;

/**
 * The product's own tick, decide, remedies and reconcile on a virtual clock, with a bus and a vendor that work: what a simulated
 * world is made of, less all that goes wrong in it and all that watches it, so that thousands of years can be played.
 */
export class Installation {
  readonly engine = new Engine(START);
  readonly actions: Action[] = [];
  readonly #setting: Setting;
  readonly #chance: Chance;
  readonly #service: Service;
  readonly #state = createState(createMemoryTable());
  readonly #skews = new Map<string, number>();
  readonly #byUrl: ReadonlyMap<string, Service>;
  readonly #target: string;
  #samples = 0;
  #ids = 0;

  constructor(chance: Chance, setting: Setting) {
    this.#chance = chance;
    this.#setting = setting;
    const [target] = setting.config.targets;
    const [site] = target?.sites ?? [];
    if (target === undefined || site === undefined) throw new Error("the policy watches nothing");
    this.#target = target.id;
    this.#service = new Service(siteKey(target.id, site.id), this.engine, chance, setting.faults);
    this.#byUrl = new Map([[site.url, this.#service]]);
    setting.config.vantages.forEach((vantage, index) => {
      this.#every(setting.config.intervalMs, setting.phases[index] ?? 0, (tick) =>
        this.#probe(vantage, Math.floor(tick / 1_000) * 1_000),
      );
    });
    this.#every(setting.config.reconcileMs, chance.between(0, setting.config.reconcileMs), () =>
      this.#run(reconcile(this.#deps("reconcile"))),
    );
  }

  /** Samples of the service so far. */
  get samples(): number {
    return this.#samples;
  }

  /** Goes on until the moment, or until `enough` says so; it is asked now and then. */
  async runUntil(end: number, enough: () => boolean = () => false): Promise<void> {
    while (this.engine.now < end && !enough())
      await this.engine.runUntil(Math.min(end, this.engine.now + this.#setting.config.intervalMs / 4));
  }

  async hasIncident(): Promise<boolean> {
    return (await this.#state.readTarget(this.#target, this.engine.now)).incident !== undefined;
  }

  #every(ms: number, offset: number, run: (at: number) => void): void {
    const next = (at: number) =>
      this.engine.at(at, () => {
        run(at);
        next(at + ms);
      });
    next(START + offset);
  }

  /** Nothing here fails by design, so whatever throws is a bug and ends the run. */
  #run(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      this.engine.at(this.engine.now, () => {
        throw error;
      });
    });
  }

  #probe(vantage: string, tick: number, only?: { readonly target: string; readonly site: string }): void {
    const deps = this.#deps(`probe ${vantage}`);
    const prober = createProber({
      engine: this.engine,
      invocation: new Invocation(this.engine, { timeoutMs: Number.POSITIVE_INFINITY }),
      vantage,
      bursts: this.#setting.bursts.get(vantage) ?? [],
      services: this.#byUrl,
      clock: deps.clock,
      isLost: () => this.#setting.isLost?.(vantage, this.engine.now) ?? false,
      looked: () => {
        this.#samples++;
      },
    });
    const request = { vantage, shard: "0", tick };
    this.#run(runTick(deps, prober, only === undefined ? request : { ...request, only }));
  }

  #deps(who: string): Deps {
    const skew = this.#skews.get(who) ?? this.#chance.between(-SKEW_MS, SKEW_MS);
    this.#skews.set(who, skew);
    return {
      config: this.#setting.config,
      state: this.#state,
      clock: () => Math.floor(this.engine.now + skew),
      sleep: (ms) => this.engine.sleep(ms),
      newId: (prefix) => `${prefix}${++this.#ids}`,
      log: () => undefined,
      channels: [],
      publish: async (events) => {
        for (const event of events) this.#publish(event);
        return { sent: events.length, failed: [] };
      },
    };
  }

  /** To whom the manifest's rules would bring it. */
  #publish(event: OutgoingEvent): void {
    switch (event.detailType) {
      case healthObserved.name: {
        const { target, site, vantage, at, id, first } = read(healthObserved, event);
        this.#deliver(() => this.#decide(target, at, id));
        const others = this.#setting.config.vantages.filter((other) => first && other !== vantage);
        for (const other of others) this.#deliver(() => this.#probe(other, this.engine.now, { target, site }));
        return;
      }
      case remediationFinished.name: {
        const { target, at, id } = read(remediationFinished, event);
        this.#deliver(() => this.#decide(target, at, id));
        return;
      }
      case remediationRequested.name: {
        const { target, attempt, remedy } = read(remediationRequested, event);
        if (remedy === "restart" || remedy === "purge-cache")
          this.#deliver(() => this.#remedy(target, attempt, remedy));
      }
    }
  }

  #deliver(run: () => void): void {
    this.engine.after(this.#chance.between(20, 600), run);
  }

  #decide(target: string, at: number, cause: string): void {
    this.#run(wakeTarget(this.#deps("decide"), target, { kind: "wake", at, cause }));
  }

  #remedy(target: string, attempt: string, remedy: Remedy): void {
    const pollForMs = remedy === "restart" ? 30_000 : 0;
    this.#run(runRemedy(this.#deps(remedy), this.#adapter(remedy), { target, attempt, pollForMs }));
  }

  #adapter(remedy: Remedy): RemedyAdapter<string, string> {
    const { engine } = this;
    return {
      where: (_, attempt) => attempt.id,
      provider: {
        prepare: async (attempt) => {
          await engine.sleep(this.#chance.between(50, 3_000));
          return { kind: "ready", plan: attempt };
        },
        act: async (attempt) => {
          this.actions.push({ at: engine.now, remedy });
          const takes = remedy === "restart" ? this.#chance.between(2_000, 60_000) : 2_000;
          engine.after(takes, () => this.#service.apply(remedy, attempt));
          return { kind: "applied", reference: `${attempt}@${Math.floor(engine.now + takes)}` };
        },
        follow: async (reference) => {
          const over = Number(reference.slice(reference.indexOf("@") + 1)) <= engine.now;
          return over ? { kind: "over", detail: "SUCCESS" } : { kind: "in-progress", detail: "DEPLOYING" };
        },
      },
    };
  }
}

function read<Detail>(contract: EventContract<Detail>, { source, detailType, detail }: OutgoingEvent): Detail {
  const body: unknown = JSON.parse(detail);
  const parsed = contract.parse({ id: "bus", source, "detail-type": detailType, time: "", detail: body });
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.detail;
}
