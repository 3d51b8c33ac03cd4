import { setTimeout as delay } from "node:timers/promises";
import type { Runner, Stage } from "@neuropilot/local";
import type { Story } from "./story.ts";

const DEMO_TARGET = "inventory";
const LOOK_MS = 500;
const CALM_MS = 6_000;
/** Long enough for the first restart's cooldown to be over when the second act needs it. */
const BETWEEN_MS = 40_000;

/** Tells what the stand-ins do, and breaks the demo twice once it was seen healthy. Returns what ends it. */
export function playDemo(story: Story, stage: Stage, runner: Runner): () => Promise<void> {
  const ending = new AbortController();
  const timers = new Set<NodeJS.Timeout>();
  const later = (ms: number, act: () => Promise<void>) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      act().catch((error: unknown) => story.tell("demo", `could not break it: ${String(error)}`, "bad"));
    }, ms);
    timers.add(timer);
  };
  tellVendors(story, stage);
  let begun = false;
  const begin = async () => {
    await story.seenAll;
    await untilNoIncident(story, runner, ending.signal);
    begun = true;
    story.tell("demo", `it is healthy. In ${CALM_MS / 1000} s it will be broken for real; watch what happens`, "dim");
    later(CALM_MS, async () => {
      story.tell("demo", `breaks now: process ${stage.service.pid} refuses connections`, "bad");
      await stage.service.break({ kind: "refused" });
    });
  };
  // Ended before it was seen healthy, or while it waited: then there is nothing to play.
  begin().catch(() => undefined);
  let acts = 0;
  story.onEnded(() => {
    if (!begun) return;
    if (acts++ === 0) {
      const hint = `npm exec neuropilot -- status, … incidents, … pause, … drill --list`;
      story.tell("demo", `try in another terminal: ${hint}. In ${BETWEEN_MS / 1000} s something subtler breaks`, "dim");
      later(BETWEEN_MS, async () => {
        story.tell("demo", "breaks now: three of ten requests fail, the rest are fine", "bad");
        await stage.service.break({ kind: "errors", share: 0.3 });
      });
    } else story.tell("demo", "that was all. It keeps watching; Ctrl-C ends it", "dim");
  });
  return async () => {
    ending.abort();
    for (const timer of timers) clearTimeout(timer);
  };
}

/** Killed in the middle of an incident, the demo finishes that one first: breaking it again would look like a remedy that failed. */
async function untilNoIncident(story: Story, { state }: Runner, signal: AbortSignal): Promise<void> {
  for (let told = false; ; told = true) {
    const { incident } = await state.readTarget(DEMO_TARGET, Date.now());
    if (incident === undefined) return;
    if (!told) story.tell("demo", `${incident.id} is open from before: that one comes first`, "dim");
    await delay(LOOK_MS, undefined, { signal });
  }
}

function tellVendors(story: Story, { railway, cloudflare, slack }: Stage): void {
  railway.hooks.onExecuted = (operation) => {
    if (operation === "deploymentRestart")
      story.tell("railway", "deploymentRestart accepted: the process is stopped and started again", "info");
  };
  cloudflare.hooks.onExecuted = () => {
    const selector = cloudflare.calls.at(-1)?.selector;
    const what =
      selector === undefined || !("items" in selector) ? "everything" : `${selector.kind} ${selector.items.join(", ")}`;
    story.tell("cloudflare", `purge_cache accepted: ${what}`, "info");
  };
  let shown = "";
  slack.hooks.onExecuted = (operation) => {
    const text = slack.messages.at(-1)?.text ?? "";
    if (operation !== "chat.postMessage" && operation !== "chat.update") return;
    if (text === shown) return;
    shown = text;
    story.tell("slack", `${operation === "chat.update" ? "edited" : "posted"}: ${text}`, "info");
  };
}
