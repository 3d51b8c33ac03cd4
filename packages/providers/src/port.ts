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
  /** Which of several installations it comes from, should they share a channel: with `key`, it finds the message again. */
  readonly source: string;
  /** Plain text for notifications, already escaped where it quotes a target. */
  readonly text: string;
  readonly blocks: readonly unknown[];
}

/** An addition to a message's thread; `seq` is the last timeline entry in it. */
export interface ChatReply {
  readonly key: string;
  readonly source: string;
  readonly seq: number;
  readonly text: string;
  /** Also shown in the channel itself. */
  readonly broadcast: boolean;
}

export type ChatOutcome =
  | { readonly kind: "sent"; readonly channel: string; readonly messageId: string }
  /** Provably not sent; ask again after so many milliseconds. */
  | { readonly kind: "retry-later"; readonly afterMs: number; readonly detail: string }
  /** Not sent, and a person must mend something first. */
  | { readonly kind: "rejected"; readonly detail: string }
  /** The message to change or answer is no longer there, or may no longer be changed: a new one is needed. */
  | { readonly kind: "gone"; readonly detail: string }
  /** It may have arrived (a timeout after the request was sent). */
  | { readonly kind: "unknown"; readonly detail: string };

export type ChatFound =
  /** `threadSeq`: the last timeline entry in its thread, 0 for none. */
  | { readonly kind: "found"; readonly channel: string; readonly messageId: string; readonly threadSeq: number }
  | { readonly kind: "absent" }
  /** This channel cannot be read: who sends again may tell something twice. */
  | { readonly kind: "cannot-look"; readonly detail: string }
  | { readonly kind: "retry-later"; readonly afterMs: number; readonly detail: string };

/** A chat that can keep one message per incident up to date and add to its thread. */
export interface ChatProvider {
  /** Whether messages can be changed and answered later; an incoming webhook cannot. */
  readonly canUpdate: boolean;
  post(message: ChatMessage, limits: CallLimits): Promise<ChatOutcome>;
  update(channel: string, messageId: string, message: ChatMessage, limits: CallLimits): Promise<ChatOutcome>;
  reply(channel: string, messageId: string, reply: ChatReply, limits: CallLimits): Promise<ChatOutcome>;
  /**
   * Looks for the message of an incident, for a sender that does not know whether an earlier one got through. `since` is the
   * earliest time it can be from, epoch milliseconds; `known` the message, where only its thread is in doubt. Reads only,
   * in as many calls as it takes: `limits.timeoutMs` is for all of them together.
   */
  find(
    wanted: {
      readonly key: string;
      readonly source: string;
      readonly since: number;
      readonly known?: { readonly channel: string; readonly messageId: string };
    },
    limits: CallLimits,
  ): Promise<ChatFound>;
}
