import type { Config } from "@neuropilot/config";
import type { OutgoingEvent } from "@neuropilot/events";
import type { FunctionSpec } from "@neuropilot/functions/manifest";
import type { Deps } from "@neuropilot/loop";
import { createState, type State, type Table, TableUnavailable } from "@neuropilot/store";
import type { Parts, RunOf } from "./ablation-parts.ts";
import { type Delivered, isRecord } from "./bus.ts";
import { type Chance, type Engine, type Fate, Invocation } from "./engine.ts";
import type { Hazards } from "./hazards.ts";
import { MINUTE, minutes, type Plan } from "./plan.ts";
import { type Pending, remembering, unreliable, watched } from "./tables.ts";
import type { Watch, Writer } from "./watch.ts";

/** What a function does with what it is given. */
export type Handler = (deps: Deps, invocation: Invocation) => Promise<unknown>;

interface Surroundings {
  readonly engine: Engine;
  readonly hazards: Hazards;
  readonly plan: Plan;
  readonly table: Table;
  readonly watch: Watch;
  /** What an ablation replaces. */
  readonly parts: Parts;
  readonly isCalm: () => boolean;
  readonly newId: (prefix: string) => string;
  readonly publish: (event: OutgoingEvent) => void;
}

/** The platform that runs functions: each run with a clock, a table and a bus of its own, and with a fate. */
export class Functions {
  readonly #engine: Engine;
  readonly #hazards: Hazards;
  readonly #plan: Plan;
  readonly #config: Config;
  readonly #table: Table;
  readonly #watch: Watch;
  readonly #parts: Parts;
  readonly #isCalm: () => boolean;
  readonly #newId: (prefix: string) => string;
  readonly #publish: (event: OutgoingEvent) => void;
  readonly #skews = new Map<string, number>();

  constructor(around: Surroundings) {
    this.#engine = around.engine;
    this.#hazards = around.hazards;
    this.#plan = around.plan;
    this.#config = around.plan.config;
    this.#table = around.table;
    this.#watch = around.watch;
    this.#parts = around.parts;
    this.#isCalm = around.isCalm;
    this.#newId = around.newId;
    this.#publish = around.publish;
  }

  /** Every function's clock is up to two seconds off, each by its own. */
  #skewOf(name: string): number {
    const known = this.#skews.get(name);
    if (known !== undefined) return known;
    const drawn = this.#hazards.stream("skew").between(-2_000, 2_000);
    const text = `the clock of ${name} is ${minutes(Math.abs(drawn))} ${drawn < 0 ? "behind" : "ahead"}`;
    const skew = this.#hazards.isOn("skew") && this.#hazards.occurs("skew", text) ? drawn : 0;
    this.#skews.set(name, skew);
    return skew;
  }

  /** Crashes and standing still: twice as likely on the way to a call, where they matter most. */
  #fateOf(spec: FunctionSpec, who: string): Fate {
    const remedy = spec.secrets.includes("RAILWAY_TOKEN") || spec.secrets.includes("CLOUDFLARE_API_TOKEN");
    const [scale, most] = remedy ? [2, 30] : [1, 14];
    const rates = this.#isCalm() ? {} : this.#plan.rates;
    const crash = this.#drawFate("crash", (rates.crash ?? 0) * scale, (chance) => {
      const at = chance.integer(0, most);
      const afterEffect = chance.happens(0.5);
      const text = `${who} dies ${afterEffect ? "after" : "before"} its await ${at}`;
      return { at, afterEffect, happens: () => this.#hazards.occurs("crash", text) };
    });
    const freeze = this.#drawFate("freeze", (rates.freeze ?? 0) * scale, (chance) => {
      const at = chance.integer(remedy ? 9 : 0, remedy ? 17 : most);
      const ms = chance.happens(0.5) ? chance.between(3_000, 30_000) : chance.between(30_000, 900_000);
      const afterEffect = chance.happens(0.5);
      const text = `${who} stands still for ${minutes(ms)} ${afterEffect ? "after" : "before"} its await ${at}`;
      return { at, ms, afterEffect, happens: () => this.#hazards.occurs("freeze", text) };
    });
    return {
      ...(crash === undefined ? {} : { crash }),
      ...(freeze === undefined ? {} : { freeze }),
      // One machine that sleeps kills nothing; on AWS a function ends at its timeout.
      timeoutMs: this.#plan.oneMachine ? Number.POSITIVE_INFINITY : spec.timeoutSeconds * 1_000,
    };
  }

  /** Drawn when a run begins; it happens, and is counted, only if the run gets that far. */
  #drawFate<T>(kind: "crash" | "freeze", rate: number, make: (chance: Chance) => T): T | undefined {
    if (rate <= 0 || !this.#hazards.isOn(kind)) return undefined;
    const chance = this.#hazards.stream(kind);
    return chance.happens(rate) ? make(chance) : undefined;
  }

  /** Runs a function once, and again as the platform would if it fails or is cut off. */
  invoke(spec: FunctionSpec, event: Delivered | undefined, handler: Handler, instance = "", tries = 0): void {
    const who = `${spec.name}${instance === "" ? "" : ` (${instance})`}`;
    const fate = this.#fateOf(spec, who);
    const invocation = new Invocation(this.#engine, fate);
    let done = false;
    const again = () => {
      if (done || tries >= spec.retries) return;
      done = true;
      this.#engine.after((tries + 1) * MINUTE, () => this.invoke(spec, event, handler, instance, tries + 1));
    };
    if (fate.crash !== undefined || fate.freeze !== undefined)
      this.#engine.after(spec.timeoutSeconds * 1_000, () => {
        if (invocation.crashed) again();
      });
    const writer = { name: who, stale: this.#isStale(event) };
    handler(this.#deps(invocation, spec, instance, writer), invocation).then(
      () => {
        done = true;
      },
      (error: unknown) => {
        if (!(error instanceof TableUnavailable)) this.#watch.breach("bug", `${who} threw: ${String(error)}`);
        again();
      },
    );
  }

  /** An event that only wakes and that is older than healing may act on, whatever clock one asks. */
  #isStale(event: Delivered | undefined): boolean {
    const detail = event?.detail;
    if (!isRecord(detail) || typeof detail.at !== "number" || "word" in detail) return false;
    const { maxEventAgeMs, clockSkewMs } = this.#config.healing;
    return this.#engine.now - detail.at > maxEventAgeMs + 2 * clockSkewMs;
  }

  #deps(invocation: Invocation, spec: FunctionSpec, instance: string, writer: Writer): Deps {
    const engine = this.#engine;
    const run: RunOf = { spec, engine, config: this.#config, began: engine.now };
    const skew = this.#skewOf(spec.name + instance);
    const clock = () => Math.floor(engine.now + skew);
    return {
      config: this.#parts.config?.(this.#config, run) ?? this.#config,
      state: this.#state(invocation, run, writer),
      clock: this.#parts.clock?.(clock, run) ?? clock,
      sleep: (ms) => invocation.through(() => engine.sleep(ms)),
      newId: (prefix) => this.#newId(prefix),
      log: () => undefined,
      channels: this.#parts.channels?.(this.#plan.channels) ?? this.#plan.channels,
      publish: (events) =>
        invocation.through(async () => {
          const failed = events.filter(({ detailType }) =>
            this.#hazards.happens("refused-entry", `the bus refuses ${detailType} of ${writer.name}`),
          );
          for (const event of events) if (!failed.includes(event)) this.#publish(event);
          const reason = "ThrottlingException: try later";
          return { sent: events.length - failed.length, failed: failed.map((event) => ({ event, reason })) };
        }),
    };
  }

  #state(invocation: Invocation, run: RunOf, writer: Writer): State {
    const pending: Pending = {};
    const own = watched(this.#table, this.#engine, this.#watch, pending, writer);
    const table = unreliable(this.#parts.table?.(own) ?? own, {
      engine: this.#engine,
      hazards: this.#hazards,
      plain: this.#table,
      throttles: this.#plan.throttles,
      invocation,
      who: writer.name,
    });
    const state = remembering(createState(table), pending);
    return this.#parts.state?.(state, run) ?? state;
  }
}
