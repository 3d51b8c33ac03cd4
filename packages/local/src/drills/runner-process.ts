import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { promisify } from "node:util";

const STOP_WITHIN_MS = 5_000;
const COMMAND_WITHIN_MS = 30_000;
const MOST_LINES = 40;

export interface RunnerProcess {
  readonly pid: number;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGINT as Ctrl-C sends it, then SIGKILL where that does not help. */
  stop(): Promise<void>;
  /** Runs another command with the same environment. Rejects unless it exits with 0. */
  command(args: readonly string[]): Promise<string>;
}

/** Starts `neuropilot up --json` as a process of its own and waits until it says that it is ready. */
export async function startRunnerProcess(options: {
  readonly command: readonly [string, ...string[]];
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly readyWithinMs: number;
}): Promise<RunnerProcess> {
  const [executable, ...first] = options.command;
  const environment = { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...options.environment };
  const child = spawn(executable, [...first, ...options.args], {
    env: environment,
    // It ends with us, however we end: the channel closes.
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const gone = once(child, "exit");
  const said: string[] = [];
  const note = (line: string) => {
    said.push(line);
    if (said.length > MOST_LINES) said.shift();
  };
  const { stdout, stderr } = pipesOf(child);
  createInterface({ input: stderr }).on("line", note);
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`the runner ${why}: ${said.join(" | ") || "it said nothing"}`));
    const timer = setTimeout(
      () => fail(`was not ready within ${options.readyWithinMs / 1000} s`),
      options.readyWithinMs,
    );
    createInterface({ input: stdout }).on("line", (line) => {
      note(line);
      if (!line.includes('"event":"ready"')) return;
      clearTimeout(timer);
      resolve();
    });
    child.once("error", (error) => {
      clearTimeout(timer);
      fail(`did not start (${error.message})`);
    });
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      fail(`ended with ${signal ?? code}`);
    });
  }).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw error;
  });
  return {
    pid: child.pid ?? 0,
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGINT");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
      await gone;
      clearTimeout(timer);
    },
    async command(args) {
      const { stdout } = await promisify(execFile)(executable, [...first, ...args], {
        env: environment,
        timeout: COMMAND_WITHIN_MS,
      });
      return stdout;
    },
  };
}

/** Both are there: they were asked for as pipes. */
function pipesOf({ stdout, stderr }: ChildProcess): { readonly stdout: Readable; readonly stderr: Readable } {
  if (stdout === null || stderr === null) throw new Error("the runner was started without pipes");
  return { stdout, stderr };
}
