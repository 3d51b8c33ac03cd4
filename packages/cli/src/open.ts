import type { Config } from "@neuropilot/config";
import { type OpenInstance, openInstance } from "@neuropilot/local/instance";
import { CommandFailed, EXIT } from "./exit-codes.ts";
import { listed, suggestion } from "./nearest.ts";

/** Opens the state below a data folder for one command and closes it after. */
export async function withInstance<T>(data: string, use: (instance: OpenInstance) => Promise<T>): Promise<T> {
  const opened = await openInstance(data, { environment: process.env });
  if (!opened.ok) throw new CommandFailed(EXIT.failed, opened.problem);
  try {
    return await use(opened.instance);
  } catch (error) {
    const { running } = opened.instance;
    if (error instanceof CommandFailed || running === undefined) throw error;
    const what = error instanceof Error ? error.message : String(error);
    throw new CommandFailed(EXIT.failed, `it runs, but ${what}. Its terminal or ${running.logFile} says why`);
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
  const known = config.targets.map((candidate) => candidate.id);
  throw new CommandFailed(EXIT.usage, `no target is called "${target}"${suggestion(target, known)}. ${listed(known)}`);
}
