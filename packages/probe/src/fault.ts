import type { Outcome } from "@neuropilot/core";

/** Why a sample is not `ok`: an expected failure, so a value. `detail` is one line for people. */
export class Fault {
  readonly outcome: Exclude<Outcome, "ok">;
  readonly detail: string;

  constructor(outcome: Exclude<Outcome, "ok">, detail: string) {
    this.outcome = outcome;
    this.detail = oneLine(detail);
  }
}

const LONGEST_DETAIL = 160;

/**
 * One short line, safe to show: control characters, line ends and the marks that reverse the direction of text become spaces.
 * Much of what goes in was written by the target, and comes out in terminals and chats.
 */
export function oneLine(text: string): string {
  const clean = text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, " ")
    .replace(/ {2,}/g, " ")
    .trim();
  return clean.length <= LONGEST_DETAIL ? clean : `${clean.slice(0, LONGEST_DETAIL - 1)}…`;
}
