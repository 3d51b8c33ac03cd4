/** What the runner sends to the thread that holds the functions. */
export type Question = Invocation | { readonly kind: "alive?" };

export interface Invocation {
  readonly kind: "invoke";
  readonly id: number;
  /** A handler's file in `functions/`, without its ending. */
  readonly file: string;
  readonly name: string;
  readonly event: unknown;
  /** Epoch milliseconds at which the function's time is over. */
  readonly deadline: number;
}

/** And what comes back. */
export type Answer = Completion | { readonly kind: "alive" };

export type Completion =
  | { readonly kind: "done"; readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly kind: "done"; readonly id: number; readonly ok: false; readonly reason: string };
