import { type DrillResult, SCENARIOS } from "@neuropilot/local";
import { beforeAll, describe, expect, it } from "vitest";
import { MAIN, run } from "./processes.ts";

/** Every drill as a user runs them, so many at once that times mean little; calls and verdicts must hold all the same. */

const JOBS = "3";
let results: readonly DrillResult[] = [];

beforeAll(async () => {
  const { stdout, stderr } = await run(process.execPath, [MAIN, "drill", "--all", "--jobs", JOBS, "--json"]);
  if (stdout === "") throw new Error(`the drills said nothing: ${stderr}`);
  results = JSON.parse(stdout);
}, 400_000);

type Calls = { readonly restarts: number | readonly [number, number]; readonly purges?: number };

const NOTHING: Calls = { restarts: 0 };

/** As the table has it, written here a second time so that a scenario cannot quietly allow more. */
const TABLE: Readonly<
  Record<
    string,
    { readonly calls: Calls; readonly verdicts: readonly (string | null)[]; readonly incidents: readonly number[] }
  >
> = {
  healthy: { calls: NOTHING, verdicts: [null], incidents: [0] },
  blip: { calls: NOTHING, verdicts: [null], incidents: [0] },
  refused: { calls: { restarts: 1 }, verdicts: ["healed"], incidents: [1] },
  hang: { calls: { restarts: 1 }, verdicts: ["healed"], incidents: [1] },
  "5xx": { calls: { restarts: 1 }, verdicts: ["healed"], incidents: [1] },
  slow: { calls: { restarts: 1 }, verdicts: ["healed"], incidents: [1] },
  "errors-10%": { calls: { restarts: 1, purges: 1 }, verdicts: ["healed"], incidents: [1] },
  "recovers-alone": { calls: { restarts: [0, 1] }, verdicts: [null, "self-resolved"], incidents: [0, 1] },
  "restart-does-not-help": { calls: { restarts: 3 }, verdicts: ["no-effect"], incidents: [1] },
  "vendor-500": { calls: { restarts: [1, 2] }, verdicts: ["healed"], incidents: [1] },
  "vendor-429": { calls: { restarts: 2 }, verdicts: ["healed"], incidents: [1] },
  "vendor-timeout": { calls: { restarts: 2 }, verdicts: ["healed"], incidents: [1] },
  "vendor-accepts-and-dies": { calls: { restarts: 1 }, verdicts: ["healed"], incidents: [1] },
  "control-down": { calls: NOTHING, verdicts: [null], incidents: [1] },
  "bot-blocked": { calls: NOTHING, verdicts: [null], incidents: [1] },
  "tls-expired": { calls: NOTHING, verdicts: [null], incidents: [1] },
  "dns-gone": { calls: NOTHING, verdicts: [null], incidents: [1] },
  "kill-runner": { calls: { restarts: 1 }, verdicts: ["healed", "self-resolved"], incidents: [1] },
  paused: { calls: NOTHING, verdicts: [null], incidents: [1] },
  observe: { calls: NOTHING, verdicts: [null], incidents: [1] },
};

describe("every drill", () => {
  it("is in the table, and the other way round", () => {
    expect(SCENARIOS.map(({ name }) => name).sort()).toEqual(Object.keys(TABLE).sort());
    expect(results.map(({ scenario }) => scenario)).toEqual(SCENARIOS.map(({ name }) => name));
  });

  it.each(Object.keys(TABLE))("%s: calls what it must and nothing else, and ends as it must", (name) => {
    const result = results.find(({ scenario }) => scenario === name);
    const wanted = TABLE[name];
    if (result === undefined || wanted === undefined) throw new Error(`${name} was not run`);
    expect(result.problems, JSON.stringify(result, null, 2)).toEqual([]);
    expect(result.passed).toBe(true);
    const [least, most] =
      typeof wanted.calls.restarts === "number"
        ? [wanted.calls.restarts, wanted.calls.restarts]
        : wanted.calls.restarts;
    const { deploymentRestart = 0, ...otherCalls } = result.calls.railway;
    expect(deploymentRestart).toBeGreaterThanOrEqual(least);
    expect(deploymentRestart).toBeLessThanOrEqual(most);
    expect(otherCalls).toEqual({});
    expect(result.calls.cloudflare).toEqual(
      wanted.calls.purges === undefined ? {} : { purge_cache: wanted.calls.purges },
    );
    expect(wanted.verdicts).toContain(result.verdict);
    expect(wanted.incidents).toContain(result.incidents);
    if (least > 0) expect(result.calledAt).not.toBeNull();
    if (result.verdict === "healed")
      expect(Date.parse(result.healedAt ?? "")).toBeGreaterThan(Date.parse(result.calledAt ?? ""));
  });
});
