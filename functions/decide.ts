import middy from "@middy/core";
import { healthObserved, operatorSaid, remediationFinished } from "@neuropilot/events";
import { type WakeResult, wakeTarget } from "@neuropilot/loop";
import { environment, log } from "./environment.ts";

/** Every event only wakes: what is true stands in the windows and the item. */
export const handler = middy(async (event: unknown): Promise<WakeResult | undefined> => {
  const said = operatorSaid.parse(event);
  if (
    said.ok &&
    (said.detail.word === "approve" || said.detail.word === "deny" || said.detail.word === "acknowledge")
  ) {
    const { target, at, word, attempt, incident, by } = said.detail;
    return wakeTarget(environment(), target, {
      kind: "operator",
      at,
      word,
      by,
      ...(attempt === undefined ? {} : { attempt }),
      ...(incident === undefined ? {} : { incident }),
    });
  }
  for (const contract of [healthObserved, remediationFinished, operatorSaid]) {
    const parsed = contract.parse(event);
    if (parsed.ok)
      return wakeTarget(environment(), parsed.detail.target, {
        kind: "wake",
        at: parsed.detail.at,
        cause: parsed.detail.id,
      });
  }
  log("error", "unreadable-event", { problem: healthObserved.parse(event) });
  throw new Error("an event that decide cannot read: see the log line before this");
});
