import { createInterface } from "node:readline";
import { Worker } from "node:worker_threads";
import type { FunctionSpec } from "@neuropilot/functions/manifest";
import type { Answer, Question } from "./messages.ts";

/** What the host needs to know of a function. */
export type HostedFunction = Pick<FunctionSpec, "name" | "file" | "timeoutSeconds">;

export interface FunctionHost {
  /** Runs a function with an event. Rejects when it throws, when its time is over, or when its thread died: as Lambda would report it. */
  invoke(spec: HostedFunction, event: unknown): Promise<unknown>;
  /** Invocations that have not answered. */
  running(): number;
  /** Takes no more, waits for what runs, for at most so many milliseconds, then ends the thread. */
  close(graceMs: number): Promise<void>;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

const YOUNG_MB = 24;
/** A thread that answers nothing for so long after a function ran out of time is stuck in it. */
const PATIENCE_MS = 5_000;

/**
 * Holds the functions in a thread of their own, so that the bus and the terminal never delay a probe. They see nothing but
 * the environment given here. A thread that dies is started again by the next event; what it was doing counts as failed. So
 * does one that a function keeps busy past its time: Lambda would end it too.
 */
export function startFunctionHost(options: {
  readonly environment: Readonly<Record<string, string>>;
  /** Takes each line that the functions log. */
  readonly onLine: (line: string) => void;
  /** The thread's file, and how long a busy one is waited for: tests bring their own. */
  readonly thread?: URL;
  readonly patienceMs?: number;
}): FunctionHost {
  const waiting = new Map<number, Waiting>();
  let next = 1;
  let worker: Worker | undefined;
  let closed = false;
  /** Ends the thread unless it says anything before. */
  let verdict: NodeJS.Timeout | undefined;

  function start(): Worker {
    const started = new Worker(options.thread ?? new URL("./functions-worker.ts", import.meta.url), {
      env: { ...options.environment },
      // Left alone it grows to a hundred megabytes that hold next to nothing, and each clearing of it makes the probes late.
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
      stdout: true,
      stderr: true,
    });
    for (const stream of [started.stdout, started.stderr])
      createInterface({ input: stream }).on("line", options.onLine);
    started.on("message", (answer: Answer) => {
      clearTimeout(verdict);
      verdict = undefined;
      if (answer.kind === "alive") return;
      const call = settle(answer.id);
      if (call === undefined) return;
      if (answer.ok) call.resolve(answer.result);
      else call.reject(new Error(answer.reason));
    });
    started.on("error", (error) => say("functions-died", error.message));
    started.on("exit", () => {
      clearTimeout(verdict);
      verdict = undefined;
      for (const id of [...waiting.keys()]) settle(id)?.reject(new Error("the functions' thread ended"));
      // The next event starts another: a thread that cannot start must not spin.
      worker = undefined;
    });
    return started;
  }

  function say(event: string, reason: string): void {
    options.onLine(JSON.stringify({ at: new Date().toISOString(), level: "error", event, reason }));
  }

  function settle(id: number): Waiting | undefined {
    const call = waiting.get(id);
    if (call === undefined) return undefined;
    clearTimeout(call.timer);
    waiting.delete(id);
    return call;
  }

  function ask(question: Question): void {
    worker ??= start();
    worker.postMessage(question);
  }

  function endIfStuck(name: string): void {
    if (worker === undefined || verdict !== undefined) return;
    const suspect = worker;
    verdict = setTimeout(() => {
      say("functions-stuck", `${name} keeps their thread busy past its time; the thread is ended`);
      void suspect.terminate();
    }, options.patienceMs ?? PATIENCE_MS);
    ask({ kind: "alive?" });
  }

  return {
    invoke(spec, event) {
      if (closed) return Promise.reject(new Error("the functions are closing"));
      const id = next++;
      const limitMs = spec.timeoutSeconds * 1000;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          settle(id)?.reject(new Error(`${spec.name} did not end within its ${spec.timeoutSeconds} s`));
          endIfStuck(spec.name);
        }, limitMs);
        waiting.set(id, { resolve, reject, timer });
        ask({ kind: "invoke", id, file: spec.file, name: spec.name, event, deadline: Date.now() + limitMs });
      });
    },
    running: () => waiting.size,
    async close(graceMs) {
      closed = true;
      const until = Date.now() + graceMs;
      while (waiting.size > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
      await worker?.terminate();
    },
  };
}
