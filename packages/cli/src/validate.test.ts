import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Terminal } from "./terminal.ts";
import { validate } from "./validate.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "neuropilot-validate-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const RAILWAY = { projectId: "prj", environmentId: "env", serviceId: "srv" };
const target = (index: number) => ({
  id: `t-${index}`,
  url: `https://t${index}.example.com/`,
  railway: RAILWAY,
  mode: index % 4 === 0 ? "auto" : "approve",
});
const targets = (count: number) => Array.from({ length: count }, (_, index) => target(index));

/** What validating prints, line by line. */
async function linesOf(config: object, json = false): Promise<{ code: number; out: string[]; err: string[] }> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    out: (text) => void out.push(...text.split("\n")),
    err: (text) => void err.push(...text.split("\n")),
    paint: (_, text) => text,
    now: () => 0,
  };
  const path = join(folder, "neuropilot.config.json");
  writeFileSync(path, JSON.stringify(config));
  const code = await validate(terminal, { config: path, json, environment: {} });
  return { code, out, err };
}

describe("a valid config", () => {
  test("of up to twenty targets is listed target by target", async () => {
    const { code, out } = await linesOf({ targets: targets(20) });
    expect(code).toBe(0);
    expect(out[0]).toMatch(/^valid {2}/);
    expect(out.filter((line) => /^ {2}t-\d+ .*restart (auto|approve)/.test(line))).toHaveLength(20);
  });

  test("of more is summed up, with every mode counted", async () => {
    const { code, out, err } = await linesOf({ targets: targets(10_000) });
    expect({ code, err }).toEqual({ code: 0, err: [] });
    expect(out.slice(1, 4)).toEqual([
      "  10000 targets at 10000 sites, every 60 s",
      "  restart      2500 auto, 7500 approve",
      "  purge-cache  2500 auto, 7500 approve",
    ]);
    expect(out.length).toBeLessThan(10);
  });

  test("without targets says that nothing is watched", async () => {
    const { code, out } = await linesOf({ targets: [] });
    expect(code).toBe(0);
    expect(out).toContain("  note: targets is empty: nothing is watched");
  });
});

test("a bad config ends with 1 and its problems, and as JSON says so on stdout", async () => {
  const text = await linesOf({ nmae: "shop", targets: [] });
  expect(text).toMatchObject({ code: 1, out: [] });
  expect(text.err.join("\n")).toContain('did you mean "name"?');
  const json = await linesOf({ nmae: "shop", targets: [] }, true);
  expect(JSON.parse(json.out.join("\n"))).toMatchObject({ valid: false, problems: [{ path: "nmae" }], notes: [] });
});
