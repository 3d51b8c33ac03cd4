import { readFileSync } from "node:fs";
import type { Config } from "@neuropilot/config";
import { openDataFolder } from "../src/data-folder/index.ts";
import { startRunner } from "../src/runner/runner.ts";
import type { RunnerAnswer, RunnerOrder, RunnerReport, TickStart } from "./messages.ts";

/** The real runner in a process of its own, so that its processor time and memory are its own. Arguments: data folder, config. */
const [data = "", configFile = ""] = process.argv.slice(2);
/** Shorter than any interval, so that no tick is missed. */
const LOOK_MS = 200;

const ticks: TickStart[] = [];
const heard: { target: string; at: number }[] = [];
let peakRssBytes = 0;

const opened = await openDataFolder(data);
if (!opened.ok) throw new Error(opened.problem);
const { folder } = opened;
const runner = await startRunner({
  config: readConfig(configFile),
  folder,
  environment: { PATH: process.env.PATH },
  complain: (problem) => console.error(problem),
  listeners: [
    {
      name: "benchmark",
      pattern: { "detail-type": ["incident.changed"] },
      async hear(event) {
        heard.push({ target: targetOf(event), at: Date.now() });
      },
    },
  ],
});

const seen = new Map<string, number>();
const look = (): void => {
  peakRssBytes = Math.max(peakRssBytes, process.memoryUsage.rss());
  for (const { name, lastTick, lateMs } of runner.schedules()) {
    if (lastTick === undefined || lateMs === undefined || seen.get(name) === lastTick) continue;
    seen.set(name, lastTick);
    ticks.push({ schedule: name, tick: lastTick, lateMs });
  }
};
const looking = setInterval(look, LOOK_MS);

function report(): RunnerReport {
  look();
  const { user, system } = process.cpuUsage();
  return {
    at: Date.now(),
    cpuMs: (user + system) / 1000,
    rssBytes: process.memoryUsage.rss(),
    peakRssBytes,
    ticks,
    skipped: Object.fromEntries(runner.schedules().map(({ name, skipped }) => [name, skipped])),
    heard,
  };
}

async function stop(): Promise<void> {
  clearInterval(looking);
  await runner.close();
  await folder.release();
  process.disconnect?.();
}

const say = (message: RunnerAnswer): void => {
  process.send?.(message);
};
process.on("message", (order: RunnerOrder) => {
  switch (order.do) {
    case "report":
      return say({ report: report() });
    case "stop":
      return void stop();
  }
});
process.on("disconnect", () => process.exit(0));
process.on("SIGINT", () => {});
const { tableEndpoint, tableName, logFile } = runner.info;
say({ ready: { tableEndpoint, tableName, logFile } });

/** Written by the benchmark from a resolved config. */
function readConfig(path: string): Config {
  return JSON.parse(readFileSync(path, "utf8")) as Config;
}

function targetOf(event: unknown): string {
  const detail = typeof event === "object" && event !== null && "detail" in event ? event.detail : undefined;
  const target = typeof detail === "object" && detail !== null && "target" in detail ? detail.target : undefined;
  return typeof target === "string" ? target : "?";
}
