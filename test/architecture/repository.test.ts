import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, posix, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { projectFiles, ROOT, read } from "./project.ts";

const files = projectFiles();
const texts = files
  .filter((file) => !/\.(png|jpe?g|gif|ico|webp|woff2?|gz|zip)$/.test(file))
  .map((file) => ({ file, text: read(file) }));

/** Hosts that serve packages, and addresses that only this machine's registry would have. */
function registriesIn(text: string): string[] {
  const hosts = text.match(/(?:https?:)?\/\/[^\s"'`<>)]+/g) ?? [];
  const named = hosts.filter((url) => /\/\/[^/]*(?:registry|verdaccio|artifactory|nexus|npmmirror)/i.test(url));
  const set = text.match(/^\s*(?:@[\w-]+:)?registry\s*=.*$/gm) ?? [];
  return [...named, ...set.map((line) => line.trim())];
}

/** Paths in a text that climb out of the project. Patterns with a star are rules about paths, not paths. */
function climbsIn(file: string, text: string): string[] {
  const climbs = text.match(/(?:\.\.\/)+[\w.@-][\w./@*-]*/g) ?? [];
  return climbs.filter(
    (path) => !path.includes("*") && posix.normalize(posix.join(dirname(file), path)).startsWith("../"),
  );
}

/** The folder that this checkout is in and what else lies there: names of this machine. */
function machinePaths(): string[] {
  const parent = resolve(ROOT, "..");
  // Beside a checkout at the top or among temporary files lie names that any text may hold, such as /etc.
  if (parent === dirname(parent) || parent === resolve(tmpdir())) return [ROOT];
  return [ROOT, ...readdirSync(parent).map((name) => resolve(parent, name))];
}

const mentions = (text: string, path: string) =>
  new RegExp(`${path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\w-])`).test(text);

describe("the project's files", () => {
  it("are TypeScript: the launcher, which older Nodes must be able to run, is the only JavaScript", () => {
    expect(files.filter((file) => /\.[cm]?jsx?$/.test(file))).toEqual(["bin/node24.mjs"]);
  });

  it("name no package registry", () => {
    expect(texts.flatMap(({ file, text }) => registriesIn(text).map((found) => `${file}: ${found}`))).toEqual([]);
  });

  it("the lockfile says where nothing came from, so that any registry can serve it", () => {
    expect(read("package-lock.json")).not.toMatch(/"resolved": "(?!packages\/|functions"|stacks"|test")/);
    expect(read(".npmrc")).toContain("omit-lockfile-registry-resolved=true");
  });

  it("name no folder outside the project", () => {
    const outside = texts.flatMap(({ file, text }) => [
      ...climbsIn(file, text).map((found) => `${file}: ${found}`),
      ...machinePaths()
        .filter((path) => mentions(text, path))
        .map((path) => `${file}: ${path}`),
    ]);
    expect(outside).toEqual([]);
  });

  it("event schemas are one file per event, in the folder of their version", () => {
    for (const file of files.filter((each) => each.startsWith("packages/events/src/v")))
      expect(file).toMatch(/^packages\/events\/src\/v\d+\/[a-z]+-[a-z]+(\.test)?\.ts$/);
  });
});

describe("what these rules would see", () => {
  const host = ["https://", "registry", ".example.org/zod"].join("");
  it.each([
    [`"resolved": "${host}"`, 1],
    [["registry", "=http://127.0.0.1:4873/"].join(""), 1],
    [["//", "registry", ".example.org/:_authToken=x"].join(""), 1],
    ["a registry of remedies, see https://docs.example.org/registry", 0],
  ])("a registry in %j: %i", (text, count) => {
    expect(registriesIn(text)).toHaveLength(count);
  });

  const up = (steps: number, rest: string) => "../".repeat(steps) + rest;
  it.each([
    ["packages/core/src/a.ts", up(4, "elsewhere/file.md"), 1],
    ["README.md", `see ${up(1, "notes")}`, 1],
    ["packages/core/src/a.ts", up(3, "docs/file.md"), 0],
    ["biome.json", up(2, "**"), 0],
  ])("in %s the path %s: %i", (file, text, count) => {
    expect(climbsIn(file, text)).toHaveLength(count);
  });

  it("a path of this machine is one where its name ends, not where it goes on", () => {
    expect(mentions(`see ${ROOT}/a`, ROOT)).toBe(true);
    expect(mentions(`see ${ROOT}stay`, ROOT)).toBe(false);
  });
});
