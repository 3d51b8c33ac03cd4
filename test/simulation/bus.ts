import { MAX_HOPS, type OutgoingEvent, SOURCE } from "@neuropilot/events";
import { type FunctionSpec, manifest } from "@neuropilot/functions/manifest";
import type { Engine } from "./engine.ts";
import type { Hazards } from "./hazards.ts";
import { HOUR, MINUTE, minutes } from "./plan.ts";

/** An event as a function gets it. */
export type Delivered = Readonly<Record<string, unknown>>;

interface Receivers {
  /** Vantages or channels of a function of which there is one each; `[""]` for the others. */
  readonly instancesOf: (spec: FunctionSpec) => readonly string[];
  readonly receive: (spec: FunctionSpec, event: Delivered, instance: string) => void;
  readonly breach: (property: string, text: string) => void;
}

/** The bus: at least once, mostly; by the manifest's patterns; late, doubled and out of order. */
export class Bus {
  readonly #engine: Engine;
  readonly #hazards: Hazards;
  readonly #dropsOld: boolean;
  readonly #receivers: Receivers;
  #events = 0;

  constructor(engine: Engine, hazards: Hazards, dropsOld: boolean, receivers: Receivers) {
    this.#engine = engine;
    this.#hazards = hazards;
    this.#dropsOld = dropsOld;
    this.#receivers = receivers;
  }

  /** Takes an event, and delivers it to every function whose rule matches. */
  put(event: OutgoingEvent): void {
    const detail: unknown = JSON.parse(event.detail);
    const delivered: Delivered = {
      id: `bus_${++this.#events}`,
      source: SOURCE,
      "detail-type": event.detailType,
      time: new Date(this.#engine.now).toISOString(),
      detail,
    };
    this.#countHops(event.detailType, detail);
    for (const spec of manifest)
      for (const wake of spec.wakes)
        if (wake.kind === "event" && matches(wake.pattern, delivered)) {
          this.#checkRule(spec, event.detailType);
          for (const instance of this.#receivers.instancesOf(spec)) this.#deliver(spec, delivered, instance);
        }
  }

  #countHops(name: string, detail: unknown): void {
    const hops = isRecord(detail) ? detail.hops : undefined;
    if (typeof hops !== "number" || hops > MAX_HOPS)
      this.#receivers.breach("I17", `${name} was published after ${String(hops)} hops`);
  }

  /** What reports on a remedy must never ask for one. */
  #checkRule(spec: FunctionSpec, name: string): void {
    if (spec.secrets.length > 0 && name === "remediation.finished")
      this.#receivers.breach("I17", `the rule of ${spec.name} matches remediation.finished`);
  }

  #deliver(spec: FunctionSpec, event: Delivered, instance: string): void {
    const what = `${String(event["detail-type"])} to ${spec.name}${instance === "" ? "" : ` (${instance})`}`;
    if (this.#hazards.happens("drop", `${what} is lost`)) return;
    const copies =
      this.#hazards.maybe("double", (chance) => {
        const value = chance.integer(2, 4);
        return { value, text: `${what} arrives ${value} times` };
      }) ?? 1;
    for (let copy = 0; copy < copies; copy++) this.#send(spec, event, instance, what);
  }

  #send(spec: FunctionSpec, event: Delivered, instance: string, what: string): void {
    const sent = this.#engine.now;
    const late = this.#hazards.maybe("delay", (chance) => {
      const hours = chance.happens(0.12);
      const far = chance.happens(0.3) ? 24 : 3;
      const ms = hours ? chance.between(0.2, far) * HOUR : chance.between(0.3, 10) * MINUTE;
      return { value: ms, text: `${what} is ${minutes(ms)} late` };
    });
    this.#engine.after(late ?? this.#hazards.timing.between(20, 600), () => {
      // Some runs do without that, for a consumer must not rely on it.
      if (this.#dropsOld && this.#engine.now - sent > spec.maxEventAgeSeconds * 1_000) return;
      this.#receivers.receive(spec, event, instance);
    });
  }
}

/** The part of EventBridge's patterns that the manifest uses: fields, nested, each with a list of exact values. */
function matches(pattern: Delivered, event: Delivered): boolean {
  return Object.entries(pattern).every(([key, wanted]) => {
    const value = event[key];
    if (Array.isArray(wanted)) return wanted.includes(value);
    return isRecord(wanted) && isRecord(value) && matches(wanted, value);
  });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
