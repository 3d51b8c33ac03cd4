import type { Config } from "@neuropilot/config";
import type { Publish } from "@neuropilot/events";
import type { State } from "@neuropilot/store";

/** A structured line: an event name, ids, the reason. Never a secret. */
export type Log = (level: "info" | "warn" | "error", event: string, fields: Readonly<Record<string, unknown>>) => void;

/** What every use case works with; the clock and ids are injected so that a simulation can be in their place. */
export interface Deps {
  readonly config: Config;
  readonly state: State;
  readonly publish: Publish;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** A new id with a prefix, such as `run_`. */
  readonly newId: (prefix: string) => string;
  readonly log: Log;
  /** Channels that people are told through, by name: `slack`. */
  readonly channels: readonly string[];
}
