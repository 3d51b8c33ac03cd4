import type { IllKind, Remedy } from "@neuropilot/config";
import type { Verdict, View } from "@neuropilot/core";
import type { Aftermath } from "./recovery.ts";

/** How an action would have come about: called; recorded only, in `observe`; put to a person, in `approve`. */
export type ActionHow = "called" | "would-have" | "proposed";

/** Times are epoch milliseconds. */
export interface ReplayedAction {
  readonly remedy: Remedy;
  readonly kind: IllKind;
  readonly site: string;
  readonly how: ActionHow;
  readonly at: number;
  /** On the samples as recorded, so it says when the service was well again and not what the remedy did. */
  readonly verdict?: Verdict;
  readonly aftermath: Aftermath;
  /** When it was well again, where that was soon. */
  readonly recoveredAt?: number;
}

export interface ReplayedIncident {
  readonly id: string;
  readonly target: string;
  readonly site: string;
  /** What it opened as, and what it became, in order. */
  readonly kinds: readonly IllKind[];
  readonly why: string;
  readonly openedAt: number;
  /** The first bad or slow sample that led to it, where one can be named. */
  readonly firstBadAt?: number;
  /** Absent: the history ends before. */
  readonly endedAt?: number;
  readonly needsHuman: boolean;
  /** A call was really made between its beginning and its end. */
  readonly realCall: boolean;
  readonly actions: readonly ReplayedAction[];
  /** Guards that stood in the way, once each. */
  readonly refusals: readonly string[];
  /** Of the site at the end of the history, for one that is still open. */
  readonly health?: View;
}
