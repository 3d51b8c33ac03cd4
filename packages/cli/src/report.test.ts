import {
  beginCall,
  decide,
  newTargetItem,
  type Outcome,
  recordFollow,
  recordOutcome,
  type TargetItem,
  type WindowItem,
} from "@neuropilot/core";
import { fleet, sampleAt, targetConfig, windowAfter, worldOf } from "@neuropilot/core/fixture";
import type { OpenInstance } from "@neuropilot/local/instance";
import { createMemoryTable, createState } from "@neuropilot/store";
import { beforeAll, describe, expect, it } from "vitest";
import { type ReportOptions, report, reportOn } from "./report.ts";
import type { Terminal } from "./terminal.ts";

const START = 1_800_000_000_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const config = fleet({ targets: [targetConfig(), targetConfig({ id: "quiet" })] });
const policy = { config, target: targetConfig() };

/** A target's days, made by the real decisions and steps: what it was like, minute by minute, and what each call came to. */
class Days {
  now = START;
  item: TargetItem = newTargetItem("api", START);
  mode: "observe" | "auto" = "auto";
  #windows: WindowItem[] = [];

  minutes(count: number, outcome: Outcome): this {
    for (let minute = 0; minute < count; minute++) {
      const tick = this.now;
      const samples = Array.from({ length: 11 }, (_, index) => sampleAt(tick + index * 5_000, outcome));
      this.#windows = [windowAfter(this.#windows[0], "local", tick, samples)];
      this.now = tick + 55_000;
      this.#decide();
      this.now = tick + MINUTE;
    }
    return this;
  }

  /** The call that is due is made, and the vendor's work is over at once. */
  call(): this {
    const id = this.item.incident?.attempts.at(-1)?.id ?? "";
    const { target } = policy;
    const steps = [
      (item: TargetItem) => beginCall(item, id, "run", this.now),
      (item: TargetItem) =>
        recordOutcome(config, target, item, id, "run", { kind: "applied", reference: "dep" }, this.now),
      (item: TargetItem) => recordFollow(config, target, item, id, { kind: "over", detail: "done" }, this.now),
    ];
    for (const step of steps) {
      const after = step(this.item);
      if (!after.ok) throw new Error(after.reason);
      this.item = after.item;
    }
    return this;
  }

  /** Well for so long, of which nobody has to look at every minute. */
  well(ms: number): this {
    this.now += ms;
    return this;
  }

  #decide(): void {
    const world = worldOf(this.#windows, { control: { global: { mode: this.mode }, target: {} } });
    const { item } = decide(policy, this.item, world, { kind: "wake", at: this.now, cause: "test" }, this.now);
    // The audit log is copied out elsewhere.
    this.item = { ...item, audit: { ...item.audit, pending: [] } };
  }
}

/** Ten days: restarts of which three helped and one did not, then days in observe. */
function tenDays(): Days {
  const days = new Days();
  for (let day = 0; day < 3; day++) days.minutes(3, "refused").call().minutes(6, "ok").well(DAY);
  days.minutes(3, "refused").call().minutes(8, "refused").minutes(6, "ok").well(DAY);
  days.mode = "observe";
  for (let day = 0; day < 4; day++) days.minutes(4, "refused").minutes(5, "ok").well(DAY);
  for (let day = 0; day < 2; day++) days.minutes(12, "refused").minutes(5, "ok").well(DAY);
  return days;
}

const days = tenDays();
const state = createState(createMemoryTable());
const instance: OpenInstance = {
  state,
  config,
  running: undefined,
  publish: undefined,
  close: async () => {},
};

beforeAll(async () => {
  const [newest, ...older] = days.item.closed.toReversed();
  for (const incident of older) await state.archiveIncident(incident);
  const closed = newest === undefined ? [] : [newest];
  await state.updateTarget(
    "api",
    () => days.now,
    () => ({ ...days.item, closed }),
  );
});

function terminalInto(told: string[]): Terminal {
  return { out: (text) => void told.push(text), err: () => {}, paint: (_, text) => text, now: () => days.now };
}

async function run(change: Partial<ReportOptions> & { readonly from?: number } = {}) {
  const told: string[] = [];
  const { from = 0, ...rest } = change;
  const options = { data: "data", json: false, target: undefined, since: "30d", ...rest };
  const code = await reportOn(terminalInto(told), instance, options, from);
  return { code, out: told.join("\n") };
}

async function figures(change: Parameters<typeof run>[0] = {}): Promise<readonly unknown[]> {
  const { out } = await run({ ...change, json: true });
  const value: unknown = JSON.parse(out);
  expect(value).toEqual({ since: new Date(change.from ?? 0).toISOString(), targets: expect.any(Array) });
  return typeof value === "object" && value !== null && "targets" in value && Array.isArray(value.targets)
    ? value.targets
    : [];
}

describe("the report", () => {
  it("tells what happened, how well each remedy has done, and what observe would have done", async () => {
    const { code, out } = await run({ target: "api" });
    expect(code).toBe(0);
    const lines = out.split("\n").map((line) => line.trim().replaceAll(/ {2,}/g, " | "));
    for (const line of [
      "api | last 30d",
      "incidents | 10: 10 down; ill for 89 min in all",
      "ended | 6 recovered alone, 1 recovered, and no remedy can claim it, 3 healed by restart",
      "calls | 4 restart; at most 1 within 60 min, where the budget allows 4",
      "people | were called in 3 of 10",
      "refused | observe in 6, cooldown in 1, inconclusive in 1 (incidents)",
      "REMEDY | WHEN | CALLS | HELPED | 95 % INTERVAL | NO EFFECT | WORSE | UNKNOWN | TOO LATE | ALONE",
      "restart | down | 4 | 3 of 4 | 30 to 95 % | 1 | 0 | 0 | 0 | 4 of 6",
      "Of fewer than five tries little can be said: restart when down.",
      "would have restarted it 6 times when down; 4 recovered alone within 5 min (median 5 min), 2 were still ill",
      "→ restart when down: not yet: 6 incidents of which the end is known, at least 10 are wanted",
    ])
      expect(lines).toContain(line);
  });

  it("fits a terminal of 110 columns", async () => {
    const { out } = await run();
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(110);
  });

  it("counts an incident that waits to be archived like those that are", async () => {
    expect(await state.archivedIncidents("api")).toHaveLength(9);
    const [api] = await figures();
    expect(api).toMatchObject({ target: "api", incidents: 10 });
  });

  it("keeps to the range, but for what a remedy has shown over all time", async () => {
    const [api] = await figures({ from: days.now - 3 * DAY });
    expect(api).toMatchObject({ incidents: 2, calls: {}, effects: [{ calls: 4, healed: 3 }], shadow: [{ times: 2 }] });
  });

  it("says so where nothing happened, and ends with 0", async () => {
    const { code, out } = await run({ target: "quiet", since: "7d" });
    expect({ code, out }).toEqual({ code: 0, out: "quiet  last 7d\n  no incident in the last 7d" });
  });

  it("of a target that is not there ends with 2 and names the nearest", async () => {
    await expect(run({ target: "quit" })).rejects.toMatchObject({
      code: 2,
      message: 'no target is called "quit" (did you mean quiet?). There are: api, quiet',
    });
  });

  it("refuses what is no duration before it looks for anything", async () => {
    const options = { data: "nowhere", json: false, target: undefined, since: "soon" };
    await expect(report(terminalInto([]), options)).rejects.toMatchObject({ code: 2, message: /^--since: soon is no/ });
  });

  it("has the documented shape in JSON", async () => {
    const [api, quiet] = await figures();
    const spread = { count: 10, mean: expect.any(Number), median: expect.any(Number), worst: expect.any(Number) };
    expect(api).toEqual({
      target: "api",
      incidents: 10,
      byKind: { down: 10 },
      endings: { "healed by restart": 3, "recovered alone": 6, "recovered, and no remedy can claim it": 1 },
      illMs: expect.any(Number),
      detect: spread,
      recover: spread,
      calls: { restart: 4 },
      budget: { max: 4, perMs: HOUR, most: 1 },
      neededHuman: 3,
      refusals: { observe: 6, cooldown: 1, inconclusive: 1 },
      effects: [
        {
          remedy: "restart",
          kind: "down",
          calls: 4,
          tries: 4,
          healed: 3,
          "self-resolved": 0,
          "no-effect": 1,
          worse: 0,
          unknown: 0,
          wilson: { low: expect.closeTo(0.301, 3), high: expect.closeTo(0.954, 3) },
          left: 6,
          soon: 4,
        },
      ],
      shadow: [
        {
          remedy: "restart",
          kind: "down",
          times: 6,
          incidents: 6,
          recovered: 4,
          recoveredAfter: { count: 4, mean: 300_000, median: 300_000, worst: 300_000 },
          stillIll: 2,
          worse: 0,
          unknown: 0,
          notYet: 0,
          advice: { kind: "not-yet", why: expect.any(String) },
        },
      ],
    });
    expect(quiet).toMatchObject({
      target: "quiet",
      incidents: 0,
      detect: null,
      recover: null,
      effects: [],
      shadow: [],
    });
  });
});
