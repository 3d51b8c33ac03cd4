import type { Runner, Stage } from "@neuropilot/local";
import type { Story } from "./story.ts";

const CALM_MS = 6_000;

/** Tells what the stand-ins do, and breaks the demo once it was seen healthy. Returns what ends it. */
export function playDemo(story: Story, stage: Stage, _runner: Runner): () => Promise<void> {
  const timers = new Set<NodeJS.Timeout>();
  const later = (ms: number, act: () => Promise<void>) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      act().catch((error: unknown) => story.tell("demo", String(error), "bad"));
    }, ms);
    timers.add(timer);
  };
  stage.railway.hooks.onExecuted = (operation) => {
    if (operation === "deploymentRestart")
      story.tell("railway", "accepted deploymentRestart: the process is stopped and started again", "info");
  };
  story.seenAll.then(() => {
    story.tell("demo", `healthy. In ${CALM_MS / 1000} s the service will stop answering; watch`, "dim");
    later(CALM_MS, async () => {
      story.tell("demo", `breaks now: process ${stage.service.pid} no longer accepts connections`, "bad");
      await stage.service.break({ kind: "refused" });
    });
  });
  return async () => {
    for (const timer of timers) clearTimeout(timer);
  };
}
