import { jsonAnswer, type StandInReply } from "../server.ts";

/**
 * How Railway is told to fail. `operation` limits it to one root field such as `deploymentRestart`; the kinds that
 * accept the work concern `deploymentRestart` alone. `times` ends it by itself after so many calls.
 *
 * - `server-error`: a proxy's HTML page with this status, nothing done.
 * - `rate-limited`: 429 with Retry-After and `{"data":null}`, nothing done.
 * - `timeout`: the request is taken and never answered, nothing done. `timeout-but-applied`: the same, but the work is done.
 * - `drops`: the connection is cut, nothing done. `accepts-and-dies`: the same, but the work is done.
 * - `cut-answer`: the work is done and the answer breaks off in its middle.
 * - `accepts-and-crashes`: answers true; the deployment ends crashed and the service is not restarted.
 * - `answers-false`: answers false, nothing done.
 * - `not-authorized`, `project-token-not-found`, `two-factor-required`, `internal-error`: GraphQL errors, with status 200.
 * - `data-null`: 200 with `{"data":null}`. `unreadable`: 200 with a page that is no JSON. Neither does anything.
 */
export type RailwayFault = (
  | { readonly kind: "server-error"; readonly status?: 500 | 502 | 503 | 504 }
  | { readonly kind: "rate-limited"; readonly retryAfterSeconds: number }
  | { readonly kind: "timeout" | "timeout-but-applied" | "drops" | "accepts-and-dies" | "cut-answer" }
  | { readonly kind: "accepts-and-crashes" | "answers-false" }
  | { readonly kind: "not-authorized" | "project-token-not-found" | "two-factor-required" | "internal-error" }
  | { readonly kind: "data-null" | "unreadable" }
) & { readonly operation?: string; readonly times?: number };

/** What a fault makes of one operation, before it is executed and after. */
export interface FaultEffect {
  /** Replaces the execution. */
  readonly instead?: StandInReply;
  /** How an accepted restart ends. */
  readonly ending: "running" | "crashed" | "refused";
  /** What becomes of the answer after the work. */
  readonly after: "answer" | "hang" | "destroy" | "cut";
}

export const NO_FAULT: FaultEffect = { ending: "running", after: "answer" };

/** GraphQL errors as the vendor words them, all with `data: null`. */
export function graphqlErrors(message: string, extensions?: Readonly<Record<string, unknown>>): StandInReply {
  const error = extensions === undefined ? { message } : { message, extensions };
  return { kind: "answer", answer: jsonAnswer(200, { errors: [error], data: null }) };
}

const page = (status: number, title: string): StandInReply => ({
  kind: "answer",
  answer: {
    status,
    headers: { "content-type": "text/html; charset=utf-8" },
    body: `<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>`,
  },
});

/** The fault's effect on an operation; `NO_FAULT` where it does not concern it. */
export function effectOf(fault: RailwayFault, operation: string): FaultEffect {
  if (fault.operation !== undefined && fault.operation !== operation) return NO_FAULT;
  const instead = (reply: StandInReply): FaultEffect => ({ ...NO_FAULT, instead: reply });
  const onRestart = (effect: FaultEffect): FaultEffect => (operation === "deploymentRestart" ? effect : NO_FAULT);
  switch (fault.kind) {
    case "server-error":
      return instead(page(fault.status ?? 500, `${fault.status ?? 500} server error`));
    case "rate-limited":
      return instead({
        kind: "answer",
        answer: jsonAnswer(429, { data: null }, { "retry-after": String(fault.retryAfterSeconds) }),
      });
    case "timeout":
      return instead({ kind: "hang" });
    case "drops":
      return instead({ kind: "destroy" });
    case "not-authorized":
      return instead(graphqlErrors("Not Authorized"));
    case "project-token-not-found":
      return instead(graphqlErrors("Project Token not found"));
    case "two-factor-required":
      return instead(graphqlErrors("Two Factor Authentication Required", { workspaceName: "Demo" }));
    case "internal-error":
      return instead(graphqlErrors("Problem processing request"));
    case "data-null":
      return instead({ kind: "answer", answer: jsonAnswer(200, { data: null }) });
    case "unreadable":
      return instead(page(200, "Railway"));
    case "timeout-but-applied":
      return onRestart({ ending: "running", after: "hang" });
    case "accepts-and-dies":
      return onRestart({ ending: "running", after: "destroy" });
    case "cut-answer":
      return onRestart({ ending: "running", after: "cut" });
    case "accepts-and-crashes":
      return onRestart({ ending: "crashed", after: "answer" });
    case "answers-false":
      return onRestart({ ending: "refused", after: "answer" });
  }
}
