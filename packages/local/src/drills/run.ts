import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Attempt, Incident } from "@neuropilot/core";
import { type OpenInstance, openInstance } from "../runner/instance.ts";
import { startStage } from "../stage/stage.ts";
import { DRILL, drillConfig } from "./drill-config.ts";
import { startControls, startTlsFront } from "./front.ts";
import { type RunnerProcess, startRunnerProcess } from "./runner-process.ts";
import type { DrillResult, DrillStage, Observation, Range, Scenario } from "./scenario.ts";

const READY_WITHIN_MS = 60_000;
const POLL_MS = 100;

export interface DrillOptions {
  /** How to run the command line: the executable and its first arguments. */
  readonly command: readonly [string, ...string[]];
  /** Leaves the folder with its state and log, and says where. */
  readonly keep?: boolean;
  readonly onFolder?: (scenario: string, folder: string) => void;
}

/**
 * Runs one scenario in an isolated instance: its own folder, ports, service and stand-ins, the runner as a process of its own.
 * Never rejects: what goes wrong is in `problems`.
 */
export async function runDrill(scenario: Scenario, options: DrillOptions): Promise<DrillResult> {
  const folder = mkdtempSync(join(tmpdir(), "neuropilot-drill-"));
  if (options.keep === true) options.onFolder?.(scenario.name, folder);
  const closing: (() => Promise<void>)[] = [];
  let result: DrillResult;
  try {
    result = await play(scenario, options, folder, closing);
  } catch (error) {
    result = notRun(scenario, error);
  } finally {
    for (const close of closing.reverse()) await close().catch(() => undefined);
  }
  if (options.keep === true) return result;
  // What failed is kept: the log says why, and the next run may not fail.
  if (!result.passed) return { ...result, problems: [...result.problems, `its state and log stay in ${folder}`] };
  rmSync(folder, { recursive: true, force: true });
  return result;
}

function notRun(scenario: Scenario, error: unknown): DrillResult {
  const none = { failedAt: null, seenAt: null, calledAt: null, healedAt: null, verdict: null };
  const calls = { railway: {}, cloudflare: {}, slack: {} };
  const problem = `the drill itself could not run: ${error instanceof Error ? error.message : String(error)}`;
  return {
    scenario: scenario.name,
    passed: false,
    expected: scenario.expected,
    calls,
    ...none,
    incidents: 0,
    problems: [problem],
  };
}

async function play(
  scenario: Scenario,
  options: DrillOptions,
  folder: string,
  closing: (() => Promise<void>)[],
): Promise<DrillResult> {
  const stage = await startStage({ restartTakesMs: DRILL.restartTakesMs });
  closing.push(() => stage.close());
  const controls = await startControls();
  closing.push(() => controls.stop());
  const tls = await startTlsFront(stage.service.url);
  closing.push(() => tls.stop());

  const config = drillConfig({
    url: {
      direct: `${stage.service.url}/health`,
      edge: `${stage.cloudflare.edgeUrl}/health`,
      tls: `${tls.url}/health`,
      "no-such-name": "http://shop.invalid/health",
    }[scenario.door],
    railwayUrl: stage.railway.url,
    cloudflareUrl: stage.cloudflare.baseUrl,
    slackUrl: stage.slack.baseUrl,
    controls: controls.urls,
  });
  const configFile = join(folder, "drill.json");
  writeFileSync(configFile, JSON.stringify(scenario.change?.(config) ?? config));
  const certificates = join(folder, "trusted.pem");
  writeFileSync(certificates, tls.certificates);
  const data = join(folder, "data");

  const watch = new Watch(data, () => toldIn(stage));
  const start = () =>
    startRunnerProcess({
      command: options.command,
      args: ["up", "--config", configFile, "--data", data, "--json"],
      environment: { ...stage.environment, NODE_EXTRA_CA_CERTS: certificates },
      readyWithinMs: READY_WITHIN_MS,
    });
  let runner: RunnerProcess = await start();
  closing.push(() => runner.stop());
  closing.push(() => watch.close());

  let failedAt: number | undefined;
  const drillStage: DrillStage = {
    ...stage,
    controls,
    tls,
    runner: {
      async kill() {
        await watch.close();
        await runner.kill();
      },
      async start() {
        runner = await start();
      },
      command: (...args) => runner.command([...args, "--data", data]),
    },
    async break(fault, breaking) {
      failedAt = Date.now();
      await stage.service.break(fault, breaking);
    },
    failed() {
      failedAt = Date.now();
    },
    observe: () => watch.observe(),
    until: (what, holds, withinMs) => until(watch, what, holds, withinMs),
    lookOn: (ms) => delay(ms),
  };
  if (scenario.door !== "no-such-name") await watch.seenHealthy(READY_WITHIN_MS);
  const problems: string[] = [];
  try {
    await scenario.run(drillStage);
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  return judge(scenario, stage, await watch.observe(), failedAt, problems);
}

type Stage = Awaited<ReturnType<typeof startStage>>;

/** Calls that change something; reading is free. */
function actionsOf(stage: Stage): { vendor: "railway" | "cloudflare" | "slack"; at: number; operation: string }[] {
  return [
    ...stage.railway.calls
      .filter((call) => call.mutates)
      .map((call) => ({ vendor: "railway" as const, at: call.at, operation: call.operation })),
    ...stage.cloudflare.calls.map((call) => ({
      vendor: "cloudflare" as const,
      at: call.at,
      operation: call.operation,
    })),
    ...stage.slack.calls
      .filter((call) => call.operation !== "conversations.history")
      .map((call) => ({ vendor: "slack" as const, at: call.at, operation: call.operation })),
  ].sort((a, b) => a.at - b.at);
}

function toldIn(stage: Stage): string {
  return stage.slack.messages
    .flatMap((message) => [message.text, JSON.stringify(message.blocks), ...message.replies.map((reply) => reply.text)])
    .join("\n");
}

function judge(
  scenario: Scenario,
  stage: Stage,
  seen: Observation,
  failedAt: number | undefined,
  problems: readonly string[],
): DrillResult {
  const actions = actionsOf(stage);
  const healing = actions.filter((action) => action.vendor !== "slack");
  const calls = { railway: {}, cloudflare: {}, slack: {} } satisfies DrillResult["calls"];
  const counted: Record<"railway" | "cloudflare" | "slack", Record<string, number>> = calls;
  for (const { vendor, operation } of actions) counted[vendor][operation] = (counted[vendor][operation] ?? 0) + 1;
  const verdict = verdictOf(seen.incidents);
  const first = seen.incidents[0];
  const last = seen.incidents.at(-1);
  const found = [
    ...problems,
    ...outside("incidents", seen.incidents.length, scenario.incidents),
    ...outside("restarts", counted.railway.deploymentRestart ?? 0, scenario.restarts),
    ...outside("purges", counted.cloudflare.purge_cache ?? 0, scenario.purges),
    ...(verdict === null || scenario.verdicts.includes(verdict)
      ? []
      : [`the verdict is ${verdict}, not ${scenario.verdicts.join(" or ") || "none"}`]),
    ...(verdict === null && scenario.restarts[0] > 0 ? ["there is no verdict"] : []),
    ...(scenario.told === undefined || scenario.told.test(seen.told)
      ? []
      : [`nobody was told anything like ${String(scenario.told)}`]),
    ...(scenario.check?.(seen, healing) ?? []),
  ];
  return {
    scenario: scenario.name,
    passed: found.length === 0,
    expected: scenario.expected,
    calls,
    verdict,
    failedAt: iso(failedAt),
    seenAt: iso(first?.openedAt),
    calledAt: iso(healing[0]?.at),
    healedAt: iso(last?.endedAt),
    incidents: seen.incidents.length,
    problems: found,
  };
}

function verdictOf(incidents: readonly Incident[]): string | null {
  const attempt: Attempt | undefined = incidents.flatMap((incident) => incident.attempts).at(-1);
  return attempt === undefined ? null : (attempt.verdict ?? attempt.state);
}

function outside(what: string, count: number, [least, most]: Range): string[] {
  if (count >= least && count <= most) return [];
  return [`${count} ${what}, ${least === most ? String(least) : `${least} to ${most}`} expected`];
}

function iso(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString();
}

async function until(
  watch: Watch,
  what: string,
  holds: (seen: Observation) => boolean,
  withinMs: number,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    if (holds(await watch.observe())) return;
    if (Date.now() > deadline) throw new Error(`waited ${withinMs / 1000} s for ${what}`);
    await delay(POLL_MS);
  }
}

/** Reads the instance's table, through whichever runner is alive; between two of them the last look stands. */
class Watch {
  readonly #data: string;
  readonly #told: () => string;
  #instance: OpenInstance | undefined;
  #last: readonly Incident[] = [];

  constructor(data: string, told: () => string) {
    this.#data = data;
    this.#told = told;
  }

  async observe(): Promise<Observation> {
    try {
      const instance = await this.#open();
      if (instance !== undefined) this.#last = await incidentsOf(instance);
    } catch {
      // The runner may have been killed under our hands; the next look opens the one that follows.
      await this.close();
    }
    return { incidents: this.#last, told: this.#told() };
  }

  /** Waits until the vantage has seen the service healthy. */
  async seenHealthy(withinMs: number): Promise<void> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const instance = await this.#open();
      const window = await instance?.state.readWindow("local", "0");
      if (Object.values(window?.sites ?? {}).some((site) => site.view === "healthy")) return;
      if (Date.now() > deadline) throw new Error(`the service was not seen healthy within ${withinMs / 1000} s`);
      await delay(POLL_MS);
    }
  }

  async #open(): Promise<OpenInstance | undefined> {
    if (this.#instance !== undefined) return this.#instance;
    const opened = await openInstance(this.#data, { onlyRunning: true });
    if (!opened.ok) return undefined;
    this.#instance = opened.instance;
    return this.#instance;
  }

  async close(): Promise<void> {
    const instance = this.#instance;
    this.#instance = undefined;
    await instance?.close();
  }
}

async function incidentsOf({ state }: OpenInstance): Promise<Incident[]> {
  const [item, archived] = await Promise.all([state.readTarget("shop", Date.now()), state.archivedIncidents("shop")]);
  const byId = new Map<string, Incident>();
  for (const incident of [...archived, ...item.closed, ...(item.incident === undefined ? [] : [item.incident])])
    byId.set(incident.id, incident);
  return [...byId.values()].sort((a, b) => a.openedAt - b.openedAt);
}
