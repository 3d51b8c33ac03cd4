import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BLOCK_MS, type HistoryBlock, packBlock, unpackBlock } from "./history.ts";
import { BitReader, BitWriter, bestPlainBits, LARGEST } from "./history-bits.ts";
import { crc32 } from "./history-checksum.ts";
import { OUTCOMES, type Sample } from "./sample.ts";

const START = 1_800_000_000_000;
const whole = (max: number) => fc.integer({ min: 0, max });
const text = fc.string({ maxLength: 30, unit: "binary" }).map((value) => value.toWellFormed());

const sample: fc.Arbitrary<Sample> = fc
  .record(
    {
      startedAt: fc.oneof(
        whole(BLOCK_MS).map((ms) => START + ms),
        fc.maxSafeNat().map((at) => at % LARGEST),
      ),
      outcome: fc.constantFrom(...OUTCOMES),
      status: fc.oneof(fc.constant(200), whole(999)),
      ttfbMs: fc.oneof(whole(400), whole(4_000_000)),
      totalMs: fc.oneof(whole(400), whole(4_000_000)),
      tainted: fc.boolean(),
      reused: fc.boolean(),
      certificateDays: fc.integer({ min: -4_000, max: 40_000 }),
      detail: fc.oneof(fc.constantFrom("refused", "answered 503"), text),
    },
    { requiredKeys: ["startedAt", "outcome", "status", "ttfbMs", "totalMs", "tainted", "reused"] },
  )
  .map((one) => ({ ...one }));

const key = fc.oneof(fc.constantFrom("api/primary", "api/secondary", "web/primary", "__proto__"), text);
const block: fc.Arbitrary<HistoryBlock> = fc
  .record({
    vantage: text,
    shard: text,
    from: whole(4_000_000_000_000),
    length: whole(BLOCK_MS),
    sites: fc.array(fc.tuple(key, fc.array(sample, { maxLength: 12 })), { maxLength: 6 }),
  })
  .map(({ vantage, shard, from, length, sites }) => ({
    vantage,
    shard,
    from,
    to: from + length,
    sites: Object.fromEntries(sites),
  }));

describe("a history block", () => {
  it("comes back as it was, whatever is in it", () => {
    fc.assert(
      fc.property(block, (written) => {
        expect(unpackBlock(packBlock(written))).toStrictEqual({ ok: true, block: written });
      }),
    );
  });

  it("is the same text for the same content", () => {
    fc.assert(
      fc.property(block, (written) => {
        expect(packBlock(structuredClone(written))).toBe(packBlock(written));
      }),
    );
  });

  it("that was cut off is a problem, never fewer samples", () => {
    fc.assert(
      fc.property(block, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (written, share) => {
        const whole = packBlock(written).replace(/=+$/, "");
        const cut = unpackBlock(whole.slice(0, Math.floor(whole.length * share)));
        if (cut.ok) expect(cut.block).toStrictEqual(written);
        else expect(cut.problem).not.toBe("");
      }),
    );
  });

  it("that was changed anywhere is a problem, or still says the same", () => {
    const seen = { refused: 0, same: 0 };
    fc.assert(
      fc.property(block, fc.nat(), fc.string({ minLength: 1, maxLength: 3 }), (written, where, put) => {
        const good = packBlock(written);
        const at = where % good.length;
        const read = unpackBlock(good.slice(0, at) + put + good.slice(at + 1));
        seen[read.ok ? "same" : "refused"]++;
        if (read.ok) expect(read.block).toStrictEqual(written);
      }),
    );
    expect(seen.refused).toBeGreaterThan(50);
  });

  it("of bits that nobody wrote never throws, also where the checksum fits", () => {
    const seen = { ok: 0, refused: 0 };
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), whole(20), (bits, texts) => {
        const bytes = Buffer.concat([Buffer.from([1, 0, 0, 0, texts]), bits, Buffer.alloc(4)]);
        bytes.writeUInt32BE(crc32(bytes, bytes.length - 4), bytes.length - 4);
        seen[unpackBlock(bytes.toString("base64")).ok ? "ok" : "refused"]++;
      }),
      { numRuns: 1_000 },
    );
    expect(seen.refused).toBeGreaterThan(100);
  });

  it.each([
    ["nothing", "", /too short/],
    ["what is no block", "hello, world! hello, world!", /checksum/],
    ["a format of later", sealed(9), /format 9, and this version reads 1/],
    ["a head alone", sealed(1), /ends too early/],
  ])("refuses %s and says why", (_name, text, why) => {
    const read = unpackBlock(text);
    expect(read).toMatchObject({ ok: false });
    expect(!read.ok && read.problem).toMatch(why);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, LARGEST * 2])("throws for %d, which no probe takes", (bad) => {
    expect(() => packBlock(withSample({ ttfbMs: bad }))).toThrow(/cannot keep .* as ttfbMs/);
  });

  it("keeps whole milliseconds, and a detail's first 200 characters", () => {
    const read = unpackBlock(packBlock(withSample({ ttfbMs: 12.4, totalMs: 12.6, detail: "x".repeat(300) })));
    expect(read.ok && read.block.sites["api/primary"]).toMatchObject([
      { ttfbMs: 12, totalMs: 13, detail: "x".repeat(200) },
    ]);
  });

  it("takes less than half of what the same samples take in a window", () => {
    const samples = Array.from({ length: 25 }, (_, n) => ({
      ...GOOD,
      startedAt: START + n * 12_000 + ((n * 7_919) % 900),
      ttfbMs: 80 + ((n * 31) % 40),
      totalMs: 120 + ((n * 47) % 60),
    }));
    const packed = packBlock({
      vantage: "us-east-1",
      shard: "0",
      from: START,
      to: START + BLOCK_MS,
      sites: { "api/primary": samples },
    });
    expect(packed.length / samples.length).toBeLessThan(10);
  });
});

describe("bits", () => {
  const number = fc.oneof(fc.integer({ min: -300, max: 300 }), fc.integer({ min: -LARGEST * 2, max: LARGEST * 2 }));

  it("are read as they were written, numbers of every size among them", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(number, whole(20), fc.tuple(whole(53), fc.maxSafeNat()))), (items) => {
        const writer = new BitWriter();
        for (const [value, plain, [count, raw]] of items) {
          writer.writeNumber(value, plain);
          writer.write(raw % 2 ** count, count);
        }
        const bytes = writer.finish();
        const reader = new BitReader(bytes, 0, bytes.length);
        for (const [value, plain, [count, raw]] of items) {
          expect(reader.readNumber(plain)).toBe(value);
          expect(reader.read(count)).toBe(raw % 2 ** count);
        }
        expect(reader.left).toBeLessThan(8);
      }),
    );
  });

  it("end where they end", () => {
    const reader = new BitReader(Uint8Array.of(0xff, 0xff), 0, 1);
    expect(reader.read(8)).toBe(255);
    expect(() => reader.read(1)).toThrow(RangeError);
  });

  it("have no better width for a column than the one that is chosen", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -5_000, max: 5_000 }), { minLength: 1, maxLength: 40 }), (values) => {
        const sizes = Array.from({ length: 21 }, (_, plain) => {
          const writer = new BitWriter();
          for (const value of values) writer.writeNumber(value, plain);
          return writer.finish().length;
        });
        expect(sizes[bestPlainBits(values)]).toBe(Math.min(...sizes));
      }),
    );
  });

  it("are summed as everybody sums them", () => {
    expect(crc32(Buffer.from("123456789"))).toBe(0xcbf43926);
    expect(crc32(Buffer.from("123456789!"), 9)).toBe(0xcbf43926);
  });
});

const GOOD: Sample = {
  startedAt: START,
  outcome: "ok",
  status: 200,
  ttfbMs: 40,
  totalMs: 50,
  tainted: false,
  reused: false,
};

function withSample(change: Partial<Sample>): HistoryBlock {
  const sites = { "api/primary": [{ ...GOOD, ...change }] };
  return { vantage: "east", shard: "0", from: START, to: START + BLOCK_MS, sites };
}

function sealed(version: number): string {
  const bytes = Buffer.alloc(9);
  bytes.writeUInt8(version, 0);
  bytes.writeUInt32BE(crc32(bytes, 5), 5);
  return bytes.toString("base64");
}
