import type { Config } from "@neuropilot/config";
import { type OpenInstance, openInstance } from "@neuropilot/local";
import { CommandFailed, EXIT } from "./exit-codes.ts";

/** Opens the state below a data folder for one command and closes it after. */
export async function withInstance<T>(data: string, use: (instance: OpenInstance) => Promise<T>): Promise<T> {
  const opened = await openInstance(data);
  if (!opened.ok) throw new CommandFailed(EXIT.failed, opened.problem);
  try {
    return await use(opened.instance);
  } finally {
    await opened.instance.close();
  }
}

/** The config that the instance was last started with. */
export function configOf(instance: OpenInstance, data: string): Config {
  if (instance.config !== undefined) return instance.config;
  throw new CommandFailed(
    EXIT.failed,
    `the config in ${data} cannot be read: start it once with \`neuropilot up --data ${data}\``,
  );
}

/** Refuses a target that the config does not name. */
export function checkTarget(config: Config, target: string | undefined): void {
  if (target === undefined || config.targets.some((candidate) => candidate.id === target)) return;
  const known = config.targets.map((candidate) => candidate.id).join(", ");
  throw new CommandFailed(EXIT.usage, `no target is called "${target}". Known: ${known || "none"}`);
}
