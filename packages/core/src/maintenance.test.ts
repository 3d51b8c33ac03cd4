import type { MaintenanceWindow } from "@neuropilot/config";
import { describe, expect, it } from "vitest";
import { targetConfig } from "./fixture.ts";
import { openMaintenance } from "./guards.ts";

/** Sunday, 7 March 2027. */
const SUNDAY = Date.UTC(2027, 2, 7);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ONCE: MaintenanceWindow = { fromMs: SUNDAY, toMs: SUNDAY + HOUR, reason: "once" };
const weekly = (weekdays: number[], from: number, to: number): MaintenanceWindow => ({
  weekdays,
  fromOfDayMs: from * HOUR,
  toOfDayMs: to * HOUR,
  reason: "weekly",
});
const open = (now: number, ...maintenance: MaintenanceWindow[]) => openMaintenance(targetConfig({ maintenance }), now);

describe("maintenance", () => {
  it.each([
    ["once: just before", SUNDAY - 1, [ONCE], undefined],
    ["once: at its start", SUNDAY, [ONCE], SUNDAY + HOUR],
    ["once: just before its end", SUNDAY + HOUR - 1, [ONCE], SUNDAY + HOUR],
    ["once: at its end", SUNDAY + HOUR, [ONCE], undefined],
    ["weekly: just before", SUNDAY + 2 * HOUR - 1, [weekly([0], 2, 4)], undefined],
    ["weekly: at its start", SUNDAY + 2 * HOUR, [weekly([0], 2, 4)], SUNDAY + 4 * HOUR],
    ["weekly: just before its end", SUNDAY + 4 * HOUR - 1, [weekly([0], 2, 4)], SUNDAY + 4 * HOUR],
    ["weekly: at its end", SUNDAY + 4 * HOUR, [weekly([0], 2, 4)], undefined],
    ["weekly: the same hour on another day", SUNDAY + DAY + 3 * HOUR, [weekly([0, 2], 2, 4)], undefined],
    ["weekly: another of its days", SUNDAY + 2 * DAY + 3 * HOUR, [weekly([0, 2], 2, 4)], SUNDAY + 2 * DAY + 4 * HOUR],
    ["weekly: a week later", SUNDAY + 7 * DAY + 3 * HOUR, [weekly([0], 2, 4)], SUNDAY + 7 * DAY + 4 * HOUR],
    ["weekly: up to the day's last moment", SUNDAY + DAY - 1, [weekly([0], 23, 24)], SUNDAY + DAY],
    ["weekly: not into the next day", SUNDAY + DAY, [weekly([0], 23, 24)], undefined],
    ["weekly: over midnight as two", SUNDAY + DAY, [weekly([0], 23, 24), weekly([1], 0, 1)], SUNDAY + DAY + HOUR],
    ["the first of several that is open", SUNDAY, [weekly([1], 0, 24), ONCE], SUNDAY + HOUR],
  ])("%s", (_, now, windows, untilMs) => {
    expect(open(now, ...windows)?.untilMs).toBe(untilMs);
  });

  it("knows every day of the week", () => {
    for (let day = 0; day < 700; day++) {
      const now = SUNDAY - 350 * DAY + day * DAY + 3 * HOUR;
      const weekday = new Date(now).getUTCDay();
      expect(open(now, weekly([weekday], 2, 4))?.reason).toBe("weekly");
      expect(
        open(
          now,
          weekly(
            [0, 1, 2, 3, 4, 5, 6].filter((other) => other !== weekday),
            2,
            4,
          ),
        ),
      ).toBeUndefined();
    }
  });
});
