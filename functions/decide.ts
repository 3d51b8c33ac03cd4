import middy from "@middy/core";
import { healthObserved, type OperatorSaid, operatorSaid, remediationFinished } from "@neuropilot/events";
import { type WakeResult, wakeTarget } from "@neuropilot/loop";
import { environment, log } from "./environment.ts";

/** Every event only wakes: what is true stands in the windows and the item. */
export const handler = middy(async (event: unknown): Promise<WakeResult | undefined> => {
  const said = operatorSaid.parse(event);
  const word = said.ok ? wordOf(said.detail) : undefined;
  if (said.ok && word !== undefined) return wakeTarget(environment(), said.detail.target, word);
  const problems: Record<string, string> = {};
  for (const contract of [healthObserved, remediationFinished, operatorSaid]) {
    const parsed = contract.parse(event);
    if (!parsed.ok) problems[contract.name] = parsed.problem;
    else {
      const { target, at, id } = parsed.detail;
      return wakeTarget(environment(), target, { kind: "wake", at, cause: id });
    }
  }
  log("error", "unreadable-event", { problems });
  throw new Error("an event that decide cannot read: see the log line before this");
});

/** The words that say something about an incident; the others stand in the control item and only wake. */
function wordOf({ at, word, attempt, incident, by }: OperatorSaid): Parameters<typeof wakeTarget>[2] | undefined {
  if (word !== "approve" && word !== "deny" && word !== "acknowledge") return undefined;
  return {
    kind: "operator",
    at,
    word,
    by,
    ...(attempt === undefined ? {} : { attempt }),
    ...(incident === undefined ? {} : { incident }),
  };
}
