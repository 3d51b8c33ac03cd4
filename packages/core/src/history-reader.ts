import type { HistoryBlock } from "./history.ts";
import { type BitReader, bitsToTell } from "./history-bits.ts";
import { Forecast } from "./history-forecast.ts";
import { type Kind, OUTCOME_BITS, PLAIN, WIDTH_BITS } from "./history-layout.ts";
import { OUTCOMES, type Sample } from "./sample.ts";

/** The reverse of `writeBlock`. Throws RangeError for bits that it did not write. */
export function readBlock(bits: BitReader, joined: string): HistoryBlock {
  const texts = readTexts(bits, joined);
  const vantage = textAt(texts, readCount(bits));
  const shard = textAt(texts, readCount(bits));
  const from = bits.readNumber(PLAIN.ms);
  const to = from + bits.readNumber(PLAIN.ms);
  const forecast = new Forecast(from, bits.readNumber(PLAIN.ms));
  const kinds = readList(bits, () => readKind(bits, texts));
  const looks = new Looks(bits, kinds, forecast);
  const nameBits = bitsToTell(texts.length);
  const sites = readList(bits, (): [string, Sample[]] => {
    const key = textAt(texts, bits.read(nameBits)) + textAt(texts, bits.read(nameBits));
    return [key, looks.read(readCount(bits))];
  });
  return { vantage, shard, from, to, sites: Object.fromEntries(sites) };
}

function readTexts(bits: BitReader, joined: string): string[] {
  let at = 0;
  return readList(bits, () => {
    const from = at;
    at += readCount(bits);
    return joined.slice(from, at);
  });
}

function readList<T>(bits: BitReader, read: () => T): T[] {
  const list: T[] = [];
  for (let left = readCount(bits); left > 0; left--) list.push(read());
  return list;
}

function readCount(bits: BitReader): number {
  const count = bits.readNumber(PLAIN.count);
  if (count < 0) throw new RangeError("it counts less than nothing");
  return count;
}

function textAt(texts: readonly string[], index: number): string {
  const text = texts[index];
  if (text === undefined) throw new RangeError("it names a text that is not there");
  return text;
}

function readKind(bits: BitReader, texts: readonly string[]): Kind {
  const outcome = OUTCOMES[bits.read(OUTCOME_BITS)];
  if (outcome === undefined) throw new RangeError("it has an outcome of another version");
  const status = bits.readNumber(PLAIN.status);
  const [tainted, reused, hasDays] = [bits.read(1) === 1, bits.read(1) === 1, bits.read(1) === 1];
  const days = hasDays ? { certificateDays: bits.readNumber(PLAIN.days) } : undefined;
  const detail = readCount(bits);
  return {
    outcome,
    status,
    tainted,
    reused,
    ...days,
    ...(detail === 0 ? undefined : { detail: textAt(texts, detail - 1) }),
  };
}

/** Reads the samples, one site after the other. */
class Looks {
  readonly #bits: BitReader;
  readonly #kinds: readonly Kind[];
  readonly #kindBits: number;
  readonly #forecast: Forecast;
  readonly #ofStart: number;
  readonly #ofTtfb: number;
  readonly #ofRest: number;
  #kind = 0;

  constructor(bits: BitReader, kinds: readonly Kind[], forecast: Forecast) {
    this.#bits = bits;
    this.#kinds = kinds;
    this.#kindBits = bitsToTell(kinds.length);
    this.#forecast = forecast;
    this.#ofStart = bits.read(WIDTH_BITS);
    this.#ofTtfb = bits.read(WIDTH_BITS);
    this.#ofRest = bits.read(WIDTH_BITS);
  }

  read(count: number): Sample[] {
    const samples: Sample[] = [];
    for (let index = 0; index < count; index++) samples.push(this.#sample(index === 0));
    return samples;
  }

  #sample(isFirst: boolean): Sample {
    const bits = this.#bits;
    const forecast = this.#forecast;
    if (bits.read(1) === 0) this.#kind = bits.read(this.#kindBits);
    const kind = this.#kinds[this.#kind];
    if (kind === undefined) throw new RangeError("it names a kind of sample that is not there");
    forecast.aim(this.#kind, isFirst);
    const start = forecast.start + bits.readNumber(this.#ofStart);
    const ttfb = forecast.ttfb + bits.readNumber(this.#ofTtfb);
    const rest = forecast.rest + bits.readNumber(this.#ofRest);
    forecast.learn(this.#kind, isFirst, start, ttfb, rest);
    return sampleOf(kind, start, ttfb, ttfb + rest);
  }
}

/** Spelled out, since a year of history makes millions of them, and copying a kind is slow. */
function sampleOf(kind: Kind, startedAt: number, ttfbMs: number, totalMs: number): Sample {
  const { outcome, status, tainted, reused, certificateDays, detail } = kind;
  if (detail !== undefined) return { startedAt, ttfbMs, totalMs, ...kind };
  return certificateDays === undefined
    ? { startedAt, outcome, status, ttfbMs, totalMs, tainted, reused }
    : { startedAt, outcome, status, ttfbMs, totalMs, tainted, reused, certificateDays };
}
