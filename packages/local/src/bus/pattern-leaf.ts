import { BlockList, isIPv4, isIPv6 } from "node:net";

/** What stands at the end of a path in an event. */
export type Leaf = string | number | boolean | null;

/** Says whether a leaf of an event passes one element of a pattern's array. */
type LeafTest = (leaf: Leaf) => boolean;

/** One field of a pattern: it passes if any test does, or if the field is absent and `orAbsent` is set. */
export interface FieldTest {
  readonly tests: readonly LeafTest[];
  readonly orAbsent: boolean;
}

/** A pattern that EventBridge would refuse. Thrown while compiling, and turned into a value by `compilePattern`. */
export class InvalidPattern extends Error {}

/**
 * Operators of https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html, and `exactly`,
 * which Amazon's matching engine knows besides: https://github.com/aws/event-ruler.
 */
const OPERATORS: ReadonlyMap<string, (operand: unknown) => LeafTest> = new Map([
  ["exactly", (operand) => equals(text(operand, "exact match pattern must be a string"))],
  ["prefix", (operand) => stringTest("prefix", operand)],
  ["suffix", (operand) => stringTest("suffix", operand)],
  ["equals-ignore-case", (operand) => stringTest("equals-ignore-case", operand)],
  ["wildcard", (operand) => stringTest("wildcard", operand)],
  ["anything-but", anythingBut],
  ["numeric", numeric],
  ["cidr", cidr],
]);

/** Words that cannot be field names inside `$or`: https://github.com/aws/event-ruler, "The $or Primitive". */
export const RESERVED_INSIDE_OR: ReadonlySet<string> = new Set([
  ...OPERATORS.keys(),
  "exists",
  ...["=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case"],
  ...["date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range"],
  ...["ip-address-in-range", "ip-address-not-in-range"],
]);

/** Compiles the array of one field. Throws `InvalidPattern`. */
export function compileField(elements: readonly unknown[]): FieldTest {
  if (elements.length === 0) throw new InvalidPattern("Empty arrays are not allowed");
  const tests: LeafTest[] = [];
  let orAbsent = false;
  for (const element of elements) {
    if (isLeaf(element)) {
      tests.push(equals(element));
      continue;
    }
    if (!isObject(element)) throw new InvalidPattern("Match value must be String, number, true, false, or null");
    const [operator, operand] = onlyEntry(element, "Match expression name not found");
    if (operator === "exists") {
      if (typeof operand !== "boolean") throw new InvalidPattern("exists match pattern must be either true or false.");
      if (operand) tests.push(() => true);
      else orAbsent = true;
      continue;
    }
    const compile = OPERATORS.get(operator);
    if (compile === undefined) throw new InvalidPattern(`Unrecognized match type ${operator}`);
    tests.push(compile(operand));
  }
  return { tests, orAbsent };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isLeaf(value: unknown): value is Leaf {
  return (
    value === null ||
    typeof value === "string" ||
    typeof value === "boolean" ||
    (typeof value === "number" && Number.isFinite(value))
  );
}

function onlyEntry(object: Readonly<Record<string, unknown>>, ifEmpty: string): [string, unknown] {
  const [first, second] = Object.entries(object);
  if (first === undefined) throw new InvalidPattern(ifEmpty);
  if (second !== undefined) throw new InvalidPattern("Only one key allowed in match expression");
  return first;
}

function text(value: unknown, otherwise: string): string {
  if (typeof value !== "string") throw new InvalidPattern(otherwise);
  return value;
}

function equals(wanted: Leaf): LeafTest {
  if (typeof wanted === "number") return (leaf) => typeof leaf === "number" && sameNumber(leaf, wanted);
  const family = typeof wanted === "string" ? addressFamily(wanted) : undefined;
  if (typeof wanted !== "string" || family === undefined) return (leaf) => leaf === wanted;
  // The engine compares addresses as addresses even where the pattern is a plain string: "::1" is "0:0:0:0:0:0:0:1".
  const list = new BlockList();
  list.addAddress(wanted, family);
  return (leaf) => leaf === wanted || isListed(list, leaf);
}

/** Numbers of patterns lie within ±5e9 and count to six decimals: same page, "Numeric matching". */
const NUMBER_LIMIT = 5e9;

/** The number as the engine compares it, or undefined where it cannot. */
function comparable(value: number): number | undefined {
  return Math.abs(value) <= NUMBER_LIMIT ? Math.trunc((NUMBER_LIMIT + value) * 1e6) : undefined;
}

function sameNumber(a: number, b: number): boolean {
  const left = comparable(a);
  return a === b || (left !== undefined && left === comparable(b));
}

function bounded(value: unknown, otherwise: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new InvalidPattern(otherwise);
  if (Math.abs(value) > NUMBER_LIMIT) throw new InvalidPattern("Value must be between -5.0E9 and 5.0E9, inclusive");
  return value;
}

type StringOperator = "prefix" | "suffix" | "equals-ignore-case" | "wildcard";

const isStringOperator = (name: string): name is StringOperator =>
  name === "prefix" || name === "suffix" || name === "equals-ignore-case" || name === "wildcard";

function stringTest(operator: StringOperator, operand: unknown): LeafTest {
  const problem = `${operator} match pattern must be a string`;
  switch (operator) {
    case "equals-ignore-case": {
      const folded = text(operand, problem).toLowerCase();
      return onStrings((value) => value.toLowerCase() === folded);
    }
    case "wildcard":
      return onStrings(wildcard(text(operand, problem)));
    case "prefix":
    case "suffix": {
      const ends = (value: string, end: string) =>
        operator === "prefix" ? value.startsWith(end) : value.endsWith(end);
      if (!isObject(operand)) {
        const end = text(operand, problem);
        return onStrings((value) => ends(value, end));
      }
      const [inner, innerOperand] = onlyEntry(operand, problem);
      if (inner !== "equals-ignore-case") throw new InvalidPattern(`Unsupported ${operator} pattern: ${inner}`);
      const folded = text(innerOperand, "equals-ignore-case match pattern must be a string").toLowerCase();
      return onStrings((value) => ends(value.toLowerCase(), folded));
    }
  }
}

const onStrings =
  (test: (value: string) => boolean): LeafTest =>
  (leaf) =>
    typeof leaf === "string" && test(leaf);

/** A matcher for `*`, with `\*` and `\\` for the characters themselves. Linear in the value: no backtracking expression. */
function wildcard(pattern: string): (value: string) => boolean {
  const pieces = [""];
  for (let at = 0; at < pattern.length; at++) {
    let character = pattern.charAt(at);
    if (character === "*") {
      if (pattern.charAt(at + 1) === "*") throw new InvalidPattern(`Consecutive wildcard characters at pos ${at}`);
      pieces.push("");
      continue;
    }
    if (character === "\\") {
      const escaped = pattern.charAt(at + 1);
      if (escaped !== "*" && escaped !== "\\") throw new InvalidPattern(`Invalid escape character at pos ${at}`);
      character = escaped;
      at++;
    }
    pieces.push((pieces.pop() ?? "") + character);
  }
  const first = pieces.shift() ?? "";
  const last = pieces.pop();
  if (last === undefined) return (value) => value === first;
  return (value) => {
    if (value.length < first.length + last.length || !value.startsWith(first) || !value.endsWith(last)) return false;
    const end = value.length - last.length;
    let from = first.length;
    for (const piece of pieces) {
      const found = value.indexOf(piece, from);
      if (found === -1 || found + piece.length > end) return false;
      from = found + piece.length;
    }
    return true;
  };
}

/** `anything-but` passes every leaf that is there and is none of what it names, of whatever type. */
function anythingBut(operand: unknown): LeafTest {
  if (isObject(operand)) {
    const [inner, innerOperand] = onlyEntry(operand, "Anything-But expression name not found");
    if (!isStringOperator(inner)) throw new InvalidPattern(`Unsupported anything-but pattern: ${inner}`);
    const problem = `Inside anything-but/${inner} list, number|start|null|boolean is not supported.`;
    const excluded = (Array.isArray(innerOperand) ? innerOperand : [innerOperand]).map((each) => {
      const end = text(each, problem);
      if (end === "" && (inner === "prefix" || inner === "suffix"))
        throw new InvalidPattern("Null prefix/suffix not allowed");
      return stringTest(inner, end);
    });
    if (excluded.length === 0) throw new InvalidPattern("Empty arrays are not allowed");
    return (leaf) => !excluded.some((test) => test(leaf));
  }
  if (typeof operand === "string") return (leaf) => leaf !== operand;
  if (typeof operand === "number") {
    const excluded = bounded(operand, "Value of anything-but must be an array or single string/number value.");
    return (leaf) => !(typeof leaf === "number" && sameNumber(leaf, excluded));
  }
  if (!Array.isArray(operand))
    throw new InvalidPattern("Value of anything-but must be an array or single string/number value.");
  const values: readonly unknown[] = operand;
  const kinds = new Set(values.map((value) => typeof value));
  for (const kind of kinds) {
    if (kind !== "string" && kind !== "number")
      throw new InvalidPattern("Inside anything but list, start|null|boolean is not supported.");
  }
  if (kinds.size !== 1)
    throw new InvalidPattern(
      "Inside anything but list, either all values are number or string, mixed type is not supported",
    );
  const excluded = values.map((value) => anythingBut(value));
  return (leaf) => excluded.every((test) => test(leaf));
}

type Compare = (leaf: number, bound: number) => boolean;

const LOWER: ReadonlyMap<string, Compare> = new Map([
  [">", (leaf, bound) => leaf > bound],
  [">=", (leaf, bound) => leaf >= bound],
]);
const UPPER: ReadonlyMap<string, Compare> = new Map([
  ["<", (leaf, bound) => leaf < bound],
  ["<=", (leaf, bound) => leaf <= bound],
]);
const ALONE: ReadonlyMap<string, Compare> = new Map([...LOWER, ...UPPER, ["=", (leaf, bound) => leaf === bound]]);

/** `["=", x]`, `[">", x]` …, or a lower bound followed by an upper one. */
function numeric(operand: unknown): LeafTest {
  if (!Array.isArray(operand)) throw new InvalidPattern("Value of numeric must be an array.");
  const terms: readonly unknown[] = operand;
  const [operator, bound, upperOperator, upperBound] = terms;
  if (typeof operator !== "string")
    throw new InvalidPattern(`Invalid member in numeric match: ${JSON.stringify(operator) ?? "nothing"}`);
  const compare = ALONE.get(operator);
  if (compare === undefined) throw new InvalidPattern(`Unrecognized numeric range operator: ${operator}`);
  const first = bounded(bound, `Value of ${operator === "=" ? "equals" : operator} must be numeric`);
  if (terms.length === 2) return inRange([[compare, first]]);
  if (!LOWER.has(operator)) throw new InvalidPattern("Too many elements in numeric expression");
  if (typeof upperOperator !== "string")
    throw new InvalidPattern(`Bad value in numeric range: ${JSON.stringify(upperOperator)}`);
  const compareUpper = UPPER.get(upperOperator);
  if (compareUpper === undefined) throw new InvalidPattern(`Bad numeric range operator: ${upperOperator}`);
  const second = bounded(upperBound, `Value of ${upperOperator} must be numeric`);
  if (terms.length > 4) throw new InvalidPattern("Too many terms in numeric range expression");
  if (first >= second) throw new InvalidPattern("Bottom must be less than top");
  return inRange([
    [compare, first],
    [compareUpper, second],
  ]);
}

function inRange(bounds: readonly (readonly [Compare, number])[]): LeafTest {
  const scaled = bounds.map(([compare, bound]) => [compare, comparable(bound) ?? bound] as const);
  return (leaf) => {
    const value = typeof leaf === "number" ? comparable(leaf) : undefined;
    return value !== undefined && scaled.every(([compare, bound]) => compare(value, bound));
  };
}

function cidr(operand: unknown): LeafTest {
  const [address = "", mask = "", ...more] = text(operand, "cidr match pattern must be a string").split("/");
  if (mask === "" || more.length > 0) throw new InvalidPattern("Malformed CIDR, one '/' required");
  if (!/^\d{1,3}$/.test(mask)) throw new InvalidPattern("Malformed CIDR, mask bits must be an integer");
  const family = addressFamily(address);
  if (family === undefined) throw new InvalidPattern(`Nonstandard IP address: ${address}`);
  const bits = Number(mask);
  const most = family === "ipv4" ? 32 : 128;
  if (bits > most) throw new InvalidPattern(`Malformed CIDR, mask bits of ${address} must be at most ${most}`);
  const list = new BlockList();
  list.addSubnet(address, bits, family);
  return (leaf) => isListed(list, leaf);
}

function addressFamily(value: string): "ipv4" | "ipv6" | undefined {
  if (isIPv4(value)) return "ipv4";
  return isIPv6(value) && !value.includes("%") ? "ipv6" : undefined;
}

function isListed(list: BlockList, leaf: Leaf): boolean {
  const family = typeof leaf === "string" ? addressFamily(leaf) : undefined;
  return typeof leaf === "string" && family !== undefined && list.check(leaf, family);
}
