import type { CallOutcome } from "@neuropilot/core";
import { describe, expect, it } from "vitest";
import type { RailwayOptions } from "./client.ts";
import { FIND_DEPLOYMENT, FOLLOW_DEPLOYMENT, RESTART_DEPLOYMENT } from "./documents.ts";
import { createRailway, type RailwayPlan } from "./railway.ts";
import { DEPLOYMENT_STATUSES, INSTANCE_STATUSES, restartability, standingOf } from "./statuses.ts";

const TOKEN = "canary-token-7f3a91";
const WHERE = { projectId: "p1", environmentId: "e1", serviceId: "s1" };
const PLAN: RailwayPlan = { deploymentId: "d1" };
const LIMITS = { timeoutMs: 1_000 };
const NOW = Date.parse("2026-01-02T03:04:05Z");

interface Sent {
  readonly url: string;
  readonly headers: Headers;
  readonly query: string;
  readonly variables: unknown;
}

/** A provider whose vendor answers with these, in turn; the last one again and again. */
function railway(answers: (() => Response | Promise<Response>)[], more: Partial<RailwayOptions> = {}) {
  const sent: Sent[] = [];
  const provider = createRailway({
    baseUrl: "https://railway.test/",
    token: TOKEN,
    tokenKind: "project",
    clock: () => NOW,
    fetch: async (url, init) => {
      const body = JSON.parse(String(init.body));
      sent.push({ url, headers: new Headers(init.headers), query: body.query, variables: body.variables });
      const answer = answers[Math.min(sent.length, answers.length) - 1];
      if (answer === undefined) throw new Error("no answer was planned");
      return answer();
    },
    ...more,
  });
  return { provider, sent };
}

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  () =>
    Response.json(body, { status, headers });
const text = (status: number, body: string) => () => new Response(body, { status });
const errors = (message: string, status = 200) => json(status, { errors: [{ message }], data: null });
const failing = (code: string, syscall?: string) => () => {
  const cause = Object.assign(new Error(`${code} ${TOKEN}`), { code, ...(syscall === undefined ? {} : { syscall }) });
  return Promise.reject(new TypeError("fetch failed", { cause }));
};

type Short = string;
function short(outcome: CallOutcome | { kind: "ready"; plan: RailwayPlan }): Short {
  switch (outcome.kind) {
    case "ready":
      return `ready: ${outcome.plan.deploymentId}`;
    case "applied":
    case "already-done":
      return `${outcome.kind}: ${outcome.reference}`;
    case "rejected":
      return `rejected: ${outcome.reason}`;
    case "retry-later":
      return `retry-later: ${outcome.afterMs}`;
    case "unknown":
      return `unknown: ${outcome.why}`;
  }
}

/** Vendor's answer → outcome of the call → outcome of the preparation, where nothing can have been done. */
const ANSWERS: [string, () => Response | Promise<Response>, Short, Short][] = [
  ["false", json(200, { data: { deploymentRestart: false } }), "rejected: nothing-to-restart", "retry-later: 15000"],
  ["not authorized", errors("Not Authorized"), "rejected: unauthorized", "rejected: unauthorized"],
  ["not authorized at 500", errors("Not Authorized", 500), "rejected: unauthorized", "rejected: unauthorized"],
  ["not authorized at 400", errors("not authorized", 400), "rejected: unauthorized", "rejected: unauthorized"],
  ["project token not found", errors("Project Token not found"), "rejected: unauthorized", "rejected: unauthorized"],
  ["two factor", errors("Two Factor Authentication Required"), "rejected: unauthorized", "rejected: unauthorized"],
  ["deployment not found", errors("Deployment not found"), "rejected: not-found", "rejected: not-found"],
  ["service not found", errors("ServiceInstance not found", 404), "rejected: not-found", "rejected: not-found"],
  ["something inside not found", errors("Volume not found"), "unknown: vendor-error", "retry-later: 15000"],
  ["an internal error", errors("Problem processing request"), "unknown: vendor-error", "retry-later: 15000"],
  ["an internal error at 500", errors("Problem", 500), "unknown: vendor-error", "retry-later: 15000"],
  [
    "an error while it was executed, at 400",
    json(400, { errors: [{ message: "Problem processing request", path: ["deploymentRestart"] }], data: null }),
    "unknown: vendor-error",
    "retry-later: 15000",
  ],
  ["an invalid operation", errors("Cannot query", 400), "rejected: invalid-request", "rejected: invalid-request"],
  ["a rate limit as an error", errors("You are being ratelimited."), "retry-later: 60000", "retry-later: 60000"],
  ["429", json(429, { data: null }, { "retry-after": "7" }), "retry-later: 7000", "retry-later: 7000"],
  ["429, a page", text(429, "<h1>slow</h1>"), "retry-later: 60000", "retry-later: 60000"],
  ["429, at once", json(429, {}, { "retry-after": "0" }), "retry-later: 1000", "retry-later: 1000"],
  [
    "429, reset as a date",
    json(429, {}, { "x-ratelimit-reset": "2026-01-02T03:04:45Z" }),
    "retry-later: 40000",
    "retry-later: 40000",
  ],
  [
    "429, reset in seconds since 1970",
    json(429, {}, { "x-ratelimit-reset": String(NOW / 1000 + 20) }),
    "retry-later: 20000",
    "retry-later: 20000",
  ],
  ["500", text(500, "<h1>error</h1>"), "unknown: vendor-error", "retry-later: 15000"],
  ["502", text(502, ""), "unknown: vendor-error", "retry-later: 15000"],
  ["408", text(408, ""), "unknown: vendor-error", "retry-later: 15000"],
  ["401", text(401, ""), "rejected: unauthorized", "rejected: unauthorized"],
  ["403, a page", text(403, `<h1>Denied ${TOKEN}</h1>`), "rejected: unauthorized", "rejected: unauthorized"],
  ["404, a page", text(404, "nothing here"), "rejected: not-found", "rejected: not-found"],
  [
    "a redirect",
    () => new Response(null, { status: 308, headers: { location: "https://elsewhere.test/" } }),
    "rejected: invalid-request",
    "rejected: invalid-request",
  ],
  ["200, a page", text(200, `<h1>Hello ${TOKEN}</h1>`), "unknown: unreadable-answer", "retry-later: 15000"],
  ["200, no data", json(200, { data: null }), "unknown: unreadable-answer", "retry-later: 15000"],
  ["200, another shape", json(200, { data: { other: 1 } }), "unknown: unreadable-answer", "retry-later: 15000"],
  [
    "200, a word",
    json(200, { data: { deploymentRestart: "yes" } }),
    "unknown: unreadable-answer",
    "retry-later: 15000",
  ],
  ["200, an array", json(200, []), "unknown: unreadable-answer", "retry-later: 15000"],
  ["200, no object", json(200, "true"), "unknown: unreadable-answer", "retry-later: 15000"],
  ["an error that echoes the token", errors(`bad ${TOKEN}`), "unknown: vendor-error", "retry-later: 15000"],
  ["refused", failing("ECONNREFUSED", "connect"), "retry-later: 15000", "retry-later: 15000"],
  ["no such host", failing("ENOTFOUND", "getaddrinfo"), "retry-later: 15000", "retry-later: 15000"],
  ["a bad certificate", failing("CERT_HAS_EXPIRED"), "retry-later: 15000", "retry-later: 15000"],
  ["a connection that timed out", failing("ETIMEDOUT", "connect"), "retry-later: 15000", "retry-later: 15000"],
  ["a silence that timed out", failing("ETIMEDOUT", "read"), "unknown: connection-lost", "retry-later: 15000"],
  ["a reset", failing("ECONNRESET"), "unknown: connection-lost", "retry-later: 15000"],
  ["a closed connection", failing("UND_ERR_SOCKET"), "unknown: connection-lost", "retry-later: 15000"],
];

describe("each answer of the vendor has one outcome, and none tells the token", () => {
  it.each(ANSWERS)("%s", async (_name, answer, whenCalled, whenPreparing) => {
    const called = await railway([answer]).provider.act(PLAN, LIMITS);
    const prepared = await railway([answer]).provider.prepare(WHERE, LIMITS);
    const followed = await railway([answer]).provider.follow("d1", LIMITS);
    expect(short(called)).toBe(whenCalled);
    expect(short(prepared)).toBe(whenPreparing);
    expect(["unavailable", "failed"]).toContain(followed.kind);
    expect(JSON.stringify([called, prepared, followed])).not.toContain(TOKEN);
  });

  it("true is applied, and the reference is the deployment", async () => {
    const { provider, sent } = railway([json(200, { data: { deploymentRestart: true } })]);
    expect(short(await provider.act(PLAN, LIMITS))).toBe("applied: d1");
    expect(sent.map((call) => [call.query, call.variables])).toEqual([[RESTART_DEPLOYMENT, { id: "d1" }]]);
  });

  it.each(ANSWERS)("a restart is sent once: %s", async (_name, answer) => {
    const { provider, sent } = railway([answer]);
    await provider.act(PLAN, LIMITS);
    expect(sent).toHaveLength(1);
  });
});

describe("credentials", () => {
  const ok = json(200, { data: { deploymentRestart: true } });

  it.each([undefined, "", "  "])(
    "without a token (%j) nothing is sent, and the variable to set is named",
    async (token) => {
      const { provider, sent } = railway([ok], { token });
      for (const outcome of [await provider.act(PLAN, LIMITS), await provider.prepare(WHERE, LIMITS)])
        expect(outcome).toMatchObject({
          kind: "rejected",
          reason: "no-credentials",
          detail: expect.stringContaining("RAILWAY_TOKEN"),
        });
      expect((await provider.follow("d1", LIMITS)).kind).toBe("unavailable");
      expect(sent).toHaveLength(0);
    },
  );

  it.each([
    ["project", "project-access-token", TOKEN, "authorization"],
    ["account", "authorization", `Bearer ${TOKEN}`, "project-access-token"],
  ] as const)("a token of kind %s goes into the header %s", async (tokenKind, header, value, other) => {
    const { provider, sent } = railway([ok], { tokenKind, token: ` ${TOKEN}\n` });
    await provider.act(PLAN, LIMITS);
    expect(sent[0]?.headers.get(header)).toBe(value);
    expect(sent[0]?.headers.has(other)).toBe(false);
  });

  it("a token that cannot be sent is refused without being told", async () => {
    const token = `${TOKEN}\nx`;
    const { provider, sent } = railway([ok], { token });
    const outcome = await provider.act(PLAN, LIMITS);
    expect(short(outcome)).toBe("rejected: invalid-request");
    expect(JSON.stringify(outcome)).not.toContain(TOKEN);
    expect(sent).toHaveLength(0);
  });

  it.each(["https://railway.test", "https://railway.test/", "https://railway.test/graphql/v2"])(
    "%s leads to the endpoint",
    async (baseUrl) => {
      const { provider, sent } = railway([ok], { baseUrl });
      await provider.act(PLAN, LIMITS);
      expect(sent[0]?.url).toBe("https://railway.test/graphql/v2");
    },
  );
});

describe("which deployment is restarted", () => {
  const at = (secondsAgo: number) => new Date(NOW - secondsAgo * 1000).toISOString();
  const deployment = (id: string, status: string, more: Record<string, unknown> = {}) => ({
    id,
    status,
    projectId: "p1",
    createdAt: at(3_600),
    statusUpdatedAt: at(3_600),
    instances: [],
    ...more,
  });
  const found = (active: unknown[], latest: unknown) =>
    json(200, { data: { serviceInstance: { activeDeployments: active, latestDeployment: latest } } });
  const live = deployment("live", "SUCCESS");

  it.each<[string, () => Response, Short]>([
    ["the active one", found([live], live), "ready: live"],
    ["the first of several", found([live, deployment("old", "SUCCESS")], live), "ready: live"],
    ["one that works, not one that goes", found([deployment("old", "REMOVING"), live], live), "ready: live"],
    ["the active one, not the latest, which failed", found([live], deployment("new", "FAILED")), "ready: live"],
    ["the active one, while a newer one is built", found([live], deployment("new", "BUILDING")), "ready: live"],
    [
      "none, while a newer one takes over",
      found([live], deployment("new", "DEPLOYING", { statusUpdatedAt: at(20) })),
      "retry-later: 30000",
    ],
    [
      "none, while a newer one takes over (no time of the change)",
      found([live], deployment("new", "DEPLOYING", { createdAt: at(90), statusUpdatedAt: null })),
      "retry-later: 30000",
    ],
    [
      "the active one, where the newer one hangs",
      found([live], deployment("new", "DEPLOYING", { statusUpdatedAt: at(660) })),
      "ready: live",
    ],
    ["one that crashed and is active", found([deployment("live", "CRASHED")], live), "ready: live"],
    ["one that crashed and is not", found([], deployment("gone", "CRASHED")), "ready: gone"],
    ["one that sleeps", found([deployment("live", "SLEEPING")], live), "ready: live"],
    ["none, while the first one is built", found([], deployment("new", "BUILDING")), "retry-later: 30000"],
    ["none, in a state that is new to us", found([deployment("x", "PAUSED")], live), "retry-later: 30000"],
    ["none, where a person must approve", found([], deployment("x", "NEEDS_APPROVAL")), "rejected: nothing-to-restart"],
    ["none, where it was removed", found([], deployment("x", "REMOVED")), "rejected: nothing-to-restart"],
    ["none, where nothing was deployed", found([], null), "rejected: nothing-to-restart"],
    [
      "none of another project",
      found([deployment("live", "SUCCESS", { projectId: "p2" })], null),
      "rejected: invalid-request",
    ],
  ])("%s", async (_name, answer, expected) => {
    const { provider, sent } = railway([answer]);
    expect(short(await provider.prepare(WHERE, LIMITS))).toBe(expected);
    expect(sent.map((call) => [call.query, call.variables])).toEqual([
      [FIND_DEPLOYMENT, { environmentId: "e1", serviceId: "s1" }],
    ]);
  });
});

describe("following a restart", () => {
  const standing = (status: string, instances: string[], headers: Record<string, string> = {}) =>
    json(
      200,
      {
        data: {
          deployment: { status, instances: instances.map((each, index) => ({ id: `i${index}`, status: each })) },
        },
      },
      headers,
    );

  it.each<[string, string, string[], string]>([
    ["it stands and runs", "SUCCESS", ["RUNNING"], "over"],
    ["an instance restarts", "SUCCESS", ["RUNNING", "RESTARTING"], "in-progress"],
    ["an instance is made", "SUCCESS", ["CREATED"], "in-progress"],
    ["what is left of old instances does not count", "SUCCESS", ["REMOVED", "RUNNING", "REMOVING"], "over"],
    ["one of two runs", "SUCCESS", ["RUNNING", "CRASHED"], "over"],
    ["none runs", "SUCCESS", ["CRASHED", "EXITED"], "failed"],
    ["it crashed", "CRASHED", ["CRASHED"], "failed"],
    ["it crashed and restarts", "CRASHED", ["RESTARTING"], "in-progress"],
    ["it sleeps", "SLEEPING", ["STOPPED"], "over"],
    ["a newer one took its place", "REMOVED", ["REMOVED"], "failed"],
    ["no instance is told", "SUCCESS", [], "over"],
    ["a state that is new to us", "PAUSED", ["RUNNING"], "in-progress"],
    ["an instance's state that is new to us", "SUCCESS", ["THAWING"], "in-progress"],
  ])("%s", async (_name, status, instances, expected) => {
    const { provider, sent } = railway([standing(status, instances)]);
    expect((await provider.follow("d1", LIMITS)).kind).toBe(expected);
    expect(sent.map((call) => [call.query, call.variables])).toEqual([[FOLLOW_DEPLOYMENT, { id: "d1" }]]);
  });

  it.each(DEPLOYMENT_STATUSES)("the deployment status %s has a meaning for every instance status", (status) => {
    for (const instance of INSTANCE_STATUSES)
      expect(["over", "failed", "in-progress"]).toContain(
        standingOf({ status, instances: [{ id: "i", status: instance }] }).kind,
      );
    expect(["yes", "wait", "no"]).toContain(restartability(status));
  });

  it("a restart that has not begun is not taken for one that is over", async () => {
    let now = NOW;
    const { provider } = railway(
      [
        json(200, { data: { deploymentRestart: true } }),
        standing("SUCCESS", ["RUNNING"]),
        standing("SUCCESS", ["RESTARTING"]),
        standing("SUCCESS", ["RUNNING"]),
      ],
      { clock: () => now },
    );
    await provider.act(PLAN, LIMITS);
    const kinds = [];
    for (let poll = 0; poll < 3; poll += 1) {
      now += 500;
      kinds.push((await provider.follow("d1", LIMITS)).kind);
    }
    expect(kinds).toEqual(["in-progress", "in-progress", "over"]);
  });

  it("a restart too quick to be seen is over after five seconds", async () => {
    let now = NOW;
    const { provider } = railway([json(200, { data: { deploymentRestart: true } }), standing("SUCCESS", ["RUNNING"])], {
      clock: () => now,
    });
    await provider.act(PLAN, LIMITS);
    now += 4_999;
    expect((await provider.follow("d1", LIMITS)).kind).toBe("in-progress");
    now += 1;
    expect((await provider.follow("d1", LIMITS)).kind).toBe("over");
  });

  it("asks less often when few requests are left, so that the next restart has some", async () => {
    const few = railway([standing("SUCCESS", ["RESTARTING"], { "x-ratelimit-remaining": "19" })]).provider;
    expect(await few.follow("d1", LIMITS)).toMatchObject({ kind: "unavailable", afterMs: 30_000 });
    const enough = railway([standing("SUCCESS", ["RESTARTING"], { "x-ratelimit-remaining": "20" })]).provider;
    expect((await enough.follow("d1", LIMITS)).kind).toBe("in-progress");
    const over = railway([standing("SUCCESS", ["RUNNING"], { "x-ratelimit-remaining": "0" })]).provider;
    expect((await over.follow("d1", LIMITS)).kind).toBe("over");
  });
});
