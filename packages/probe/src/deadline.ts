import { Fault } from "./fault.ts";

/** What a sample is doing, in the words of a time-out. */
export type Doing =
  | "looking up the name"
  | "connecting"
  | "agreeing on TLS"
  | "waiting for the answer"
  | "reading the body";

/**
 * The one deadline of a sample: over all its hops and phases, so that a drip of bytes wins no time. Also where the caller's
 * abort and the session's end arrive.
 */
export class Deadline {
  doing: Doing = "looking up the name";
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  readonly #aborted = () => this.stop(new Fault("local", "stopped before it was over"));
  #fault: Fault | undefined;
  #cancel: ((fault: Fault) => void) | undefined;

  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    this.#timer = setTimeout(() => this.stop(timedOut(this.doing, timeoutMs)), timeoutMs);
    this.#signal = signal;
    if (signal?.aborted === true) this.#aborted();
    else signal?.addEventListener("abort", this.#aborted, { once: true });
  }

  /** Ends whatever is being waited for, and all that would be waited for next. The first reason stands. */
  stop(fault: Fault): void {
    if (this.#fault !== undefined) return;
    this.#fault = fault;
    this.#cancel?.(fault);
  }

  /** Frees the timer and the signal. */
  end(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#aborted);
  }

  /**
   * Waits for `start` to settle, or for the end of time. `start` returns what undoes it; it is called only if time ended first.
   * What settles later is ignored.
   */
  race<T>(start: (settle: (value: T | Fault) => void) => () => void): Promise<T | Fault> {
    if (this.#fault !== undefined) return Promise.resolve(this.#fault);
    return new Promise((resolve) => {
      let settled = false;
      const settle = (value: T | Fault): void => {
        if (settled) return;
        settled = true;
        this.#cancel = undefined;
        resolve(value);
      };
      const undo = start(settle);
      if (settled) return;
      this.#cancel = (fault) => {
        undo();
        settle(fault);
      };
    });
  }
}

function timedOut(doing: Doing, timeoutMs: number): Fault {
  // No answer from the resolver is trouble with names, which restarting the target cannot cure.
  const outcome = doing === "looking up the name" ? "dns" : "timeout";
  return new Fault(outcome, `not over after ${timeoutMs} ms, while ${doing}`);
}
