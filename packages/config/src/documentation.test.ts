import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { DEFAULTS, LADDERS, TARGET_DEFAULTS } from "./defaults.ts";
import { defineConfig, ENVIRONMENT_VARIABLES, resolveConfig, SECRETS } from "./define.ts";
import { pathText } from "./problem.ts";
import { ILL_KINDS, REMEDIES } from "./resolved.ts";
import { configSchema } from "./schema.ts";

const docs = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8");
/** Cells of the rows of all tables, the heads and lines below them left out. */
const rows = docs
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
const rowOf = (field: string) => rows.find(([cell]) => cell === `\`${field}\``);

/** Every field of the schema that holds a value, as a path with names only. */
function* leaves(schema: unknown, path: readonly string[]): Generator<readonly string[]> {
  if (schema instanceof z.ZodOptional) yield* leaves(schema.unwrap(), path);
  else if (schema instanceof z.ZodArray) yield* leaves(schema.element, path);
  else if (schema instanceof z.ZodObject)
    for (const [key, field] of Object.entries(schema.shape)) yield* leaves(field, [...path, key]);
  else yield path;
}

/** What a field is called where the docs describe it: one table for what stands in several places. */
function documented(path: readonly string[]): string {
  const [first = "", ...rest] = path;
  if (path.includes("maintenance")) return path.at(-1) ?? "";
  if (first === "remedies") return path.at(-1) ?? "";
  if (first === "targets") {
    const [second = ""] = rest;
    if (["rules", "remedies"].includes(second)) return documented(rest);
    if (second === "sites") return documented(["targets", ...rest.slice(1)]);
    if (second === "expect" && rest.length > 2) return rest.slice(0, 2).join(".");
    return rest.join(".");
  }
  if (path.join(".").startsWith("controls.endpoints")) return "controls.endpoints";
  return path.join(".");
}

function lookUp(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const key of path)
    at = typeof at === "object" && at !== null ? Object.entries(at).find(([name]) => name === key)?.[1] : undefined;
  return at;
}

const asWritten = (value: unknown) =>
  `\`${Array.isArray(value) ? JSON.stringify(value) : typeof value === "object" ? JSON.stringify(value) : String(value)}\``;

describe("docs/configuration.md", () => {
  const fields = [...leaves(configSchema, [])];

  it("has a row for every field of the schema", () => {
    expect(fields.length).toBeGreaterThan(100);
    const missing = fields.map(documented).filter((field) => rowOf(field) === undefined && !/^mode$/.test(field));
    expect(missing).toEqual([]);
  });

  it("has the defaults that are in force", () => {
    const wrong: string[] = [];
    let checked = 0;
    const check = (field: string, value: unknown) => {
      checked++;
      if (rowOf(field)?.[1] !== asWritten(value)) wrong.push(`${field}: ${asWritten(value)} in force`);
    };
    for (const path of fields) {
      if (path[0] === "remedies" || path.join(".").startsWith("controls.endpoints")) continue;
      const value = path[0] === "targets" ? lookUp(TARGET_DEFAULTS, path.slice(1)) : lookUp(DEFAULTS, path);
      if (value !== undefined) check(documented(path), value);
    }
    expect(wrong).toEqual([]);
    expect(checked).toBeGreaterThan(40);
  });

  it("has the remedies' times", () => {
    for (const field of ["cooldown", "cooldownCap", "warmUp", "verify", "follow"] as const)
      expect(rowOf(field)?.slice(1, 1 + REMEDIES.length)).toEqual(
        REMEDIES.map((remedy) => `\`${DEFAULTS.remedies[remedy][field]}\``),
      );
  });

  it("has the ladders", () => {
    for (const kind of ILL_KINDS) {
      const rungs = LADDERS[kind].map(({ remedy, times }) => `\`${remedy}${times > 1 ? ` x${times}` : ""}\``);
      expect(rowOf(`ladders.${kind}`)?.[1]).toBe(rungs.length === 0 ? "none" : rungs.join(", "));
    }
  });

  it("has every environment variable as the code reads it, and no other", () => {
    const table = rows.filter((row) => row.length === 4 && /^`[A-Z_]+`$/.test(row[0] ?? ""));
    expect(table).toEqual(
      ENVIRONMENT_VARIABLES.map(({ name, sets, reads, example }) => [
        `\`${name}\``,
        `\`${pathText(sets)}\``,
        reads,
        `\`${example}\``,
      ]),
    );
    for (const { name, example } of ENVIRONMENT_VARIABLES)
      expect(resolveConfig({ targets: [] }, { [name]: example })).toMatchObject({ ok: true });
  });

  it("says where every secret belongs", () => {
    for (const { name, holds } of SECRETS) expect(rowOf(name)).toEqual([`\`${name}\``, holds]);
  });

  it("opens with an example that is a good config", () => {
    const source = /```ts\n[^\n]*\n\nexport default (defineConfig\([\s\S]*?\n\}\));\n```/.exec(docs)?.[1] ?? "";
    const example: unknown = new Function("defineConfig", `return ${source}`)(defineConfig);
    const resolved = resolveConfig(example, {});
    expect(resolved).toMatchObject({ ok: true, config: { name: "shop", targets: [{ id: "api" }, { id: "web" }] } });
  });
});
