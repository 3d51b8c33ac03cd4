import {
  compileField,
  type FieldTest,
  InvalidPattern,
  isLeaf,
  isObject,
  type Leaf,
  RESERVED_INSIDE_OR,
} from "./pattern-leaf.ts";

/** A pattern that can be asked, or EventBridge's reason for refusing it. */
export type CompiledPattern =
  | { readonly ok: true; matches(event: unknown): boolean }
  | { readonly ok: false; readonly problem: string };

/** `$or` may lead to this many combinations: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html */
const MAX_COMBINATIONS = 1000;
/** Patterns and events deeper than this are refused: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html */
export const MAX_DEPTH = 1000;

/** One combination of the branches of every `$or`: each path with what it must pass. All of them must. */
type Combination = ReadonlyMap<string, FieldTest>;

/**
 * Compiles an event pattern: the language of
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html, with the fine points of
 * Amazon's own engine, https://github.com/aws/event-ruler: arrays in events are looked through, two fields of one pattern
 * never match in different elements of one array, `exists: false` looks at leaves, keys are joined by dots.
 *
 * Numbers compare by value, so 300, 300.0 and 3e2 are one: their spelling is gone once JSON has been parsed.
 */
export function compilePattern(pattern: unknown): CompiledPattern {
  if (!isObject(pattern)) return { ok: false, problem: "Filter is not an object" };
  try {
    const combinations = compileObject({ node: pattern, path: "", combinations: [new Map()], inOr: false, depth: 1 });
    const wanted = pathsAndTheirParents(combinations);
    return {
      ok: true,
      matches(event) {
        if (!isObject(event)) return false;
        const fields = flatten(event, wanted);
        return combinations.some((combination) => passes(combination, fields));
      },
    };
  } catch (error) {
    if (error instanceof InvalidPattern) return { ok: false, problem: error.message };
    throw error;
  }
}

interface Part {
  readonly node: Readonly<Record<string, unknown>>;
  readonly path: string;
  readonly combinations: readonly Combination[];
  readonly inOr: boolean;
  readonly depth: number;
}

function compileObject({ node, path, combinations, inOr, depth }: Part): readonly Combination[] {
  const entries = Object.entries(node);
  if (entries.length === 0) throw new InvalidPattern("Empty objects are not allowed");
  if (depth > MAX_DEPTH) throw new InvalidPattern(`Patterns nest at most ${MAX_DEPTH} levels deep`);
  let all = combinations;
  for (const [key, value] of entries) {
    const branches = key === "$or" ? orBranches(value) : undefined;
    if (branches !== undefined) {
      if (all.length * branches.length > MAX_COMBINATIONS)
        throw new InvalidPattern(`$or leads to more than ${MAX_COMBINATIONS} rule combinations`);
      const before = all;
      all = branches.flatMap((branch) =>
        compileObject({ node: branch, path, combinations: before, inOr: true, depth: depth + 1 }),
      );
      if (all.length > MAX_COMBINATIONS)
        throw new InvalidPattern(`$or leads to more than ${MAX_COMBINATIONS} rule combinations`);
      continue;
    }
    if (inOr && RESERVED_INSIDE_OR.has(key))
      throw new InvalidPattern(`${key} is a reserved word and cannot be a field name inside $or.`);
    const name = path === "" ? key : `${path}.${key}`;
    if (Array.isArray(value)) {
      const field = compileField(value);
      all = all.map((combination) => {
        if (combination.has(name)) throw new InvalidPattern(`Path \`${name}\` cannot be allowed multiple times`);
        return new Map(combination).set(name, field);
      });
    } else if (isObject(value)) {
      all = compileObject({ node: value, path: name, combinations: all, inOr, depth: depth + 1 });
    } else throw new InvalidPattern(`"${key}" must be an object or an array`);
  }
  return all;
}

/** The branches, if this is an "or" and not a field that happens to be called `$or` (the engine's three conditions). */
function orBranches(value: unknown): readonly Readonly<Record<string, unknown>>[] | undefined {
  if (!Array.isArray(value) || value.length < 2) return undefined;
  const branches = value.filter(isObject);
  if (branches.length !== value.length) return undefined;
  return branches.some((branch) => Object.keys(branch).some((key) => RESERVED_INSIDE_OR.has(key)))
    ? undefined
    : branches;
}

function pathsAndTheirParents(combinations: readonly Combination[]): ReadonlySet<string> {
  const wanted = new Set<string>();
  for (const combination of combinations) {
    for (const path of combination.keys()) {
      for (let dot = path.indexOf("."); dot !== -1; dot = path.indexOf(".", dot + 1)) wanted.add(path.slice(0, dot));
      wanted.add(path);
    }
  }
  return wanted;
}

/** Which element of which array something lies in, for every array around it. */
type Membership = ReadonlyMap<number, number>;
const NOWHERE: Membership = new Map();

interface Occurrence {
  readonly leaf: Leaf;
  readonly membership: Membership;
}

type Fields = ReadonlyMap<string, readonly Occurrence[]>;

/** Every leaf under one of the wanted paths, with the array elements that it lies in. */
function flatten(event: Readonly<Record<string, unknown>>, wanted: ReadonlySet<string>): Fields {
  const fields = new Map<string, Occurrence[]>();
  let arrays = 0;
  const visit = (value: unknown, path: string, membership: Membership): void => {
    if (Array.isArray(value)) {
      const array = arrays++;
      value.forEach((element, index) => {
        // Plain values of one array are alternatives of one field, not elements that others must agree with.
        if (isLeaf(element)) visit(element, path, membership);
        else visit(element, path, new Map(membership).set(array, index));
      });
    } else if (isObject(value)) {
      for (const [key, inner] of Object.entries(value)) {
        const name = path === "" ? key : `${path}.${key}`;
        if (wanted.has(name)) visit(inner, name, membership);
      }
    } else if (isLeaf(value)) {
      const occurrences = fields.get(path);
      if (occurrences === undefined) fields.set(path, [{ leaf: value, membership }]);
      else occurrences.push({ leaf: value, membership });
    }
  };
  visit(event, "", NOWHERE);
  return fields;
}

function passes(combination: Combination, fields: Fields): boolean {
  const choices: (readonly Membership[])[] = [];
  for (const [path, field] of combination) {
    const occurrences = fields.get(path) ?? [];
    if (occurrences.length === 0 && field.orAbsent) continue;
    const found = new Map<string, Membership>();
    for (const { leaf, membership } of occurrences) {
      if (!field.tests.some((test) => test(leaf))) continue;
      found.set([...membership].join(";"), membership);
    }
    if (found.size === 0) return false;
    // Outside every array it agrees with whatever the other fields choose.
    if (!found.has("")) choices.push([...found.values()]);
  }
  choices.sort((a, b) => a.length - b.length);
  return agree(choices, 0, NOWHERE);
}

/** Whether one occurrence of each field can be chosen so that no two lie in different elements of the same array. */
function agree(choices: readonly (readonly Membership[])[], at: number, chosen: Membership): boolean {
  const here = choices[at];
  if (here === undefined) return true;
  return here.some((membership) => {
    for (const [array, index] of membership) {
      const other = chosen.get(array);
      if (other !== undefined && other !== index) return false;
    }
    return agree(choices, at + 1, new Map([...chosen, ...membership]));
  });
}
