import { describe, expect, it } from "vitest";
import { beginCall, recordFollow, recordOutcome, type Step } from "./attempt.ts";
import { decide, type SeenWorld } from "./decide.ts";
import { fleet, LADDERS, sampleAt, targetConfig, windowAfter, worldOf } from "./fixture.ts";
import { attemptInFlight, newTargetItem, type TargetItem } from "./item.ts";
import type { Outcome, Sample } from "./sample.ts";
import { siteKey, type WindowItem } from "./window.ts";

const START = 1_800_000_000_000;
const MINUTE = 60_000;
const ENDING = { certificateDays: 9 };

/** One vantage's minutes, each a tick with a sample every 5 s and a decision at its end. */
class Night {
  now = START;
  item: TargetItem = newTargetItem("api", START);
  window: WindowItem | undefined;
  world: Partial<SeenWorld> = {};
  because: readonly string[] = [];
  readonly closed: TargetItem["closed"][number][] = [];
  readonly config = fleet();
  readonly target;

  constructor(change: Parameters<typeof targetConfig>[0] = {}) {
    this.target = targetConfig(change);
  }

  minutes(
    count: number,
    outcome: Outcome | ((index: number) => Outcome),
    change: Partial<Sample> = {},
    others: Readonly<Record<string, Outcome>> = {},
  ): this {
    for (let minute = 0; minute < count; minute++) {
      const at = (index: number) => this.now + index * 5_000;
      const take = (of: Outcome | ((index: number) => Outcome), with_: Partial<Sample>) =>
        Array.from({ length: 11 }, (_, index) => sampleAt(at(index), typeof of === "string" ? of : of(index), with_));
      let window = windowAfter(this.window, "local", this.now, take(outcome, change));
      for (const [site, of] of Object.entries(others))
        window = windowAfter(window, "local", this.now, take(of, {}), siteKey("api", site));
      this.window = window;
      this.now += 55_000;
      this.look("wake");
      this.now += 5_000;
    }
    return this;
  }

  /** Nobody takes samples, reconcile goes on. */
  blind(minutes: number): this {
    for (let minute = 0; minute < minutes; minute++) {
      this.now += MINUTE;
      this.look("reconcile");
    }
    return this;
  }

  look(kind: "wake" | "reconcile"): this {
    const input = kind === "wake" ? { kind, at: this.now, cause: "tick" } : { kind, at: this.now };
    const { item, because } = decide(
      { config: this.config, target: this.target },
      this.item,
      worldOf(this.window === undefined ? [] : [this.window], this.world),
      input,
      this.now,
    );
    this.closed.push(...item.closed);
    this.item = { ...item, closed: [] };
    this.because = because;
    return this;
  }

  /** The claimed attempt is called and accepted now; the vendor is done after so many milliseconds, if ever. */
  call(overAfterMs: number | undefined): this {
    const attempt = attemptInFlight(this.item);
    if (attempt?.state !== "claimed") throw new Error(`nothing is claimed: ${this.because.join(" | ")}`);
    this.#take(beginCall(this.item, attempt.id, "run_1", this.now));
    const applied = { kind: "applied", reference: "dep_1" } as const;
    this.#take(recordOutcome(this.config, this.target, this.item, attempt.id, "run_1", applied, this.now));
    if (overAfterMs === undefined) return this;
    const over = { kind: "over", detail: "it stands" } as const;
    this.#take(recordFollow(this.config, this.target, this.item, attempt.id, over, this.now + overAfterMs));
    return this;
  }

  #take(step: Step): void {
    if (!step.ok) throw new Error(step.reason);
    this.item = step.item;
  }

  get verdicts(): readonly string[] {
    return [...this.closed, ...(this.item.incident === undefined ? [] : [this.item.incident])].flatMap((incident) =>
      incident.attempts.flatMap(({ remedy, verdict }) => (verdict === undefined ? [] : [`${remedy} ${verdict}`])),
    );
  }

  texts(kind: string): readonly string[] {
    return (this.item.incident?.timeline ?? []).filter((entry) => entry.kind === kind).map(({ text }) => text);
  }
}

describe("a certificate that ends soon", () => {
  it("does not make a restart that helped look like one that did not", () => {
    const night = new Night().minutes(2, "ok", ENDING).minutes(2, "refused").call(0).minutes(8, "ok", ENDING);
    expect(night.verdicts).toEqual(["restart healed"]);
    expect(night.closed.map(({ kind, end }) => `${kind} ${end}`)).toEqual(["expiring superseded", "down healed"]);
  });

  it("is told again when the outage that came meanwhile is over", () => {
    const night = new Night().minutes(2, "ok", ENDING).minutes(2, "refused").call(0).minutes(9, "ok", ENDING);
    expect(night.item.incident).toMatchObject({ kind: "expiring", attempts: [] });
  });

  it("does not hold an outage open that ended by itself", () => {
    const night = new Night();
    night.world = { control: { global: { mode: "observe" }, target: {} } };
    night.minutes(3, "refused").minutes(4, "ok", ENDING);
    expect(night.closed.map(({ kind, end }) => `${kind} ${end}`)).toEqual(["down recovered"]);
  });

  it("gives an outage an incident of its own, with its own beginning", () => {
    const night = new Night().minutes(30, "ok", ENDING).minutes(2, "refused");
    expect(night.item.incident).toMatchObject({ id: "inc_api_2", kind: "down", failedAt: START + 30 * MINUTE });
    expect(night.item.incident?.needsHuman).toBeUndefined();
  });

  it("does not hide errors", () => {
    const night = new Night()
      .minutes(2, "ok", ENDING)
      .minutes(3, (index) => (index % 5 === 2 ? "status" : "ok"), ENDING);
    expect(night.item.incident).toMatchObject({ kind: "failing" });
  });

  it("at one site does not keep another's outage from being seen", () => {
    const sites = ["primary", "secondary"].map((id) => ({ id, url: `https://${id}.example.com/` }));
    const night = new Night({ sites });
    night.minutes(2, "ok", ENDING, { secondary: "ok" }).minutes(3, "ok", ENDING, { secondary: "refused" });
    expect(night.item.incident).toMatchObject({ site: "secondary", kind: "down" });
  });
});

describe("blindness", () => {
  it("is told only after it has lasted, however long ago it was last looked", () => {
    const night = new Night().blind(1).minutes(1, "ok");
    night.item = new Night().blind(1).item;
    night.now += 8 * 60 * MINUTE;
    night.window = undefined;
    night.look("reconcile");
    expect(night.item.incident).toBeUndefined();
    night.blind(3);
    expect(night.item.incident).toMatchObject({ kind: "inconclusive" });
  });

  it("is looked at again by reconcile until it is over, so that it is not remembered as still on", () => {
    const night = new Night().blind(1);
    expect(night.item.nextActionAt).toBe(night.now + night.config.reconcileMs);
    night.minutes(1, "ok");
    expect(night.item.health.state).toBe("healthy");
    expect(night.item.nextActionAt).toBeUndefined();
  });

  it("that ends in an outage leaves that to an incident of its own", () => {
    const night = new Night().blind(5);
    expect(night.item.incident).toMatchObject({ kind: "inconclusive" });
    night.minutes(2, "refused");
    expect(night.item.incident).toMatchObject({ kind: "down", attempts: [{ state: "claimed" }] });
    expect(night.item.incident?.needsHuman).toBeUndefined();
    expect(night.closed.map(({ end }) => end)).toEqual(["superseded"]);
  });

  it("names the vantages that nothing was ever heard of", () => {
    const night = new Night().blind(5);
    expect(night.item.incident?.why).toContain("local: silent");
  });
});

describe("a clock that is set back", () => {
  it("does not make samples of a time to come look fresh", () => {
    const night = new Night().minutes(3, "ok");
    night.now -= 60 * MINUTE;
    night.look("reconcile");
    expect(night.item.health.state).toBe("inconclusive");
  });

  it("does not keep an incident open until the old time has come again", () => {
    const night = new Night().minutes(3, "refused");
    night.world = { control: { global: { mode: "observe" }, target: {} } };
    night.minutes(2, "ok").minutes(1, "refused");
    night.now -= 60 * MINUTE;
    night.window = undefined;
    night.minutes(4, "ok");
    expect(night.item.incident).toBeUndefined();
  });
});

describe("a restart that takes its time", () => {
  it("is not worse while it may still come up", () => {
    const night = new Night().minutes(5, "ok", { ttfbMs: 900 });
    expect(attemptInFlight(night.item)?.kind).toBe("slow");
    night.call(0).minutes(4, "refused");
    expect(night.verdicts).toEqual([]);
    expect(night.texts("human")).toEqual([expect.stringContaining("restart was followed by worse: slow → down")]);
    night.minutes(5, "ok");
    expect(night.verdicts).toEqual(["restart healed"]);
  });

  it("did not fail while the vendor has yet to finish it", () => {
    const night = new Night().minutes(2, "refused").call(undefined).minutes(12, "refused");
    expect(night.verdicts).toEqual(["restart unknown"]);
  });
});

describe("an incident whose ladder has ended", () => {
  const ladders = { ...LADDERS, failing: [{ remedy: "page", times: 1 }] as const };
  const errors = (index: number): Outcome => (index % 5 === 2 ? "status" : "ok");

  it("goes on with the ladder of a graver kind", () => {
    const night = new Night({ ladders }).minutes(4, errors);
    expect(night.item.incident).toMatchObject({ kind: "failing", ladderEnded: true });
    night.minutes(3, "refused");
    expect(night.item.incident).toMatchObject({ kind: "down", attempts: [{ remedy: "restart", state: "claimed" }] });
  });

  it("stays ended after worse, whatever comes then", () => {
    const night = new Night().minutes(5, "ok", { ttfbMs: 900 }).call(0).minutes(9, "refused");
    expect(night.verdicts).toEqual(["restart worse"]);
    night.minutes(30, "refused");
    expect(night.item.incident).toMatchObject({ kind: "down", ladderEnded: true, attempts: [{ state: "worse" }] });
  });
});

describe("why nothing is done", () => {
  it("has a name at the end of the ladder as well", () => {
    const night = new Night({ ladders: { ...LADDERS, down: [{ remedy: "page", times: 1 }] } }).minutes(4, "refused");
    expect(night.because).toEqual([expect.stringContaining("ladder-end")]);
  });

  it("is what the vendor or the config said, where no remedy could be called", () => {
    const night = new Night().minutes(2, "refused");
    const attempt = attemptInFlight(night.item);
    const refused = { kind: "rejected", reason: "no-credentials", detail: "RAILWAY_TOKEN is not set" } as const;
    const step = recordOutcome(
      night.config,
      night.target,
      stepped(beginCall(night.item, attempt?.id ?? "", "run_1", night.now)),
      attempt?.id ?? "",
      "run_1",
      refused,
      night.now,
    );
    night.item = stepped(step);
    night.look("wake");
    expect(night.item.incident?.needsHuman?.why).toContain("RAILWAY_TOKEN is not set");
    expect(night.item.incident?.needsHuman?.why).not.toContain("was tried");
  });

  it("does not speak of a cooldown after a remedy that made it worse", () => {
    const night = new Night().minutes(5, "ok", { ttfbMs: 900 }).call(0).minutes(9, "refused");
    expect(night.verdicts).toEqual(["restart worse"]);
    expect(night.texts("refused")).toEqual([]);
  });

  it("is not called recovery by itself after a remedy was made", () => {
    const night = new Night().minutes(2, "refused").call(0).minutes(9, "refused").minutes(3, "ok");
    expect(night.closed.at(-1)?.timeline.at(-1)?.text).toMatch(/after \d+ min, and no remedy can claim it$/);
  });
});

function stepped(step: Step): TargetItem {
  if (!step.ok) throw new Error(step.reason);
  return step.item;
}
