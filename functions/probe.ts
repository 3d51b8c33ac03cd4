import middy from "@middy/core";
import { healthObserved } from "@neuropilot/events";
import { runTick, type TickReport } from "@neuropilot/loop";
import { createProber } from "@neuropilot/probe";
import { environment } from "./environment.ts";
import { readTick } from "./wake-up.ts";

const prober = createProber({});

/** Looks at one shard from one vantage; also, once, at a site that another vantage has just begun to suspect. */
export const handler = middy(async (event: unknown): Promise<TickReport> => {
  const { vantage, shard, tick } = readTick(event, environment().clock());
  const woken = healthObserved.parse(event);
  if (!woken.ok) return runTick(environment(), prober, { vantage, shard, tick });
  if (woken.detail.vantage === vantage) return { kind: "not-needed", samples: 0, attention: 0 };
  return runTick(environment(), prober, {
    vantage,
    shard,
    tick,
    only: { target: woken.detail.target, site: woken.detail.site },
  });
});
