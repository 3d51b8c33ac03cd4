import { compilePattern } from "@neuropilot/local";
import { describe, expect, it } from "vitest";

/**
 * What EventBridge documents of its pattern language, case by case:
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html, and of the fine points
 * https://github.com/aws/event-ruler.
 */
type Case = readonly [name: string, pattern: unknown, event: unknown, matches: boolean];

const event = {
  version: "0",
  id: "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
  "detail-type": "health.observed",
  source: "neuropilot",
  account: "111122223333",
  time: "2026-10-02T18:43:48Z",
  region: "us-west-1",
  resources: ["arn:x:one", "arn:x:two"],
  detail: {
    state: "Running",
    count: 5,
    limit: 301.8,
    zero: 0,
    first: true,
    empty: "",
    nothing: null,
    ip: "10.0.0.33",
    ip6: "2001:db8::7",
    file: "dir/sub/image.PNG",
    labels: ["red", "green"],
    none: [],
    bare: {},
    nested: { deep: { leaf: "x" } },
    "dotted.key": "d",
    people: [
      { first: "Anna", last: "Smith", tags: ["a", "b"] },
      { first: "Peter", last: "Jones", tags: ["c"] },
    ],
    grid: [[{ x: 1, y: 1 }], [{ x: 2, y: 2 }]],
    stars: "a*b\\c",
  },
};

/** A case about one field of `detail`. */
const on = (name: string, field: string, test: unknown, matches: boolean): Case => [
  name,
  { detail: { [field]: test } },
  event,
  matches,
];

const groups: Readonly<Record<string, readonly Case[]>> = {
  "exact values": [
    ["a string", { source: ["neuropilot"] }, event, true],
    ["another string", { source: ["somebody"] }, event, false],
    ["any of several", { source: ["somebody", "neuropilot"] }, event, true],
    ["every field named must match", { source: ["neuropilot"], region: ["eu-west-1"] }, event, false],
    ["every field named does match", { source: ["neuropilot"], region: ["us-west-1"] }, event, true],
    ["a field that the event lacks", { sauce: ["neuropilot"] }, event, false],
    on("case counts", "state", ["running"], false),
    on("a number", "count", [5], true),
    on("a number by its value", "count", [5.0], true),
    on("another number", "count", [6], false),
    on("a number is not its digits", "count", ["5"], false),
    on("true", "first", [true], true),
    on("true is not false", "first", [false], false),
    on("true is not a word", "first", ["true"], false),
    on("zero is not false", "zero", [false], false),
    on("null", "nothing", [null], true),
    on("null is not an empty string", "nothing", [""], false),
    on("an empty string", "empty", [""], true),
    on("an empty string is not null", "empty", [null], false),
    on("null does not stand for an absent field", "absent", [null], false),
    on("nested fields", "nested", { deep: { leaf: ["x"] } }, true),
    on("nested fields in another place", "nested", { leaf: ["x"] }, false),
    on("an object is no leaf", "nested", ["x"], false),
    on("`exactly`", "state", [{ exactly: "Running" }], true),
    on("an address in another spelling", "ip6", ["2001:0db8:0:0::7"], true),
  ],
  "prefix and suffix": [
    ["prefix", { time: [{ prefix: "2026-10-02" }] }, event, true],
    ["another prefix", { time: [{ prefix: "2026-10-03" }] }, event, false],
    on("an empty prefix passes every string", "state", [{ prefix: "" }], true),
    on("prefix of a number", "count", [{ prefix: "5" }], false),
    on("prefix of null", "nothing", [{ prefix: "" }], false),
    on("prefix, case counts", "state", [{ prefix: "run" }], false),
    on("prefix, ignoring case", "state", [{ prefix: { "equals-ignore-case": "RUN" } }], true),
    on("another prefix, ignoring case", "state", [{ prefix: { "equals-ignore-case": "STOP" } }], false),
    on("suffix", "file", [{ suffix: ".PNG" }], true),
    on("suffix, case counts", "file", [{ suffix: ".png" }], false),
    on("suffix, ignoring case", "file", [{ suffix: { "equals-ignore-case": ".png" } }], true),
    on("another suffix, ignoring case", "file", [{ suffix: { "equals-ignore-case": ".jpg" } }], false),
  ],
  "equals-ignore-case": [
    on("another case", "state", [{ "equals-ignore-case": "rUNNING" }], true),
    on("another word", "state", [{ "equals-ignore-case": "stopped" }], false),
    on("a number", "count", [{ "equals-ignore-case": "5" }], false),
  ],
  "anything-but": [
    on("another string", "state", [{ "anything-but": "Stopped" }], true),
    on("the string itself", "state", [{ "anything-but": "Running" }], false),
    on("none of a list", "state", [{ "anything-but": ["Stopped", "Failed"] }], true),
    on("one of a list", "state", [{ "anything-but": ["Stopped", "Running"] }], false),
    on("another number", "limit", [{ "anything-but": 100 }], true),
    on("the number itself", "limit", [{ "anything-but": 301.8 }], false),
    on("one of a list of numbers", "count", [{ "anything-but": [1, 5] }], false),
    on("a number where words are named", "count", [{ "anything-but": ["5"] }], true),
    on("null where words are named", "nothing", [{ "anything-but": "x" }], true),
    on("an absent field", "absent", [{ "anything-but": "x" }], false),
    on("prefix it has", "state", [{ "anything-but": { prefix: "Run" } }], false),
    on("prefix it has not", "state", [{ "anything-but": { prefix: "Stop" } }], true),
    on("a list of prefixes, one it has", "state", [{ "anything-but": { prefix: ["Stop", "Run"] } }], false),
    on("suffix it has", "file", [{ "anything-but": { suffix: ".PNG" } }], false),
    on("a list of suffixes it has not", "file", [{ "anything-but": { suffix: [".jpg", ".txt"] } }], true),
    on("ignoring case, the same", "state", [{ "anything-but": { "equals-ignore-case": "running" } }], false),
    on("ignoring case, a list", "state", [{ "anything-but": { "equals-ignore-case": ["a", "running"] } }], false),
    on("ignoring case, others", "state", [{ "anything-but": { "equals-ignore-case": ["a", "b"] } }], true),
    on("wildcard it fits", "file", [{ "anything-but": { wildcard: "*/sub/*" } }], false),
    on("wildcard it does not fit", "file", [{ "anything-but": { wildcard: "*/lib/*" } }], true),
    on("a list of wildcards, one it fits", "file", [{ "anything-but": { wildcard: ["*/lib/*", "dir*"] } }], false),
    on("an array with another element", "labels", [{ "anything-but": "red" }], true),
    on("an array with no other element", "labels", [{ "anything-but": ["red", "green"] }], false),
  ],
  numeric: [
    on("equal", "limit", [{ numeric: ["=", 301.8] }], true),
    on("not equal", "limit", [{ numeric: ["=", 301.9] }], false),
    on("above", "count", [{ numeric: [">", 4] }], true),
    on("not above itself", "count", [{ numeric: [">", 5] }], false),
    on("at least itself", "count", [{ numeric: [">=", 5] }], true),
    on("below", "count", [{ numeric: ["<", 6] }], true),
    on("not below itself", "count", [{ numeric: ["<", 5] }], false),
    on("at most itself", "count", [{ numeric: ["<=", 5] }], true),
    on("a range", "count", [{ numeric: [">", 0, "<=", 5] }], true),
    on("outside a range", "count", [{ numeric: [">", 0, "<", 5] }], false),
    on("negative bounds", "zero", [{ numeric: [">", -1, "<", 1] }], true),
    on("a string of digits", "ip", [{ numeric: [">", 0] }], false),
    ["no further than six decimals", { n: [{ numeric: ["=", 0.3] }] }, { n: 0.30000000001 }, true],
    ["beyond five billion", { n: [{ numeric: [">", 0] }] }, { n: 6e9 }, false],
  ],
  cidr: [
    on("inside", "ip", [{ cidr: "10.0.0.0/24" }], true),
    on("outside", "ip", [{ cidr: "10.0.1.0/24" }], false),
    on("everything", "ip", [{ cidr: "0.0.0.0/0" }], true),
    on("IPv6 inside", "ip6", [{ cidr: "2001:db8::/32" }], true),
    on("IPv6 outside", "ip6", [{ cidr: "2001:db9::/32" }], false),
    on("the other family", "ip", [{ cidr: "2001:db8::/32" }], false),
    on("not an address", "state", [{ cidr: "0.0.0.0/0" }], false),
  ],
  wildcard: [
    on("in the middle", "file", [{ wildcard: "dir/*.PNG" }], true),
    on("several", "file", [{ wildcard: "*/sub/*" }], true),
    on("alone", "empty", [{ wildcard: "*" }], true),
    on("nothing to fit", "file", [{ wildcard: "dir/*.jpg" }], false),
    on("pieces do not overlap", "state", [{ wildcard: "Runnin*ning" }], false),
    on("pieces in order", "file", [{ wildcard: "*image*sub*" }], false),
    on("without an asterisk", "state", [{ wildcard: "Running" }], true),
    on("an escaped asterisk and backslash", "stars", [{ wildcard: "a\\*b\\\\c" }], true),
    on("an escaped asterisk is only an asterisk", "state", [{ wildcard: "Run\\*" }], false),
    on("a number", "count", [{ wildcard: "*" }], false),
  ],
  exists: [
    on("there", "count", [{ exists: true }], true),
    on("there as null", "nothing", [{ exists: true }], true),
    on("not there", "absent", [{ exists: true }], false),
    on("absent", "absent", [{ exists: false }], true),
    on("not absent", "count", [{ exists: false }], false),
    on("an object is no leaf, so it is absent", "nested", [{ exists: false }], true),
    on("an empty array has no leaf", "none", [{ exists: false }], true),
    on("an empty object has no leaf", "bare", [{ exists: true }], false),
    on("absent or a value", "absent", [{ exists: false }, "x"], true),
    on("present with another value", "state", [{ exists: false }, "x"], false),
  ],
  arrays: [
    ["an intersection", { resources: ["arn:x:two", "arn:x:three"] }, event, true],
    ["no intersection", { resources: ["arn:x:three"] }, event, false],
    ["an operator on one element", { resources: [{ suffix: "two" }] }, event, true],
    on("fields of one element", "people", { first: ["Anna"], last: ["Smith"] }, true),
    on("fields of different elements", "people", { first: ["Anna"], last: ["Jones"] }, false),
    on("an array inside an element", "people", { first: ["Peter"], tags: ["c"] }, true),
    on("an array inside another element", "people", { first: ["Peter"], tags: ["a"] }, false),
    on("two values of one array of values", "people", { first: ["Anna"], tags: ["b"] }, true),
    on("arrays of arrays", "grid", { x: [2], y: [2] }, true),
    on("arrays of arrays, different rows", "grid", { x: [1], y: [2] }, false),
    [
      "an element and a field outside",
      { source: ["neuropilot"], detail: { people: { last: ["Jones"] } } },
      event,
      true,
    ],
  ],
  $or: [
    ["one branch", { $or: [{ source: ["x"] }, { region: ["us-west-1"] }] }, event, true],
    ["no branch", { $or: [{ source: ["x"] }, { region: ["y"] }] }, event, false],
    ["and a field beside it", { account: ["1"], $or: [{ source: ["neuropilot"] }, { region: ["y"] }] }, event, false],
    [
      "inside detail",
      { source: ["neuropilot"], detail: { $or: [{ count: [{ numeric: [">", 9] }] }, { state: ["Running"] }] } },
      event,
      true,
    ],
    [
      "two of them: both must pass",
      { $or: [{ source: ["neuropilot"] }, { region: ["y"] }], detail: { $or: [{ count: [1] }, { zero: [1] }] } },
      event,
      false,
    ],
    [
      "nested, with an and inside",
      { $or: [{ source: ["x"] }, { region: ["us-west-1"], $or: [{ account: ["2"] }, { detail: { zero: [0] } }] }] },
      event,
      true,
    ],
    [
      "branches that disagree in an array",
      { detail: { people: { first: ["Anna"], $or: [{ last: ["Jones"] }, { tags: ["c"] }] } } },
      event,
      false,
    ],
    ["a field that is called $or", { $or: { a: ["b"] } }, { $or: { a: "b" } }, true],
  ],
  "keys with dots": [
    on("dots in pattern and event", "dotted.key", ["d"], true),
    on("dots in the event only", "dotted", { key: ["d"] }, true),
    on("dots in the pattern only", "nested.deep.leaf", ["x"], true),
  ],
  "events that are none": [
    ["null", { a: [{ exists: false }] }, null, false],
    ["an array", { a: [{ exists: false }] }, [], false],
    ["a string", { a: [{ exists: false }] }, "a", false],
  ],
};

describe.each(Object.entries(groups))("a pattern with %s", (_group, cases) => {
  it.each(cases)("matches as EventBridge does: %s", (_name, pattern, subject, matches) => {
    const compiled = compilePattern(pattern);
    if (!compiled.ok) throw new Error(compiled.problem);
    expect(compiled.matches(subject)).toBe(matches);
  });
});

const refused: readonly (readonly [name: string, pattern: unknown, problem: RegExp])[] = [
  ["something else than an object", ["a"], /Filter is not an object/],
  ["null", null, /Filter is not an object/],
  ["an empty object", {}, /Empty objects are not allowed/],
  ["an empty object inside", { detail: {} }, /Empty objects are not allowed/],
  ["an empty array", { source: [] }, /Empty arrays are not allowed/],
  ["a bare string", { source: "neuropilot" }, /"source" must be an object or an array/],
  ["a bare number", { detail: { count: 5 } }, /"count" must be an object or an array/],
  ["a bare null", { detail: null }, /"detail" must be an object or an array/],
  ["an array in an array", { source: [["a"]] }, /Match value must be String, number, true, false, or null/],
  ["an unknown operator", { source: [{ contains: "x" }] }, /Unrecognized match type contains/],
  ["an empty operator", { source: [{}] }, /Match expression name not found/],
  ["two operators in one", { source: [{ prefix: "a", suffix: "b" }] }, /Only one key allowed/],
  ["prefix of a number", { source: [{ prefix: 5 }] }, /prefix match pattern must be a string/],
  ["suffix of a list", { source: [{ suffix: ["a"] }] }, /suffix match pattern must be a string/],
  [
    "prefix with another operator inside",
    { source: [{ prefix: { suffix: "a" } }] },
    /Unsupported prefix pattern: suffix/,
  ],
  ["equals-ignore-case of a number", { source: [{ "equals-ignore-case": 5 }] }, /must be a string/],
  ["wildcard of a number", { source: [{ wildcard: 5 }] }, /wildcard match pattern must be a string/],
  ["two asterisks in a row", { source: [{ wildcard: "a**b" }] }, /Consecutive wildcard characters at pos 1/],
  ["a backslash that escapes nothing", { source: [{ wildcard: "a\\b" }] }, /Invalid escape character at pos 1/],
  ["a backslash at the end", { source: [{ wildcard: "a\\" }] }, /Invalid escape character at pos 1/],
  ["exists with a word", { source: [{ exists: "true" }] }, /exists match pattern must be either true or false/],
  ["anything-but of nothing", { source: [{ "anything-but": [] }] }, /either all values are number or string/],
  ["anything-but of mixed values", { source: [{ "anything-but": ["a", 1] }] }, /mixed type is not supported/],
  ["anything-but of true", { source: [{ "anything-but": true }] }, /must be an array or single string\/number value/],
  ["anything-but of null in a list", { source: [{ "anything-but": [null] }] }, /start\|null\|boolean is not supported/],
  [
    "anything-but of an unknown operator",
    { source: [{ "anything-but": { exists: true } }] },
    /Unsupported anything-but pattern: exists/,
  ],
  [
    "anything-but of an empty prefix",
    { source: [{ "anything-but": { prefix: "" } }] },
    /Null prefix\/suffix not allowed/,
  ],
  ["anything-but of a number as prefix", { source: [{ "anything-but": { prefix: 5 } }] }, /not supported/],
  ["numeric of a number", { n: [{ numeric: 5 }] }, /Value of numeric must be an array/],
  ["numeric of nothing", { n: [{ numeric: [] }] }, /Invalid member in numeric match/],
  ["numeric without a value", { n: [{ numeric: ["<"] }] }, /Value of < must be numeric/],
  ["numeric with an unknown operator", { n: [{ numeric: ["!=", 5] }] }, /Unrecognized numeric range operator: !=/],
  ["numeric of a word", { n: [{ numeric: ["=", "5"] }] }, /Value of equals must be numeric/],
  [
    "numeric with an upper bound first",
    { n: [{ numeric: ["<", 5, ">", 1] }] },
    /Too many elements in numeric expression/,
  ],
  ["numeric with two lower bounds", { n: [{ numeric: [">", 1, ">", 2] }] }, /Bad numeric range operator: >/],
  ["numeric with bounds crossed", { n: [{ numeric: [">", 5, "<", 1] }] }, /Bottom must be less than top/],
  ["numeric with more than two bounds", { n: [{ numeric: [">", 1, "<", 2, "<", 3] }] }, /Too many terms/],
  ["numeric beyond five billion", { n: [{ numeric: [">", 6e9] }] }, /between -5.0E9 and 5.0E9/],
  ["cidr without a mask", { ip: [{ cidr: "10.0.0.0" }] }, /Malformed CIDR, one '\/' required/],
  ["cidr with a mask that is too long", { ip: [{ cidr: "10.0.0.0/33" }] }, /at most 32/],
  ["cidr of a name", { ip: [{ cidr: "localhost/8" }] }, /Nonstandard IP address/],
  ["a reserved word below $or", { $or: [{ a: { prefix: ["x"] } }, { b: [1] }] }, /prefix is a reserved word/],
  ["$or with one branch", { $or: [{ a: ["b"] }] }, /Unrecognized match type a/],
  ["$or with an empty branch", { $or: [{ a: ["b"] }, {}] }, /Empty objects are not allowed/],
  ["one path twice", { a: ["b"], $or: [{ a: ["c"] }, { d: [1] }] }, /Path `a` cannot be allowed multiple times/],
  [
    "more than a thousand combinations",
    Object.fromEntries(
      ["a", "b", "c", "d"].map((key) => [
        key,
        { $or: Array.from({ length: 6 }, (_, index) => ({ [`f${index}`]: [1] })) },
      ]),
    ),
    /more than 1000 rule combinations/,
  ],
];

describe("a pattern that EventBridge would refuse", () => {
  it.each(refused)("is refused with its reason: %s", (_name, pattern, problem) => {
    const compiled = compilePattern(pattern);
    expect(compiled.ok ? "compiled" : compiled.problem).toMatch(problem);
  });

  it("is refused, not overflowing the stack, when it nests too deep", () => {
    let pattern: unknown = ["x"];
    for (let depth = 0; depth < 5000; depth++) pattern = { a: pattern };
    const compiled = compilePattern(pattern);
    expect(compiled.ok ? "compiled" : compiled.problem).toMatch(/at most 1000 levels/);
  });
});

it("a wildcard takes time in proportion to the value, not exponential in its asterisks", () => {
  const compiled = compilePattern({ a: [{ wildcard: `${"*a".repeat(50)}*b` }] });
  if (!compiled.ok) throw new Error(compiled.problem);
  expect(compiled.matches({ a: "a".repeat(100_000) })).toBe(false);
});
