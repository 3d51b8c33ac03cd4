import { describe, expect, it } from "vitest";
import { projectFiles, read } from "./project.ts";

/** The one file that knows where the audit log stands in the table, and the one that removes rows, of the history. */
const AUDIT_LOG = "packages/store/src/audit-log.ts";
const REMOVES = "packages/store/src/history.ts";

/** What the port to the table is made of: it has no other way to change a row. */
const PORT = ["packages/store/src/table.ts", "packages/store/src/memory.ts", "packages/store/src/dynamo.ts"];

type Sources = ReadonlyMap<string, string>;

/** Our own code that runs: no tests, benches or tools. */
function productSources(): Sources {
  const paths = projectFiles().filter(
    (path) => /^(packages\/[^/]+\/src|functions)\/.*\.ts$/.test(path) && !/\.test\.ts$|\/fixture\.ts$/.test(path),
  );
  return new Map(paths.map((path) => [path, read(path)]));
}

/** Every way in which this code could change or take away an entry of the audit log. */
function breaches(sources: Sources): string[] {
  const found: string[] = [];
  for (const [path, text] of sources) {
    if (path !== AUDIT_LOG && /["'`]AUDIT#/.test(text)) found.push(`${path} knows the audit log's key`);
    if (!PORT.includes(path) && path !== REMOVES && /\btable\.remove\(/.test(text)) found.push(`${path} removes rows`);
    if (!PORT.includes(path) && /\b(Update|Delete|Put|BatchWrite|TransactWrite)(Item|Items)?Command\b/.test(text))
      found.push(`${path} writes past the port`);
  }
  const log = sources.get(AUDIT_LOG) ?? "";
  const puts =
    log.match(/\btable\.\w+\([^;]*;/g)?.filter((call) => !/^table\.(get|query|queryRange)\(/.test(call)) ?? [];
  for (const call of puts)
    if (!/^table\.put\([^;]*\{ kind: "absent" \},?\s*\);$/.test(call)) found.push(`${AUDIT_LOG}: ${call}`);
  if (/\b(expiresAt|nextActionAt)\b/.test(log)) found.push(`${AUDIT_LOG}: an entry may be taken away by a TTL`);
  return found;
}

describe("the audit log", () => {
  const sources = productSources();

  it("can be added to, and nothing in the code changes an entry or takes one away", () => {
    expect(sources.has(AUDIT_LOG)).toBe(true);
    expect(sources.get(AUDIT_LOG)).toMatch(/table\.put\(/);
    expect(breaches(sources)).toEqual([]);
  });

  it.each([
    [
      "a file that knows its key",
      "packages/loop/src/wake.ts",
      'table.query("AUDIT#api");',
      /knows the audit log's key/,
    ],
    ["a removal elsewhere", "packages/store/src/state.ts", "await table.remove(row);", /removes rows/],
    ["a removal in it", AUDIT_LOG, "await table.remove(row);", /table\.remove/],
    ["a write that replaces", AUDIT_LOG, "await table.put(row, { kind: 'any' });", /table\.put/],
    ["a write on a version", AUDIT_LOG, 'table.put(row, { kind: "version-is", version: 1 });', /version-is/],
    ["a lifetime", AUDIT_LOG, "const row = { expiresAt: 1 };", /TTL/],
    ["a command of its own", "functions/reconcile.ts", "new DeleteItemCommand(key)", /past the port/],
  ])("would not pass with %s", (_name, path, fault, breach) => {
    const planted = new Map([...sources, [path, `${sources.get(path) ?? ""}\n${fault}\n`]]);
    expect(breaches(planted).join("\n")).toMatch(breach);
  });
});
