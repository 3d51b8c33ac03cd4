import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { chooseConfig, explainProblems, readConfigFile } from "./config-file.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "neuropilot-config-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(text: string, name = "neuropilot.config.mjs"): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe("readConfigFile", () => {
  test("what a config prints does not reach our output, and the console is given back", async () => {
    const { log } = console;
    const out = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    const err = vi.spyOn(console, "error").mockImplementation(() => {});
    const read = await readConfigFile(write('console.log("guest"); export default { targets: [] };'), {});
    expect(read.ok).toBe(true);
    expect(out).not.toHaveBeenCalled();
    expect(err).toHaveBeenCalledWith("guest");
    expect(console.log).toBe(log);
  });

  test("the environment overrides the file, and is blamed by its own name", async () => {
    const read = await readConfigFile(write("export default { targets: [] };"), { CHECK_INTERVAL: "often" });
    expect(read.ok ? [] : read.problems.map((problem) => problem.path)).toEqual(["CHECK_INTERVAL"]);
  });

  test("a file that is not there is a problem, not an exception", async () => {
    const read = await readConfigFile(join(folder, "none.ts"), {});
    expect(read.ok ? [] : read.problems).toMatchObject([{ found: "no such file" }]);
  });
});

test("a named config is taken as it is", () => {
  expect(chooseConfig("mine.ts")).toBe("mine.ts");
});

test("problems are counted, and each has its path, what was found, what is wanted and an example", () => {
  const problem = { path: "interval", found: '"often"', wants: "a duration", example: '"5m"' };
  const one = explainProblems("a.ts", [problem]);
  expect(one).toMatch(/^a\.ts: 1 problem\n/);
  for (const part of Object.values(problem)) expect(one).toContain(part);
  expect(explainProblems("a.ts", [problem, problem])).toMatch(/^a\.ts: 2 problems\n/);
});
