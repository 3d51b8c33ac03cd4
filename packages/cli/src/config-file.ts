import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Config } from "@neuropilot/config";
import { formatProblems, loadConfigFile, type Problem, resolveConfig } from "@neuropilot/config/define";

export const DEFAULT_CONFIG = "neuropilot.config.ts";

export type ReadConfig =
  | { readonly ok: true; readonly path: string; readonly config: Config; readonly notes: readonly string[] }
  | { readonly ok: false; readonly path: string; readonly problems: readonly Problem[] };

/** Loads, checks and resolves a config file, with the environment's overrides applied. */
export async function readConfigFile(
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ReadConfig> {
  const path = resolve(file);
  const loaded = await loadConfigFile(path);
  if (!loaded.ok) return { ok: false, path, problems: loaded.problems };
  const resolved = resolveConfig(loaded.value, environment);
  return resolved.ok
    ? { ok: true, path, config: resolved.config, notes: resolved.notes }
    : { ok: false, path, problems: resolved.problems };
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
