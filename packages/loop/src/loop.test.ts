import type { OutgoingEvent } from "@neuropilot/events";
import type { Prober } from "@neuropilot/probe";
import type { RemedyProvider } from "@neuropilot/providers";
import { GLOBAL } from "@neuropilot/store";
import { describe, expect, it } from "vitest";
import type { Deps } from "./deps.ts";
import { config, install, START } from "./fixture.ts";
import { reconcile } from "./reconcile.ts";
import { runRemedy } from "./remedy.ts";
import { runTick } from "./tick.ts";
import { wakeTarget } from "./wake.ts";

type Vendor = RemedyProvider<string, string>;

function vendor(act: Vendor["act"]): { calls: number; provider: Vendor; where: () => string } {
  const made = {
    calls: 0,
    provider: {
      prepare: async () => ({ kind: "ready" as const, plan: "p" }),
      act: (plan: string, limits: { timeoutMs: number }) => {
        made.calls++;
        return act(plan, limits);
      },
      follow: async () => ({ kind: "over" as const, detail: "SUCCESS" }),
    },
    where: () => "here",
  };
  return made;
}

describe("the outbox", () => {
  it("keeps what the bus refused, and reconcile publishes it again", async () => {
    const refused: OutgoingEvent[] = [];
    const { deps, time, breakDown } = install();
    let open = false;
    const picky: Deps = {
      ...deps,
      publish: async (events) => {
        if (open) return deps.publish(events);
        refused.push(...events);
        return { sent: 0, failed: events.map((event) => ({ event, reason: "Throttled" })) };
      },
    };
    const attempt = await breakDown();
    await wakeTarget(picky, "api", { kind: "reconcile", at: time.now });
    expect(refused.map(({ detailType }) => detailType)).toContain("remediation.requested");
    open = true;
    time.now += 60_000;
    expect(await reconcile(picky)).toMatchObject({ targets: 1 });
    const item = await deps.state.readTarget("api", time.now);
    expect(Object.keys(item.outbox)).toContain(`request:${attempt}`);
  });

  it("waits for nobody where there is no channel", async () => {
    const { deps, breakDown, time } = install({ channels: [] });
    await breakDown();
    await wakeTarget(deps, "api", { kind: "wake", at: time.now, cause: "test" });
    const { outbox } = await deps.state.readTarget("api", time.now);
    expect(Object.keys(outbox).filter((key) => key.startsWith("incident:"))).toEqual([]);
  });
});

describe("reconcile", () => {
  it("puts what it has looked at to the end of the queue, so that nobody is left out", async () => {
    const { deps, breakDown, time } = install();
    await breakDown();
    time.now += 61_000;
    await reconcile(deps);
    await reconcile(deps);
    const { nextActionAt } = await deps.state.readTarget("api", time.now);
    expect(nextActionAt).toBe(time.now + 60_000);
  });

  it("finds an ill target of which every event was lost", async () => {
    const { deps, time } = install();
    const lossy: Deps = { ...deps, publish: async (events) => ({ sent: events.length, failed: [] }) };
    for (let round = 0; round < 3; round++) {
      const prober: Prober = {
        open: () => ({
          sample: async () => ({
            startedAt: time.now,
            outcome: "refused",
            status: 0,
            ttfbMs: 0,
            totalMs: 1,
            tainted: false,
            reused: false,
          }),
          close: () => undefined,
        }),
      };
      await runTick(lossy, prober, { vantage: "east", shard: "0", tick: START + round * 60_000 });
      time.now = Math.max(time.now, START + (round + 1) * 60_000);
    }
    expect((await deps.state.readTarget("api", time.now)).version).toBe(0);
    await reconcile(lossy);
    expect((await deps.state.readTarget("api", time.now)).incident?.kind).toBe("down");
  });

  it("closes the incident of a target that left the config, has people told, and then lets it rest", async () => {
    const { deps, breakDown, time, published } = install();
    await breakDown();
    const without: Deps = { ...deps, config: { ...config, targets: [] } };
    time.now += 61_000;
    published.length = 0;
    await reconcile(without);
    const item = await deps.state.readTarget("api", time.now);
    expect(item.incident).toBeUndefined();
    expect(published.map(({ detailType }) => detailType)).toEqual(["incident.changed"]);
    const archived = await deps.state.readArchivedIncident("inc_api_1");
    expect(archived?.end).toBe("target-removed");
    await deps.state.writeDelivery({
      incident: "inc_api_1",
      target: "api",
      channel: "slack",
      wantedSeq: archived?.seq ?? 0,
      sentSeq: archived?.seq ?? 0,
      threadSeq: archived?.seq ?? 0,
      failures: 0,
      version: 0,
    });
    for (let round = 0; round < 2; round++) {
      time.now += 61_000;
      await reconcile(without);
    }
    expect((await deps.state.readTarget("api", time.now)).nextActionAt).toBeUndefined();
  });
});

describe("a remedy", () => {
  it("does not call when it was frozen past its deadline right before the call", async () => {
    const { deps, breakDown, time } = install();
    const attempt = await breakDown();
    const made = vendor(async () => ({ kind: "applied", reference: "d" }));
    let writes = 0;
    const frozen: Deps = {
      ...deps,
      state: {
        ...deps.state,
        updateTarget: async (id, now, reduce) => {
          const result = await deps.state.updateTarget(id, now, reduce);
          if (writes++ === 0) time.now += 200_000;
          return result;
        },
      },
    };
    const result = await runRemedy(frozen, made, { target: "api", attempt, pollForMs: 0 });
    expect(result.kind).toBe("not-called");
    expect(made.calls).toBe(0);
    expect((await deps.state.readTarget("api", time.now)).cooldowns.restart).toBeUndefined();
  });

  it("does not call when maintenance began while it was on its way", async () => {
    const { deps, breakDown, time } = install();
    const attempt = await breakDown();
    const made = vendor(async () => ({ kind: "applied", reference: "d" }));
    const soon = { fromMs: time.now + 1_000, toMs: time.now + 600_000, reason: "upgrade" };
    const slow: Deps = {
      ...deps,
      config: { ...config, targets: config.targets.map((target) => ({ ...target, maintenance: [soon] })) },
      state: {
        ...deps.state,
        updateTarget: async (id, now, reduce) => {
          const result = await deps.state.updateTarget(id, now, reduce);
          time.now += 2_000;
          return result;
        },
      },
    };
    expect(await runRemedy(slow, made, { target: "api", attempt, pollForMs: 0 })).toEqual({
      kind: "not-called",
      why: "maintenance: upgrade",
    });
    expect(made.calls).toBe(0);
  });

  it("does not call when a pause was written while it was on its way", async () => {
    const { deps, breakDown, time } = install();
    const attempt = await breakDown();
    const made = vendor(async () => ({ kind: "applied", reference: "d" }));
    const slow: Deps = {
      ...deps,
      state: {
        ...deps.state,
        updateTarget: async (id, now, reduce) => {
          const result = await deps.state.updateTarget(id, now, reduce);
          await deps.state.updateControl(GLOBAL, () => ({ paused: { at: time.now, by: "ada", reason: "deploying" } }));
          time.now += 6_000;
          return result;
        },
      },
    };
    expect(await runRemedy(slow, made, { target: "api", attempt, pollForMs: 0 })).toMatchObject({ kind: "not-called" });
    expect(made.calls).toBe(0);
  });

  it("calls once however often it is asked, and gives its budget back when nothing was done", async () => {
    const { deps, breakDown } = install();
    const attempt = await breakDown();
    const made = vendor(async () => ({ kind: "retry-later", afterMs: 60_000, detail: "429" }));
    const request = { target: "api", attempt, pollForMs: 0 };
    await Promise.all([runRemedy(deps, made, request), runRemedy(deps, made, request)]);
    await runRemedy(deps, made, request);
    expect(made.calls).toBe(1);
    expect(await deps.state.readBudget("api")).toEqual({});
    expect(await deps.state.readBudget(GLOBAL)).toEqual({});
  });

  it("tells people at once what the vendor refused", async () => {
    const { deps, breakDown, time, published } = install();
    const attempt = await breakDown();
    published.length = 0;
    const made = vendor(async () => ({ kind: "rejected", reason: "unauthorized", detail: "Not Authorized" }));
    await runRemedy(deps, made, { target: "api", attempt, pollForMs: 0 });
    expect(published.map(({ detailType }) => detailType)).toEqual(["remediation.finished", "incident.changed"]);
    const { incident } = await deps.state.readTarget("api", time.now);
    expect(incident?.needsHuman?.why).toContain("unauthorized");
  });
});

describe("a tick", () => {
  it("is not shut out by a look at one site that another vantage asked for a moment before", async () => {
    const { time, tick } = install();
    await tick("ok");
    time.now = START + 60_500;
    expect(await tick("ok", { target: "api", site: "primary" })).toMatchObject({ kind: "done" });
    time.now = START + 60_000;
    expect(await tick("ok")).toMatchObject({ kind: "done" });
  });
});
