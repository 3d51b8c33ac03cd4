import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "./project.ts";

/** The lowest packages are enough: the gate's rules are those of the root, and every tool stays fast. */
const COPIED_PACKAGES = ["packages/events", "packages/config", "packages/core"];
const COPIED = [
  "package.json",
  "biome.json",
  "tsconfig.json",
  "knip.json",
  "bin/node24.mjs",
  "test/architecture/check.ts",
  "test/architecture/pure-core.grit",
  ...COPIED_PACKAGES,
];

const BOUNDARIES = "format, lint and boundaries";

let copy = "";
const planted: string[] = [];

beforeAll(() => {
  copy = realpathSync(mkdtempSync(join(tmpdir(), "neuropilot-gate-")));
  for (const path of COPIED)
    cpSync(join(ROOT, path), join(copy, path), {
      recursive: true,
      filter: (source) => !source.includes("node_modules"),
    });
  // The tools and libraries are those of the project; its own packages are the copies.
  const modules = join(copy, "node_modules");
  mkdirSync(join(modules, "@neuropilot"), { recursive: true });
  for (const name of readdirSync(join(ROOT, "node_modules")).filter((each) => each !== "@neuropilot"))
    symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
  for (const path of COPIED_PACKAGES)
    symlinkSync(join(copy, path), join(modules, path.replace("packages", "@neuropilot")));
});
afterEach(() => {
  for (const file of planted.splice(0)) rmSync(join(copy, file));
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

function plant(file: string, text: string): void {
  mkdirSync(dirname(join(copy, file)), { recursive: true });
  writeFileSync(join(copy, file), text);
  planted.push(file);
}

function run(script: string, ...args: string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(copy, script), ...args], {
    cwd: copy,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" },
  });
  return { status, output: stdout + stderr };
}

/** The gate itself, one step of it. */
const gate = (step: string) => run("test/architecture/check.ts", step);

describe("the gate, on a copy of the lowest packages", () => {
  it.each([BOUNDARIES, "types", "dead code"])("passes %s while nothing is planted", (step) => {
    const { status, output } = gate(step);
    expect(output).toContain(`pass  ${step}`);
    expect(status, output).toBe(0);
  });

  it("refuses a step that does not exist", () => {
    expect(gate("tpyes")).toMatchObject({ status: 2, output: expect.stringContaining("Steps: ") });
  });

  it.each([
    [
      "a forbidden import",
      BOUNDARIES,
      "packages/core/src/planted.ts",
      'import { readFileSync } from "node:fs";\n\nexport const text = readFileSync("x", "utf8");\n',
      /core is pure: no clock, random, I\/O/,
    ],
    [
      "an undeclared dependency on a package of ours",
      BOUNDARIES,
      "packages/core/src/planted.ts",
      'export { createState } from "@neuropilot/store";\n',
      /noUndeclaredDependencies/,
    ],
    [
      "a relative import into another package",
      BOUNDARIES,
      "packages/core/src/planted.ts",
      'export { SOURCE } from "../../events/src/index.ts";\n',
      /can leave the package unseen/,
    ],
    [
      "a type error",
      "types",
      "packages/core/src/planted.ts",
      'import { MAX_HOPS } from "@neuropilot/events";\n\nexport const hops: string = MAX_HOPS;\n',
      /planted\.ts\(3,14\): error TS2322/,
    ],
    [
      "a file that nothing uses",
      "dead code",
      "packages/core/src/planted.ts",
      "export const unused = 1;\n",
      /Unused files[\s\S]*packages\/core\/src\/planted\.ts/,
    ],
  ])("goes red for %s", (_, step, file, text, reason) => {
    plant(file, text);
    const { status, output } = gate(step);
    expect(output).toMatch(reason);
    expect(output).toContain("planted.ts");
    expect(output).toContain(`FAIL  ${step}`);
    expect(status).toBe(1);
  });

  it("goes red for an element taken for granted, syntax that Node cannot erase, and an import without its ending", () => {
    const folder = "packages/config/src";
    plant(`${folder}/planted-a.ts`, "export const first = (list: readonly string[]): string => list[0];\n");
    plant(`${folder}/planted-b.ts`, "export class A {\n  constructor(readonly b: string) {}\n}\n");
    plant(`${folder}/planted-c.ts`, 'export { shardOf } from "./shards";\n');
    const { status, output } = gate("types");
    for (const error of [/planted-a\.ts.*TS2322/, /planted-b\.ts.*TS1294/, /planted-c\.ts.*TS2835/])
      expect(output).toMatch(error);
    expect(status).toBe(1);
  });

  it("goes red for an export that nothing uses", () => {
    plant("packages/core/src/planted.ts", "export const used = 1;\nexport const unused = 2;\n");
    plant("packages/core/src/planted.test.ts", 'import { used } from "./planted.ts";\n\nvoid used;\n');
    const { status, output } = gate("dead code");
    expect(output).toMatch(/Unused exports[\s\S]*unused\s+packages\/core\/src\/planted\.ts/);
    expect(output).not.toMatch(/^used\s/m);
    expect(status).toBe(1);
  });

  it("goes red for a warning too", () => {
    plant("packages/config/src/planted.ts", "export function f(): void {\n  const _a = 1;\n  debugger;\n}\n");
    expect(gate(BOUNDARIES).status).toBe(1);
  });
});

/** What the linter, run as the gate runs it, holds against each file. */
function errorsByFile(): ReadonlyMap<string, string> {
  const { status, output } = run(
    "node_modules/@biomejs/biome/bin/biome",
    "check",
    "--error-on-warnings",
    "--reporter=github",
    "--max-diagnostics=none",
    ".",
  );
  expect(status, output).toBe(1);
  const found = new Map<string, string>();
  for (const line of output.matchAll(/^::error title=([^,]*),file=([^,]*),[^:]*::(.*)$/gm)) {
    const [, title = "", path = "", message = ""] = line;
    const file = relative(copy, resolve(copy, path));
    found.set(file, `${found.get(file) ?? ""}${title}: ${message}\n`);
  }
  return found;
}

/** One planted line each; they are checked in one run of the linter, which reports by file. */
const LINES: readonly (readonly [name: string, folder: string, text: string, rule: RegExp])[] = [
  ["the clock", "packages/core/src", "export const now = () => Date.now();", /core has no clock/],
  ["the clock by new Date", "packages/core/src", "export const now = () => new Date();", /core has no clock/],
  [
    "the clock by performance",
    "packages/core/src",
    "export const now = () => performance.now();",
    /variable performance/,
  ],
  ["random", "packages/core/src", "export const r = () => Math.random();", /core has no random source/],
  ["random ids", "packages/core/src", 'export { randomUUID } from "node:crypto";', /createHash only/],
  ["random by the global", "packages/core/src", "export const r = () => crypto.randomUUID();", /variable crypto/],
  ["the environment", "packages/core/src", "export const e = () => process.env.HOME;", /variable process/],
  [
    "the environment by import",
    "packages/core/src",
    'import { env } from "node:process";\n\nexport const e = env.HOME;',
    /core is pure/,
  ],
  ["the console", "packages/core/src", 'export const say = () => console.log("a");', /variable console/],
  ["the network", "packages/core/src", 'export const get = () => fetch("http://a");', /variable fetch/],
  ["waiting", "packages/core/src", "export const wait = (f: () => void) => setTimeout(f, 1);", /variable setTimeout/],
  ["loading at run time", "packages/core/src", "export const load = (a: string) => import(a);", /core loads nothing/],
  ["a detour to a global", "packages/core/src", "export const d = () => globalThis.Date;", /variable globalThis/],
  ["any", "packages/config/src", "export const a: any = 1;", /noExplicitAny/],
  ["a non-null assertion", "packages/config/src", "export const a = (b?: string) => b!;", /noNonNullAssertion/],
  ["a default export", "packages/config/src", "export default 1;", /noDefaultExport/],
  ["an enum", "packages/config/src", "export enum A {\n  B = 1,\n}", /noEnum/],
  ["a namespace", "packages/config/src", "export namespace A {\n  export const b = 1;\n}", /noNamespace/],
  ["the console in a package", "packages/config/src", 'export const say = () => console.log("a");', /noConsole/],
  ["bad formatting", "packages/config/src", "export const a = 'b'", /format/],
  ["an undeclared package of npm", "packages/events/src", 'export { request } from "undici";', /noUndeclared/],
  ["require", "packages/events/src", 'export const a = require("undici");', /noUndeclaredDependencies/],
  ["an undeclared import at run time", "packages/events/src", 'export const a = import("undici");', /noUndeclared/],
  [
    "a relative import from deep inside",
    "packages/core/src/deep/er",
    `export { a } from "${"../".repeat(4)}events/src/a.ts";`,
    /leave the package/,
  ],
  ["a relative import from functions", "functions", 'export { a } from "../packages/core/src/a.ts";', /leave the/],
  ["an import without its ending", "packages/config/src", 'export { shardOf } from "./shards";', /useImportExtensions/],
  ["a module of Node without its prefix", "packages/config/src", 'export { join } from "path";', /useNodejsImport/],
  ["a skipped test", "packages/config/src", 'import { it } from "vitest";\n\nit.skip("a", () => {});', /noSkipped/],
  ["a focused test", "packages/config/src", 'import { it } from "vitest";\n\nit.only("a", () => {});', /noFocused/],
];

describe("the linter refuses", () => {
  const fileOf = (index: number, folder: string) => `${folder}/planted-${index}.ts`;
  let found: ReadonlyMap<string, string> = new Map();

  beforeAll(() => {
    for (const [index, [, folder, text]] of LINES.entries()) plant(fileOf(index, folder), `${text}\n`);
    plant("packages/config/src/PlantedName.ts", "export const a = 1;\n");
    plant("packages/config/src/planted-one.ts", 'export { b as a } from "./planted-two.ts";\n');
    plant("packages/config/src/planted-two.ts", 'export { a as b } from "./planted-one.ts";\n');
    found = errorsByFile();
  });

  it.each(LINES.map(([name, folder, , rule], index) => [name, fileOf(index, folder), rule] as const))(
    "%s",
    (_, file, rule) => {
      expect(found.get(file) ?? "nothing found").toMatch(rule);
    },
  );

  it("a file name that is not kebab-case", () => {
    expect(found.get("packages/config/src/PlantedName.ts")).toMatch(/useFilenamingConvention/);
  });

  it("imports in a circle", () => {
    expect(found.get("packages/config/src/planted-one.ts")).toMatch(/noImportCycles/);
  });

  it("nothing in files that are as they should be", () => {
    expect([...found.keys()].filter((file) => !/[Pp]lanted/.test(file))).toEqual([]);
  });
});
