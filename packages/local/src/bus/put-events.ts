import { randomUUID } from "node:crypto";
import * as z from "zod";
import type { BusEvent } from "./event.ts";
import { MAX_DEPTH } from "./pattern.ts";
import { isObject } from "./pattern-leaf.ts";

/** Limits of one call: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html */
const MAX_ENTRIES = 10;
const MAX_BYTES = 256 * 1024;
/** https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html */
const MAX_DETAIL_TYPE = 128;
const MAX_BUS_NAME = 1600;
const BUS_NAME = /^(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus\/)?[/.\-_A-Za-z0-9]+$/;

/** One entry of PutEvents as the AWS JSON protocol spells it. */
export interface PutEntry {
  readonly Source?: string | undefined;
  readonly DetailType?: string | undefined;
  readonly Detail?: string | undefined;
  readonly EventBusName?: string | undefined;
  readonly Resources?: readonly string[] | undefined;
  /** Seconds since the epoch. */
  readonly Time?: number | undefined;
}

/** A request that is refused as a whole. `status` is the HTTP status. */
export interface Refusal {
  readonly ok: false;
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

export type EntryResult =
  | { readonly ok: true; readonly event: BusEvent; readonly busName: string }
  | { readonly ok: false; readonly code: string; readonly message: string };

export interface EnvelopeDefaults {
  /** Twelve digits. */
  readonly account: string;
  readonly region: string;
}

/** JSON null stands for an absent member in this protocol. */
const member = <T extends z.ZodType>(schema: T) =>
  z.nullish(schema).transform((value): z.output<T> | undefined => value ?? undefined);

const request = z.object({
  Entries: member(
    z.array(
      z.object({
        Source: member(z.string()),
        DetailType: member(z.string()),
        Detail: member(z.string()),
        EventBusName: member(z.string()),
        Resources: member(z.array(z.string())),
        Time: member(z.number()),
      }),
    ),
  ),
});

export function refuse(status: number, code: string, message: string): Refusal {
  return { ok: false, status, code, message };
}

/**
 * Checks a PutEvents request as the service does: what is wrong with the request refuses all of it, what is wrong with an
 * entry fails that entry. `now` is in epoch milliseconds.
 */
export function readPutEvents(
  body: unknown,
  defaults: EnvelopeDefaults,
  now: number,
): Refusal | { readonly ok: true; readonly results: readonly EntryResult[] } {
  const parsed = request.safeParse(body);
  if (!parsed.success) return refuse(400, "SerializationException", z.prettifyError(parsed.error));
  const entries = parsed.data.Entries;
  if (entries === undefined)
    return invalid("Value null at 'entries' failed to satisfy constraint: Member must not be null");
  if (entries.length < 1)
    return invalid(
      "Value '[]' at 'entries' failed to satisfy constraint: Member must have length greater than or equal to 1",
    );
  if (entries.length > MAX_ENTRIES)
    return invalid(
      `Value '[${entries.length} entries]' at 'entries' failed to satisfy constraint: Member must have length less than or equal to ${MAX_ENTRIES}`,
    );
  for (const [index, entry] of entries.entries()) {
    const name = entry.EventBusName;
    if (name !== undefined && (name.length > MAX_BUS_NAME || !BUS_NAME.test(name)))
      return invalid(
        `Value '${name.slice(0, 100)}' at 'entries.${index + 1}.member.eventBusName' failed to satisfy constraint: Member must satisfy regular expression pattern: ${BUS_NAME.source}`,
      );
    if (entry.Time !== undefined && Number.isNaN(new Date(entry.Time * 1000).getTime()))
      return refuse(400, "SerializationException", `Time of entry ${index + 1} is not a date: ${entry.Time}`);
  }
  const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
  if (bytes > MAX_BYTES)
    return refuse(
      400,
      "ValidationException",
      `Total size of the entries in the request is over the limit: ${bytes} of ${MAX_BYTES} bytes.`,
    );
  return { ok: true, results: entries.map((entry) => readEntry(entry, defaults, now)) };
}

const invalid = (what: string): Refusal => refuse(400, "ValidationException", `1 validation error detected: ${what}`);

/** The service's own measure: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html */
export function entryBytes(entry: PutEntry): number {
  const texts = [entry.Source, entry.DetailType, entry.Detail, ...(entry.Resources ?? [])];
  const time = entry.Time === undefined ? 0 : 14;
  return texts.reduce((sum, each) => sum + Buffer.byteLength(each ?? ""), time);
}

/** Codes: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html */
function readEntry(entry: PutEntry, defaults: EnvelopeDefaults, now: number): EntryResult {
  const { Source: source = "", DetailType: detailType = "", Detail: text = "" } = entry;
  for (const [name, value] of [
    ["Source", source],
    ["DetailType", detailType],
    ["Detail", text],
  ]) {
    if (value === "")
      return failed("InvalidArgument", `Parameter ${name} is not valid. Reason: ${name} is a required argument.`);
  }
  if (detailType.length > MAX_DETAIL_TYPE)
    return failed(
      "InvalidArgument",
      `Parameter DetailType is not valid. Reason: it has ${detailType.length} characters, at most ${MAX_DETAIL_TYPE} are allowed.`,
    );
  if (source.startsWith("aws.")) return failed("NotAuthorizedForSourceException", "Not authorized for the source.");
  const detail = readDetail(text);
  if (detail === undefined) return failed("MalformedDetail", "Detail is malformed.");
  return {
    ok: true,
    busName: entry.EventBusName?.replace(/^arn:.*:event-bus\//, "") ?? "default",
    event: {
      version: "0",
      id: randomUUID(),
      "detail-type": detailType,
      source,
      account: defaults.account,
      time: `${new Date(entry.Time === undefined ? now : entry.Time * 1000).toISOString().slice(0, -5)}Z`,
      region: defaults.region,
      resources: [...(entry.Resources ?? [])],
      detail,
    },
  };
}

const failed = (code: string, message: string): EntryResult => ({ ok: false, code, message });

function readDetail(text: string): Readonly<Record<string, unknown>> | undefined {
  const value = parseJson(text);
  return isObject(value) ? value : undefined;
}

/** JSON that is valid and no deeper than the service takes, or undefined. */
export function parseJson(text: string): unknown {
  if (deeperThan(text, MAX_DEPTH)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Counts brackets outside strings: what walks a parsed value recursively would run out of stack on a hostile one. */
function deeperThan(text: string, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (inString) {
      if (character === 0x5c) at++;
      else if (character === 0x22) inString = false;
    } else if (character === 0x22) inString = true;
    else if (character === 0x7b || character === 0x5b) {
      depth++;
      if (depth > limit) return true;
    } else if (character === 0x7d || character === 0x5d) depth--;
  }
  return false;
}
