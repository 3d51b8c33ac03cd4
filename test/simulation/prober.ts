import type { Sample } from "@neuropilot/core";
import type { Prober } from "@neuropilot/probe";
import type { Engine, Invocation } from "./engine.ts";
import { type Burst, burstAt, type Service, sample } from "./service.ts";

/** One sample of a target's site that a vantage took, with what was true about it. */
export interface Look extends Sample {
  readonly vantage: string;
  /** `target/site`. */
  readonly key: string;
  readonly trueAt: number;
  /** The vantage's own network was out, so that its controls failed too. */
  readonly blind: boolean;
}

/** Longer than this and others get their turn meanwhile. */
const TAKES_TIME_MS = 2_000;

/** Takes samples of the services through a vantage's network. What is at no service's address is a control. */
export function createProber(parts: {
  readonly engine: Engine;
  readonly invocation: Invocation;
  readonly vantage: string;
  readonly bursts: readonly Burst[];
  readonly services: ReadonlyMap<string, Service>;
  /** The vantage's own clock. */
  readonly clock: () => number;
  /** Whether this sample is lost by chance. */
  readonly isLost: () => boolean;
  readonly looked: (look: Look) => void;
}): Prober {
  const { engine, vantage, bursts, services, clock, isLost, looked } = parts;
  const look = async (url: string, timeoutMs: number): Promise<Sample> => {
    const service = services.get(url);
    const trueAt = engine.now;
    const burst = burstAt(bursts, trueAt);
    const out = burst?.whole === true || (burst !== undefined && service !== undefined);
    const lost = out || (service !== undefined && isLost());
    const answer = lost
      ? sample(trueAt, "refused", 0, 0)
      : (service?.answer(timeoutMs) ?? sample(trueAt, "ok", 20, 30));
    const startedAt = clock();
    if (answer.totalMs > TAKES_TIME_MS) await engine.sleep(answer.totalMs);
    const taken = { ...answer, startedAt };
    if (service !== undefined) looked({ ...taken, vantage, key: service.key, trueAt, blind: burst?.whole === true });
    return taken;
  };
  return {
    open: ({ url, timeoutMs }) => ({
      sample: () => parts.invocation.through(() => look(url, timeoutMs)),
      close: () => undefined,
    }),
  };
}
