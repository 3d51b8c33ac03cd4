import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openLogFile } from "./log-file.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "neuropilot-log-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("lines are appended to what is there", () => {
  const path = join(folder, "a.log");
  writeFileSync(path, "before\n");
  const log = openLogFile(path, () => {});
  log.write("one");
  log.write("two");
  expect(readFileSync(path, "utf8")).toBe("before\none\ntwo\n");
});

test("a file over its size becomes the older one, which replaces the one before", () => {
  const path = join(folder, "a.log");
  writeFileSync(path, "x".repeat(11 * 1024 * 1024));
  writeFileSync(`${path}.1`, "the one before");
  openLogFile(path, () => {}).write("new");
  expect(readFileSync(path, "utf8")).toBe("new\n");
  expect(statSync(`${path}.1`).size).toBe(11 * 1024 * 1024);
});

test("a log that cannot be written is told once, never thrown, and told again only after it worked between", () => {
  const path = join(folder, "a.log");
  const problems: string[] = [];
  const log = openLogFile(path, (problem) => problems.push(problem));
  // A folder in its place fails every write, as a full disk does, for root as well.
  mkdirSync(path);
  log.write("lost");
  log.write("lost");
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(`cannot write ${path}`);
  rmSync(path, { recursive: true });
  log.write("kept");
  expect(readFileSync(path, "utf8")).toBe("kept\n");
  rmSync(path);
  mkdirSync(path);
  log.write("lost");
  expect(problems).toHaveLength(2);
});
