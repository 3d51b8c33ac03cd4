import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { compare, type Harmless, type Mutant, mutantsIn } from "./survivors.ts";

const ROOT = join(import.meta.dirname, "../..");
const source = "const a = 1;\n  if (a > 1) act();\n";

function reportOf(...statuses: readonly string[]): string {
  const mutants = statuses.map((status, index) => ({
    id: String(index),
    mutatorName: "EqualityOperator",
    replacement: `a >=\n ${index}`,
    status,
    location: { start: { line: 2, column: 7 }, end: { line: 2, column: 12 } },
  }));
  return JSON.stringify({ schemaVersion: "2", files: { "src/view.ts": { language: "typescript", source, mutants } } });
}

function mutants(caught: number, left: number): readonly Mutant[] {
  const one = { file: "view.ts", line: 2, source: "if (a > 1) act();", mutator: "EqualityOperator", original: "a > 1" };
  return Array.from({ length: caught + left }, (_, index) => ({
    ...one,
    replacement: `a >= ${index}`,
    caught: index >= left,
  }));
}

const listed = (index: number, change: Partial<Harmless> = {}): Harmless => ({
  file: "view.ts",
  source: "if (a > 1) act();",
  mutator: "EqualityOperator",
  original: "a > 1",
  replacement: `a >= ${index}`,
  reason: "a is never 1 here",
  ...change,
});

describe("a report", () => {
  it("is read as what was changed, where, and whether a test noticed", () => {
    const [killed, survived] = mutantsIn(reportOf("Killed", "Survived"), ["view.ts"]);
    expect(killed).toEqual({
      file: "view.ts",
      line: 2,
      source: "if (a > 1) act();",
      mutator: "EqualityOperator",
      original: "a > 1",
      replacement: "a >= 0",
      caught: true,
    });
    expect(survived?.caught).toBe(false);
  });

  it.each([
    ["Killed", true],
    ["Timeout", true],
    ["RuntimeError", true],
    ["Survived", false],
    ["NoCoverage", false],
  ])("counts %s as caught: %s", (status, caught) => {
    expect(mutantsIn(reportOf(status), ["view.ts"]).map((mutant) => mutant.caught)).toEqual([caught]);
  });

  it("is refused where it proves nothing", () => {
    expect(() => mutantsIn(reportOf(), ["view.ts"])).toThrow("no mutant");
    expect(() => mutantsIn(reportOf("Killed", "Ignored"), ["view.ts"])).toThrow(
      "src/view.ts: a mutant ended as Ignored",
    );
    expect(() => mutantsIn(reportOf("CompileError"), ["view.ts"])).toThrow("no mutant");
    expect(() => mutantsIn(reportOf("Killed"), ["health.ts"])).toThrow("no mutant");
  });
});

describe("a run", () => {
  it.each<[string, readonly Mutant[], readonly Harmless[], boolean]>([
    ["passes where everything was caught", mutants(10, 0), [], true],
    ["passes at the bar with its survivor listed", mutants(9, 1), [listed(0)], true],
    ["fails at a survivor that is not listed", mutants(99, 1), [], false],
    ["fails at a survivor listed for another file", mutants(99, 1), [listed(0, { file: "health.ts" })], false],
    ["fails at a survivor elsewhere in a listed line", mutants(99, 1), [listed(0, { original: "a" })], false],
    ["fails at a survivor whose line has changed", mutants(99, 1), [listed(0, { source: "if (a > 2) act();" })], false],
    ["fails at a listed one that is caught by now", mutants(99, 0), [listed(0)], false],
    ["fails under the bar though all are listed", mutants(8, 2), [listed(0), listed(1)], false],
    [
      "does not ask for what is listed of files that were left out",
      mutants(10, 0),
      [listed(0, { file: "health.ts" })],
      true,
    ],
  ])("%s", (_name, all, harmless, passed) => {
    expect(compare(all, harmless, 90).passed).toBe(passed);
  });

  it("shows the score of each file and of all", () => {
    const other = mutants(3, 1).map((mutant) => ({ ...mutant, file: "act.ts" }));
    expect(compare([...mutants(10, 0), ...other], [], 90)).toMatchObject({
      rows: [
        { file: "act.ts", all: 4, caught: 3 },
        { file: "view.ts", all: 10, caught: 10 },
        { file: "all", all: 14, caught: 13 },
      ],
      unlisted: [{ file: "act.ts", replacement: "a >= 0" }],
    });
  });
});

describe("the list of harmless survivors", () => {
  const list: readonly Harmless[] = JSON.parse(readFileSync(join(import.meta.dirname, "harmless.json"), "utf8"));

  it("names lines that are there, each once, with a reason", () => {
    for (const { file, source: line, reason } of list) {
      const lines = readFileSync(join(ROOT, "packages/core/src", file), "utf8").split("\n");
      expect(lines.map((one) => one.trim())).toContain(line);
      expect(reason.length).toBeGreaterThan(20);
    }
    const keys = list.map(({ reason: _, ...key }) => JSON.stringify(key));
    expect(keys.length).toBe(new Set(keys).size);
  });
});
