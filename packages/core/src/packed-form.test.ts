import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sampleAt } from "./fixture.ts";
import { packSamples, unpackSamples } from "./packed.ts";
import { OUTCOMES, type Sample } from "./sample.ts";

const NOW = 1_800_000_000_000;

describe("the form of packed samples", () => {
  it("is this: tables written by earlier versions must still be read", () => {
    const samples = [
      sampleAt(NOW, "ok", { ttfbMs: 41.4, totalMs: 50.6, reused: true, certificateDays: 12.4 }),
      sampleAt(NOW + 5_000, "status", { status: 503, detail: "503 from the proxy" }),
      sampleAt(NOW + 4_000, "status", { status: 503, tainted: true, detail: "503 from the proxy" }),
      sampleAt(NOW + 9_000, "redirect", { tainted: true, reused: true, certificateDays: -3, detail: "to /login" }),
    ];
    const text =
      '["mywpiww0,0,5k,15,1f,2,c,;3uw,3,dz,0,1e,0,,0;-rs,3,dz,0,1e,1,,0;3uw,9,0,0,1e,3,-3,1",["503 from the proxy","to /login"]]';
    expect(packSamples(samples)).toBe(text);
    expect(unpackSamples(text)).toStrictEqual(
      samples.map((one, index) => (index === 0 ? { ...one, ttfbMs: 41, totalMs: 51, certificateDays: 12 } : one)),
    );
    expect(unpackSamples('["",[]]')).toEqual([]);
  });

  it("keeps details of 200 characters, and one of the first twelve keeps its own in a flood", () => {
    const flood = Array.from({ length: 40 }, (_, index) =>
      sampleAt(NOW + index, "status", { detail: `${index}${"x".repeat(400)}` }),
    );
    const again = sampleAt(NOW + 99, "status", { detail: flood[3]?.detail ?? "" });
    const details = unpackSamples(packSamples([...flood, again])).map(({ detail }) => detail);
    const kept = (index: number) => `${index}${"x".repeat(400)}`.slice(0, 200);
    expect(details).toEqual([...flood.map((_, index) => kept(Math.min(index, 11))), kept(3)]);
  });

  it.each<[string, string, string]>([
    ["what is no JSON", "mywpiww0", "JSON"],
    ["what is no list", '{"0":"","1":[]}', "packed samples must be [text, details]"],
    ["a list without text", "[1,[]]", "packed samples must be [text, details]"],
    ["a list without details", '["",1]', "packed samples must be [text, details]"],
    ["an empty sample", '[";0,0,0,0,0,0,,",[]]', 'a packed sample cannot be read: ""'],
    ["an unknown outcome", '["0,z,0,0,0,0,,",[]]', 'a packed sample cannot be read: "0,z,0,0,0,0,,"'],
    ["one without a start", '[",0,0,0,0,0,,",[]]', "cannot be read"],
    ["one without an outcome", '["0,,0,0,0,0,,",[]]', "cannot be read"],
    ["one without a status", '["0,0,,0,0,0,,",[]]', "cannot be read"],
    ["one without a first byte", '["0,0,0,,0,0,,",[]]', "cannot be read"],
    ["one without a total", '["0,0,0,0,,0,,",[]]', "cannot be read"],
    ["one without flags", '["0,0,0,0,0,,,",[]]', "cannot be read"],
    ["one that ends early", '["0,0",[]]', "cannot be read"],
    ["a capital letter", '["0,0,0,A,0,0,,",[]]', "cannot be read"],
    ["a character between digits and letters", '["0,0,0,:,0,0,,",[]]', "cannot be read"],
    ["a character above the letters", '["0,0,0,{,0,0,,",[]]', "cannot be read"],
    ["a character below the digits", '["0,0,0,/,0,0,,",[]]', "cannot be read"],
    ["the second of two", '["0,0,0,0,0,0,,;1,0,0,x/,0,0,,",[]]', 'cannot be read: "1,0,0,x/,0,0,,"'],
  ])("refuses %s, and says what cannot be read", (_name, text, problem) => {
    expect(() => unpackSamples(text)).toThrow(problem);
  });

  it("has no detail where the list lacks it, and one that is no text is read as text", () => {
    expect(unpackSamples('["0,1,0,0,0,0,,7",["x"]]')).toStrictEqual([{ ...sampleAt(0, "refused"), totalMs: 0 }]);
    expect(unpackSamples('["0,1,0,0,0,0,z,0",[404]]')).toStrictEqual([
      { ...sampleAt(0, "refused"), totalMs: 0, certificateDays: 35, detail: "404" },
    ]);
  });

  it("leaves out what a sample does not have", () => {
    const sample: fc.Arbitrary<Sample> = fc.record(
      {
        startedAt: fc.integer({ min: 0, max: 2 ** 43 }),
        outcome: fc.constantFrom(...OUTCOMES),
        status: fc.nat({ max: 599 }),
        ttfbMs: fc.nat({ max: 20_000 }),
        totalMs: fc.nat({ max: 20_000 }),
        tainted: fc.boolean(),
        reused: fc.boolean(),
        certificateDays: fc.integer({ min: -400, max: 4_000 }),
        detail: fc.constantFrom("", "refused", "§ ü 漢 🙂"),
      },
      {
        requiredKeys: ["startedAt", "outcome", "status", "ttfbMs", "totalMs", "tainted", "reused"],
        noNullPrototype: true,
      },
    );
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 60 }), (samples) => {
        expect(unpackSamples(packSamples(samples))).toStrictEqual(samples);
      }),
    );
  });
});
