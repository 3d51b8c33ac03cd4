/** So many ones in a row say: too large for the short form, sign, length and digits follow. */
const ESCAPE = 12;
const LENGTH_BITS = 6;
/** No number may be larger, so that the difference of any two is exact. */
export const LARGEST = 2 ** 50;
/** At most so many bits are in one window of 32, wherever in a byte it begins. */
const WINDOW_BITS = 24;
/** The widest that the plain part of a number may be; wider than any time that a look takes. */
const MOST_PLAIN_BITS = 20;

/** Writes bits, the highest first. */
export class BitWriter {
  readonly #bytes: number[] = [];
  #held = 0;
  #count = 0;

  /** The lowest `count` bits (at most 53) of a whole number that is not negative. */
  write(value: number, count: number): void {
    for (let left = count; left > 0; ) {
      const taken = Math.min(16, left);
      left -= taken;
      this.#held = (this.#held << taken) | (Math.floor(value / 2 ** left) % 2 ** taken);
      this.#count += taken;
      while (this.#count >= 8) {
        this.#count -= 8;
        this.#bytes.push((this.#held >> this.#count) & 0xff);
      }
      this.#held &= (1 << this.#count) - 1;
    }
  }

  /**
   * A whole number of either sign, small ones in few bits: Golomb's code by a power of two, `plain` bits of it as they are
   * (R. F. Rice, "Some practical universal noiseless coding techniques", JPL Publication 79-22, 1979).
   */
  writeNumber(value: number, plain: number): void {
    const folded = fold(value);
    const rest = Math.floor(folded / 2 ** plain);
    if (rest < ESCAPE) {
      const unit = 2 ** plain;
      this.write((2 ** (rest + 1) - 2) * unit + (folded % unit), rest + 1 + plain);
      return;
    }
    const magnitude = Math.abs(value);
    this.write(2 ** ESCAPE - 1, ESCAPE);
    this.write(value < 0 ? 1 : 0, 1);
    this.write(lengthOf(magnitude), LENGTH_BITS);
    this.write(magnitude, lengthOf(magnitude));
  }

  /** What was written, filled up to a whole byte. */
  finish(): Uint8Array {
    if (this.#count > 0) this.write(0, 8 - this.#count);
    return Uint8Array.from(this.#bytes);
  }
}

/** Reads what BitWriter wrote, from byte `from` up to byte `end`. Throws RangeError beyond. */
export class BitReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, from: number, end: number) {
    this.#bytes = bytes;
    this.#at = from * 8;
    this.#end = end * 8;
  }

  /** How many bits are left. */
  get left(): number {
    return this.#end - this.#at;
  }

  read(count: number): number {
    if (count <= WINDOW_BITS) return this.#take(count);
    const high = this.read(count - WINDOW_BITS);
    return high * 2 ** WINDOW_BITS + this.#take(WINDOW_BITS);
  }

  readNumber(plain: number): number {
    const ones = Math.clz32(~this.#window());
    if (ones < ESCAPE) {
      this.#skip(ones + 1);
      const folded = ones * 2 ** plain + this.#take(plain);
      return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
    }
    this.#skip(ESCAPE);
    const isNegative = this.#take(1) === 1;
    const magnitude = this.read(this.#take(LENGTH_BITS));
    return isNegative ? -magnitude : magnitude;
  }

  #take(count: number): number {
    const value = count === 0 ? 0 : this.#window() >>> (32 - count);
    this.#skip(count);
    return value;
  }

  #skip(count: number): void {
    this.#at += count;
    if (this.#at > this.#end) throw new RangeError("it ends too early");
  }

  /** The next bits, the first one highest; what is beyond the end is cut off by `#skip`. */
  #window(): number {
    const bytes = this.#bytes;
    const at = this.#at >>> 3;
    const [first, second, third, fourth] = [bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0, bytes[at + 3] ?? 0];
    return ((first << 24) | (second << 16) | (third << 8) | fourth) << (this.#at & 7);
  }
}

/** With how many plain bits these numbers take the least room. */
export function bestPlainBits(values: readonly number[]): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  const sizes = values.map((value) => ({ folded: fold(value), length: lengthOf(Math.abs(value)) }));
  // More plain bits than the largest number has only cost.
  const most = Math.min(MOST_PLAIN_BITS, 1 + sizes.reduce((longest, { length }) => Math.max(longest, length), 0));
  for (let plain = 0; plain <= most; plain++) {
    const unit = 2 ** plain;
    let bits = 0;
    for (const { folded, length } of sizes)
      bits += folded < ESCAPE * unit ? Math.floor(folded / unit) + 1 + plain : ESCAPE + 1 + LENGTH_BITS + length;
    if (bits < least) {
      least = bits;
      best = plain;
    }
  }
  return best;
}

/** How many bits tell so many things apart. */
export function bitsToTell(things: number): number {
  return things <= 1 ? 0 : lengthOf(things - 1);
}

/** 0, -1, 1, -2, 2, … become 0, 1, 2, 3, 4, … */
function fold(value: number): number {
  return value >= 0 ? 2 * value : -2 * value - 1;
}

function lengthOf(magnitude: number): number {
  return magnitude === 0 ? 0 : Math.floor(Math.log2(magnitude)) + 1;
}
