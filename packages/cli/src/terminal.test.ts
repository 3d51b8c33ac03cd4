import { describe, expect, test } from "vitest";
import { clockTime, exact, harmless, relative, table, when } from "./terminal.ts";

const NOW = Date.parse("2026-11-25T03:12:40.700Z");
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

describe("relative", () => {
  test.each([
    [0, "now"],
    [999, "now"],
    [-999, "now"],
    [SECOND, "1 s ago"],
    [89 * SECOND, "89 s ago"],
    [90 * SECOND, "2 min ago"],
    [89 * MINUTE, "89 min ago"],
    [90 * MINUTE, "2 h ago"],
    [47 * HOUR, "47 h ago"],
    [48 * HOUR, "2 days ago"],
    [-30 * MINUTE, "in 30 min"],
    [-72 * HOUR, "in 3 days"],
  ])("%i ms ago reads %s", (ms, text) => {
    expect(relative(NOW - ms, NOW)).toBe(text);
  });
});

test("exact times are UTC to the second and say so", () => {
  expect(exact(NOW)).toBe("2026-11-25 03:12:40Z");
  expect(clockTime(NOW)).toBe("03:12:40");
});

test("a time for people is relative, with the exact one beside it", () => {
  expect(when(NOW - 3 * MINUTE, NOW)).toBe("3 min ago (2026-11-25 03:09:40Z)");
});

describe("table", () => {
  test("columns begin at one place whatever the cells' lengths, and no line ends in blanks", () => {
    expect(
      table([
        ["a", "long cell", "x"],
        ["longer", "b", ""],
      ]),
    ).toBe("a       long cell  x\nlonger  b");
  });

  test("colours and letters of more than one unit take the room that one sees", () => {
    const coloured = table([
      ["\u001b[31mill\u001b[39m", "x"],
      ["healthy", "x"],
      ["a\u{1f600}", "x"],
    ]);
    expect(
      coloured
        .replaceAll("\u001b[31m", "")
        .replaceAll("\u001b[39m", "")
        .split("\n")
        .map((line) => [...line].indexOf("x")),
    ).toEqual([9, 9, 9]);
  });

  test("no rows are no text", () => {
    expect(table([])).toBe("");
  });
});

describe("harmless", () => {
  test.each([
    ["keeps lines, tabs and colours", "a\n\tb \u001b[31mred\u001b[39m ü", "a\n\tb \u001b[31mred\u001b[39m ü"],
    ["takes the command out of a title change", "a\u001b]0;owned\u0007b", "a]0;ownedb"],
    ["takes out a clear of the screen", "a\u001b[2Jb", "a[2Jb"],
    ["takes out carriage returns and backspaces, which rewrite a line", "good\rbad\b\b", "goodbad"],
    ["takes out the eight-bit forms", "a\u009b2Jb", "a2Jb"],
  ])("%s", (_, text, shown) => {
    expect(harmless(text)).toBe(shown);
  });
});
