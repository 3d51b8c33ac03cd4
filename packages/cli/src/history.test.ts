import { resolveConfig } from "@neuropilot/config/define";
import { describe, expect, it } from "vitest";
import { nothingRecorded } from "./history.ts";

describe("an empty history", () => {
  it("that is kept for no day is explained by the setting as the config has it", () => {
    const written = { history: { keepDays: 0 }, targets: [{ id: "api", url: "https://api.example.com" }] };
    const read = resolveConfig(written, {});
    if (!read.ok) throw new Error(JSON.stringify(read));
    expect(nothingRecorded(undefined, read.config.history.keepMs)).toContain("`history: { keepDays: 0 }`");
  });

  it.each([
    [undefined, "while it runs"],
    ["3d", "since 3d ago"],
  ])("of the time since %s says what to do", (since, text) => {
    expect(nothingRecorded(since, 86_400_000)).toContain(text);
  });
});
