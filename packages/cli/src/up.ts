import type { Config } from "@neuropilot/config";
import { resolveConfig } from "@neuropilot/config/define";
import {
  channelsOf,
  demoConfig,
  openDataFolder,
  type Runner,
  type Stage,
  startRunner,
  startStage,
} from "@neuropilot/local";
import { chooseConfig, explainProblems, readConfigFile } from "./config-file.ts";
import { playDemo } from "./demo.ts";
import { CommandFailed, EXIT, type ExitCode } from "./exit-codes.ts";
import { createOperatorWords } from "./operator-words.ts";
import { createStory, type Story } from "./story.ts";
import type { Terminal } from "./terminal.ts";

export interface UpCommand {
  readonly config?: string;
  readonly data: string;
  readonly port: number;
  readonly tableEndpoint?: string;
  readonly json: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

interface Plan {
  readonly config: Config;
  readonly notes: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stage: Stage | undefined;
  readonly from: string;
}

/** Watches and heals until a signal ends it. Without a config it stages the demo. */
export async function up(terminal: Terminal, options: UpCommand): Promise<ExitCode> {
  const ended = untilSignal();
  const opened = await openDataFolder(options.data);
  if (!opened.ok) throw new CommandFailed(EXIT.failed, opened.problem);
  const closing: (() => Promise<void>)[] = [() => opened.folder.release()];
  try {
    const plan = await makePlan(options);
    if (plan.stage !== undefined) closing.push(plan.stage.close);
    const story = createStory(terminal, plan.config, {
      json: options.json,
      columns: process.stdout.columns ?? Number.POSITIVE_INFINITY,
      channels: channelsOf(plan.environment),
    });
    closing.push(async () => story.stop());
    const words = createOperatorWords(terminal, story, plan.config);
    const runner = await startRunner({
      config: plan.config,
      folder: opened.folder,
      port: options.port,
      ...(options.tableEndpoint === undefined ? {} : { tableEndpoint: options.tableEndpoint }),
      environment: plan.environment,
      complain: (problem) => {
        if (options.json) terminal.err(problem);
        else story.tell("neuropilot", problem, "bad");
      },
      listeners: [story.listener, words.listener],
    });
    closing.push(() => runner.close());
    introduce(terminal, options, plan, runner, story);
    await words.tellWhatHolds(runner);
    story.start(runner);
    if (plan.stage !== undefined) closing.push(playDemo(story, plan.stage, runner));
    const signal = await ended;
    if (!options.json) story.tell("neuropilot", `${signal}: ends; what is under way goes on at the next start`, "dim");
    return EXIT.ok;
  } finally {
    for (const close of closing.reverse()) await close().catch((error: unknown) => terminal.err(String(error)));
  }
}

/** A terminal sends Ctrl-C to npm, the launcher and this process, and those pass it on: several within this time are one. */
const ONE_PRESS_MS = 500;

/** Resolves at the first signal; a second one ends the process at once. */
function untilSignal(): Promise<string> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.on(signal, () => {
        firstAt ??= performance.now();
        if (performance.now() - firstAt > ONE_PRESS_MS) process.exit(EXIT.failed);
        resolve(signal === "SIGINT" ? "Ctrl-C" : signal);
      });
    // Only where a parent has opened a channel to this process: then it ends with its parent, however that ends.
    process.once("disconnect", () => resolve("its parent has ended"));
  });
}

async function makePlan(options: UpCommand): Promise<Plan> {
  const file = chooseConfig(options.config);
  if (file !== undefined) {
    const read = await readConfigFile(file, options.environment);
    if (!read.ok) throw new CommandFailed(EXIT.no, explainProblems(read.path, read.problems));
    return {
      config: read.config,
      notes: read.notes,
      environment: options.environment,
      stage: undefined,
      from: read.path,
    };
  }
  const stage = await startStage({ restartTakesMs: 1_500 });
  const resolved = resolveConfig(demoConfig(stage), options.environment);
  if (!resolved.ok) {
    await stage.close();
    const what = "the demo's config, as the environment variables change it";
    throw new CommandFailed(EXIT.no, explainProblems(what, resolved.problems));
  }
  return {
    config: resolved.config,
    notes: resolved.notes,
    environment: { ...options.environment, ...stage.environment },
    stage,
    from: "the demo",
  };
}

function introduce(terminal: Terminal, options: UpCommand, plan: Plan, runner: Runner, story: Story): void {
  const { config } = plan;
  if (options.json) {
    terminal.out(
      JSON.stringify({
        at: new Date().toISOString(),
        event: "ready",
        ...runner.info,
        text: `watches ${config.targets.length} targets`,
      }),
    );
    return;
  }
  const vantages = config.vantages.length === 1 ? "one place" : `${config.vantages.length} places`;
  story.tell(
    "neuropilot",
    `watches ${config.targets.length} ${config.targets.length === 1 ? "target" : "targets"} every ${config.intervalMs / 1000} s from ${vantages} (${plan.from}); state and log in ${options.data}`,
  );
  if (plan.stage !== undefined)
    story.tell(
      "demo",
      `a real service on this machine: ${plan.stage.service.url}, its page through the CDN: ${plan.stage.cloudflare.edgeUrl}`,
    );
  const notes = [...plan.notes, ...(plan.stage === undefined ? missing(plan) : [])];
  for (const note of notes) story.tell("neuropilot", note, "warn");
  if (
    config.targets.length > 0 &&
    config.targets.every(
      (target) => target.remedies.restart.mode === "observe" && target.remedies["purge-cache"].mode === "observe",
    )
  )
    story.tell(
      "neuropilot",
      'mode observe: it decides and records, and calls nothing. `mode: "auto"` in the config lets it heal',
      "warn",
    );
}

/** What the config wants and the environment lacks: said at the start, not found out at 3 a.m. */
function missing({ config, environment }: Plan): string[] {
  const has = (name: string) => (environment[name] ?? "") !== "";
  const sites = config.targets.flatMap((target) => target.sites);
  return [
    ...(sites.some((site) => site.railway !== undefined) && !has("RAILWAY_TOKEN")
      ? ["RAILWAY_TOKEN is not set: nothing can be restarted, a person will be told instead"]
      : []),
    ...(sites.some((site) => site.cloudflare !== undefined) && !has("CLOUDFLARE_API_TOKEN")
      ? ["CLOUDFLARE_API_TOKEN is not set: no cache can be purged"]
      : []),
    ...(has("SLACK_BOT_TOKEN") || has("SLACK_WEBHOOK_URL")
      ? []
      : ["neither SLACK_BOT_TOKEN nor SLACK_WEBHOOK_URL is set: nobody is told but this terminal"]),
  ];
}
