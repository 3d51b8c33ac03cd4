import type { CallOutcome, FollowStatus } from "@neuropilot/core";

/** The HTTP function a provider calls through; Node's own `fetch` unless a test or proxy injects another. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface CallLimits {
  /** Longest time for one HTTP call, milliseconds. */
  readonly timeoutMs: number;
}

/**
 * A vendor action in two steps, so that only the second can change anything.
 * `prepare` only reads (it may be repeated); `act` is one HTTP call without retries, made at most once per attempt.
 */
export interface RemedyProvider<Where, Plan> {
  prepare(
    where: Where,
    limits: CallLimits,
  ): Promise<{ kind: "ready"; plan: Plan } | Exclude<CallOutcome, { kind: "applied" | "unknown" }>>;
  act(plan: Plan, limits: CallLimits): Promise<CallOutcome>;
  /** Asks once how the accepted work stands. Reads only. */
  follow(reference: string, limits: CallLimits): Promise<FollowStatus>;
}

/** A message as its state is now. `key` is the incident's id. */
export interface ChatMessage {
  readonly key: string;
  /** Plain text for notifications, already escaped where it quotes a target. */
  readonly text: string;
  readonly blocks: readonly unknown[];
}

export type ChatOutcome =
  | { readonly kind: "sent"; readonly channel: string; readonly messageId: string }
  | { readonly kind: "retry-later"; readonly afterMs: number; readonly detail: string }
  | { readonly kind: "rejected"; readonly detail: string }
  /** It may have arrived (a timeout after the request was sent). */
  | { readonly kind: "unknown"; readonly detail: string };

/** A chat that can keep one message per incident up to date and add to its thread. */
export interface ChatProvider {
  /** Whether messages can be changed and answered later; an incoming webhook cannot. */
  readonly canUpdate: boolean;
  post(message: ChatMessage, limits: CallLimits): Promise<ChatOutcome>;
  update(channel: string, messageId: string, message: ChatMessage, limits: CallLimits): Promise<ChatOutcome>;
  reply(channel: string, messageId: string, text: string, broadcast: boolean, limits: CallLimits): Promise<ChatOutcome>;
}
