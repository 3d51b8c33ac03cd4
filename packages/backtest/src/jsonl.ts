import { REMEDIES, type Remedy } from "@neuropilot/config";
import { OUTCOMES, type Outcome, type Sample } from "@neuropilot/core";
import { type HistoryChunk, type HistoryEntry, sampleEntry } from "./entry.ts";

/** What a line holds, for those who make one by hand. */
export const JSONL_EXAMPLE =
  '{"target":"api","site":"primary","vantage":"local","startedAt":"2026-11-25T03:12:40.000Z","outcome":"ok","status":200,"ttfbMs":41,"totalMs":44}';

/** A line longer than this is no sample, and a file without line ends must not fill the memory. */
const MAX_LINE = 100_000;

type Line = { readonly ok: true; readonly entry: HistoryEntry } | { readonly ok: false; readonly problem: string };

/** One sample or call as a line, without its end. */
export function writeLine(entry: HistoryEntry): string {
  const { target, site } = entry;
  if (entry.kind === "call")
    return JSON.stringify({ call: { target, site, remedy: entry.remedy, at: new Date(entry.at).toISOString() } });
  const { startedAt, tainted, reused, phases: _, ...rest } = entry.sample;
  return JSON.stringify({
    target,
    site,
    vantage: entry.vantage,
    startedAt: new Date(startedAt).toISOString(),
    ...rest,
    ...(tainted ? { tainted } : {}),
    ...(reused ? { reused } : {}),
  });
}

/**
 * Reads text in pieces of any size as JSON lines. Unknown fields and empty lines are passed over; a line that cannot be used
 * ends it, with `name:line`, what was found and how it should look.
 */
export async function* readJsonl(name: string, text: AsyncIterable<string>): AsyncGenerator<HistoryChunk> {
  let rest = "";
  let line = 0;
  for await (const piece of text) {
    const lines = (rest + (line === 0 && rest === "" ? piece.replace(/^\uFEFF/, "") : piece)).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE) lines.push(rest);
    const read = readLines(name, lines, line);
    if (read.entries.length > 0) yield chunkOf(name, read);
    if (read.problem !== undefined) {
      yield { kind: "broken", problem: read.problem };
      return;
    }
    line += lines.length;
  }
  const read = readLines(name, [rest], line);
  if (read.entries.length > 0) yield chunkOf(name, read);
  if (read.problem !== undefined) yield { kind: "broken", problem: read.problem };
}

interface ReadLines {
  readonly entries: HistoryEntry[];
  readonly numbers: number[];
  problem: string | undefined;
}

function chunkOf(name: string, { entries, numbers }: ReadLines): HistoryChunk {
  return { kind: "entries", entries, where: (index) => `${name}:${numbers[index] ?? "?"}` };
}

function readLines(name: string, lines: readonly string[], before: number): ReadLines {
  const read: ReadLines = { entries: [], numbers: [], problem: undefined };
  for (const [index, text] of lines.entries()) {
    if (text.trim() === "") continue;
    const line = readLine(text);
    if (!line.ok) {
      read.problem = `${name}:${before + index + 1}: ${line.problem}. Each line is one JSON object, such as\n  ${JSONL_EXAMPLE}`;
      return read;
    }
    read.entries.push(line.entry);
    read.numbers.push(before + index + 1);
  }
  return read;
}

function readLine(text: string): Line {
  if (text.length > MAX_LINE) return refuse(`a line of more than ${MAX_LINE} characters is no sample`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse(`it is not JSON: ${quote(text)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return refuse(`it is ${Array.isArray(value) ? "a list" : quote(text)}, not an object`);
  const fields: Readonly<Record<string, unknown>> = { ...value };
  return "call" in fields ? readCall(fields.call) : readSample(fields);
}

function readSample(fields: Readonly<Record<string, unknown>>): Line {
  const { target, site = "primary", vantage = "local", outcome, detail } = fields;
  if (!isName(target)) return wrong("target", target, 'the target\'s id, such as "api"');
  if (!isName(site)) return wrong("site", site, 'the site\'s id, such as "primary"');
  if (!isName(vantage)) return wrong("vantage", vantage, 'where it was watched from, such as "local"');
  const startedAt = readTime(fields.startedAt);
  if (startedAt === undefined) return wrong("startedAt", fields.startedAt, TIME);
  if (!isOutcome(outcome)) return wrong("outcome", outcome, `one of ${OUTCOMES.join(", ")}`);
  const numbers = { status: 0, ttfbMs: 0, totalMs: 0, ...pick(fields, ["status", "ttfbMs", "totalMs"]) };
  if (outcome === "ok" && fields.ttfbMs === undefined)
    return wrong("ttfbMs", undefined, "the milliseconds to the first byte, which every good answer has");
  for (const [name, value] of Object.entries(numbers))
    if (!isAmount(value)) return wrong(name, value, "a number from 0 to 86400000");
  const { certificateDays: days } = fields;
  if (days !== undefined && (typeof days !== "number" || !Number.isFinite(days)))
    return wrong("certificateDays", days, "a number of days");
  const amount = (value: unknown) => (isAmount(value) ? value : 0);
  const sample: Sample = {
    startedAt,
    outcome,
    status: amount(numbers.status),
    ttfbMs: amount(numbers.ttfbMs),
    totalMs: Math.max(amount(numbers.totalMs), amount(numbers.ttfbMs)),
    tainted: fields.tainted === true,
    reused: fields.reused === true,
    ...(days === undefined ? {} : { certificateDays: days }),
    ...(typeof detail === "string" ? { detail } : {}),
  };
  return { ok: true, entry: sampleEntry(target, site, vantage, sample) };
}

function readCall(value: unknown): Line {
  const fields: Readonly<Record<string, unknown>> = typeof value === "object" ? { ...value } : {};
  const { target, site = "primary", remedy } = fields;
  if (!isName(target)) return wrong("call.target", target, 'the target\'s id, such as "api"');
  if (!isName(site)) return wrong("call.site", site, 'the site\'s id, such as "primary"');
  if (!isRemedy(remedy)) return wrong("call.remedy", remedy, `one of ${REMEDIES.join(", ")}`);
  const at = readTime(fields.at);
  if (at === undefined) return wrong("call.at", fields.at, TIME);
  return { ok: true, entry: { kind: "call", target, site, remedy, at } };
}

const TIME = "a time in ISO 8601 with its zone, or in epoch milliseconds";
const YEAR_2000 = Date.UTC(2000, 0, 1);
const YEAR_2100 = Date.UTC(2100, 0, 1);

/** Milliseconds, not seconds: a time of before 2000 is most likely in seconds, and refused. */
function readTime(value: unknown): number | undefined {
  const zoned = typeof value === "string" && /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(value);
  const at = zoned ? Date.parse(value) : typeof value === "number" ? Math.round(value) : Number.NaN;
  return at >= YEAR_2000 && at < YEAR_2100 ? at : undefined;
}

function pick(fields: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]])));
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= 200;
}

function isAmount(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= 86_400_000;
}

function isOutcome(value: unknown): value is Outcome {
  const known: readonly unknown[] = OUTCOMES;
  return known.includes(value);
}

function isRemedy(value: unknown): value is Remedy {
  const known: readonly unknown[] = REMEDIES;
  return known.includes(value);
}

function wrong(field: string, found: unknown, wants: string): Line {
  return refuse(`${field} is ${found === undefined ? "missing" : quote(JSON.stringify(found))}; it wants ${wants}`);
}

function quote(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}

function refuse(problem: string): Line {
  return { ok: false, problem };
}
