import { readFile, stat } from "node:fs/promises";
import { basename, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Problem, redact } from "./problem.ts";

export type Loaded =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problems: readonly Problem[] };

const EXAMPLE = "export default defineConfig({ targets: [] })";
const MODULES = [".ts", ".mts", ".js", ".mjs"];

/** Reads a config file: the default export of a module (.ts, .mts, .mjs, .js), or JSON. Runs the module. */
export async function loadConfigFile(path: string): Promise<Loaded> {
  const file = resolve(path);
  const kind = extname(file).toLowerCase();
  const missing = await whyUnreadable(file);
  if (missing !== undefined) return refuse(path, missing, "a config file", "neuropilot validate neuropilot.config.ts");
  if (kind === ".json") return loadJson(path, file);
  if (!MODULES.includes(kind))
    return refuse(
      path,
      kind === "" ? "no ending" : `the ending ${kind}`,
      `a file that ends in ${MODULES.join(", ")} or .json`,
      "neuropilot.config.ts",
    );
  return loadModule(path, file);
}

async function whyUnreadable(file: string): Promise<string | undefined> {
  try {
    return (await stat(file)).isFile() ? undefined : "a folder, or no plain file";
  } catch (error) {
    return codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR"
      ? "no such file"
      : `${codeOf(error)}: it cannot be read`;
  }
}

async function loadJson(path: string, file: string): Promise<Loaded> {
  try {
    const value: unknown = JSON.parse(await readFile(file, "utf8"));
    return { ok: true, value };
  } catch (error) {
    if (!(error instanceof SyntaxError))
      return refuse(path, `${codeOf(error)}: it cannot be read`, "a readable file", path);
    // The rest of the message quotes the file, which may hold what nobody should see.
    const where = /line \d+ column \d+/.exec(error.message)?.[0] ?? /position \d+/.exec(error.message)?.[0];
    const token = /^Unexpected token '(.)'/.exec(error.message)?.[1];
    const what = where === undefined ? (token === undefined ? "" : `: an unexpected ${token}`) : ` at ${where}`;
    return refuse(path, `a syntax error${what}`, "JSON", '{ "targets": [] }');
  }
}

async function loadModule(path: string, file: string): Promise<Loaded> {
  let module: Record<string, unknown>;
  try {
    // A file that was changed is another module, so that a second look does not answer with the first.
    const { mtimeMs } = await stat(file);
    module = await import(`${pathToFileURL(file).href}?at=${mtimeMs}`);
  } catch (error) {
    return refuse(path, whyNotLoaded(error), whatWouldLoad(error, file), EXAMPLE);
  }
  if (!("default" in module)) {
    const named = Object.keys(module);
    const found = named.length === 0 ? "no export" : `only the exports ${named.slice(0, 5).join(", ")}`;
    return refuse(path, found, "the config as the default export", EXAMPLE);
  }
  return { ok: true, value: module.default };
}

function whyNotLoaded(error: unknown): string {
  const message = redact(error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)).slice(0, 300);
  const code = codeOf(error);
  if (error instanceof SyntaxError || code.includes("TYPESCRIPT_SYNTAX")) return `a syntax error: ${message}`;
  if (code === "ERR_MODULE_NOT_FOUND") return `an import that leads nowhere: ${message}`;
  return `an error thrown while it loaded: ${message}`;
}

const OURS = /['"](?:@?neuropilot)(?:\/[^'"]*)?['"]/;

/** The way out of the ways in which a module does not load. */
function whatWouldLoad(error: unknown, file: string): string {
  const message = error instanceof Error ? error.message : String(error);
  if (OURS.test(message))
    return 'defineConfig from "@neuropilot/config/define"; or no import at all: a plain default export will do, and so will JSON';
  if (codeOf(error) === "ERR_MODULE_NOT_FOUND" && message.includes("package"))
    return "a module that loads: install it beside this file, or write a plain default export or JSON";
  if (/outside a module|Unexpected token 'export'/.test(message)) {
    const ending = extname(file);
    const module = `${basename(file, ending)}${ending === ".ts" ? ".mts" : ".mjs"}`;
    return `a module: name the file ${module}, or put "type": "module" into the package.json above it`;
  }
  return "a module that loads";
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}

function refuse(path: string, found: string, wants: string, example: string): Loaded {
  return { ok: false, problems: [{ path, found, wants, example }] };
}
