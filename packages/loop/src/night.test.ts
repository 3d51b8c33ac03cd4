import { sampleAt } from "@neuropilot/core/fixture";
import { describe, expect, it } from "vitest";
import type { Deps } from "./deps.ts";
import { config, install, START } from "./fixture.ts";
import { reconcile } from "./reconcile.ts";
import { runTick } from "./tick.ts";
import { wakeTarget } from "./wake.ts";

const MINUTE = 60_000;
const CONTROL = "https://one.example.net/";
const withControl = {
  ...config,
  controls: { endpoints: [{ id: "one", url: CONTROL }], allowPrivate: false, timeoutMs: 5_000 },
};

function logged(change: Partial<Deps> = {}) {
  const lines: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[] = [];
  return { lines, ...install({ log: (_level, event, fields) => lines.push({ event, fields }), ...change }) };
}

describe("a vantage whose own network was out", () => {
  it("does not take what it saw meanwhile for an outage once it sees again", async () => {
    const { deps, time, tick } = install({ config: withControl });
    for (let minute = 0; minute < 8; minute++) {
      time.now = Math.max(time.now, START + minute * MINUTE);
      await tick(() => "timeout");
    }
    time.now = START + 8 * MINUTE;
    // Our network is back; the way to the target takes less than the hold to come back as well.
    await tick((url) => (url === CONTROL ? "ok" : "timeout"));
    const { incident } = await deps.state.readTarget("api", time.now);
    expect(incident).toMatchObject({ kind: "inconclusive", attempts: [] });
  });

  it("begins the hold as soon as it sees again, not with the next tick", async () => {
    const { deps, time, tick } = install({ config: withControl });
    // Out for the first 12 s of the first tick only.
    const seen = (url: string) => (url === CONTROL && time.now >= START + 12_000 ? "ok" : "refused");
    await tick(seen);
    time.now = START + MINUTE;
    await tick(seen);
    const { incident } = await deps.state.readTarget("api", time.now);
    expect(incident).toMatchObject({ kind: "down" });
    expect(incident?.openedAt).toBeLessThan(START + 2 * MINUTE);
  });

  it("still finds an outage that went on when it sees again, after the whole hold", async () => {
    const { deps, time, tick } = install({ config: withControl });
    for (let minute = 0; minute < 8; minute++) {
      time.now = Math.max(time.now, START + minute * MINUTE);
      await tick((url) => (minute < 4 || url !== CONTROL ? "refused" : "ok"));
    }
    const { incident } = await deps.state.readTarget("api", time.now);
    expect(incident).toMatchObject({ kind: "down" });
    expect(incident?.failedAt).toBeGreaterThanOrEqual(START + 4 * MINUTE);
  });
});

describe("a clock that was set back by an hour", () => {
  it("does not stop a vantage from looking, nor an outage from being found", async () => {
    const { deps, time, tick } = install();
    await tick("ok");
    time.now = START - 60 * MINUTE;
    for (let minute = 0; minute < 3; minute++) {
      time.now = Math.max(time.now, START + (minute - 60) * MINUTE);
      expect(await tick("refused")).toMatchObject({ kind: "done" });
    }
    expect((await deps.state.readTarget("api", time.now)).incident).toMatchObject({ kind: "down" });
  });

  it("makes reconcile take the vantage for silent until it is heard of again", async () => {
    const { deps, time, tick } = install();
    await tick("ok");
    time.now = START - 60 * MINUTE;
    expect((await reconcile(deps)).silent).toEqual(["east#0"]);
  });
});

describe("a log", () => {
  it("has a line for an event that came too late to act on", async () => {
    const { deps, time, lines } = logged();
    await wakeTarget(deps, "api", { kind: "wake", at: time.now - 10 * MINUTE, cause: "evt_1" });
    expect(lines).toContainEqual({
      event: "not-decided",
      fields: expect.objectContaining({ target: "api", because: [expect.stringContaining("stale-event")] }),
    });
  });

  it("has a line for a vantage that nothing is heard of", async () => {
    const { deps, lines } = logged();
    await reconcile(deps);
    expect(lines).toContainEqual({ event: "vantages-silent", fields: expect.objectContaining({ silent: ["east#0"] }) });
  });
});

describe("a vantage whose own network blinks while it looks closely", () => {
  it("takes none of what fails meanwhile for the target's, however short each time is", async () => {
    const { deps, time, tick } = install({ config: withControl });
    await tick((url) => (url === CONTROL ? "ok" : "refused"));
    // Six seconds out of thirty, and never at the beginning of a tick.
    const isOut = () => (time.now - START) % 30_000 >= 14_000 && (time.now - START) % 30_000 < 20_000;
    const outcomes: string[] = [];
    for (let minute = 1; minute < 6; minute++) {
      time.now = Math.max(time.now, START + minute * MINUTE);
      await tick((url) => {
        const outcome = isOut() ? "refused" : "ok";
        if (url !== CONTROL) outcomes.push(outcome);
        return outcome;
      });
    }
    expect(outcomes.filter((outcome) => outcome === "refused").length).toBeGreaterThan(5);
    expect((await deps.state.readTarget("api", time.now)).incident?.kind).not.toBe("failing");
    expect((await deps.state.readTarget("api", time.now)).tokens).toBe(0);
  });
});

describe("a vantage that loses sight of a target that is ill", () => {
  it("still holds it to be ill since it first was, and not since it sees it again", async () => {
    const { deps, time, tick } = install();
    const beat = async () => (await deps.state.readHeartbeats())[0]?.illSince?.[0] ?? 0;
    for (let minute = 0; minute < 4; minute++) {
      time.now = Math.max(time.now, START + minute * MINUTE);
      await tick("refused");
    }
    const first = await beat();
    expect(first).toBeLessThan(START + 3 * MINUTE);
    // No tick for a quarter of an hour, then the outage is still on.
    for (let minute = 19; minute < 22; minute++) {
      time.now = Math.max(time.now, START + minute * MINUTE);
      await tick("refused");
    }
    expect(await beat()).toBe(first);
  });

  it("holds it to have turned ill at its first failure, though it lost sight before it could be sure", async () => {
    const { deps, time, tick } = install();
    await tick("ok");
    time.now = START + MINUTE;
    // Cut off after the first failures: too few to be sure of anything.
    const seen = await tick((url) => (url === CONTROL || time.now < START + MINUTE + 20_000 ? "refused" : "ok"));
    expect(seen.kind).toBe("done");
    const [, held] = Object.entries((await deps.state.readWindow("east", "0"))?.sites ?? {})[0] ?? [];
    expect(held).toMatchObject({ view: "suspect", illSince: expect.any(Number) });
    for (let minute = 19; minute < 22; minute++) {
      time.now = Math.max(time.now, START + minute * MINUTE);
      await tick("refused");
    }
    const [since = 0] = (await deps.state.readHeartbeats())[0]?.illSince ?? [];
    expect(since).toBeLessThan(START + 2 * MINUTE);
  });

  it("begins anew once it was healthy in between", async () => {
    const { deps, time, tick } = install();
    const states = ["refused", "refused", "refused", "ok", "ok", "ok", "ok", "refused", "refused", "refused"] as const;
    for (const [minute, outcome] of states.entries()) {
      time.now = Math.max(time.now, START + minute * MINUTE);
      await tick(outcome);
    }
    const since = (await deps.state.readHeartbeats())[0]?.illSince?.[0] ?? 0;
    expect(since).toBe(START + 7 * MINUTE);
  });
});

describe("a certificate that ends soon", () => {
  it("makes no fleet ill together, for many end on one day, and yet is found with the bus down", async () => {
    const { deps, time } = install();
    const sample = async () => ({ ...sampleAt(time.now), certificateDays: 5 });
    const prober = { open: () => ({ sample, close: () => undefined }) };
    await runTick(deps, prober, { vantage: "east", shard: "0", tick: time.now });
    const [beat] = await deps.state.readHeartbeats();
    expect(beat).toMatchObject({ ill: 0, illSince: [] });
    await reconcile(deps);
    expect((await deps.state.readTarget("api", time.now)).incident).toMatchObject({ kind: "expiring" });
  });

  it("ends the illness that was before it, so that the next one is another", async () => {
    const { deps, time, tick } = install();
    for (let minute = 0; minute < 3; minute++) {
      time.now = Math.max(time.now, START + minute * MINUTE);
      await tick("refused");
    }
    for (let minute = 3; minute < 12; minute++) {
      time.now = Math.max(time.now, START + minute * MINUTE);
      const certificateDays = minute < 9 ? { certificateDays: 5 } : {};
      const sample = async () => ({ ...sampleAt(time.now, minute < 9 ? "ok" : "refused"), ...certificateDays });
      const prober = { open: () => ({ sample, close: () => undefined }) };
      await runTick(deps, prober, { vantage: "east", shard: "0", tick: time.now });
    }
    const [since = 0] = (await deps.state.readHeartbeats())[0]?.illSince ?? [];
    expect(since).toBe(START + 9 * MINUTE);
  });
});
