import type { ConfigInput } from "@neuropilot/config/define";
import type { Incident } from "@neuropilot/core";
import type { DemoFault } from "../demo/index.ts";
import type { Stage } from "../stage/stage.ts";

/** One line of the drill's JSON: fields are added, never changed. Times are ISO 8601 UTC, null where there is none. */
export interface DrillResult {
  readonly scenario: string;
  readonly passed: boolean;
  /** What must happen, in words. */
  readonly expected: string;
  /** Calls that change something, by vendor and operation, as the vendor's stand-in counted them. */
  readonly calls: Readonly<Record<"railway" | "cloudflare" | "slack", Readonly<Record<string, number>>>>;
  /** The last attempt's verdict, or its end if it never came to one. */
  readonly verdict: string | null;
  /** The fault was made. */
  readonly failedAt: string | null;
  /** The incident was opened. */
  readonly seenAt: string | null;
  /** The first call that changes something reached a vendor. */
  readonly calledAt: string | null;
  /** The incident ended. */
  readonly healedAt: string | null;
  readonly incidents: number;
  /** Why it did not pass. */
  readonly problems: readonly string[];
}

/** What can be seen at one moment. */
export interface Observation {
  readonly incidents: readonly Incident[];
  /** The text of every message and thread in the channel, as people would read it. */
  readonly told: string;
}

export interface DrillStage extends Stage {
  /** Well-known endpoints, as far as this instance knows. */
  readonly controls: { stop(): Promise<void> };
  /** A proxy with TLS in front of the service, with a certificate that is valid until it is told to expire. */
  readonly tls: { expire(): void };
  readonly runner: {
    /** SIGKILL, and waits until it is gone. */
    kill(): Promise<void>;
    start(): Promise<void>;
    /** Runs another `neuropilot` command on the same data. Rejects unless it exits with 0. */
    command(...args: string[]): Promise<string>;
  };
  /** Breaks the demo service, and notes when. */
  break(fault: DemoFault, options?: { readonly sticky?: boolean }): Promise<void>;
  /** Notes that the fault begins now, where it is not the service that breaks. */
  failed(): void;
  observe(): Promise<Observation>;
  /** Polls until it holds. Rejects with what was awaited when the time is over. */
  until(what: string, holds: (seen: Observation) => boolean, withinMs: number): Promise<void>;
  /** Looks on for so long; what a drill forbids may still happen in it. */
  lookOn(ms: number): Promise<void>;
}

export type Range = readonly [least: number, most: number];

export interface Scenario {
  readonly name: string;
  readonly expected: string;
  /** Through which door the service is watched. */
  readonly door: "direct" | "edge" | "tls" | "no-such-name";
  readonly change?: (config: ConfigInput) => ConfigInput;
  run(stage: DrillStage): Promise<void>;
  readonly incidents: Range;
  readonly restarts: Range;
  readonly purges: Range;
  /** Allowed verdicts of the last attempt; empty: there must be none. */
  readonly verdicts: readonly string[];
  /** People must have been told this, in some message. */
  readonly told?: RegExp;
  /** What else must hold at the end; each complaint is a line for people. */
  check?(seen: Observation, calls: readonly { readonly at: number; readonly operation: string }[]): readonly string[];
}
