import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { type DemoFault, describeFault, parseFault } from "./fault.ts";
import { type Command, readReport } from "./messages.ts";

export interface DemoServiceOptions {
  /** Where the service listens on 127.0.0.1; 0 takes a free port, and keeps it over restarts. */
  readonly port: number;
  /** Where it takes faults over HTTP; a free port by default. */
  readonly adminPort?: number;
  /** What the process prints, and what happens to it, a line at a time. */
  readonly log?: (line: string) => void;
  /** How long a process may take to end by itself before it is killed; 3 s by default. */
  readonly stopMs?: number;
  /** How long a process may take until it answers; 20 s by default. */
  readonly startMs?: number;
}

export type DemoState =
  | { readonly kind: "starting" }
  | { readonly kind: "running" }
  /** It ended without being told to. `at` is epoch milliseconds. */
  | { readonly kind: "crashed"; readonly at: number; readonly code: number | null; readonly signal: string | null }
  /** Ended by its controller, or could not be started again. */
  | { readonly kind: "stopped"; readonly at: number };

/** What happened to the service, for a story as it goes; `at` is epoch milliseconds. */
export type DemoEvent =
  | { readonly kind: "started"; readonly at: number; readonly pid: number }
  | { readonly kind: "broken"; readonly at: number; readonly fault: DemoFault; readonly sticky: boolean }
  | { readonly kind: "recovered"; readonly at: number }
  | { readonly kind: "crashed"; readonly at: number; readonly code: number | null; readonly signal: string | null }
  | { readonly kind: "stopped"; readonly at: number };

export interface DemoService {
  /** `http://127.0.0.1:<port>`, the same over restarts. */
  readonly url: string;
  readonly port: number;
  /** Where `GET /fault`, `POST /fault` and `POST /recover` are served. */
  readonly adminUrl: string;
  readonly adminPort: number;
  /** The present process; undefined while there is none. */
  readonly pid: number | undefined;
  /** When the present (or last) process began to listen, epoch milliseconds. */
  readonly startedAt: number;
  /** How often it was started again. */
  readonly restarts: number;
  readonly state: DemoState;
  readonly fault: DemoFault | undefined;
  /**
   * Breaks it; resolves when the fault is on (for `crash`: when the process is gone). It replaces any fault before it. A
   * restart ends the fault unless it is `sticky`. Rejects when there is no process, or for a fault that is not one.
   */
  break(fault: DemoFault, options?: { readonly sticky?: boolean }): Promise<void>;
  /** Ends the fault, sticky or not. It does not start a process that crashed: that takes a restart. */
  recover(): Promise<void>;
  /**
   * Ends the process (SIGTERM, then SIGKILL) and starts another on the same ports. Resolves when that one answers, or is ill
   * with the sticky fault again; rejects with a `DemoServiceError` when it cannot start.
   */
  restart(): Promise<void>;
  /** Tells of what happens from now on; the function that it returns ends that. */
  watch(listener: (event: DemoEvent) => void): () => void;
  /** Ends the process and frees its ports. May be called more than once. */
  close(): Promise<void>;
}

export class DemoServiceError extends Error {
  override readonly name = "DemoServiceError";
  readonly reason: "port-in-use" | "cannot-start" | "not-running" | "refused" | "closed";

  constructor(reason: DemoServiceError["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * Starts the demo service as a process of its own and resolves when it answers /health. It ends with this process, however
 * this process ends. Rejects with a `DemoServiceError` when it cannot start, such as for a port in use.
 */
export async function startDemoService(options: DemoServiceOptions): Promise<DemoService> {
  for (let tries = 1; ; tries++) {
    const port = options.port === 0 ? lastingPort() : options.port;
    const adminPort = options.adminPort ?? lastingPort();
    const control = new Control({ ...options, port, adminPort });
    try {
      await control.start();
      return control;
    } catch (error) {
      await control.close();
      const taken = error instanceof DemoServiceError && error.reason === "port-in-use";
      if (options.port !== 0 || !taken || tries === MAX_PORT_TRIES) throw error;
    }
  }
}

const MAX_PORT_TRIES = 20;
const LASTING_PORTS = { from: 20_000, to: 32_000 };

/**
 * A port below those that systems hand out by themselves (from 32768 on Linux, 49152 elsewhere): one of them could go to some
 * connection in the moment in which a restart has let go of it.
 */
function lastingPort(): number {
  return LASTING_PORTS.from + Math.floor(Math.random() * (LASTING_PORTS.to - LASTING_PORTS.from));
}

const HOST = "127.0.0.1";
const SCRIPT = join(import.meta.dirname, "service.ts");
const LAST_WORDS = 20;
const POLL_MS = 25;
/** The process needs nothing else from here; a token in our environment is none of its business. */
const PASSED_ON = ["PATH", "TZ", "LANG", "TMPDIR", "TEMP", "SystemRoot"];

interface Life {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<void>;
  /** Exited, and everything it had said has been heard: the last messages may come after the exit. */
  readonly closed: Promise<void>;
  readonly lastWords: string[];
  readonly pending: Map<number, { resolve: () => void; reject: (error: Error) => void }>;
  gone: boolean;
  /** Whether its end was our wish. */
  ending: boolean;
}

class Control implements DemoService {
  readonly #options: DemoServiceOptions;
  readonly #listeners = new Set<(event: DemoEvent) => void>();
  #life: Life | undefined;
  #state: DemoState = { kind: "starting" };
  #port: number;
  #adminPort: number;
  #fault: DemoFault | undefined;
  #sticky = false;
  #startedAt = 0;
  #restarts = 0;
  #commands = 0;
  #closed = false;
  /** Starts and stops happen one after the other. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: DemoServiceOptions) {
    this.#options = options;
    this.#port = options.port;
    this.#adminPort = options.adminPort ?? 0;
  }

  get url(): string {
    return `http://${HOST}:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get adminUrl(): string {
    return `http://${HOST}:${this.#adminPort}`;
  }

  get adminPort(): number {
    return this.#adminPort;
  }

  get pid(): number | undefined {
    return this.#life?.gone === false ? this.#life.pid : undefined;
  }

  get startedAt(): number {
    return this.#startedAt;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get state(): DemoState {
    return this.#state;
  }

  get fault(): DemoFault | undefined {
    return this.#fault;
  }

  watch(listener: (event: DemoEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  start(): Promise<void> {
    return this.#inTurn(() => this.#launch());
  }

  async break(fault: DemoFault, options: { readonly sticky?: boolean } = {}): Promise<void> {
    const parsed = parseFault(fault);
    if (!parsed.ok) throw new DemoServiceError("refused", `not a fault: ${parsed.problem}`);
    const life = this.#runningLife();
    // Known before the process is: a crash must find it sticky when the restart comes at once.
    const before = { fault: this.#fault, sticky: this.#sticky };
    this.#fault = parsed.fault;
    this.#sticky = options.sticky ?? false;
    try {
      await this.#send(life, { kind: "break", n: this.#commands++, fault: parsed.fault });
    } catch (error) {
      this.#fault = before.fault;
      this.#sticky = before.sticky;
      throw error;
    }
    this.#tell({ kind: "broken", at: Date.now(), fault: parsed.fault, sticky: this.#sticky });
    if (parsed.fault.kind === "crash") await life.exited;
  }

  async recover(): Promise<void> {
    if (this.pid !== undefined) {
      await this.#send(this.#runningLife(), { kind: "recover", n: this.#commands++ });
    }
    const was = this.#fault;
    this.#fault = undefined;
    this.#sticky = false;
    if (was !== undefined) this.#tell({ kind: "recovered", at: Date.now() });
  }

  restart(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#closed) throw new DemoServiceError("closed", "the demo service was closed: start another");
      await this.#end();
      if (!this.#sticky) this.#fault = undefined;
      await this.#launch();
      this.#restarts++;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#inTurn(() => this.#end());
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#work.then(work);
    this.#work = result.catch(() => {});
    return result;
  }

  async #launch(): Promise<void> {
    this.#state = { kind: "starting" };
    const startMs = this.#options.startMs ?? 20_000;
    const deadline = Date.now() + startMs;
    const life = await this.#spawn();
    try {
      const ready = await firstWord(life, startMs);
      this.#port = ready.port;
      this.#adminPort = ready.adminPort;
      // Its fault may be that it never answers, or that it is gone already.
      if (this.#fault === undefined) await answersHealth(this.url, life, deadline);
      else if (this.#fault.kind === "crash") await life.exited;
    } catch (error) {
      await this.#end();
      throw error;
    }
    this.#startedAt = Date.now();
    if (life.gone) return;
    this.#state = { kind: "running" };
    this.#tell({ kind: "started", at: this.#startedAt, pid: life.pid });
  }

  async #spawn(): Promise<Life> {
    const fault = this.#fault === undefined ? [] : ["--fault", JSON.stringify(this.#fault)];
    const args = [SCRIPT, "--port", String(this.#port), "--admin-port", String(this.#adminPort), ...fault];
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...args], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: Object.fromEntries(PASSED_ON.map((name) => [name, process.env[name]])),
    });
    const { pid } = child;
    if (pid === undefined) {
      const error = await new Promise<Error>((resolve) => child.once("error", resolve));
      this.#state = { kind: "stopped", at: Date.now() };
      throw new DemoServiceError("cannot-start", `the demo service cannot start: ${error.message}`);
    }
    const lastWords: string[] = [];
    const life: Life = {
      child,
      pid,
      lastWords,
      pending: new Map(),
      gone: false,
      ending: false,
      exited: new Promise((resolve) => {
        child.once("exit", (code, signal) => {
          this.#exited(life, code, signal);
          resolve();
        });
      }),
      closed: new Promise((resolve) => {
        child.once("close", () => {
          const problem = new DemoServiceError("not-running", `process ${pid} of the demo service ended`);
          for (const { reject } of life.pending.values()) reject(problem);
          life.pending.clear();
          resolve();
        });
      }),
    };
    child.on("error", (error) => this.#log(`process ${pid}: ${error.message}`));
    child.on("message", (message) => this.#hear(life, message));
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        lastWords.push(line);
        if (lastWords.length > LAST_WORDS) lastWords.shift();
        this.#log(line);
      });
    }
    this.#life = life;
    return life;
  }

  #exited(life: Life, code: number | null, signal: string | null): void {
    life.gone = true;
    const at = Date.now();
    // A process that never got as far as answering did not crash, it could not start: whoever starts it hears why.
    const expected = life.ending || (this.#state.kind === "starting" && this.#fault?.kind !== "crash");
    this.#state = expected ? { kind: "stopped", at } : { kind: "crashed", at, code, signal };
    if (expected) this.#tell({ kind: "stopped", at });
    else {
      this.#log(`process ${life.pid} ended by itself, ${signal ?? `code ${code}`}`);
      this.#tell({ kind: "crashed", at, code, signal });
    }
  }

  #hear(life: Life, message: unknown): void {
    const report = readReport(message);
    if (report === undefined) return;
    switch (report.kind) {
      case "ready":
      case "failed":
        return;
      case "done":
        life.pending.get(report.n)?.resolve();
        life.pending.delete(report.n);
        return;
      case "refused":
        life.pending.get(report.n)?.reject(new DemoServiceError("refused", report.problem));
        life.pending.delete(report.n);
        return;
      case "fault": {
        const parsed = report.fault === null ? undefined : parseFault(report.fault);
        this.#fault = parsed?.ok === true ? parsed.fault : undefined;
        this.#sticky = report.sticky;
        const at = Date.now();
        if (this.#fault === undefined) this.#tell({ kind: "recovered", at });
        else this.#tell({ kind: "broken", at, fault: this.#fault, sticky: this.#sticky });
        return;
      }
    }
  }

  #runningLife(): Life {
    const life = this.#life;
    if (life === undefined || life.gone || this.#state.kind !== "running")
      throw new DemoServiceError("not-running", `the demo service is ${this.#state.kind}: restart it first`);
    return life;
  }

  #send(life: Life, command: Command): Promise<void> {
    return new Promise((resolve, reject) => {
      life.pending.set(command.n, { resolve, reject });
      life.child.send(command, (error) => {
        if (error === null) return;
        life.pending.delete(command.n);
        reject(new DemoServiceError("not-running", `the demo service does not listen to us: ${error.message}`));
      });
    });
  }

  async #end(): Promise<void> {
    const life = this.#life;
    if (life === undefined || life.gone) return;
    life.ending = true;
    life.child.kill("SIGTERM");
    const patience = new AbortController();
    const late = delay(this.#options.stopMs ?? 3_000, "late", { signal: patience.signal }).catch(() => "ended");
    if ((await Promise.race([life.exited, late])) === "late") {
      this.#log(`process ${life.pid} does not end: killed`);
      life.child.kill("SIGKILL");
      await life.exited;
    }
    patience.abort();
  }

  #tell(event: DemoEvent): void {
    if (event.kind === "broken")
      this.#log(`broken: it ${describeFault(event.fault)}${event.sticky ? ", restarts do not help" : ""}`);
    for (const listener of this.#listeners) listener(event);
  }

  #log(line: string): void {
    this.#options.log?.(line);
  }
}

/** Waits for the process to say that it listens. */
async function firstWord(life: Life, patienceMs: number): Promise<{ port: number; adminPort: number }> {
  const { child } = life;
  const patience = new AbortController();
  const heard = new Promise<{ port: number; adminPort: number }>((resolve, reject) => {
    const hear = (message: unknown): void => {
      const report = readReport(message);
      if (report?.kind === "ready") resolve(report);
      else if (report?.kind === "failed")
        reject(
          new DemoServiceError(
            report.code === "EADDRINUSE" ? "port-in-use" : "cannot-start",
            `the demo service cannot start: ${report.message}`,
          ),
        );
      else return;
      child.removeListener("message", hear);
    };
    child.on("message", hear);
  });
  const silent = Promise.race([
    life.closed.then(() => "it ended"),
    delay(patienceMs, undefined, { signal: patience.signal }).then(() => `it said nothing for ${patienceMs} ms`),
  ]).then((why): never => {
    throw new DemoServiceError("cannot-start", `the demo service cannot start: ${why}. ${life.lastWords.join("\n")}`);
  });
  silent.catch(() => {});
  try {
    return await Promise.race([heard, silent]);
  } finally {
    patience.abort();
  }
}

async function answersHealth(url: string, life: Life, deadline: number): Promise<void> {
  while (Date.now() < deadline && !life.gone) {
    try {
      const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(Math.max(1, deadline - Date.now())) });
      await answer.arrayBuffer();
      if (answer.ok) return;
    } catch {
      // Not yet: the loop is bounded by the deadline.
    }
    await delay(POLL_MS);
  }
  const why = life.gone ? "it ended" : `${url}/health does not answer`;
  throw new DemoServiceError("cannot-start", `the demo service cannot start: ${why}. ${life.lastWords.join("\n")}`);
}
