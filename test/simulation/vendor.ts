import type { CallOutcome } from "@neuropilot/core";
import type { RemedyProvider } from "@neuropilot/providers";
import type { Chance, Engine, Invocation } from "./engine.ts";
import type { HazardClass, Hazards } from "./hazards.ts";
import { HOUR, minutes } from "./plan.ts";
import type { Service } from "./service.ts";

/** What a vendor is asked for: the site and the attempt it is for. */
export interface Where {
  readonly attempt: string;
  readonly service: Service;
}

export type Lie = Extract<HazardClass, `vendor-${string}`>;

/** What can go wrong with a call, in the order in which it is asked; the first that happens decides. */
const LIES = [
  "vendor-does-nothing",
  "vendor-never-finishes",
  "vendor-acts-and-times-out",
  "vendor-times-out",
  "vendor-acts-late",
  "vendor-answers-late",
  "vendor-500",
  "vendor-429",
  "vendor-rejects",
] as const satisfies readonly Lie[];
type CallLie = (typeof LIES)[number];

/** The request that reached the vendor, and what it will do about it. */
export interface Request {
  readonly remedy: "restart" | "purge-cache";
  readonly where: Where;
  readonly lie: CallLie | undefined;
}

const TIMEOUT_MS = 10_000;

/** A vendor that may lie: does it and says nothing, says it and does nothing, refuses, or breaks off. */
export class Vendor {
  readonly #engine: Engine;
  readonly #hazards: Hazards;
  readonly #called: (request: Request) => void;

  /** `called` hears of every request at the moment at which it leaves, whatever becomes of its answer. */
  constructor(engine: Engine, hazards: Hazards, called: (request: Request) => void) {
    this.#engine = engine;
    this.#hazards = hazards;
    this.#called = called;
  }

  provider(remedy: Request["remedy"], invocation: Invocation): RemedyProvider<Where, Where> {
    return {
      prepare: (where) =>
        invocation.through(async () => {
          await this.#takes(50, 3_000);
          if (this.#hazards.happens("vendor-busy", `429 to the look before the call of ${where.attempt}`))
            return { kind: "retry-later", afterMs: 20_000, detail: "429 while looking" };
          return { kind: "ready", plan: where };
        }),
      act: (where) => {
        const lie = LIES.find((kind) => this.#hazards.happens(kind, `${remedy} for ${where.attempt}`));
        const request = { remedy, where, lie };
        this.#called(request);
        return invocation.through(() => this.#answer(request));
      },
      follow: (reference) =>
        invocation.through(async () => {
          if (this.#hazards.happens("vendor-mute", `503 to how ${reference} stands`))
            return { kind: "unavailable", afterMs: 5_000, detail: "503" };
          const over = Number(reference.slice(reference.indexOf("@") + 1)) <= this.#engine.now;
          return over ? { kind: "over", detail: "SUCCESS" } : { kind: "in-progress", detail: "DEPLOYING" };
        }),
    };
  }

  async #answer(request: Request): Promise<CallOutcome> {
    const { lie } = request;
    const chance = lie === undefined ? this.#hazards.timing : this.#hazards.stream(lie);
    await this.#takes(50, 1_500);
    switch (lie) {
      case undefined: {
        const takes = this.#work(chance);
        this.#apply(request, takes);
        return this.#accepted(request, takes);
      }
      case "vendor-answers-late": {
        const takes = this.#work(chance);
        this.#apply(request, takes);
        await this.#takes(7_000, 8_400);
        return this.#accepted(request, takes);
      }
      case "vendor-does-nothing":
        return this.#accepted(request, 5_000);
      case "vendor-never-finishes":
        return this.#accepted(request, 100 * HOUR);
      case "vendor-acts-and-times-out":
        this.#apply(request, 3_000);
        return this.#noAnswer();
      case "vendor-acts-late":
        this.#apply(request, chance.between(60_000, 240_000));
        return this.#noAnswer();
      case "vendor-times-out":
        return this.#noAnswer();
      case "vendor-500":
        if (chance.happens(0.5)) this.#apply(request, 3_000);
        return { kind: "unknown", why: "vendor-error", detail: "502" };
      case "vendor-429":
        return { kind: "retry-later", afterMs: chance.between(5_000, 300_000), detail: "429" };
      case "vendor-rejects":
        return { kind: "rejected", reason: "unauthorized", detail: "Not Authorized" };
    }
  }

  #accepted({ where }: Request, takes: number): CallOutcome {
    return { kind: "applied", reference: `${where.attempt}@${Math.floor(this.#engine.now + takes)}` };
  }

  async #noAnswer(): Promise<CallOutcome> {
    await this.#engine.sleep(TIMEOUT_MS);
    return { kind: "unknown", why: "timeout", detail: `no answer within ${minutes(TIMEOUT_MS)}` };
  }

  /** The vendor's own machines do not sleep when ours do. */
  #apply({ where, remedy }: Request, afterMs: number): void {
    this.#engine.after(afterMs, () => where.service.apply(remedy, where.attempt), true);
  }

  /** How long the work takes: seconds as a rule, and now and then minutes. */
  #work(chance: Chance): number {
    return chance.happens(0.7) ? chance.between(2_000, 60_000) : chance.between(60_000, 240_000);
  }

  #takes(from: number, to: number): Promise<void> {
    return this.#engine.sleep(this.#hazards.timing.between(from, to));
  }
}

/** The vendor does the work, and says so in time. */
export function isHonest({ lie }: Request): boolean {
  return lie === undefined || lie === "vendor-answers-late";
}

/** Provably nothing was done, and the vendor said so. */
export function isRefusal({ lie }: Request): boolean {
  return lie === "vendor-429" || lie === "vendor-rejects";
}
