import { createInterface } from "node:readline";
import { Worker } from "node:worker_threads";
import type { FunctionSpec } from "@neuropilot/functions/manifest";
import type { Completion } from "./messages.ts";

export interface FunctionHost {
  /** Runs a function with an event. Rejects when it throws, when its time is over, or when its thread died: as Lambda would report it. */
  invoke(spec: FunctionSpec, event: unknown): Promise<unknown>;
  /** Invocations that have not answered. */
  running(): number;
  /** Waits for what runs, for at most so many milliseconds, then ends the thread. */
  close(graceMs: number): Promise<void>;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Holds the functions in a thread of their own, so that the bus and the terminal never delay a probe. They see nothing but
 * the environment given here. A thread that dies is started again; what it was doing counts as failed.
 */
export function startFunctionHost(options: {
  readonly environment: Readonly<Record<string, string>>;
  /** Takes each line that the functions log. */
  readonly onLine: (line: string) => void;
}): FunctionHost {
  const waiting = new Map<number, Waiting>();
  let next = 1;
  let worker: Worker | undefined;

  function start(): Worker {
    const started = new Worker(new URL("./functions-worker.ts", import.meta.url), {
      env: { ...options.environment },
      stdout: true,
      stderr: true,
    });
    for (const stream of [started.stdout, started.stderr])
      createInterface({ input: stream }).on("line", options.onLine);
    started.on("message", (completion: Completion) => {
      const call = settle(completion.id);
      if (call === undefined) return;
      if (completion.ok) call.resolve(completion.result);
      else call.reject(new Error(completion.reason));
    });
    started.on("error", (error) =>
      options.onLine(JSON.stringify({ level: "error", event: "functions-died", reason: error.message })),
    );
    started.on("exit", () => {
      for (const id of [...waiting.keys()]) settle(id)?.reject(new Error("the functions' thread ended"));
      // The next event starts another: a thread that cannot start must not spin.
      worker = undefined;
    });
    return started;
  }

  function settle(id: number): Waiting | undefined {
    const call = waiting.get(id);
    if (call === undefined) return undefined;
    clearTimeout(call.timer);
    waiting.delete(id);
    return call;
  }

  return {
    invoke(spec, event) {
      const id = next++;
      const limitMs = spec.timeoutSeconds * 1000;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          settle(id)?.reject(new Error(`${spec.name} did not end within its ${spec.timeoutSeconds} s`));
        }, limitMs);
        waiting.set(id, { resolve, reject, timer });
        worker ??= start();
        worker.postMessage({ id, file: spec.file, name: spec.name, event, deadline: Date.now() + limitMs });
      });
    },
    running: () => waiting.size,
    async close(graceMs) {
      const until = Date.now() + graceMs;
      while (waiting.size > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
      await worker?.terminate();
    },
  };
}
