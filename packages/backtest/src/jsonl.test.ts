import { sampleAt } from "@neuropilot/core/fixture";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BlockRead, mergeBlocks } from "./blocks.ts";
import { type HistoryChunk, type HistoryEntry, sampleEntry } from "./entry.ts";
import { JSONL_EXAMPLE, readJsonl, writeLine } from "./jsonl.ts";
import { NOON, planted } from "./planted.ts";

async function* pieces(text: string, size: number): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += size) yield text.slice(at, at + size);
}

async function read(
  text: string,
  size = 7,
): Promise<{ entries: HistoryEntry[]; problem: string | undefined; last: HistoryChunk | undefined }> {
  const entries: HistoryEntry[] = [];
  let problem: string | undefined;
  let last: HistoryChunk | undefined;
  for await (const chunk of readJsonl("h.jsonl", pieces(text, size))) {
    last = chunk;
    if (chunk.kind === "entries") entries.push(...chunk.entries);
    else problem = chunk.problem;
  }
  return { entries, problem, last };
}

describe("JSON lines", () => {
  it("read back what was written, in pieces of any size", async () => {
    const call: HistoryEntry = { kind: "call", target: "api", site: "primary", remedy: "restart", at: NOON };
    const detailed = sampleEntry(
      "ä/b",
      "x",
      "östlich",
      sampleAt(NOON, "tls", { tainted: true, reused: true, certificateDays: 3, detail: "ü\n\u2028" }),
    );
    const entries = [
      ...planted({ minutes: 2, what: (_, __, index) => (index % 2 === 0 ? "ok" : "status") }),
      call,
      detailed,
    ];
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 300 }), async (size) => {
        const { entries: found, problem } = await read(`${entries.map(writeLine).join("\n")}\n`, size);
        expect(problem).toBeUndefined();
        expect(found).toEqual(entries);
      }),
      { numRuns: 20 },
    );
  });

  it("pass over unknown fields, empty lines, other line ends and a byte order mark", async () => {
    const { entries, problem } = await read(
      `\uFEFF${JSONL_EXAMPLE.replace("{", '{"more":[1],')}\r\n\r\n${JSONL_EXAMPLE}`,
    );
    expect(problem).toBeUndefined();
    expect(entries).toHaveLength(2);
  });

  it("take epoch milliseconds, and have a site and a vantage by default", async () => {
    const { entries } = await read(`{"target":"api","startedAt":${NOON},"outcome":"refused"}`);
    expect(entries).toEqual([sampleEntry("api", "primary", "local", { ...sampleAt(NOON, "refused"), totalMs: 0 })]);
  });

  it.each([
    ["no JSON", "nonsense", "it is not JSON: nonsense"],
    ["a list", "[1]", "it is a list, not an object"],
    ["null", "null", "it is null, not an object"],
    ["no target", '{"outcome":"ok"}', "target is missing; it wants the target's id"],
    ["seconds", `{"target":"a","startedAt":${NOON / 1000}}`, `startedAt is ${NOON / 1000}; it wants a time`],
    [
      "a time without its zone",
      '{"target":"a","startedAt":"2026-01-01T12:00:00"}',
      "it wants a time in ISO 8601 with its zone",
    ],
    [
      "an unknown outcome",
      `{"target":"a","startedAt":${NOON},"outcome":"good"}`,
      'outcome is "good"; it wants one of ok, refused',
    ],
    ["a good answer without its time", `{"target":"a","startedAt":${NOON},"outcome":"ok"}`, "ttfbMs is missing"],
    [
      "a negative time",
      `{"target":"a","startedAt":${NOON},"outcome":"ok","ttfbMs":-1}`,
      "ttfbMs is -1; it wants a number",
    ],
    ["an unknown remedy", `{"call":{"target":"a","remedy":"reboot","at":${NOON}}}`, 'call.remedy is "reboot"'],
    ["no call", '{"call":7}', "call.target is missing"],
  ])("say where and what is wrong: %s", async (_, line, text) => {
    const { entries, problem } = await read(`${JSONL_EXAMPLE}\n\n${line}\n${JSONL_EXAMPLE}\n`);
    expect(problem).toMatch(/^h\.jsonl:3: /);
    expect(problem).toContain(text);
    expect(entries).toHaveLength(1);
  });

  it("a line without end does not fill the memory", async () => {
    expect((await read("x".repeat(300_000), 50_000)).problem).toContain(
      "h.jsonl:1: a line of more than 100000 characters",
    );
  });

  it("a place names the line, also after empty ones", async () => {
    const { last } = await read(`\n${JSONL_EXAMPLE}\n\n${JSONL_EXAMPLE}\n`, 1_000);
    expect(last?.kind === "entries" ? [last.where(0), last.where(1)] : []).toEqual(["h.jsonl:2", "h.jsonl:4"]);
  });
});

describe("blocks of several vantages", () => {
  const block = (vantage: string, from: number, at: readonly number[]) => ({
    ok: true as const,
    block: {
      vantage,
      shard: "0",
      from,
      to: from + 300_000,
      sites: { "api/primary": at.map((each) => sampleAt(each)) },
    },
  });

  async function* stream(...reads: readonly BlockRead[]): AsyncGenerator<BlockRead> {
    yield* reads;
  }

  it("come in the order of time, with the calls among them, and say what is left out", async () => {
    const call: HistoryEntry = { kind: "call", target: "api", site: "primary", remedy: "restart", at: NOON + 100_000 };
    const broken = { ok: false as const, problem: "a row is broken" };
    const chunks: HistoryChunk[] = [];
    for await (const chunk of mergeBlocks(
      [
        stream(block("east", NOON, [NOON, NOON + 200_000]), block("east", NOON + 300_000, [NOON + 300_000])),
        stream(block("west", NOON, [NOON + 60_000]), broken, block("west", NOON + 600_000, [NOON + 600_000])),
        stream(),
      ],
      [call],
    ))
      chunks.push(chunk);
    const entries = chunks.flatMap((chunk) => (chunk.kind === "entries" ? chunk.entries : []));
    const began = (entry: HistoryEntry) =>
      entry.kind === "call" ? "call" : `${entry.vantage} ${entry.sample.startedAt - NOON}`;
    expect(entries.map(began)).toEqual(["east 0", "west 60000", "call", "east 200000", "east 300000", "west 600000"]);
    expect(chunks.filter(({ kind }) => kind === "left-out")).toEqual([
      { kind: "left-out", problem: "a row is broken" },
    ]);
  });
});
