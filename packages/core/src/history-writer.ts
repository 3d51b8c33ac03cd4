import type { HistoryBlock } from "./history.ts";
import { BitWriter, bestPlainBits, bitsToTell, LARGEST } from "./history-bits.ts";
import { Forecast } from "./history-forecast.ts";
import { type Kind, OUTCOME_BITS, PLAIN, WIDTH_BITS } from "./history-layout.ts";
import { OUTCOMES, type Sample } from "./sample.ts";

/** Details are for people; a window keeps no more either. */
const DETAIL_CHARS = 200;

/** A sample by how far its forecast was off. */
interface Look {
  readonly kind: number;
  readonly start: number;
  readonly ttfb: number;
  readonly rest: number;
}

interface Site {
  /** Texts: the key up to its last `/`, and what follows, which many sites have in common. */
  readonly name: readonly [number, number];
  readonly looks: readonly Look[];
}

/** A block's texts one after the other, and everything else in bits. */
export function writeBlock(block: HistoryBlock): { readonly texts: string; readonly bits: Uint8Array } {
  const texts = new Numbered<string>((text) => text);
  const kinds = new Numbered(spelled);
  const from = whole(block.from, "from");
  const step = medianStep(Object.values(block.sites));
  const sites = sitesOf(block, texts, kinds, new Forecast(from, step));
  const head = [texts.indexOf(block.vantage), texts.indexOf(block.shard)];
  const details = kinds.all.map(({ detail }) => (detail === undefined ? 0 : texts.indexOf(detail) + 1));

  const bits = new BitWriter();
  writeAll(bits, [texts.all.length, ...texts.all.map((text) => text.length), ...head], PLAIN.count);
  writeAll(bits, [from, whole(block.to, "to") - from, step], PLAIN.ms);
  bits.writeNumber(kinds.all.length, PLAIN.count);
  for (const [index, kind] of kinds.all.entries()) writeKind(bits, kind, details[index] ?? 0);
  writeSites(bits, sites, bitsToTell(texts.all.length), bitsToTell(kinds.all.length));
  return { texts: texts.all.join(""), bits: bits.finish() };
}

function sitesOf(block: HistoryBlock, texts: Numbered<string>, kinds: Numbered<Kind>, forecast: Forecast): Site[] {
  return Object.entries(block.sites).map(([key, samples]) => {
    const cut = key.lastIndexOf("/") + 1;
    return {
      name: [texts.indexOf(key.slice(0, cut)), texts.indexOf(key.slice(cut))],
      looks: samples.map((sample, index) => lookOf(sample, kinds.indexOf(kindOf(sample)), index === 0, forecast)),
    };
  });
}

function lookOf(sample: Sample, kind: number, isFirst: boolean, forecast: Forecast): Look {
  const start = whole(sample.startedAt, "startedAt");
  const ttfb = whole(sample.ttfbMs, "ttfbMs");
  const rest = whole(sample.totalMs, "totalMs") - ttfb;
  forecast.aim(kind, isFirst);
  const look = { kind, start: start - forecast.start, ttfb: ttfb - forecast.ttfb, rest: rest - forecast.rest };
  forecast.learn(kind, isFirst, start, ttfb, rest);
  return look;
}

function kindOf({ outcome, status, tainted, reused, certificateDays, detail }: Sample): Kind {
  return {
    outcome,
    status: whole(status, "status"),
    tainted,
    reused,
    ...(certificateDays === undefined ? undefined : { certificateDays: whole(certificateDays, "certificateDays") }),
    ...(detail === undefined ? undefined : { detail: detail.slice(0, DETAIL_CHARS).toWellFormed() }),
  };
}

/** The same for the same kind. The detail comes last, so that nothing in it can pass for another field. */
function spelled({ outcome, status, tainted, reused, certificateDays, detail }: Kind): string {
  const text = detail === undefined ? "" : `:${detail}`;
  return `${outcome} ${status} ${tainted} ${reused} ${certificateDays} ${text}`;
}

/** Milliseconds between two looks at a site: as often it was longer as it was shorter. */
function medianStep(sites: readonly (readonly Sample[])[]): number {
  const steps: number[] = [];
  for (const samples of sites) {
    let before: number | undefined;
    for (const sample of samples) {
      const start = whole(sample.startedAt, "startedAt");
      if (before !== undefined) steps.push(start - before);
      before = start;
    }
  }
  return steps.sort((a, b) => a - b)[steps.length >> 1] ?? 0;
}

function writeAll(bits: BitWriter, values: readonly number[], plain: number): void {
  for (const value of values) bits.writeNumber(value, plain);
}

function writeKind(bits: BitWriter, kind: Kind, detail: number): void {
  bits.write(OUTCOMES.indexOf(kind.outcome), OUTCOME_BITS);
  bits.writeNumber(kind.status, PLAIN.status);
  for (const flag of [kind.tainted, kind.reused, kind.certificateDays !== undefined]) bits.write(flag ? 1 : 0, 1);
  if (kind.certificateDays !== undefined) bits.writeNumber(kind.certificateDays, PLAIN.days);
  bits.writeNumber(detail, PLAIN.count);
}

function writeSites(bits: BitWriter, sites: readonly Site[], nameBits: number, kindBits: number): void {
  const looks = sites.flatMap((site) => site.looks);
  const ofStart = bestPlainBits(looks.map(({ start }) => start));
  const ofTtfb = bestPlainBits(looks.map(({ ttfb }) => ttfb));
  const ofRest = bestPlainBits(looks.map(({ rest }) => rest));
  for (const width of [ofStart, ofTtfb, ofRest]) bits.write(width, WIDTH_BITS);
  bits.writeNumber(sites.length, PLAIN.count);
  let last = 0;
  for (const site of sites) {
    for (const part of site.name) bits.write(part, nameBits);
    bits.writeNumber(site.looks.length, PLAIN.count);
    for (const { kind, start, ttfb, rest } of site.looks) {
      bits.write(kind === last ? 1 : 0, 1);
      if (kind !== last) bits.write(kind, kindBits);
      last = kind;
      bits.writeNumber(start, ofStart);
      bits.writeNumber(ttfb, ofTtfb);
      bits.writeNumber(rest, ofRest);
    }
  }
}

function whole(value: number, name: string): number {
  const rounded = Math.round(value);
  if (!(Math.abs(rounded) <= LARGEST)) throw new Error(`history cannot keep ${value} as ${name}`);
  // -0 becomes the 0 that is read.
  return rounded + 0;
}

/** Values by number, each once, in the order in which they came. */
class Numbered<T> {
  readonly all: T[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #keyOf: (value: T) => string;

  constructor(keyOf: (value: T) => string) {
    this.#keyOf = keyOf;
  }

  indexOf(value: T): number {
    const key = this.#keyOf(value);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.all.length);
    return this.all.push(value) - 1;
  }
}
