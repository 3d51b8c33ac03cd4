import type { Config } from "@neuropilot/config";
import type { Attempt, TargetItem } from "@neuropilot/core";
import { type OutgoingEvent, operatorSaid } from "@neuropilot/events";
import { GLOBAL, type State } from "@neuropilot/store";
import type { Engine } from "./engine.ts";
import type { Hazards } from "./hazards.ts";
import { MINUTE, minutes } from "./plan.ts";

/** How often, against what is proposed, she speaks up unasked. */
const UNASKED = 0.05;

/** Ada, who pauses healing, answers what is proposed, and now and then says what nobody asked. */
export class Operator {
  /** Since when healing is paused, if it is. */
  pausedSince: number | undefined;
  readonly #engine: Engine;
  readonly #hazards: Hazards;
  readonly #config: Config;
  readonly #state: State;
  readonly #publish: (event: OutgoingEvent) => void;
  #words = 0;

  constructor(parts: {
    readonly engine: Engine;
    readonly hazards: Hazards;
    readonly config: Config;
    readonly state: State;
    readonly publish: (event: OutgoingEvent) => void;
  }) {
    this.#engine = parts.engine;
    this.#hazards = parts.hazards;
    this.#config = parts.config;
    this.#state = parts.state;
    this.#publish = parts.publish;
  }

  /** Pauses healing of everything or of the one target there is, unless it is paused already. */
  pause(until: number): void {
    if (this.pausedSince !== undefined) return;
    const paused = { at: Math.floor(this.#engine.now), by: "ada", reason: "deploying" };
    const scopes = [GLOBAL, ...this.#config.targets.map(({ id }) => id)];
    const wanted = this.#config.targets.length > 1 ? GLOBAL : this.#hazards.stream("pause").pick(scopes);
    void this.#state.updateControl(wanted, () => ({ paused }));
    this.pausedSince = this.#engine.now;
    const resume = () => {
      this.pausedSince = undefined;
      for (const scope of scopes) void this.#state.updateControl(scope, () => ({}));
    };
    this.#engine.at(until, resume, true);
  }

  /** She may see that a remedy is coming, and stop it. */
  sees(target: string, attempt: Attempt): void {
    const pause = this.#hazards.maybe("pause", (chance) => {
      const afterMs = chance.between(0, 6_000);
      const forMs = chance.between(2, 15) * MINUTE;
      const text = `ada sees ${attempt.id} coming at ${target} and pauses healing for ${minutes(forMs)}`;
      return { value: { afterMs, forMs }, text };
    });
    if (pause === undefined) return;
    this.#engine.after(pause.afterMs, () => this.pause(this.#engine.now + pause.forMs), true);
  }

  /** Answers what is proposed, and now and then takes an incident, or says yes to what nobody asked. */
  speak({ target, incident }: TargetItem): void {
    if (incident === undefined) return;
    const proposed = incident.attempts.find((attempt) => attempt.state === "proposed");
    const word = this.#hazards.maybe(
      "operator-word",
      (chance) => {
        const value = chance.pick(["approve", "approve", "deny", "acknowledge"] as const);
        return { value, text: `ada says ${value} at ${target}` };
      },
      proposed === undefined ? UNASKED : 1,
    );
    if (word === undefined) return;
    const named = proposed !== undefined && this.#hazards.stream("operator-word").happens(0.7);
    this.#publish(
      operatorSaid.entry({
        v: 1,
        id: `evt_ada_${++this.#words}`,
        at: Math.floor(this.#engine.now),
        target,
        cause: "operator",
        hops: 0,
        word,
        by: "ada",
        ...(named ? { attempt: proposed.id } : {}),
      }),
    );
  }
}
