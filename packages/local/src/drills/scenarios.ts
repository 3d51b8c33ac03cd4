import { DRILL } from "./drill-config.ts";
import type { DrillStage, Observation, Range, Scenario } from "./scenario.ts";

const NONE: Range = [0, 0];
const ONE: Range = [1, 1];
const QUIET_MS = 4 * DRILL.intervalMs;
const PATIENCE_MS = 90_000;

const opened = (seen: Observation) => seen.incidents.length > 0;
const ended = (seen: Observation) => opened(seen) && seen.incidents.every((incident) => incident.endedAt !== undefined);
const needsHuman = (seen: Observation) => seen.incidents.some((incident) => incident.needsHuman !== undefined);
const ladderEnded = (seen: Observation) => seen.incidents.some((incident) => incident.ladderEnded);

const healed = (stage: DrillStage) => stage.until("the incident to end", ended, PATIENCE_MS);

/** Breaks the service for good until it is restarted, and waits for the incident's end. */
const breakAndHeal = (fault: Parameters<DrillStage["break"]>[0]) => async (stage: DrillStage) => {
  await stage.break(fault);
  await healed(stage);
};

const healsWithOneRestart = {
  door: "direct",
  incidents: ONE,
  restarts: ONE,
  purges: NONE,
  verdicts: ["healed"],
} as const;
const callsNothing = { restarts: NONE, purges: NONE, verdicts: [] } as const;
const vendorTrouble = {
  door: "direct",
  incidents: ONE,
  purges: NONE,
  check: (seen: Observation, calls: readonly { operation: string }[]) => {
    const restarts = calls.filter((call) => call.operation === "deploymentRestart").length;
    const attempts = seen.incidents.flatMap((incident) => incident.attempts).length;
    return restarts > attempts ? [`${restarts} calls for ${attempts} attempts: an attempt was called twice`] : [];
  },
} as const;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "healthy",
    expected: "a healthy service: no incident, no call",
    door: "direct",
    ...callsNothing,
    incidents: NONE,
    run: (stage) => stage.lookOn(QUIET_MS),
  },
  {
    name: "blip",
    expected: "one failed sample: no incident, no call",
    door: "direct",
    ...callsNothing,
    incidents: NONE,
    async run(stage) {
      await stage.break({ kind: "blip", requests: 1 });
      await stage.lookOn(QUIET_MS);
    },
  },
  {
    name: "refused",
    expected: "connections are refused: one incident, one restart, healed",
    ...healsWithOneRestart,
    run: breakAndHeal({ kind: "refused" }),
  },
  {
    name: "hang",
    expected: "accepts and never answers: one incident, one restart, healed",
    ...healsWithOneRestart,
    run: breakAndHeal({ kind: "hang" }),
  },
  {
    name: "5xx",
    expected: "answers 500: one incident, one restart, healed",
    ...healsWithOneRestart,
    run: breakAndHeal({ kind: "5xx" }),
  },
  {
    name: "slow",
    expected: "answers late: one restart after its window, healed",
    ...healsWithOneRestart,
    run: breakAndHeal({ kind: "slow", ms: 400 }),
  },
  {
    name: "errors-10%",
    expected: "every tenth request fails: a purge, then a restart as it stays, healed",
    door: "direct",
    incidents: ONE,
    restarts: ONE,
    purges: ONE,
    verdicts: ["healed"],
    run: breakAndHeal({ kind: "errors", share: 0.1 }),
    check(_, calls) {
      const purge = calls.findIndex((call) => call.operation === "purge_cache");
      const restart = calls.findIndex((call) => call.operation === "deploymentRestart");
      return purge > restart ? ["it was restarted before the cache was purged"] : [];
    },
  },
  {
    name: "recovers-alone",
    expected: "ill for less than the hold: no call, or self-resolved",
    door: "direct",
    incidents: [0, 1],
    restarts: [0, 1],
    purges: NONE,
    verdicts: ["self-resolved"],
    async run(stage) {
      await stage.break({ kind: "5xx" });
      await stage.lookOn(DRILL.holdMs * 0.6);
      await stage.service.recover();
      await stage.lookOn(QUIET_MS);
      await stage.until("no incident to be open", (seen) => !opened(seen) || ended(seen), PATIENCE_MS);
    },
  },
  {
    name: "restart-does-not-help",
    expected: "a person is told at the first no-effect; three restarts, cooldowns kept; no call after the ladder's end",
    door: "direct",
    incidents: ONE,
    restarts: [3, 3],
    purges: NONE,
    verdicts: ["no-effect"],
    told: /did not help \(attempt 1\)/,
    async run(stage) {
      await stage.break({ kind: "5xx" }, { sticky: true });
      await stage.until("a person to be needed", needsHuman, PATIENCE_MS);
      await stage.until("the ladder to end", ladderEnded, 2 * PATIENCE_MS);
      await stage.lookOn(2 * QUIET_MS);
    },
    check(_, calls) {
      const times = calls.filter((call) => call.operation === "deploymentRestart").map((call) => call.at);
      const gaps = times.slice(1).map((at, index) => at - (times[index] ?? at));
      return gaps.flatMap((gap, index) =>
        gap < DRILL.cooldownMs * 2 ** index
          ? [`call ${index + 2} came ${gap} ms after the one before, inside its cooldown`]
          : [],
      );
    },
  },
  {
    name: "vendor-500",
    expected:
      "the vendor answers 500 once: unknown, a new attempt after the cooldown, healed; no second call for an attempt",
    ...vendorTrouble,
    restarts: [1, 2],
    verdicts: ["healed"],
    async run(stage) {
      stage.railway.fail({ kind: "server-error", times: 1, operation: "deploymentRestart" });
      await stage.break({ kind: "5xx" });
      await healed(stage);
    },
  },
  {
    name: "vendor-429",
    expected: "the vendor refuses the call with Retry-After: not called again before its time, then healed",
    ...vendorTrouble,
    restarts: [2, 2],
    verdicts: ["healed"],
    async run(stage) {
      stage.railway.fail({ kind: "rate-limited", retryAfterSeconds: 2, times: 1, operation: "deploymentRestart" });
      await stage.break({ kind: "5xx" });
      await healed(stage);
    },
    check(seen, calls) {
      const [first, second] = calls.filter((call) => call.operation === "deploymentRestart").map((call) => call.at);
      const early = first !== undefined && second !== undefined && second - first < 2_000;
      return [
        ...vendorTrouble.check(seen, calls),
        ...(early ? ["it was called again before Retry-After was over"] : []),
      ];
    },
  },
  {
    name: "vendor-timeout",
    expected: "the vendor never answers and does nothing: unknown, fresh samples decide, a new attempt heals",
    ...vendorTrouble,
    restarts: [2, 2],
    verdicts: ["healed"],
    async run(stage) {
      stage.railway.fail({ kind: "timeout", times: 1, operation: "deploymentRestart" });
      await stage.break({ kind: "5xx" });
      await healed(stage);
    },
  },
  {
    name: "vendor-accepts-and-dies",
    expected: "the vendor restarts and dies without an answer: unknown, not called again, healed by fresh samples",
    ...vendorTrouble,
    restarts: ONE,
    verdicts: ["healed"],
    async run(stage) {
      stage.railway.fail({ kind: "accepts-and-dies", times: 1, operation: "deploymentRestart" });
      await stage.break({ kind: "5xx" });
      await healed(stage);
    },
  },
  {
    name: "control-down",
    expected: "our own network is down: no call, and the alert says that we cannot see",
    door: "direct",
    ...callsNothing,
    incidents: ONE,
    told: /cannot see/,
    async run(stage) {
      await stage.controls.stop();
      await stage.break({ kind: "refused" });
      await stage.until("people to be told", (seen) => /cannot see/.test(seen.told), PATIENCE_MS);
      await stage.lookOn(QUIET_MS);
    },
  },
  {
    name: "bot-blocked",
    expected: "a bot challenge answers the probe: no call, and the alert says so",
    door: "edge",
    ...callsNothing,
    incidents: ONE,
    told: /bot rule or firewall/,
    async run(stage) {
      stage.cloudflare.challenge(true);
      stage.failed();
      await stage.until("people to be told", (seen) => /bot rule or firewall/.test(seen.told), PATIENCE_MS);
      await stage.lookOn(QUIET_MS);
    },
  },
  {
    name: "tls-expired",
    expected: "the certificate has expired: no call, and the alert says so",
    door: "tls",
    ...callsNothing,
    incidents: ONE,
    told: /TLS or DNS/,
    async run(stage) {
      stage.tls.expire();
      stage.failed();
      await stage.until("people to be told", (seen) => /TLS or DNS/.test(seen.told), PATIENCE_MS);
      await stage.lookOn(QUIET_MS);
    },
  },
  {
    name: "dns-gone",
    expected: "the name does not resolve: no call, and the alert says so",
    door: "no-such-name",
    ...callsNothing,
    incidents: ONE,
    told: /TLS or DNS/,
    async run(stage) {
      stage.failed();
      await stage.until("people to be told", (seen) => /TLS or DNS/.test(seen.told), PATIENCE_MS);
      await stage.lookOn(QUIET_MS);
    },
  },
  {
    name: "kill-runner",
    expected: "killed between claim and call, and again between call and outcome: one call at most, the incident ends",
    door: "direct",
    incidents: ONE,
    restarts: ONE,
    purges: NONE,
    verdicts: ["healed", "self-resolved"],
    async run(stage) {
      const kills: Promise<void>[] = [];
      const killOnce = (kill: { done: boolean }) => {
        if (kill.done) return undefined;
        kill.done = true;
        const killed = stage.runner.kill();
        kills.push(killed);
        return killed;
      };
      const beforeCall = { done: false };
      const beforeOutcome = { done: false };
      // The vendor is asked for the deployment after the claim; the restart itself is the call.
      stage.railway.hooks.onCall = (operation) =>
        operation === "deploymentRestart" ? undefined : killOnce(beforeCall);
      stage.railway.hooks.onExecuted = (operation) =>
        operation === "deploymentRestart" ? killOnce(beforeOutcome) : undefined;
      await stage.break({ kind: "5xx" });
      for (const kill of [beforeCall, beforeOutcome]) {
        await stage.until("the moment to kill", () => kill.done, PATIENCE_MS);
        await Promise.all(kills);
        await stage.runner.start();
      }
      await healed(stage);
    },
  },
  {
    name: "paused",
    expected: "healing is paused: the decision is recorded, no call",
    door: "direct",
    ...callsNothing,
    incidents: ONE,
    told: /paused by/,
    async run(stage) {
      await stage.runner.command("pause", "--reason", "drill");
      await stage.break({ kind: "5xx" });
      await stage.until("an incident", opened, PATIENCE_MS);
      await stage.lookOn(QUIET_MS);
    },
    check: (seen) =>
      seen.incidents.some((incident) => incident.lastRefusal?.guard === "paused")
        ? []
        : ["the refusal is not recorded as paused"],
  },
  {
    name: "observe",
    expected: "the mode is observe: what it would have done is recorded, no call",
    door: "direct",
    ...callsNothing,
    incidents: ONE,
    told: /would restart/,
    change: (config) => ({ ...config, mode: "observe" }),
    async run(stage) {
      await stage.break({ kind: "5xx" });
      await stage.until("an incident", opened, PATIENCE_MS);
      await stage.lookOn(QUIET_MS);
    },
    check: (seen) =>
      seen.incidents.some((incident) => incident.wouldHave.length > 0)
        ? []
        : ["what it would have done is not recorded"],
  },
];
