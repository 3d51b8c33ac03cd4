import { describe, expect, it } from "vitest";
import { fleet, sampleAt, targetConfig } from "./fixture.ts";
import type { Outcome, Sample } from "./sample.ts";
import { conclude } from "./view.ts";

const NOW = 1_800_000_000_000;
const target = targetConfig();
const alone = fleet();
const three = fleet({ vantages: ["a", "b", "c"] });

function look(samples: readonly Sample[], config = alone, evidenceFrom = 0) {
  return conclude(config, target, { samples, tick: (samples.at(-1)?.startedAt ?? NOW) - 1, evidenceFrom }, NOW).view;
}

/** Samples every `everyMs` over the last `forMs`. */
function series(forMs: number, everyMs: number, make: (at: number, index: number) => Sample): Sample[] {
  const count = Math.floor(forMs / everyMs) + 1;
  return Array.from({ length: count }, (_, index) => make(NOW - 100 - forMs + index * everyMs, index));
}

describe("a view", () => {
  it.each<[string, Outcome, string]>([
    ["refused connections", "refused", "down"],
    ["timeouts", "timeout", "down"],
    ["5xx", "status", "down"],
    ["wrong answers", "assertion", "down"],
    ["a bot rule", "blocked", "blocked"],
    ["TLS faults", "tls", "misconfigured"],
    ["DNS faults", "dns", "misconfigured"],
    ["forbidden addresses", "forbidden", "misconfigured"],
  ])("calls %s for the whole hold by their name", (_name, outcome, view) => {
    expect(look(series(95_000, 5_000, (at) => sampleAt(at, outcome)))).toBe(view);
    expect(
      look(
        series(35_000, 5_000, (at) => sampleAt(at, outcome)),
        three,
      ),
    ).toBe(view);
  });

  it("does not call it down before the hold is over, which is longer for a vantage that is alone", () => {
    expect(look(series(60_000, 5_000, (at) => sampleAt(at, "refused")))).toBe("suspect");
    expect(
      look(
        series(20_000, 5_000, (at) => sampleAt(at, "refused")),
        three,
      ),
    ).toBe("suspect");
  });

  it("starts the hold anew after a single good answer", () => {
    expect(look(series(95_000, 5_000, (at, index) => sampleAt(at, index === 10 ? "ok" : "refused")))).toBe("suspect");
  });

  it("gives a tie to the fault that a restart cannot cure", () => {
    expect(look(series(95_000, 5_000, (at, index) => sampleAt(at, index % 2 === 0 ? "dns" : "refused")))).toBe(
      "misconfigured",
    );
  });

  it("does not count tainted samples or our own machine's failures", () => {
    expect(look(series(95_000, 5_000, (at) => sampleAt(at, "timeout", { tainted: true })))).toBe("inconclusive");
    expect(look(series(95_000, 5_000, (at) => sampleAt(at, "local")))).toBe("inconclusive");
  });

  it("is inconclusive when the newest sample is older than one and a half ticks", () => {
    expect(look([sampleAt(NOW - 91_000)])).toBe("inconclusive");
    expect(look([sampleAt(NOW - 89_000)])).toBe("healthy");
  });

  it("needs slowness in four of five minutes and in the last one", () => {
    const slow = (at: number) => sampleAt(at, "ok", { ttfbMs: 600 });
    expect(look(series(290_000, 15_000, slow))).toBe("slow");
    expect(look(series(290_000, 15_000, (at) => (at > NOW - 60_000 ? sampleAt(at) : slow(at))))).not.toBe("slow");
    expect(look(series(170_000, 10_000, slow))).not.toBe("slow");
    expect(look(series(290_000, 30_000, slow))).not.toBe("slow");
  });

  it("reads four of five slow answers as slow, and two of five not", () => {
    const mixed = (fast: number) => (at: number, index: number) =>
      sampleAt(at, "ok", { ttfbMs: index % 5 < fast ? 40 : 600 });
    expect(look(series(295_000, 5_000, mixed(1)))).toBe("slow");
    expect(look(series(295_000, 5_000, mixed(3)))).not.toBe("slow");
  });

  it("forgets what was before a remedy", () => {
    const samples = series(95_000, 5_000, (at) => sampleAt(at, at < NOW - 20_000 ? "refused" : "ok"));
    expect(look(samples, alone, NOW - 20_000)).toBe("healthy");
  });

  it("sees a certificate that is about to end, and only there", () => {
    expect(look([sampleAt(NOW - 1_000, "ok", { certificateDays: 13 })])).toBe("expiring");
    expect(look([sampleAt(NOW - 1_000, "ok", { certificateDays: 14 })])).toBe("healthy");
  });
});
