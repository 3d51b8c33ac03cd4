import { deflateRawSync } from "node:zlib";
import { BLOCK_MS, type HistoryBlock, packBlock, packSamples, type Sample, unpackBlock } from "@neuropilot/core";
import { createHistory } from "../src/history.ts";
import { createMemoryTable } from "../src/memory.ts";

/**
 * What history takes: bytes a sample beside a window's own form and deflate, packing and unpacking samples a second, reading
 * through a table, and what DynamoDB asks for it. One thread, made-up samples from a fixed seed: response times scatter by a
 * sixth, looks start within a second and a half, a third of the suspicious ones fail.
 */
const SEED = 20_270_115;
const MEASURE_MS = 1_000;
const MONTH_MINUTES = 43_800;
const VANTAGES = 3;
const SHARD = 50;
/** us-east-1, on demand, without the free tier: https://aws.amazon.com/dynamodb/pricing/on-demand/ */
const PRICE = { perWriteUnit: 0.625 / 1e6, perGbMonth: 0.25 };
const WRITE_UNIT_BYTES = 1_024;
/** Names and values of a row besides its body; an item is its names and values: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html */
const ROW_BYTES = 110;
const KEEP_DAYS = 30;
const SUSPICIOUS_SHARE = 0.01;
const START = 1_800_000_000_000;

const chance = mulberry32(SEED);

interface Case {
  readonly name: string;
  readonly block: HistoryBlock;
}

const cases: readonly Case[] = [
  { name: "1 site, healthy, 1 a minute", block: blockOf(1, (days) => healthy(days)) },
  { name: "1 site, suspicious, 5 a minute", block: blockOf(1, (days) => suspicious(days, 5)) },
  { name: "2 sites, healthy", block: blockOf(2, (days) => healthy(days)) },
  { name: "50 sites, healthy", block: blockOf(SHARD, (days) => healthy(days)) },
  { name: "50 sites, suspicious, 4 a minute", block: blockOf(SHARD, (days) => suspicious(days, 4)) },
];

process.stdout.write(`Blocks of ${BLOCK_MS / 60_000} minutes, seed ${SEED}.\n\n`);
print([
  ["block", "samples", "bytes", "a sample", "in a window", "deflated", "pack M/s", "unpack M/s"],
  ...cases.map(sizes),
]);
process.stdout.write(`\nA month of one site at 5 a minute, read through the table in memory: ${await reading()}\n\n`);
print([["DynamoDB, a month", "writes", "write units", "stored GB", "$ a month", "$ a target"], cost(2), cost(1_000)]);
process.stdout.write(
  `\n${VANTAGES} vantages, shards of ${SHARD}, kept ${KEEP_DAYS} days, suspicious ${SUSPICIOUS_SHARE * 100} % of the time, no free tier. ` +
    "TTL deletes free of charge.\n",
);

function sizes({ name, block }: Case): string[] {
  const samples = Object.values(block.sites).flat().length;
  const text = packBlock(block);
  const window = JSON.stringify(Object.entries(block.sites).map(([key, each]) => [key, packSamples(each)]));
  const each = (bytes: number) => (bytes / samples).toFixed(1);
  return [
    name,
    String(samples),
    String(text.length),
    each(text.length),
    each(window.length),
    // As text too: a body is no bytes.
    each(Math.ceil(deflateRawSync(window).length / 3) * 4),
    millionsPerSecond(samples, () => packBlock(block)),
    millionsPerSecond(samples, () => unpackBlock(text)),
  ];
}

function millionsPerSecond(samples: number, work: () => unknown): string {
  for (let warm = 0; warm < 2_000; warm++) work();
  const began = performance.now();
  let rounds = 0;
  while (performance.now() - began < MEASURE_MS) {
    for (let batch = 0; batch < 20; batch++) work();
    rounds += 20;
  }
  return ((rounds * samples) / (performance.now() - began) / 1_000).toFixed(2);
}

async function reading(): Promise<string> {
  const history = createHistory(createMemoryTable());
  const blocks = Math.round(MONTH_MINUTES / 5);
  const [first] = cases.slice(1);
  if (first === undefined) throw new Error("there is no such case");
  for (let n = 0; n < blocks; n++) await history.writeHistory(moved(first.block, n * BLOCK_MS));
  const { vantage, shard } = first.block;
  const began = performance.now();
  let samples = 0;
  for await (const read of history.readHistory({ vantage, shard, from: START, to: START + blocks * BLOCK_MS }))
    if (read.ok) samples += Object.values(read.block.sites).flat().length;
  const seconds = (performance.now() - began) / 1_000;
  return `${samples} samples in ${seconds.toFixed(2)} s, ${(samples / seconds / 1e6).toFixed(2)} M/s.`;
}

function moved(block: HistoryBlock, ms: number): HistoryBlock {
  const sites = Object.entries(block.sites).map(([key, samples]) => [
    key,
    samples.map((sample) => ({ ...sample, startedAt: sample.startedAt + ms })),
  ]);
  return { ...block, from: block.from + ms, to: block.to + ms, sites: Object.fromEntries(sites) };
}

function cost(targets: number): string[] {
  const shards = Math.ceil(targets / SHARD);
  const size = Math.min(targets, SHARD);
  const bytesOf = (make: (days: number) => Sample[]) => packBlock(blockOf(size, make)).length + ROW_BYTES;
  const [good, bad] = [bytesOf(healthy), bytesOf((days) => suspicious(days, 4))];
  const mixed = (value: (bytes: number) => number) =>
    value(good) * (1 - SUSPICIOUS_SHARE) + value(bad) * SUSPICIOUS_SHARE;
  const writes = (MONTH_MINUTES / (BLOCK_MS / 60_000)) * VANTAGES * shards;
  const units = writes * mixed((bytes) => Math.ceil(bytes / WRITE_UNIT_BYTES));
  const storedGb = (writes * mixed((bytes) => bytes) * KEEP_DAYS * 1_440) / MONTH_MINUTES / 1e9;
  const dollars = units * PRICE.perWriteUnit + storedGb * PRICE.perGbMonth;
  return [
    `${targets} targets`,
    Math.round(writes).toLocaleString("en-US"),
    Math.round(units).toLocaleString("en-US"),
    storedGb.toFixed(3),
    dollars.toFixed(4),
    (dollars / targets).toFixed(5),
  ];
}

function blockOf(count: number, make: (days: number) => Sample[]): HistoryBlock {
  const names = ["api", "web", "checkout", "search", "auth"];
  const sites = Array.from({ length: count }, (_, n) => [
    `${names[n % names.length]}${n < names.length ? "" : `-${n}`}/primary`,
    make(20 + Math.floor(chance() * 70)),
  ]);
  return { vantage: "us-east-1", shard: "0", from: START, to: START + BLOCK_MS, sites: Object.fromEntries(sites) };
}

function healthy(certificateDays: number): Sample[] {
  const usual = 60 + chance() * 100;
  return Array.from({ length: 5 }, (_, minute) => {
    const ttfbMs = Math.round(usual * Math.exp(gauss() / 6));
    return {
      startedAt: START + minute * 60_000 + Math.floor(chance() * 1_500),
      outcome: "ok" as const,
      status: 200,
      ttfbMs,
      totalMs: ttfbMs + 40 + Math.round(Math.abs(gauss()) * 15),
      tainted: false,
      reused: false,
      certificateDays,
    };
  });
}

function suspicious(certificateDays: number, perMinute: number): Sample[] {
  const usual = 60 + chance() * 100;
  return Array.from({ length: 5 * perMinute }, (_, n): Sample => {
    const turn = n % perMinute;
    const offset = Math.floor((turn * 50_000) / perMinute) + Math.floor(chance() * 1_500);
    const common = {
      startedAt: START + Math.floor(n / perMinute) * 60_000 + offset,
      tainted: false,
      reused: turn > 0,
      certificateDays,
    };
    const ttfbMs = Math.round(usual * Math.exp(gauss() / 3));
    if (chance() > 1 / 3)
      return { ...common, outcome: "ok", status: 200, ttfbMs, totalMs: ttfbMs + (turn > 0 ? 2 : 45) };
    return chance() < 0.5
      ? { ...common, outcome: "status", status: 503, ttfbMs, totalMs: ttfbMs + 2, detail: "answered 503" }
      : { ...common, outcome: "timeout", status: 0, ttfbMs: 0, totalMs: 10_000, detail: "no answer within 10 s" };
  });
}

/** A normal deviate, by Box and Muller's transform. */
function gauss(): number {
  return Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance());
}

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function print(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  for (const row of rows) {
    const cells = row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)));
    process.stdout.write(`${cells.join("  ")}\n`);
  }
}
