import type { Row } from "@neuropilot/store";
import { isRecord } from "./bus.ts";
import type { Broken, Happening } from "./explorer-space.ts";
import type { Op } from "./explorer-task.ts";

/** What a path of the explorer did, one line a step, for people. Times are since the beginning. */
export function storyOfPath(path: readonly Happening[], from: number, broken: readonly Broken[]): string {
  let now = from;
  const lines: string[] = [];
  for (const what of path) {
    if (what.kind === "time") now = what.to;
    const text = textOf(what);
    if (text !== undefined) lines.push(`${clock(now - from)}  ${text}`);
  }
  return [...lines, ...broken.map(({ property, text }) => `Broken: ${property}. ${text}`)].join("\n");
}

function clock(ms: number): string {
  return `+${(ms / 1_000).toFixed(3).padStart(7)} s`;
}

function textOf(what: Happening): string | undefined {
  switch (what.kind) {
    case "does":
      return isTelling(what.op) ? `${what.task.padEnd(15)}  ${opText(what.op, what.answer)}` : undefined;
    case "stands-still":
      return `${what.task.padEnd(15)}  stands still${before(what.before)}`;
    case "returns":
      return `${what.task.padEnd(15)}  returns`;
    case "dies":
      return `${what.task.padEnd(15)}  DIES${before(what.before)}`;
    case "time":
      return `${"time".padEnd(15)}  jumps: ${what.why}`;
  }
}

function before(ops: readonly Op[]): string {
  const [op] = ops;
  return op === undefined ? ", with the answer in its hands" : ` before it ${verb(op)}`;
}

/** Reads of what nobody changes tell nothing. */
function isTelling(op: Op): boolean {
  if (op.kind === "get") return op.key.pk.startsWith("TARGET#") || op.key.pk === "BUDGET";
  return op.kind === "put" || op.kind === "act" || op.kind === "follow" || op.kind === "due";
}

function verb(op: Op): string {
  switch (op.kind) {
    case "get":
      return `reads ${nameOf(op.key.pk, op.key.sk)}`;
    case "put":
      return `writes ${nameOf(op.row.pk, op.row.sk)}`;
    case "query":
      return `reads ${op.pk}`;
    case "due":
      return "asks what is due";
    case "publish":
      return "publishes";
    case "sleep":
      return "sleeps";
    case "prepare":
      return "looks at the vendor";
    case "act":
      return `CALLS the vendor for ${op.attempt}`;
    case "follow":
      return "asks the vendor how the work stands";
  }
}

function nameOf(pk: string, sk: string): string {
  if (pk.startsWith("TARGET#")) return "the item";
  return pk === "BUDGET" ? `the budget of ${sk}` : `${pk} ${sk}`;
}

function opText(op: Op, answer: unknown): string {
  const did = verb(op);
  if (op.kind === "put") return answer === "written" ? `${did}: ${rowText(op.row)}` : `${did}, refused: it has changed`;
  if (op.kind === "get" && isRow(answer)) return `${did}: ${rowText(answer)}`;
  return did;
}

/** Rows go through the explorer as the store made them. */
function isRow(answer: unknown): answer is Row {
  return isRecord(answer) && typeof answer.pk === "string" && typeof answer.body === "string";
}

function rowText({ pk, body, version }: Row): string {
  if (!pk.startsWith("TARGET#")) return `version ${version}`;
  const item: unknown = JSON.parse(body);
  const incident = isRecord(item) ? item.incident : undefined;
  const attempts = isRecord(incident) && Array.isArray(incident.attempts) ? incident.attempts : [];
  const states = attempts
    .filter(isRecord)
    .map(({ id, state, run }) => `${id} is ${state}${run === undefined ? "" : ` by ${run}`}`);
  return `version ${version}, ${states.join(", ") || "no incident"}`;
}
