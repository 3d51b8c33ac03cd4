import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { type Config, shardsOf } from "@neuropilot/config";
import { parseDuration } from "@neuropilot/config/define";
import { createDynamoTable, createState, type State, type Table } from "@neuropilot/store";
import { type Judged, judgeSamples, type Looks, looksOf, percentile, type Stretch } from "./figures.ts";
import type { RunnerAnswer, RunnerOrder, RunnerReport, ServerAnswer, ServerOrder, TickStart } from "./messages.ts";
import { type Child, startChild } from "./processes.ts";
import { fillHistory, HOLD_MS, idOf, isFaulty, makeConfig, numberOf, REPROBE_MS, VANTAGE } from "./scene.ts";

/**
 * How many targets one machine watches: the real runner, with its table, bus, scheduler and functions, against a server of as
 * many targets, first while all is well and then while one target in twenty refuses connections and recovers. Three processes,
 * everything on 127.0.0.1, nobody is told and nothing is healed. Ends with 1 when a bar is not held.
 */
const USAGE = `npm run bench:local -- [options]
  --targets N      targets to watch, 1000
  --interval 10s   between two looks at a target
  --seconds N      of quiet to measure, 90
  --no-faults      leaves out the refusing targets
  --concurrency N  probe.concurrency, the default of the config
  --shard-size N   probe.shardSize, the default of the config
  --cpu-prof DIR   keeps a profile of each thread of the runner there`;

/** What a thousand targets on one machine must stay within, and what makes its figures worth anything. */
const BAR = {
  lateMs: 1_000,
  taintedShare: 0.01,
  /** A quarter of the default threshold for slowness: what the prober itself allows as lateness of our own. */
  addedMs: 100,
  /** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-items */
  itemBytes: 400 * 1024,
} as const;
const LOOK_MS = 500;
/** The first looks begin a little before the runner says that it is ready; the history ends an interval before. */
const SINCE_READY_MS = 1_500;
/** By then every shard has been looked at once, out of step with its times. */
const FIRST_LOOKS_MS = 5_000;
const STOP_MS = 20_000;

interface Options {
  readonly targets: number;
  readonly intervalMs: number;
  readonly seconds: number;
  readonly faults: boolean;
  readonly probe: { readonly concurrency?: number; readonly shardSize?: number };
  readonly profile: string | undefined;
}

interface Bench {
  readonly options: Options;
  readonly config: Config;
  readonly server: Child<ServerOrder, ServerAnswer>;
  readonly runner: Child<RunnerOrder, RunnerAnswer>;
  readonly table: Table;
  readonly state: State;
}

/** What is read at one moment. */
interface Mark {
  readonly report: RunnerReport;
  /** Of windows and heartbeats, since their rows are there. */
  readonly writes: number;
  readonly largestItemBytes: number;
}

interface Phase {
  readonly name: string;
  readonly stretch: Stretch;
  readonly before: Mark;
  readonly after: Mark;
  readonly looks: Looks;
  readonly judged: Judged;
}

interface Outage {
  readonly refusedAt: number;
  readonly servedAt: number;
  /** From the refusal until the bus delivered the incident, milliseconds, per target that refused. */
  readonly detectedMs: readonly number[];
  readonly faulty: number;
  readonly recoveredMs: number | undefined;
}

const stops: (() => Promise<unknown>)[] = [];
let interrupted = false;
process.once("SIGINT", () => {
  interrupted = true;
  void cleanUp().then(() => process.exit(130));
});
try {
  await main(readOptions());
} catch (error) {
  if (!interrupted) throw error;
} finally {
  await cleanUp();
}

async function cleanUp(): Promise<void> {
  for (const stop of stops.splice(0).reverse()) await stop().catch((error: unknown) => console.error(String(error)));
}

async function main(options: Options): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), "neuropilot-bench-"));
  stops.push(() => rm(data, { recursive: true, force: true }));
  const { child: server, first: listening } = await startChild<ServerOrder, ServerAnswer>("./target-server.ts", [], []);
  stops.push(() => server.end(undefined, STOP_MS));
  if (listening.ports === undefined) throw new Error("the target server did not say where it listens");
  const config = makeConfig({ ...options, ports: listening.ports });
  console.log(
    `${options.targets} targets every ${options.intervalMs / 1000} s in ${shardsOf(config).length} shards, ${config.probe.concurrency} looks at a time; Node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}`,
  );
  await fillHistory(data, config, Date.now());
  const configFile = join(data, "benchmark.json");
  await writeFile(configFile, JSON.stringify(config));
  const flags = options.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${options.profile}`];
  const { child: runner, first } = await startChild<RunnerOrder, RunnerAnswer>(
    "./runner-process.ts",
    [data, configFile],
    flags,
  );
  stops.push(() => runner.end({ do: "stop" }, STOP_MS));
  if (first.ready === undefined) throw new Error("the runner did not say where its table is");
  const { tableEndpoint, tableName, logFile } = first.ready;
  const client = new DynamoDBClient({
    endpoint: tableEndpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  stops.push(async () => client.destroy());
  const table = createDynamoTable(client, tableName);
  const bench: Bench = { options, config, server, runner, table, state: createState(table) };

  const start = await watchStart(bench);
  const steady = await watchQuiet(bench);
  const troubled = options.faults ? await watchOutage(bench) : undefined;
  const last = troubled?.phase.after ?? steady.after;
  const checks = [
    ...checkSamples(start),
    ...checkPhase(bench, steady),
    ...(troubled === undefined ? [] : [...checkPhase(bench, troubled.phase), ...checkOutage(bench, troubled.outage)]),
    await checkFalseIncidents(bench, last.report),
  ];
  print(bench, [start, steady, ...(troubled === undefined ? [] : [troubled.phase])], checks, await logCounts(logFile));
  if (checks.some(({ held }) => !held)) process.exitCode = 1;
}

/** The first looks are made all at once, by code that has not run before. */
async function watchStart(bench: Bench): Promise<Phase> {
  console.log("starting …");
  const began = await report(bench);
  const before = { report: { ...began, at: began.at - SINCE_READY_MS, cpuMs: 0 }, writes: 0, largestItemBytes: 0 };
  await delay(2 * bench.options.intervalMs);
  // Ticks that should have been before it had begun are not its own.
  return endPhase(bench, "start", before, began.at + FIRST_LOOKS_MS);
}

async function watchQuiet(bench: Bench): Promise<Phase> {
  const { seconds } = bench.options;
  console.log(`… measuring ${seconds} s of quiet …`);
  const before = await mark(bench);
  await delay(seconds * 1000);
  return endPhase(bench, "quiet", before);
}

async function watchOutage(bench: Bench): Promise<{ phase: Phase; outage: Outage }> {
  const { server, config, options } = bench;
  const faulty = Array.from({ length: options.targets }, (_, target) => target)
    .filter(isFaulty)
    .map(idOf);
  console.log(`${faulty.length} targets refuse connections now …`);
  const before = await mark(bench);
  const refusedAt = Date.now();
  await server.ask({ do: "refuse" });
  const firstHeard = async (): Promise<ReadonlyMap<string, number>> => {
    const { heard } = await report(bench);
    const first = new Map<string, number>();
    for (const { target, at } of heard) if (at >= refusedAt && !first.has(target)) first.set(target, at);
    return first;
  };
  const detectBy = refusedAt + 3 * (detectionBar(config) + 10_000);
  let heard = await firstHeard();
  while (faulty.some((id) => !heard.has(id)) && Date.now() < detectBy) {
    await delay(LOOK_MS);
    heard = await firstHeard();
  }
  // Long enough for everything that suspects something to have looked closely.
  await delay(2 * options.intervalMs);
  await server.ask({ do: "serve" });
  const servedAt = Date.now();
  console.log("… and answer again");
  const recoverBy = servedAt + 10 * options.intervalMs + 30_000;
  let open = new Set(faulty);
  while (open.size > 0 && Date.now() < recoverBy) {
    await delay(LOOK_MS * 4);
    const items = await Promise.all([...open].map((id) => bench.state.readTarget(id, Date.now())));
    open = new Set(items.filter(({ incident }) => incident !== undefined).map(({ target }) => target));
  }
  const recoveredMs = open.size === 0 ? Date.now() - servedAt : undefined;
  const detectedMs = faulty.flatMap((id) => (heard.has(id) ? (heard.get(id) ?? 0) - refusedAt : []));
  const phase = await endPhase(bench, "5 % refuse, recover", before);
  return { phase, outage: { refusedAt, servedAt, detectedMs, faulty: faulty.length, recoveredMs } };
}

/** The next tick, then the hold, up to the look after it, then two seconds for the table and the bus. */
function detectionBar(config: Config): number {
  return config.intervalMs + HOLD_MS + REPROBE_MS + 2_000;
}

async function report({ runner }: Pick<Bench, "runner">): Promise<RunnerReport> {
  const answer = await runner.ask({ do: "report" });
  if (answer.report === undefined) throw new Error("the runner did not report");
  return answer.report;
}

async function mark(bench: Bench): Promise<Mark> {
  const at = await report(bench);
  const windows = await bench.table.query(`WINDOW#${VANTAGE}`);
  const beats = await bench.table.query("VANTAGES");
  // Every write of a row adds one to its version.
  const writes = [...windows, ...beats].reduce((total, { version }) => total + version, 0);
  return { report: at, writes, largestItemBytes: Math.max(0, ...windows.map(({ body }) => Buffer.byteLength(body))) };
}

async function endPhase(bench: Bench, name: string, before: Mark, looksFrom = before.report.at): Promise<Phase> {
  const after = await mark(bench);
  const stretch = { from: before.report.at, to: after.report.at };
  const { config, state, server } = bench;
  const windows = await state.readWindows(shardsOf(config).map((shard) => ({ vantage: VANTAGE, shard })));
  const { served = [] } = await server.ask({ do: "report" });
  return {
    name,
    stretch,
    before,
    after,
    looks: looksOf(config, windows, after.report.ticks, { from: looksFrom, to: stretch.to }),
    judged: judgeSamples(windows, served, stretch),
  };
}

interface Check {
  readonly what: string;
  readonly found: string;
  readonly bar: string;
  readonly held: boolean;
}

function checkPhase(bench: Bench, phase: Phase): Check[] {
  const { name, looks, after } = phase;
  const skipped = skippedIn(phase);
  const started = startedIn(phase);
  const late = percentile(
    started.map(({ lateMs }) => lateMs),
    0.99,
  );
  const firstLate = percentile(looks.firstSampleLateMs, 0.99);
  const allBy = Math.max(...looks.allLookedAtMs);
  const check = checkOf(name);
  return [
    check("ticks skipped", `${skipped} of ${started.length + skipped}`, "0", started.length > 0 && skipped === 0),
    check("ticks late, p99", ms(late), `< ${ms(BAR.lateMs)}`, late < BAR.lateMs),
    check("first look of a tick late, p99", ms(firstLate), `< ${ms(BAR.lateMs)}`, firstLate < BAR.lateMs),
    check("all looked at after, worst", ms(allBy), `< ${ms(bench.config.intervalMs)}`, allBy < bench.config.intervalMs),
    check(
      "looks made",
      `${looks.reached} of ${looks.expected}`,
      "all",
      looks.expected > 0 && looks.reached === looks.expected,
    ),
    check(
      "largest window item",
      kb(after.largestItemBytes),
      `< ${kb(BAR.itemBytes)}`,
      after.largestItemBytes < BAR.itemBytes,
    ),
    ...checkSamples(phase),
  ];
}

/** A prober that is overloaded must not say of others that they are slow or gone. */
function checkSamples({ name, judged }: Phase): Check[] {
  const check = checkOf(name);
  const added = percentile(judged.addedMs, 0.99);
  const share = judged.tainted / judged.samples;
  return [
    check("samples tainted", percent(share), `< ${percent(BAR.taintedShare)}`, share < BAR.taintedShare),
    check("latency we add, p99", ms(added), `< ${ms(BAR.addedMs)}`, added < BAR.addedMs),
    check("bad samples of good targets", String(judged.falselyBad), "0", judged.samples > 0 && judged.falselyBad === 0),
  ];
}

function checkOf(phase: string) {
  return (what: string, found: string, bar: string, held: boolean): Check => ({
    what: `${phase}: ${what}`,
    found,
    bar,
    held,
  });
}

function checkOutage({ config }: Bench, outage: Outage): Check[] {
  const { detectedMs, faulty, recoveredMs } = outage;
  const worst = Math.max(...detectedMs);
  const bar = detectionBar(config);
  return [
    {
      what: "outage: incidents",
      found: `${detectedMs.length} of ${faulty}`,
      bar: "all",
      held: faulty > 0 && detectedMs.length === faulty,
    },
    {
      what: "outage: refused → incident, median / worst",
      found: `${seconds(percentile(detectedMs, 0.5))} / ${seconds(worst)}`,
      bar: `≤ ${seconds(bar)} (interval + hold + next look + 2 s)`,
      held: worst <= bar,
    },
    {
      what: "outage: answers → all incidents closed",
      found: recoveredMs === undefined ? "never" : seconds(recoveredMs),
      bar: "all close",
      held: recoveredMs !== undefined,
    },
  ];
}

/** Nothing may be said about a target that has never failed. */
async function checkFalseIncidents({ options, state }: Bench, { heard }: RunnerReport): Promise<Check> {
  const named = new Set(heard.map(({ target }) => target));
  for (let target = 0; target < options.targets; target++)
    if ((await state.readTarget(idOf(target), Date.now())).incidents > 0) named.add(idOf(target));
  const wrong = [...named].filter((id) => !isFaulty(numberOf(id)));
  return {
    what: "incidents of targets that never failed",
    found: String(wrong.length),
    bar: "0",
    held: wrong.length === 0,
  };
}

function startedIn({ after, stretch }: Phase): readonly TickStart[] {
  return after.report.ticks.filter(({ tick }) => tick >= stretch.from && tick < stretch.to);
}

function skippedIn({ before, after }: Phase): number {
  return Object.entries(after.report.skipped).reduce(
    (total, [name, count]) => total + count - (before.report.skipped[name] ?? 0),
    0,
  );
}

/** Warnings and errors of the run by event: what else went wrong is seen here, not guessed. */
async function logCounts(file: string): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const line of (await readFile(file, "utf8").catch(() => "")).split("\n")) {
    const found = /"level":"(warn|error)","event":"([^"]+)"/.exec(line);
    if (found === null) continue;
    const key = `${found[1]} ${found[2]}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

function print(
  { config }: Bench,
  phases: readonly Phase[],
  checks: readonly Check[],
  log: ReadonlyMap<string, number>,
): void {
  const rows = phases.map((phase) => {
    const { stretch, before, after, looks, judged } = phase;
    const tookMs = stretch.to - stretch.from;
    const late = startedIn(phase).map(({ lateMs }) => lateMs);
    return [
      ["", phase.name],
      ["measured", seconds(tookMs)],
      ["ticks begun, per shard", `${late.length}, ${(late.length / shardsOf(config).length).toFixed(1)}`],
      ["scheduler late p50 / p99 / max", three(late)],
      ["first look late p50 / p99 / max", three(looks.firstSampleLateMs)],
      ["all looked at p50 / p99 / max", three(looks.allLookedAtMs)],
      ["samples, tainted", `${judged.samples}, ${percent(judged.tainted / judged.samples)}`],
      ["ttfb measured p50 / p99 / max", three(judged.measuredMs)],
      ["ttfb true p50 / p99 / max", three(judged.trueMs)],
      ["latency we add p50 / p99 / max", three(judged.addedMs)],
      ["processor, all threads", `${percent((after.report.cpuMs - before.report.cpuMs) / tookMs)} of one`],
      ["memory now / most", `${mb(after.report.rssBytes)} / ${mb(after.report.peakRssBytes)}`],
      ["window and heartbeat writes", `${(((after.writes - before.writes) * 1000) / tookMs).toFixed(1)} a second`],
      ["largest window item", kb(after.largestItemBytes)],
    ];
  });
  console.log("");
  for (let line = 0; line < (rows[0]?.length ?? 0); line++)
    console.log(
      `${(rows[0]?.[line]?.[0] ?? "").padEnd(34)}${rows.map((phase) => (phase[line]?.[1] ?? "").padEnd(26)).join("")}`.trimEnd(),
    );
  console.log("");
  const wide = Math.max(...checks.map(({ what }) => what.length)) + 2;
  for (const { what, found, bar, held } of checks)
    console.log(`${held ? "pass" : "FAIL"}  ${what.padEnd(wide)}${found.padEnd(20)}${bar}`);
  if (log.size > 0) console.log(`\nlogged: ${[...log].map(([event, count]) => `${event} ×${count}`).join(", ")}`);
  const failed = checks.filter(({ held }) => !held).length;
  console.log(failed === 0 ? `\nall ${checks.length} bars held` : `\n${failed} of ${checks.length} bars NOT held`);
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

function seconds(value: number): string {
  return `${(value / 1000).toFixed(1)} s`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function kb(bytes: number): string {
  return `${(bytes / 1024).toFixed(0)} KB`;
}

function mb(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(0)} MB`;
}

function three(values: readonly number[]): string {
  return `${[0.5, 0.99, 1].map((share) => Math.round(percentile(values, share))).join(" / ")} ms`;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      targets: { type: "string", default: "1000" },
      interval: { type: "string", default: "10s" },
      seconds: { type: "string", default: "90" },
      faults: { type: "boolean", default: true },
      concurrency: { type: "string" },
      "shard-size": { type: "string" },
      "cpu-prof": { type: "string" },
      help: { type: "boolean", default: false },
    },
    allowNegative: true,
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const concurrency = values.concurrency === undefined ? undefined : count("--concurrency", values.concurrency, 200);
  const shardSize = values["shard-size"] === undefined ? undefined : count("--shard-size", values["shard-size"], 75);
  return {
    targets: count("--targets", values.targets, 10_000),
    intervalMs: interval(values.interval),
    // Windows keep ten minutes of samples; both phases must be in them.
    seconds: count("--seconds", values.seconds, 300),
    faults: values.faults,
    probe: {
      ...(concurrency === undefined ? {} : { concurrency }),
      ...(shardSize === undefined ? {} : { shardSize }),
    },
    profile: values["cpu-prof"],
  };
}

function count(flag: string, text: string, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  console.error(`${flag} wants a whole number from 1 to ${most}, not "${text}"`);
  process.exit(2);
}

function interval(text: string): number {
  const read = parseDuration(text);
  if (read.ok && read.value >= 2_000 && read.value <= 60_000) return read.value;
  console.error(`--interval wants 2s to 60s, such as --interval 10s, not "${text}"`);
  process.exit(2);
}
