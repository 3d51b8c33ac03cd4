import { BitReader } from "./history-bits.ts";
import { crc32 } from "./history-checksum.ts";
import { readBlock } from "./history-reader.ts";
import { writeBlock } from "./history-writer.ts";
import type { Sample } from "./sample.ts";

/** History is read in stretches of this length, which begin at its multiples, epoch milliseconds. A block lies within one. */
export const BLOCK_MS = 5 * 60_000;

/** What one vantage saw of its shard in one stretch of time, `from` ≤ t < `to`, epoch milliseconds. */
export interface HistoryBlock {
  readonly vantage: string;
  readonly shard: string;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  /** By `target/site`; the samples of each, oldest first. */
  readonly sites: Readonly<Record<string, readonly Sample[]>>;
}

export type UnpackedBlock =
  | { readonly ok: true; readonly block: HistoryBlock }
  | { readonly ok: false; readonly problem: string };

const VERSION = 1;
/** The version, and how many bytes the texts have. */
const HEAD_BYTES = 5;
const CHECKSUM_BYTES = 4;

/**
 * A block as text: version, texts, numbers bit by bit, and a checksum, in base 64; docs/history.md has the format and what a
 * sample takes. Times are kept in whole milliseconds, days in whole days, details up to their 200th character, as in a
 * window; phases are not kept. Throws for a number that is none, which no probe takes.
 */
export function packBlock(block: HistoryBlock): string {
  const { texts, bits } = writeBlock(block);
  const utf8 = Buffer.from(texts);
  const bytes = Buffer.concat([Buffer.alloc(HEAD_BYTES), utf8, bits, Buffer.alloc(CHECKSUM_BYTES)]);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt32BE(utf8.length, 1);
  const end = bytes.length - CHECKSUM_BYTES;
  bytes.writeUInt32BE(crc32(bytes, end), end);
  return bytes.toString("base64");
}

/** The reverse. Text that was cut, changed or never was a block answers a problem, and no samples. */
export function unpackBlock(text: string): UnpackedBlock {
  const bytes = Buffer.from(text, "base64");
  const end = bytes.length - CHECKSUM_BYTES;
  if (end < HEAD_BYTES) return { ok: false, problem: "it is too short for a block" };
  if (crc32(bytes, end) !== bytes.readUInt32BE(end))
    return { ok: false, problem: "its checksum does not fit, so it was cut off or changed" };
  const version = bytes.readUInt8(0);
  if (version !== VERSION) return { ok: false, problem: `it has format ${version}, and this version reads ${VERSION}` };
  const textsEnd = HEAD_BYTES + bytes.readUInt32BE(1);
  try {
    const texts = bytes.toString("utf8", HEAD_BYTES, textsEnd);
    return { ok: true, block: readBlock(new BitReader(bytes, textsEnd, end), texts) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // The checksum fits, so a program wrote it so: another one than this.
    return { ok: false, problem: error.message };
  }
}
