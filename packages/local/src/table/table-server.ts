import { resolve } from "node:path";
import { Worker } from "node:worker_threads";
import type { Log } from "@neuropilot/loop";
import { makeFolder } from "../data-folder/make-folder.ts";
import { errorText, type TableProblem, tableProblem } from "./table-problem.ts";

export interface TableWorkerData {
  readonly folder: string;
  readonly port: number;
}

export type TableWorkerMessage =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "failed"; readonly text: string };

export interface TableServer {
  /** `http://127.0.0.1:port`, for the DynamoDB client's `endpoint`. It stays the same for the server's life. */
  readonly endpoint: string;
  close(): Promise<void>;
}

/** A close that takes longer ends the thread; what was acknowledged is on disk anyway. */
const CLOSE_MS = 3_000;
/** Requests are short-lived garbage; left alone their space grows to a hundred megabytes. */
const YOUNG_MB = 24;
const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 10_000;
/** A server that ran this long starts counting its failures afresh. */
const STEADY_MS = 60_000;

/**
 * Starts a DynamoDB-compatible server on 127.0.0.1 that keeps its data in `folder`. `port` 0 or none: any free one.
 * An acknowledged write survives a kill and a power cut. Throws `TableProblem` when it cannot start. If it stops later
 * (a full disk, most likely) it is started again on the same port until it can go on; meanwhile the table is unreachable,
 * and the log says why.
 */
export async function startTableServer(options: {
  readonly folder: string;
  readonly port?: number;
  readonly log?: Log;
}): Promise<TableServer> {
  const folder = resolve(options.folder);
  const wanted = options.port ?? 0;
  await makeFolder(folder).catch((error: unknown) => {
    throw tableProblem(errorText(error), { folder, port: wanted });
  });
  const supervisor = new Supervisor(folder, options.log ?? (() => {}));
  return supervisor.start(wanted);
}

class Supervisor {
  readonly #folder: string;
  readonly #log: Log;
  #worker: Worker | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #closing: Promise<void> | undefined;

  constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#log = log;
  }

  async start(wanted: number): Promise<TableServer> {
    const port = await this.#open(wanted);
    return {
      endpoint: `http://127.0.0.1:${port}`,
      close: () => {
        this.#closing ??= this.#close();
        return this.#closing;
      },
    };
  }

  /** Resolves with the port once the thread listens; a thread that ends after that is replaced. */
  #open(wanted: number): Promise<number> {
    const workerData: TableWorkerData = { folder: this.#folder, port: wanted };
    // No flags of this process: some of them, such as --input-type, keep a thread from starting.
    const worker = new Worker(new URL("./table-worker.ts", import.meta.url), {
      workerData,
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    this.#worker = worker;
    return new Promise((resolve, reject) => {
      let problem: TableProblem | undefined;
      let listening: { port: number; since: number } | undefined;
      const blame = (text: string) => {
        problem ??= tableProblem(text, { folder: this.#folder, port: wanted });
      };
      worker.on("message", (message: TableWorkerMessage) => {
        switch (message.kind) {
          case "listening":
            listening = { port: message.port, since: Date.now() };
            resolve(message.port);
            return;
          case "failed":
            blame(message.text);
            return;
        }
      });
      worker.on("error", (error) => blame(errorText(error)));
      worker.on("exit", (code) => {
        if (this.#worker === worker) this.#worker = undefined;
        const why = problem ?? tableProblem(`its thread ended (${code})`, { folder: this.#folder, port: wanted });
        if (listening === undefined) reject(why);
        else this.#replace(listening.port, why, Date.now() - listening.since);
      });
    });
  }

  #replace(port: number, why: TableProblem, ranMs: number): void {
    if (this.#closing !== undefined) return;
    if (ranMs > STEADY_MS) this.#failures = 0;
    const retryMs = Math.min(FIRST_RETRY_MS * 2 ** this.#failures, LAST_RETRY_MS);
    this.#failures += 1;
    this.#log("error", "table.stopped", { reason: why.reason, problem: why.message, retryMs });
    this.#retry = setTimeout(() => {
      this.#open(port).then(
        () => this.#log("info", "table.started-again", { port }),
        (error: TableProblem) => this.#replace(port, error, 0),
      );
    }, retryMs);
  }

  async #close(): Promise<void> {
    clearTimeout(this.#retry);
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    worker.postMessage("close");
    const timer = setTimeout(() => void worker.terminate(), CLOSE_MS);
    await ended;
    clearTimeout(timer);
  }
}
