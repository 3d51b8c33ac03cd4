import { OUTCOMES, type Sample } from "./sample.ts";

/**
 * Samples as text, about 25 bytes each: the first start, then per sample the milliseconds since the one before, outcome,
 * status, first byte and total in milliseconds, flags, days of the certificate, and an index into the details, in base 36.
 */
export function packSamples(samples: readonly Sample[]): string {
  const details: string[] = [];
  let previous = 0;
  const packed = samples.map((sample) => {
    const since = sample.startedAt - previous;
    previous = sample.startedAt;
    const flags = (sample.tainted ? 1 : 0) + (sample.reused ? 2 : 0);
    const fields = [
      since,
      OUTCOMES.indexOf(sample.outcome),
      sample.status,
      Math.round(sample.ttfbMs),
      Math.round(sample.totalMs),
      flags,
    ];
    const days = sample.certificateDays === undefined ? "" : Math.round(sample.certificateDays).toString(36);
    return [...fields.map((field) => field.toString(36)), days, detailIndex(details, sample.detail)].join(",");
  });
  return JSON.stringify([packed.join(";"), details]);
}

function detailIndex(details: string[], detail: string | undefined): string {
  if (detail === undefined) return "";
  const short = detail.slice(0, 200);
  const known = details.indexOf(short);
  if (known >= 0) return known.toString(36);
  // Details are for people; a flood of different ones must not grow the item.
  if (details.length >= 12) return (details.length - 1).toString(36);
  return (details.push(short) - 1).toString(36);
}

/** The reverse. Throws for text that is not of this form. */
export function unpackSamples(text: string): Sample[] {
  const [packed, details] = readPacked(text);
  if (packed === "") return [];
  let at = 0;
  return packed.split(";").map((entry) => {
    const [since = "", kind = "", status = "", ttfb = "", total = "", flag = "", days = "", index = ""] =
      entry.split(",");
    const outcome = OUTCOMES[base36(kind)];
    at += base36(since);
    if (outcome === undefined || Number.isNaN(at)) throw new Error(`a packed sample cannot be read: "${entry}"`);
    const flags = base36(flag);
    const detail = index === "" ? undefined : details[base36(index)];
    return {
      startedAt: at,
      outcome,
      status: base36(status),
      ttfbMs: base36(ttfb),
      totalMs: base36(total),
      tainted: (flags & 1) !== 0,
      reused: (flags & 2) !== 0,
      ...(days === "" ? undefined : { certificateDays: base36(days) }),
      ...(detail === undefined ? undefined : { detail }),
    };
  });
}

function base36(text: string): number {
  return Number.parseInt(text, 36);
}

function readPacked(text: string): [string, string[]] {
  const parsed: unknown = JSON.parse(text);
  if (Array.isArray(parsed) && typeof parsed[0] === "string" && Array.isArray(parsed[1]))
    return [parsed[0], parsed[1].map(String)];
  throw new Error("packed samples must be [text, details]");
}
