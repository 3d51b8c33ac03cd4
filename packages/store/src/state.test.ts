import { describe, expect, it } from "vitest";
import { createMemoryTable } from "./memory.ts";
import { createState } from "./state.ts";

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;

function install() {
  const table = createMemoryTable();
  return { table, state: createState(table) };
}

function window(at: number, run = "run_1") {
  return { vantage: "local", shard: "0", tick: at, step: 1, run, at, ended: true, sites: {} };
}

function heartbeat(at: number) {
  return { vantage: "local", shard: "0", tick: at, at, controls: { answered: 1, total: 1 }, ill: 0, total: 1 };
}

describe("what a clock wrote that has been set back since", () => {
  it("does not keep a vantage from writing its window and heartbeat", async () => {
    const { state } = install();
    await state.writeWindow(window(NOW));
    await state.writeHeartbeat(heartbeat(NOW));
    expect(await state.writeWindow(window(NOW - HOUR, "run_2"))).toBe("written");
    await state.writeHeartbeat(heartbeat(NOW - HOUR));
    expect((await state.readWindow("local", "0"))?.at).toBe(NOW - HOUR);
    expect((await state.readHeartbeats()).map(({ at }) => at)).toEqual([NOW - HOUR]);
  });

  it("still refuses a late run of a tick", async () => {
    const { state } = install();
    await state.writeWindow(window(NOW));
    await state.writeHeartbeat(heartbeat(NOW));
    expect(await state.writeWindow(window(NOW - 60_000, "run_2"))).toBe("refused");
    await state.writeHeartbeat(heartbeat(NOW - 60_000));
    expect((await state.readHeartbeats()).map(({ at }) => at)).toEqual([NOW]);
  });
});

describe("a row that cannot be read", () => {
  const nonsense = ["{", "null", "[]", "{}", '{"sites":{"api/primary":{"samples":"?"}}}'];

  it.each(nonsense)("reads as no window and no heartbeat, and gives way to the next tick's (%s)", async (body) => {
    const { state, table } = install();
    await table.put({ pk: "WINDOW#local", sk: "0", version: 1, body }, { kind: "absent" });
    await table.put({ pk: "VANTAGES", sk: "local#0", version: 1, body }, { kind: "absent" });
    expect(await state.readWindow("local", "0")).toBeUndefined();
    expect(await state.readHeartbeats()).toEqual([]);
    expect(await state.writeWindow(window(NOW))).toBe("written");
    await state.writeHeartbeat(heartbeat(NOW));
    expect((await state.readWindow("local", "0"))?.at).toBe(NOW);
    expect(await state.readHeartbeat("local", "0")).toMatchObject({ at: NOW });
  });

  it.each(["{", "null", "[]", '"paused"'])("names itself where guessing could call a vendor (%s)", async (body) => {
    const { state, table } = install();
    await table.put({ pk: "CONTROL", sk: "global", version: 1, body }, { kind: "absent" });
    await table.put({ pk: "TARGET#api", sk: "STATE", version: 1, body }, { kind: "absent" });
    await expect(state.readControl("global")).rejects.toThrow(/the row CONTROL global cannot be read/);
    await expect(state.readTarget("api", NOW)).rejects.toThrow(/the row TARGET#api STATE cannot be read/);
  });
});
