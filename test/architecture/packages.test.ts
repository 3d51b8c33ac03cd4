import { dirname, posix } from "node:path";
import { describe, expect, it } from "vitest";
import { type Package, projectFiles, projectPackages, read } from "./project.ts";

const packages = projectPackages();
const root = packages.find((each) => each.folder === "");
const workspaces = packages.filter((each) => each.folder !== "");
const ours = new Map(workspaces.map((each) => [each.name, each]));

/** Each may use those of the rows above its own, and none of its own row. A new package gets its place here, and nowhere by default. */
const LAYERS = [
  ["@neuropilot/events", "@neuropilot/config"],
  ["@neuropilot/core"],
  ["@neuropilot/store", "@neuropilot/probe", "@neuropilot/providers", "@neuropilot/backtest"],
  ["@neuropilot/loop"],
  ["@neuropilot/functions"],
  ["@neuropilot/local"],
  ["@neuropilot/cli"],
  ["@neuropilot/test"],
];

/** What of npm the pure core may use. */
const CORE_MAY_USE = ["zod"];

function layerOf(name: string): number {
  return LAYERS.findIndex((layer) => layer.includes(name));
}

function isExact(version: string): boolean {
  return /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version);
}

/** What a package may not use though its package.json says it does. */
function climbing(from: Package): string[] {
  return [...from.dependencies.keys()].filter((name) => ours.has(name) && layerOf(name) >= layerOf(from.name));
}

describe("packages", () => {
  it.each(workspaces.map((each) => [each.name, each] as const))(
    "%s has a place and uses only what is below it",
    (name, each) => {
      expect(layerOf(name), `${name} is in no layer`).toBeGreaterThanOrEqual(0);
      expect(climbing(each)).toEqual([]);
    },
  );

  it("a dependency on the same layer or a higher one would be seen", () => {
    const planted = (from: string, to: string) =>
      climbing({ folder: "x", name: from, version: "0.1.0", dependencies: new Map([[to, "0.1.0"]]) });
    expect(planted("@neuropilot/core", "@neuropilot/store")).toEqual(["@neuropilot/store"]);
    expect(planted("@neuropilot/store", "@neuropilot/probe")).toEqual(["@neuropilot/probe"]);
    expect(planted("@neuropilot/store", "@neuropilot/core")).toEqual([]);
  });

  it("core uses of npm only what is pure", () => {
    const used = [...(ours.get("@neuropilot/core")?.dependencies.keys() ?? [])].filter((name) => !ours.has(name));
    expect(used.filter((name) => !CORE_MAY_USE.includes(name))).toEqual([]);
  });

  it("every place in the layers is taken", () => {
    expect(LAYERS.flat().filter((name) => !ours.has(name))).toEqual([]);
  });

  it.each(packages.map((each) => [each.name, each] as const))("%s pins every version exactly", (_, each) => {
    expect([...each.dependencies].filter(([, version]) => !isExact(version))).toEqual([]);
    for (const [name, version] of each.dependencies)
      if (ours.has(name)) expect(version, name).toBe(ours.get(name)?.version);
  });

  it.each(["^1.2.3", "~1.2.3", "1.2", "*", "latest", ">=1.0.0", "workspace:*", "github:a/b", "file:../x"])(
    "the version %s would not count as exact",
    (version) => expect(isExact(version)).toBe(false),
  );

  it("one library has one version in the whole project", () => {
    const versions = new Map<string, Set<string>>();
    for (const each of packages)
      for (const [name, version] of each.dependencies)
        versions.set(name, (versions.get(name) ?? new Set()).add(version));
    expect([...versions].filter(([, found]) => found.size > 1).map(([name, found]) => [name, ...found])).toEqual([]);
  });

  it("the lockfile knows every dependency that a package.json names", () => {
    const lock: unknown = JSON.parse(read("package-lock.json"));
    const entries = typeof lock === "object" && lock !== null && "packages" in lock ? lock.packages : undefined;
    const declared = (folder: string): unknown => {
      const entry: unknown = typeof entries === "object" && entries !== null ? Reflect.get(entries, folder) : undefined;
      if (typeof entry !== "object" || entry === null) return "not in the lockfile: run npm install";
      const kinds = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];
      return Object.assign({}, ...kinds.map((kind) => Reflect.get(entry, kind) ?? {}));
    };
    for (const each of packages)
      expect(declared(each.folder), each.name).toEqual(Object.fromEntries(each.dependencies));
  });

  it("the root depends on tools only", () => {
    expect([...(root?.dependencies.keys() ?? [])].filter((name) => ours.has(name))).toEqual([]);
  });
});

describe("relative imports", () => {
  const specifiers = (text: string) =>
    [/^(?:import|export)\b(?:[^"=;]*?\bfrom)?\s*"(\.[^"]*)"/gm, /\bimport\(\s*"(\.[^"]*)"/g].flatMap((pattern) =>
      [...text.matchAll(pattern)].flatMap((match) => match[1] ?? []),
    );
  const home = (path: string) =>
    workspaces.map((each) => each.folder).find((folder) => path.startsWith(`${folder}/`)) ?? "";
  const leaving = (file: string, text: string) =>
    specifiers(text).filter((specifier) => {
      const target = posix.normalize(posix.join(dirname(file), specifier));
      return target.startsWith("..") || home(target) !== home(file);
    });

  it("stay inside their package", () => {
    const left = projectFiles()
      .filter((file) => /\.(ts|mts|mjs)$/.test(file))
      .flatMap((file) => leaving(file, read(file)).map((specifier) => `${file}: ${specifier}`));
    expect(left).toEqual([]);
  });

  it.each([
    ["packages/core/src/a.ts", 'import { b } from "../../events/src/index.ts";'],
    ["packages/core/a.ts", 'export * from "../events/src/index.ts";'],
    ["functions/a.ts", 'const b = await import("../packages/core/src/index.ts");'],
    ["test/e2e/a.ts", 'import "../../functions/probe.ts";'],
  ])("%s with %s would be seen", (file, text) => {
    expect(leaving(file, text)).toHaveLength(1);
  });

  it("inside a package pass", () => {
    expect(leaving("packages/core/src/deep/a.ts", 'import { b } from "../b.ts";')).toEqual([]);
  });
});
