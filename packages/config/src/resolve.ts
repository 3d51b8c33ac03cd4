import { z } from "zod";
import { findConflicts } from "./conflicts.ts";
import {
  ENVIRONMENT_VARIABLES,
  overrideText,
  type ReadEnvironment,
  readEnvironment,
  SECRETS,
} from "./environment-variables.ts";
import { fillConfig, leftOut, unreachedPurges } from "./fill.ts";
import { describe, type Fault, looksLikeSecret, type Path, type Problem, pathText } from "./problem.ts";
import { createRefused, type Refused } from "./refused.ts";
import type { Config } from "./resolved.ts";
import { configSchema, nearest, nearestText, type ParsedConfig } from "./schema.ts";

export type Resolved =
  | { readonly ok: true; readonly config: Config; readonly notes: readonly string[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * Checks a config, fills in every default and applies the environment's variables. Pure; never throws for any JSON.
 * Answers the config that the functions read, with notes for people, or every problem at once.
 */
export function resolveConfig(input: unknown, environment: Readonly<Record<string, string | undefined>>): Resolved {
  const secrets = findSecrets(input);
  const { parsed, faults } = readInput(input);
  const { overrides, problems: unreadable } = readEnvironment(environment);
  const known = [...secrets, ...faults.filter((fault) => !secrets.some((secret) => touches(secret.path, fault.path)))];
  if (parsed === undefined) return { ok: false, problems: [...known.map(toProblem), ...unreadable] };

  const config = fillConfig(parsed, overrides);
  const variables = new Map(overrides.map(({ variable }) => [pathText(variable.sets), variable.name]));
  const refused = refusedPlaces(known, unreadable);
  const contested = createRefused();
  const conflicts = [...findConflicts({ parsed, config, variables, refused })].filter(({ path, from }) => {
    if ([path, ...from].some((place) => refused.touches(place) || refused.touches(shared(place)))) return false;
    if (from.some((place) => contested.touches(place))) return false;
    contested.add(path);
    return true;
  });
  const problems = once([...[...known, ...conflicts].map(toProblem), ...unreadable]);
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, config, notes: notesOn(parsed, config, overrides) };
}

/** Where values stand that are known to be wrong, the fields that a mistyped name or a refused variable was meant for among them. */
function refusedPlaces(faults: readonly Found[], unreadable: readonly Problem[]): Refused {
  const refused = createRefused();
  for (const { path, meant } of faults) {
    refused.add(path);
    if (meant !== undefined) refused.add(meant);
  }
  for (const { path } of unreadable) {
    const variable = ENVIRONMENT_VARIABLES.find(({ name }) => name === path);
    if (variable !== undefined) refused.add(variable.sets);
  }
  return refused;
}

/** The place of the same field for all targets, which a variable sets. */
function shared(path: Path): Path {
  return path[0] === "targets" && path.length > 2 ? path.slice(2) : path;
}

interface Found extends Fault {
  readonly path: Path;
  /** For an unknown name: the field that was likely meant. */
  readonly meant?: Path;
}

function toProblem({ path, found, wants, example }: Found): Problem {
  return { path: pathText(path), found, wants, example };
}

/** One of the paths lies within the other. */
function touches(a: Path, b: Path): boolean {
  const shorter = Math.min(a.length, b.length);
  for (let index = 0; index < shorter; index++) if (a[index] !== b[index]) return false;
  return true;
}

/** A rule that all targets share is wrong once, not ten thousand times. */
function once(problems: readonly Problem[]): readonly Problem[] {
  const seen = new Map(problems.map((problem) => [`${problem.path}\n${problem.wants}`, problem]));
  return [...seen.values()];
}

/** Enough for the deepest required field to give way, one level a round. */
const MAX_ROUNDS = 12;

/** Parses; where that fails, once more with what is wrong replaced, so that the other checks can still be made. */
function readInput(input: unknown): {
  readonly parsed: ParsedConfig | undefined;
  readonly faults: readonly Found[];
} {
  const first = configSchema.safeParse(input);
  if (first.success) return { parsed: first.data, faults: [] };
  const all = first.error.issues.flatMap((issue) => faultsOf(input, issue));
  const meant = new Set(all.flatMap((fault) => (fault.meant === undefined ? [] : [pathText(fault.meant)])));
  // A needed field that is there under a mistyped name is one fault, not two.
  const faults = all.filter((fault) => fault.meant !== undefined || !meant.has(pathText(fault.path)));
  const draft = { root: copy(input, 0) };
  let issues = first.error.issues;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    for (const issue of issues) mend(draft, issue);
    const again = configSchema.safeParse(draft.root);
    if (again.success) return { parsed: again.data, faults };
    issues = again.error.issues;
  }
  return { parsed: undefined, faults };
}

function faultsOf(input: unknown, issue: z.core.$ZodIssue): readonly Found[] {
  const path = pathOf(issue);
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(path);
    return issue.keys.map((key) => {
      const near = nearest(key, known);
      return {
        path: [...path, key],
        found: "an unknown field",
        wants: nearestText(key, known).replace(/^: /, "") || `one of ${known.join(", ")}, or nothing`,
        example: `${near ?? known[0] ?? "…"}: …`,
        ...(near === undefined ? {} : { meant: [...path, near] }),
      };
    });
  }
  const own = ownFault(issue);
  if (own !== undefined) return [{ path, ...own }];
  const list = issue.code === "invalid_type" && issue.expected === "array";
  return [
    {
      path,
      found: describe(valueAt(input, path)),
      wants: list ? "a list" : path.length === 0 ? "an object: the config" : "an object",
      example: list ? "[…]" : path.length === 0 ? "defineConfig({ targets: [] })" : "{ … }",
    },
  ];
}

/** What a leaf of the schema said; other issues are zod's own. */
function ownFault(issue: z.core.$ZodIssue): Fault | undefined {
  if (issue.code !== "custom" || issue.params === undefined) return undefined;
  const { found, wants, example } = issue.params;
  return { found: String(found), wants: String(wants), example: String(example) };
}

function pathOf(issue: z.core.$ZodIssue): Path {
  return issue.path.map((part) => (typeof part === "number" ? part : String(part)));
}

/** The names that the schema knows at a path. */
function keysAt(path: Path): readonly string[] {
  let at: unknown = configSchema;
  for (const part of path) {
    at = unwrapped(at);
    at = at instanceof z.ZodArray ? at.element : at instanceof z.ZodObject ? at.shape[String(part)] : undefined;
  }
  const last = unwrapped(at);
  return last instanceof z.ZodObject ? Object.keys(last.shape) : [];
}

function unwrapped(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ? schema.unwrap() : schema;
}

function valueAt(input: unknown, path: Path): unknown {
  let at = input;
  for (const part of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = Object.getOwnPropertyDescriptor(at, part)?.value;
  }
  return at;
}

const MAX_DEPTH = 16;

function copy(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((entry: unknown) => copy(entry, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, copy(entry, depth + 1)]));
}

/** Replaces what an issue is about by something harmless: nothing, where the schema allows that. */
function mend(draft: { root: unknown }, issue: z.core.$ZodIssue): void {
  const path = pathOf(issue);
  if (issue.code === "unrecognized_keys") for (const key of issue.keys) remove(draft, [...path, key]);
  else remove(draft, path);
}

function remove(draft: { root: unknown }, path: Path): void {
  const parent = valueAt(draft.root, path.slice(0, -1));
  const key = path.at(-1);
  if (key === undefined) draft.root = { targets: [] };
  else if (typeof parent !== "object" || parent === null) return;
  else if (Array.isArray(parent)) {
    // Other entries keep their places, and with them their paths.
    const list = path.at(-2);
    if (list === "targets" || list === "sites")
      parent[Number(key)] = { id: `unnamed-${key}`, url: `https://unnamed-${key}.example/` };
    else if (list === "weekly") parent[Number(key)] = "sunday";
    else if (path.at(-3) === "ladders") parent[Number(key)] = "page";
    else remove(draft, path.slice(0, -1));
  } else if (isRecord(parent)) {
    if (key === "id") parent.id = `unnamed-${path.filter((part) => typeof part === "number").join("-")}`;
    else if (Object.hasOwn(parent, key)) delete parent[key];
    else if (key === "targets") parent.targets = [];
    else if (key === "url")
      parent.url = `https://unnamed-${path.filter((part) => typeof part === "number").join("-")}.example/`;
    else remove(draft, path.slice(0, -1));
  }
}

function isRecord(value: unknown): value is Record<string | number, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const SECRET_KEY = /token|secret|passw(or)?d|api[-_]?key|credential|web[-_]?hook/i;

/** Keys and values that look like secrets, wherever they stand. Headers may carry a target's own. */
function findSecrets(input: unknown): readonly Found[] {
  const found: Found[] = [];
  const visit = (value: unknown, path: Path): void => {
    if (path.length > MAX_DEPTH) return;
    if (typeof value === "string" && looksLikeSecret(value)) found.push(secretAt(path, value));
    if (typeof value !== "object" || value === null) return;
    for (const [key, entry] of Object.entries(value)) {
      const at = [...path, Array.isArray(value) ? Number(key) : key];
      if (!Array.isArray(value) && SECRET_KEY.test(key) && !path.includes("headers")) found.push(secretAt(at, key));
      else visit(entry, at);
    }
  };
  visit(input, []);
  return found;
}

function secretAt(path: Path, hint: string): Found {
  const where = `${path.join(".")} ${hint}`;
  const slackHook = /hooks\.slack\.com/i.test(hint) ? "SLACK_WEBHOOK_URL" : undefined;
  const slackToken = /xox|xapp/i.test(hint) ? "SLACK_BOT_TOKEN" : undefined;
  const name = slackHook ?? slackToken ?? SECRETS.find(({ keys }) => keys.test(where))?.name;
  return {
    path,
    found: "what looks like a secret (not shown)",
    wants: `no secrets in the config: put it into the environment variable ${name ?? `of its vendor (${SECRETS.map((secret) => secret.name).join(", ")})`}`,
    example: `${name ?? "RAILWAY_TOKEN"}=… neuropilot up`,
  };
}

function notesOn(parsed: ParsedConfig, config: Config, overrides: ReadEnvironment["overrides"]): readonly string[] {
  return [
    ...overrides.map((override) => overrideNote(config, override)),
    ...(config.targets.length === 0 ? ["targets is empty: nothing is watched"] : []),
    ...(config.controls.endpoints.length === 0
      ? ["controls.endpoints is empty: a fault of our own network will look like every target's"]
      : []),
    ...ladderNotes(parsed, config, overrides),
    ...purgeNotes(config),
    ...credentialNotes(config),
  ];
}

function overrideNote(config: Config, { variable, value, text }: ReadEnvironment["overrides"][number]): string {
  const setting = `${variable.name}=${text}`;
  if (value.kind !== "switch")
    return `${setting} sets ${pathText(variable.sets)} to ${overrideText(value)} for all targets`;
  if (!value.on) return `${setting}: ${value.remedy} is only observed, whatever the config says`;
  const lifted = config.targets.filter((target) => target.remedies[value.remedy].modeIsOpen).length;
  const kept = config.targets.length - lifted;
  const rest = kept === 0 ? "" : `; ${kept} ${kept === 1 ? "keeps the mode" : "keep the modes"} that the config names`;
  return `${setting}: ${value.remedy} is automatic for ${lifted} of ${config.targets.length} targets${rest}`;
}

function ladderNotes(parsed: ParsedConfig, config: Config, overrides: ReadEnvironment["overrides"]): readonly string[] {
  const values = overrides.map(({ value }) => value);
  return byTarget(
    config.targets.flatMap((target, index) => {
      const written = parsed.targets[index];
      const left = written === undefined ? [] : leftOut(parsed, written, target, values);
      return left.map(({ remedy, why }) => ({ id: target.id, text: `${remedy} is left out of the ladders (${why})` }));
    }),
  );
}

/** Selectors that were written for nothing, as the ladder never comes to them. */
function purgeNotes(config: Config): readonly string[] {
  return byTarget(
    config.targets.flatMap((target) => {
      const unreached = unreachedPurges(target);
      if (unreached === undefined) return [];
      const { kinds, ladder, rungs } = unreached;
      const write = `ladders.${ladder}: [${rungs.map((rung) => `"${rung}"`).join(", ")}]`;
      const text = `purge-cache never gets to ${kinds.join(", ")}: each call takes one kind, the narrowest first. To reach them write ${write}`;
      return [{ id: target.id, text }];
    }),
  );
}

/** What holds for many targets is said once. */
function byTarget(notes: readonly { readonly id: string; readonly text: string }[]): readonly string[] {
  const ids = new Map<string, string[]>();
  for (const { id, text } of notes) ids.set(text, [...(ids.get(text) ?? []), id]);
  return [...ids].map(([text, of]) => `${text}: ${some(of)}`);
}

/** Headers are the one place where a target's own secret may stand; it is kept with the config. */
function credentialNotes(config: Config): readonly string[] {
  const ids = config.targets
    .filter(({ headers }) =>
      Object.keys(headers).some((name) => /^(proxy-)?authorization$|^cookie$|token|key/i.test(name)),
    )
    .map(({ id }) => id);
  if (ids.length === 0) return [];
  return [
    `headers hold what may be a credential, which is stored with the config; let it read health and nothing else: ${some(ids)}`,
  ];
}

function some(ids: readonly string[]): string {
  return ids.length <= 5 ? ids.join(", ") : `${ids.slice(0, 5).join(", ")} and ${ids.length - 5} more`;
}
