import type { Log } from "@neuropilot/loop";
import type { BusEvent, DeadLetter } from "./event.ts";

/** Who gets which events, and how often. */
export interface BusRule {
  readonly name: string;
  /** An EventBridge event pattern. */
  readonly pattern: unknown;
  /** Deliveries after a failed one. */
  readonly retries: number;
  /** An event that the bus accepted longer ago than this is not delivered any more. */
  readonly maxEventAgeSeconds: number;
  /** A delivery that takes longer has failed, and its signal is aborted. */
  readonly timeoutMs: number;
  /** Deliveries at the same time; 8 if not given. */
  readonly concurrency?: number;
  /** What is delivered instead of the event. */
  input?(event: BusEvent): unknown;
  /** Resolves when it is done. Whatever it throws, and a timeout, is a failed delivery. */
  deliver(event: unknown, signal: AbortSignal): Promise<unknown>;
}

export interface Retry {
  /** Before the first retry; it doubles with each, and each is shortened by chance, down to a half. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

/** The deliveries of one rule. Rules share nothing, so none waits for another. */
export interface Deliveries {
  add(event: BusEvent, acceptedAt: number): void;
  /** Stops, aborts what runs and waits for it for `graceMs` at most. What was not delivered stays undelivered. */
  close(graceMs: number): Promise<void>;
}

/** How a delivery ended for good. */
export type Settled =
  | { readonly kind: "delivered"; readonly event: BusEvent }
  | { readonly kind: "dead"; readonly letter: DeadLetter };

interface Delivery {
  readonly event: BusEvent;
  readonly acceptedAt: number;
  tries: number;
  lastError: string;
}

const DEFAULT_CONCURRENCY = 8;

export function createDeliveries(options: {
  readonly rule: BusRule;
  readonly retry: Retry;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly log: Log;
  readonly settled: (outcome: Settled) => void;
}): Deliveries {
  const { rule, retry, clock, log, settled } = options;
  const ready: Delivery[] = [];
  const waiting = new Set<NodeJS.Timeout>();
  const running = new Map<AbortController, Promise<void>>();
  let closed = false;

  const pump = () => {
    while (!closed && running.size < (rule.concurrency ?? DEFAULT_CONCURRENCY)) {
      const delivery = ready.shift();
      if (delivery === undefined) return;
      const controller = new AbortController();
      running.set(
        controller,
        run(delivery, controller).then(() => {
          running.delete(controller);
          pump();
        }),
      );
    }
  };

  const dead = (delivery: Delivery, reason: DeadLetter["reason"]) => {
    const { event, tries, lastError: error } = delivery;
    settled({ kind: "dead", letter: { rule: rule.name, at: clock(), reason, error, tries, event } });
  };

  const tooOld = (delivery: Delivery, afterMs = 0) =>
    clock() + afterMs - delivery.acceptedAt > rule.maxEventAgeSeconds * 1000;

  async function run(delivery: Delivery, controller: AbortController): Promise<void> {
    if (tooOld(delivery)) return dead(delivery, "too-old");
    delivery.tries++;
    const problem = await attempt(rule, delivery.event, controller);
    if (problem === undefined) return settled({ kind: "delivered", event: delivery.event });
    if (closed) return;
    delivery.lastError = problem;
    const left = rule.retries + 1 - delivery.tries;
    const fields = { rule: rule.name, event: delivery.event.id, tries: delivery.tries, error: problem };
    if (left <= 0) return dead(delivery, "retries-exhausted");
    const delayMs = backoff(retry, delivery.tries);
    if (tooOld(delivery, delayMs)) return dead(delivery, "too-old");
    log("warn", "bus.delivery-failed", { ...fields, retryInMs: delayMs });
    const timer = setTimeout(() => {
      waiting.delete(timer);
      ready.push(delivery);
      pump();
    }, delayMs);
    waiting.add(timer);
  }

  return {
    add(event, acceptedAt) {
      ready.push({ event, acceptedAt, tries: 0, lastError: "the event was too old before it could be delivered" });
      pump();
    },
    async close(graceMs) {
      closed = true;
      for (const timer of waiting) clearTimeout(timer);
      for (const controller of running.keys()) controller.abort(new Error("the bus is closing"));
      const all = Promise.all(running.values());
      let timer: NodeJS.Timeout | undefined;
      const grace = new Promise((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([all, grace]);
      clearTimeout(timer);
    },
  };
}

/** One delivery; what went wrong, if anything did. A target that ignores its signal is left behind, not waited for. */
async function attempt(rule: BusRule, event: BusEvent, controller: AbortController): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<string>((resolve) => {
    timer = setTimeout(() => {
      const problem = `timed out after ${rule.timeoutMs} ms`;
      resolve(problem);
      controller.abort(new Error(problem));
    }, rule.timeoutMs);
    // A target left behind at the end of the bus must not keep the process until its timeout.
    timer.unref();
  });
  const delivering = async () => {
    try {
      // A copy, as over a network: one target must not see what another did to the event.
      const copy = structuredClone(event);
      await rule.deliver(rule.input === undefined ? copy : rule.input(copy), controller.signal);
      return undefined;
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    }
  };
  try {
    return await Promise.race([delivering(), timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Doubles from the first delay to the longest, less up to a half by chance, so that retries do not come in step. */
function backoff(retry: Retry, tries: number): number {
  const full = Math.min(retry.maxDelayMs, retry.firstDelayMs * 2 ** (tries - 1));
  return Math.round(full * (0.5 + Math.random() / 2));
}
