import { existsSync } from "node:fs";
import { registerHooks } from "node:module";
import { resolve } from "node:path";
import type { Config } from "@neuropilot/config";
import { formatProblems, loadConfigFile, type Problem, resolveConfig } from "@neuropilot/config/define";
import { DEFAULT_CONFIG } from "./default-config.ts";

/** A config that waits for something for ever would keep the command, and end it without a word once nothing else is left to do. */
const LOAD_MS = 10_000;

export type ReadConfig =
  | { readonly ok: true; readonly path: string; readonly config: Config; readonly notes: readonly string[] }
  | { readonly ok: false; readonly path: string; readonly problems: readonly Problem[] };

/** Loads, checks and resolves a config file, with the environment's overrides applied. */
export async function readConfigFile(
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ReadConfig> {
  const path = resolve(file);
  const loaded = await load(path);
  if (!loaded.ok) return { ok: false, path, problems: loaded.problems };
  const resolved = resolveConfig(loaded.value, environment);
  return resolved.ok
    ? { ok: true, path, config: resolved.config, notes: resolved.notes }
    : { ok: false, path, problems: resolved.problems };
}

/** Loads it as a guest: what it prints is kept off our own output, and it may be anywhere and still import `defineConfig`. */
async function load(path: string): ReturnType<typeof loadConfigFile> {
  const own = import.meta.resolve("@neuropilot/config/define");
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === "@neuropilot/config/define" ? { url: own, shortCircuit: true } : next(specifier, context),
  });
  const { log, info, debug } = console;
  Object.assign(console, { log: console.error, info: console.error, debug: console.error });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Awaited<ReturnType<typeof loadConfigFile>>>((resolve) => {
    timer = setTimeout(
      () =>
        resolve({
          ok: false,
          problems: [
            {
              path,
              found: `a module that is still loading after ${LOAD_MS / 1000} s`,
              wants: "a module that loads: look for an `await` that never ends",
              example: "export default defineConfig({ targets: [] })",
            },
          ],
        }),
      LOAD_MS,
    );
  });
  try {
    return await Promise.race([loadConfigFile(path), late]);
  } finally {
    clearTimeout(timer);
    hooks.deregister();
    Object.assign(console, { log, info, debug });
  }
}

/** The file to use: the one that is named, else the one in this folder, else none: the demo. */
export function chooseConfig(named: string | undefined): string | undefined {
  if (named !== undefined) return named;
  return existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined;
}

export function explainProblems(path: string, problems: readonly Problem[]): string {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return `${path}: ${count}\n\n${formatProblems(problems)}`;
}
