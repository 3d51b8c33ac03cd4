import { parseArgs } from "node:util";
import { DEFAULT_TAKES_MS, replay } from "@neuropilot/backtest";
import { fleet } from "@neuropilot/core/fixture";
import { madeYear } from "./made-year.ts";

/**
 * A seeded year of one target at three vantages and five samples a minute, played through two policies on one core. Prints what
 * it took and the most memory in each quarter; ends with 1 where a bar is not held.
 */
const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    days: { type: "string", default: "365" },
    policies: { type: "string", default: "2" },
  },
});
const VANTAGES = ["east", "north", "west"];
const BAR_SECONDS = 60;
const FROM = Date.UTC(2026, 0, 1);
const days = Number(values.days);
const year = { seed: Number(values.seed), from: FROM, days, vantages: VANTAGES, everyMs: 12_000 };

const present = fleet({ vantages: VANTAGES });
const [target] = present.targets;
if (target === undefined) throw new Error("the fixture has a target");
const policies = Array.from({ length: Number(values.policies) }, (_, index) => ({
  ...present,
  targets: [{ ...target, rules: { ...target.rules, down: { ...target.rules.down, holdMs: 30_000 * (index + 1) } } }],
}));

const peaks = [0, 0, 0, 0];
const began = process.cpuUsage();
const beganAt = performance.now();
const result = await replay(madeYear(year), policies, {
  aloneWithinMs: 300_000,
  outageMs: 180_000,
  takesMs: DEFAULT_TAKES_MS,
  progress: (at) => {
    const quarter = Math.min(3, Math.floor(((at - FROM) / (days * 86_400_000)) * 4));
    peaks[quarter] = Math.max(peaks[quarter] ?? 0, process.memoryUsage().heapUsed);
  },
});
const cpu = process.cpuUsage(began);
const cpuSeconds = (cpu.user + cpu.system) / 1e6;
const seconds = (performance.now() - beganAt) / 1000;
if (!result.ok) throw new Error(result.problem);
const { history, policies: played, troubles } = result.replay;
console.log(`seed ${values.seed}: ${history.samples} samples of ${days} days, ${policies.length} policies in one pass`);
console.log(
  `${cpuSeconds.toFixed(1)} s of one core, ${seconds.toFixed(1)} s by the clock: ${Math.round(history.samples / cpuSeconds)} samples/s`,
);
console.log(`most memory by quarter: ${peaks.map((bytes) => `${(bytes / 1024 / 1024).toFixed(0)} MB`).join(", ")}`);
for (const [index, { incidents }] of played.entries())
  console.log(
    `policy ${index + 1}: ${incidents.length} incidents, ${incidents.flatMap(({ actions }) => actions).length} actions; ${troubles.length} troubles in the samples`,
  );
const flat = (peaks[3] ?? 0) < 2 * Math.max(peaks[0] ?? 0, 64 * 1024 * 1024);
const held = flat && (days < 365 || cpuSeconds < BAR_SECONDS);
console.log(held ? "all bars held" : `NOT held: ${flat ? `more than ${BAR_SECONDS} s` : "memory grows"}`);
process.exitCode = held ? 0 : 1;
