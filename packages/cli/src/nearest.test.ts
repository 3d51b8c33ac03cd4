import { describe, expect, test } from "vitest";
import { listed, suggestion } from "./nearest.ts";

const SCENARIOS = ["healthy", "blip", "refused", "hang", "5xx", "vendor-500", "vendor-429"];

describe("suggestion", () => {
  test.each([
    ["refusd", " (did you mean refused?)"],
    ["REFUSED", " (did you mean refused?)"],
    ["rfeused", " (did you mean refused?)"],
    ["vendor500", " (did you mean vendor-500?)"],
    ["hnag", " (did you mean hang?)"],
    ["5x", " (did you mean 5xx?)"],
    ["database", ""],
    ["", ""],
  ])("%j gets %j", (typed, expected) => {
    expect(suggestion(typed, SCENARIOS)).toBe(expected);
  });

  test("nothing is near where nothing is known", () => {
    expect(suggestion("api", [])).toBe("");
  });
});

test("the known names are listed, and of a thousand only the first", () => {
  expect(listed([])).toBe("There are none");
  expect(listed(["a", "b"])).toBe("There are: a, b");
  const many = listed(Array.from({ length: 1_000 }, (_, index) => `t${index}`));
  expect(many).toMatch(/t24, and 975 more$/);
});
