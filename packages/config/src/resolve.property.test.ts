import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatProblems, resolveConfig } from "./define.ts";
import { formatDuration, parseDuration } from "./units.ts";

/** Anything in the place of any part of a config that is good otherwise. */
const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(
    "",
    "0s",
    "-1m",
    "5%",
    "https://",
    "http://[::1]:99999/",
    "page",
    "restart x3",
    Number.NaN,
    Number.POSITIVE_INFINITY,
    undefined,
  ),
);
const part = (good: unknown) => fc.oneof({ weight: 80, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: junk });
const extra = fc.oneof(
  { weight: 80, arbitrary: fc.constant([]) },
  { weight: 1, arbitrary: fc.array(fc.tuple(fc.string(), junk), { maxLength: 1 }) },
);
/** Fields that may be missing, and rarely one that nobody knows. */
const record = (shape: Record<string, fc.Arbitrary<unknown>>, always: Record<string, fc.Arbitrary<unknown>> = {}) =>
  fc
    .tuple(fc.record(always), fc.record(shape, { requiredKeys: [] }), extra)
    .map(([needed, fields, more]) => Object.fromEntries([...Object.entries({ ...needed, ...fields }), ...more]));
const platforms = {
  railway: part({ projectId: "a", environmentId: "b", serviceId: "c" }),
  cloudflare: record(
    { purge: record({}, { tags: fc.array(part("t"), { minLength: 1, maxLength: 2 }) }) },
    { zoneId: part("z") },
  ),
};
const target = (id: string) =>
  record(
    {
      ...platforms,
      headers: part({ accept: "x" }),
      expect: record({ status: part("2xx"), json: part({ pointer: "/a", equals: 1 }) }),
      timeout: part("5s"),
      rules: record({ slow: record({ window: part("5m"), minSamples: part(3) }), down: part({}) }),
      ladders: record({ down: fc.array(part("page"), { maxLength: 1 }) }),
      remedies: record({ restart: record({ cooldown: part("10m"), mode: part("auto") }) }),
      maintenance: fc.array(
        record({}, { weekly: part(["monday"]), from: part("01:00"), to: part("02:00"), reason: part("r") }),
        { maxLength: 2 },
      ),
    },
    { id: part(id), url: part("https://api.example.com") },
  );
const sited = record(
  { mode: part("approve") },
  {
    id: part("sited"),
    sites: fc.tuple(record(platforms, { id: part("primary"), url: part("https://eu.example.com") })),
  },
);
const config = record(
  {
    interval: part("60s"),
    vantages: part(["local"]),
    controls: record({ endpoints: fc.array(part({ id: "a", url: "https://a.com" }), { maxLength: 1 }) }),
    healing: part({ callTimeout: "5s" }),
  },
  { targets: fc.oneof({ weight: 20, arbitrary: fc.tuple(target("a"), target("b"), sited) }, junk) },
);

describe("resolveConfig", () => {
  it("never throws, says something about all it refuses, and answers the same again", () => {
    const seen = { good: 0, bad: 0 };
    fc.assert(
      fc.property(
        fc.oneof({ weight: 4, arbitrary: config }, fc.jsonValue(), fc.anything()),
        fc.dictionary(
          fc.constantFrom("CHECK_INTERVAL", "ENABLE_AUTO_RESTART"),
          fc.oneof({ weight: 4, arbitrary: fc.constant("") }, fc.constantFrom("60", "true"), fc.string()),
        ),
        (input, environment) => {
          const result = resolveConfig(input, environment);
          seen[result.ok ? "good" : "bad"]++;
          if (result.ok) {
            expect(JSON.parse(JSON.stringify(result.config))).toEqual(result.config);
            expect(everyNumber(result.config).every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
          } else {
            expect(result.problems.length).toBeGreaterThan(0);
            expect(formatProblems(result.problems)).not.toMatch(/undefined|\[object/);
          }
          expect(resolveConfig(input, environment)).toEqual(result);
        },
      ),
      { numRuns: 400 },
    );
    // A generator that never gets through, or always does, shows nothing.
    expect(Math.min(seen.good, seen.bad)).toBeGreaterThan(20);
  });

  it("leaves its input as it was", () => {
    fc.assert(
      fc.property(config, (input) => {
        const before = structuredClone(input);
        resolveConfig(input, {});
        expect(input).toEqual(before);
      }),
      { numRuns: 100 },
    );
  });
});

describe("durations", () => {
  it("are read as they are written", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 366 * 86_400_000 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toEqual({ ok: true, value: ms });
      }),
    );
  });
});

function everyNumber(value: unknown): number[] {
  if (typeof value === "number") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(everyNumber) : [];
}
