import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatProblems, loadConfigFile } from "./define.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "neuropilot-config-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const GOOD: Readonly<Record<string, string>> = {
  "good.ts": "interface A { targets: string[] }\nconst config: A = { targets: [] };\nexport default config;",
  "good.mts": "export default { targets: [] as string[] };",
  "good.mjs": "export default { targets: [] };",
  "good.json": '{ "targets": [] }',
};

const WAY_OUT = /defineConfig from "@neuropilot\/config\/define".*no import at all.*plain default export.*JSON/s;

const BAD: readonly (readonly [name: string, content: string | undefined, says: RegExp])[] = [
  ["missing.ts", undefined, /no such file/],
  ["named.mjs", "export const config = { targets: [] };", /only the exports config.*default export/s],
  ["nothing.mjs", "const a = 1;", /no export/],
  ["syntax.mjs", "export default { targets: [ };", /a syntax error: /],
  ["syntax.ts", "const a: = 1; export default {};", /a syntax error: /],
  ["throws.mjs", "throw new Error('no region is set');", /thrown while it loaded: no region is set/],
  ["import.mjs", "import './not-there.mjs'; export default {};", /leads nowhere: .*not-there/],
  ["package.mjs", 'import { defineConfig } from "@neuropilot/config"; export default {};', WAY_OUT],
  ["main.mts", 'import { defineConfig } from "neuropilot"; export default {};', WAY_OUT],
  ["path.mjs", 'import { defineConfig } from "@neuropilot/config/defin"; export default {};', WAY_OUT],
  ["export.mjs", 'import { config } from "node:path"; export default {};', /does not provide an export.*wants/s],
  ["other.mjs", 'import "a-package-not-there"; export default {};', /install it beside this file.*JSON/s],
  ["sub/module.ts", "import 'node:path'; export default {};", /module\.mts.*"type": "module"/s],
  ["sub/module.js", "import 'node:path'; export default {};", /module\.mjs.*"type": "module"/s],
  ["enum.ts", "enum A { x } export default {};", /enum is not supported/],
  ["short.json", '{ "targets": [ }', /a syntax error: an unexpected \}/],
  ["long.json", `{ "targets": [], "name": "${"x".repeat(80)}" "y": 1 }`, /a syntax error at line 1 column/],
  ["config.yaml", "targets: []", /the ending \.yaml/],
  ["config", "{}", /no ending/],
  ["secret.json", '{ "name": "hunter2hunter2" "x" }', /a syntax error/],
  ["secret.mjs", "throw new Error('no way to https://user:hunter2hunter2@example.com');", /no way to/],
];

/** Loads as users do: in Node itself, because the test runner compiles what it imports in its own way. */
async function loadInNode(
  names: readonly string[],
): Promise<Record<string, Awaited<ReturnType<typeof loadConfigFile>>>> {
  const script = `
    import { loadConfigFile } from ${JSON.stringify(new URL("./load.ts", import.meta.url).href)};
    const loaded = {};
    for (const name of ${JSON.stringify(names)}) loaded[name] = await loadConfigFile(name);
    console.log(JSON.stringify(loaded));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
    cwd: folder,
  });
  return JSON.parse(stdout);
}

describe("a config file", () => {
  it("gives its value, as TypeScript, as a module and as JSON", async () => {
    for (const [name, content] of Object.entries(GOOD)) await writeFile(join(folder, name), content);
    const loaded = await loadInNode(Object.keys(GOOD));
    for (const name of Object.keys(GOOD)) expect(loaded[name]).toEqual({ ok: true, value: { targets: [] } });
  });

  it("that cannot be used is refused in words, which show nothing that is secret", async () => {
    await mkdir(join(folder, "sub"));
    await writeFile(join(folder, "sub/package.json"), '{ "type": "commonjs" }');
    for (const [name, content] of BAD) if (content !== undefined) await writeFile(join(folder, name), content);
    const loaded = await loadInNode(BAD.map(([name]) => name));
    for (const [name, , says] of BAD) {
      const result = loaded[name];
      const text = result === undefined || result.ok ? "" : formatProblems(result.problems);
      expect(text.startsWith(name)).toBe(true);
      expect(text).toMatch(says);
      expect(text).not.toContain("hunter2");
    }
  });

  it("that is a folder is refused", async () => {
    expect(await loadConfigFile(folder)).toMatchObject({
      ok: false,
      problems: [{ found: "a folder, or no plain file" }],
    });
  });
});
