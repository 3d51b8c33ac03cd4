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
  const samples: Sample[] = [];
  const fields = Array.from<number>({ length: FIELDS });
  let at = 0;
  for (let from = 0; from < packed.length; ) {
    const next = packed.indexOf(";", from);
    const to = next < 0 ? packed.length : next;
    readFields(packed, from, to, fields);
    const [since = 0, kind = 0, status = 0, ttfbMs = 0, totalMs = 0, flags = 0, days = 0, index = 0] = fields;
    const outcome = OUTCOMES[kind];
    at += since;
    if (outcome === undefined || Number.isNaN(at + status + ttfbMs + totalMs + flags))
      throw new Error(`a packed sample cannot be read: "${packed.slice(from, to)}"`);
    const detail = Number.isNaN(index) ? undefined : details[index];
    const tainted = (flags & 1) !== 0;
    const reused = (flags & 2) !== 0;
    const sample: Sample = { startedAt: at, outcome, status, ttfbMs, totalMs, tainted, reused };
    const isPlain = Number.isNaN(days) && detail === undefined;
    samples.push(isPlain ? sample : withExtras(sample, days, detail));
    from = to + 1;
  }
  return samples;
}

/** Apart, for most samples have neither and copying an object costs more than reading it. */
function withExtras(sample: Sample, days: number, detail: string | undefined): Sample {
  return {
    ...sample,
    ...(Number.isNaN(days) ? undefined : { certificateDays: days }),
    ...(detail === undefined ? undefined : { detail }),
  };
}

const FIELDS = 8;

/**
 * Reads one sample's numbers; an empty field, or one that is no number, is NaN. By hand, since every tick and every decision
 * reads thousands of samples: `split` and `parseInt` were a tenth of a busy machine's work.
 */
function readFields(text: string, from: number, to: number, into: number[]): void {
  let index = 0;
  let value = Number.NaN;
  let sign = 1;
  into.fill(Number.NaN);
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    if (code === COMMA) {
      into[index++] = sign * value;
      value = Number.NaN;
      sign = 1;
    } else if (code === MINUS) sign = -1;
    else {
      const digit = code <= NINE ? code - ZERO : code - LETTER_A + 10;
      value = digit >= 0 && digit < 36 ? (Number.isNaN(value) ? 0 : value) * 36 + digit : Number.NaN;
    }
  }
  into[index] = sign * value;
}

const [COMMA, MINUS, ZERO, NINE, LETTER_A] = [44, 45, 48, 57, 97];

function readPacked(text: string): [string, string[]] {
  const parsed: unknown = JSON.parse(text);
  if (Array.isArray(parsed) && typeof parsed[0] === "string" && Array.isArray(parsed[1]))
    return [parsed[0], parsed[1].map(String)];
  throw new Error("packed samples must be [text, details]");
}
