import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** The project's root folder. */
export const ROOT = join(import.meta.dirname, "../..");

/** Folders that hold nothing of ours; what .gitignore names is not part of the project either. */
const FOREIGN = new Set([
  ".git",
  ...read(".gitignore")
    .split("\n")
    .filter((line) => line.endsWith("/"))
    .map((line) => line.slice(0, -1)),
]);

/** Every file of the project, as a path below the root with forward slashes. */
export function projectFiles(folder = ROOT): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return FOREIGN.has(entry.name) ? [] : projectFiles(path);
    return entry.isFile() && !entry.name.endsWith(".log") ? [relative(ROOT, path).split(sep).join("/")] : [];
  });
}

/** The text of a file, by its path below the root. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

export interface Package {
  /** Its folder below the root; empty for the root's own. */
  readonly folder: string;
  readonly name: string;
  readonly version: string;
  /** Every dependency of any kind, with its version as written. */
  readonly dependencies: ReadonlyMap<string, string>;
}

/** The root's package.json and those of the workspaces. */
export function projectPackages(): Package[] {
  return projectFiles()
    .filter((path) => path === "package.json" || WORKSPACE.test(path))
    .map(readPackage);
}

/** What the root's `workspaces` name. A tool with a lockfile of its own, such as test/mutation, is none of them. */
const WORKSPACE = /^(packages\/[^/]+|functions|test)\/package\.json$/;

function readPackage(path: string): Package {
  const json: unknown = JSON.parse(read(path));
  const field = (name: string): unknown =>
    typeof json === "object" && json !== null ? Reflect.get(json, name) : undefined;
  const kinds = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"];
  return {
    folder: path.replace(/\/?package\.json$/, ""),
    name: String(field("name")),
    version: String(field("version")),
    dependencies: new Map(
      kinds.flatMap((kind) =>
        Object.entries(field(kind) ?? {}).map(([name, version]): [string, string] => [name, String(version)]),
      ),
    ),
  };
}
