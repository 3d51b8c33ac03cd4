import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const ROOT = join(import.meta.dirname, "../..");
export const MAIN = join(ROOT, "packages/cli/src/main.ts");

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program whose lines can be awaited. */
export interface Program {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  readonly ended: Promise<Ended>;
  /** The first line, said before or from now on, that matches. Rejects when the time is over or the program ends without it. */
  line(pattern: RegExp, withinMs: number): Promise<string>;
  /** Sends a signal to the whole group: Ctrl-C in a terminal reaches npm, the launcher and the command alike. */
  signal(name: NodeJS.Signals): void;
}

/** Starts a program in a process group of its own, as a terminal does, with nothing of our environment but what it needs. */
export function start(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Program {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH ?? "",
      HOME: process.env.HOME ?? "",
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? "",
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      for (const look of waiting) look();
    });
  let over = false;
  const ended = once(child, "close").then(([code, signal]): Ended => {
    over = true;
    for (const look of waiting) look();
    return { code, signal };
  });
  return {
    child,
    lines,
    ended,
    signal(name) {
      if (child.pid !== undefined && !over) process.kill(-child.pid, name);
    },
    line: (pattern, withinMs) =>
      new Promise((resolve, reject) => {
        const end = (settle: () => void) => {
          clearTimeout(timer);
          waiting.delete(look);
          settle();
        };
        const look = () => {
          const found = lines.find((line) => pattern.test(line));
          if (found !== undefined) end(() => resolve(found));
          else if (over) end(() => reject(new Error(`it ended without ${pattern}:\n${lines.join("\n")}`)));
        };
        const timer = setTimeout(
          () => end(() => reject(new Error(`no line like ${pattern} within ${withinMs} ms:\n${lines.join("\n")}`))),
          withinMs,
        );
        waiting.add(look);
        look();
      }),
  };
}

/** Runs a program to its end. */
export async function run(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended & { readonly stdout: string; readonly stderr: string }> {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH ?? "",
      HOME: process.env.HOME ?? "",
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? "",
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  const [code, signal] = await once(child, "close");
  return { code, signal, ...texts };
}

/** A folder of its own, and what removes it. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "neuropilot-e2e-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Whether a process of that id is still there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
