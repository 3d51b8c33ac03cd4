import { createRailway } from "@neuropilot/providers";
import { afterEach, describe, expect, it } from "vitest";
import type { RailwayFault } from "./faults.ts";
import { type RailwayStandIn, type RailwayStandInOptions, startRailway } from "./stand-in.ts";

const WHERE = { projectId: "prj", environmentId: "env", serviceId: "svc" };
const TOKEN = "canary-token-c0ffee";
const LIMITS = { timeoutMs: 5_000 };

const started: RailwayStandIn[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((standIn) => standIn.close()));
});

async function stage(more: Partial<RailwayStandInOptions> = {}) {
  let restarted = 0;
  const standIn = await startRailway({
    ...WHERE,
    token: TOKEN,
    tokenKind: "project",
    services: [
      {
        serviceId: WHERE.serviceId,
        restart: async () => {
          restarted += 1;
        },
      },
    ],
    restartTakesMs: 40,
    answerTakesMs: 0,
    ...more,
  });
  started.push(standIn);
  const provider = createRailway({ baseUrl: standIn.url, token: TOKEN, tokenKind: more.tokenKind ?? "project" });
  return { standIn, provider, restarted: () => restarted };
}

type Stage = Awaited<ReturnType<typeof stage>>;

async function restart({ provider }: Stage, timeoutMs = LIMITS.timeoutMs) {
  const prepared = await provider.prepare(WHERE, LIMITS);
  if (prepared.kind !== "ready") return prepared;
  return provider.act(prepared.plan, { timeoutMs });
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await what())) {
    if (Date.now() > deadline) throw new Error("it did not come about within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function operations(standIn: RailwayStandIn): string[] {
  return standIn.calls.map((call) => call.operation);
}

async function send(
  standIn: RailwayStandIn,
  body: unknown,
  headers: Record<string, string> = { "project-access-token": TOKEN },
): Promise<{ status: number; body: unknown; headers: Headers }> {
  const response = await fetch(`${standIn.url}/graphql/v2`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

describe("a restart through the provider, over real sockets", () => {
  it.each(["project", "account"] as const)(
    "with a token of kind %s it finds, restarts once and follows",
    async (tokenKind) => {
      const on = await stage({ tokenKind });
      const outcome = await restart(on);
      expect(outcome.kind).toBe("applied");
      if (outcome.kind !== "applied") return;
      await until(async () => (await on.provider.follow(outcome.reference, LIMITS)).kind === "over");
      expect(on.restarted()).toBe(1);
      expect(on.standIn.calls.filter((call) => call.mutates).map((call) => call.operation)).toEqual([
        "deploymentRestart",
      ]);
      expect(on.standIn.restarts).toMatchObject([{ deploymentId: outcome.reference, result: "running" }]);
    },
  );

  it("is accepted before it happens, and is not over until it has", async () => {
    let up: () => void = () => undefined;
    const on = await stage({
      services: [{ serviceId: WHERE.serviceId, restart: () => new Promise((resolve) => (up = resolve)) }],
    });
    const outcome = await restart(on);
    if (outcome.kind !== "applied") throw new Error(outcome.kind);
    const seen: string[] = [];
    await until(async () => {
      seen.push((await on.provider.follow(outcome.reference, LIMITS)).detail);
      return seen.includes("1 of 1 instances are starting");
    });
    expect(on.standIn.restarts[0]?.overAt).toBeUndefined();
    up();
    await until(async () => (await on.provider.follow(outcome.reference, LIMITS)).kind === "over");
    expect(on.standIn.restarts[0]?.overAt).toBeGreaterThan(0);
  });

  it("asked for twice restarts twice, one after the other", async () => {
    let running = 0;
    let most = 0;
    const on = await stage({
      services: [
        {
          serviceId: WHERE.serviceId,
          restart: async () => {
            running += 1;
            most = Math.max(most, running);
            // As long as a restart that would overlap takes to begin, several times over.
            await new Promise((resolve) => setTimeout(resolve, 60));
            running -= 1;
          },
        },
      ],
    });
    await Promise.all([restart(on), restart(on)]);
    await until(() => on.standIn.restarts.filter((record) => record.result === "running").length === 2);
    expect(most).toBe(1);
  });

  it("of a service that does not come up ends crashed, and following says so", async () => {
    const on = await stage({
      services: [{ serviceId: WHERE.serviceId, restart: () => Promise.reject(new Error("no")) }],
    });
    const outcome = await restart(on);
    if (outcome.kind !== "applied") throw new Error(outcome.kind);
    await until(() => on.standIn.restarts[0]?.result === "crashed");
    const later = createRailway({ baseUrl: on.standIn.url, token: TOKEN, tokenKind: "project" });
    expect((await later.follow(outcome.reference, LIMITS)).kind).toBe("failed");
  });

  it("brings a crashed deployment back, which is no longer an active one", async () => {
    const on = await stage();
    const [id] = on.standIn.setDeployments(WHERE.serviceId, [
      { status: "CRASHED", active: false, instances: ["CRASHED"] },
    ]);
    expect(await restart(on)).toMatchObject({ kind: "applied", reference: id });
    await until(() => on.standIn.restarts[0]?.result === "running");
    expect((await on.provider.prepare(WHERE, LIMITS)).kind).toBe("ready");
  });

  it("of a service that nobody knows is not found; of another environment, not authorized", async () => {
    const { provider } = await stage();
    expect(await provider.prepare({ ...WHERE, serviceId: "other" }, LIMITS)).toMatchObject({ reason: "not-found" });
    expect(await provider.prepare({ ...WHERE, environmentId: "other" }, LIMITS)).toMatchObject({
      reason: "unauthorized",
    });
  });

  it.each([
    ["a wrong project token", "project", "wrong", "project", "Project Token not found"],
    ["an account token sent as a project token", "account", TOKEN, "project", "Not Authorized"],
    ["a project token sent as an account token", "project", TOKEN, "account", "Not Authorized"],
  ] as const)("with %s is refused", async (_name, kindThere, token, kindHere, words) => {
    const { standIn } = await stage({ tokenKind: kindThere });
    const provider = createRailway({ baseUrl: standIn.url, token, tokenKind: kindHere });
    const outcome = await provider.prepare(WHERE, LIMITS);
    expect(outcome).toMatchObject({ kind: "rejected", reason: "unauthorized", detail: expect.stringContaining(words) });
  });
});

describe("each way in which Railway fails has its outcome, and its number of real restarts", () => {
  const cases: [RailwayFault, string, number][] = [
    [{ kind: "server-error" }, "unknown: vendor-error", 0],
    [{ kind: "server-error", status: 502 }, "unknown: vendor-error", 0],
    [{ kind: "rate-limited", retryAfterSeconds: 3 }, "retry-later: 3000", 0],
    [{ kind: "timeout" }, "unknown: timeout", 0],
    [{ kind: "timeout-but-applied" }, "unknown: timeout", 1],
    [{ kind: "drops" }, "unknown: connection-lost", 0],
    [{ kind: "accepts-and-dies" }, "unknown: connection-lost", 1],
    [{ kind: "cut-answer" }, "unknown: connection-lost", 1],
    [{ kind: "accepts-and-crashes" }, "applied", 0],
    [{ kind: "answers-false" }, "rejected: nothing-to-restart", 0],
    [{ kind: "not-authorized" }, "rejected: unauthorized", 0],
    [{ kind: "project-token-not-found" }, "rejected: unauthorized", 0],
    [{ kind: "two-factor-required" }, "rejected: unauthorized", 0],
    [{ kind: "internal-error" }, "unknown: vendor-error", 0],
    [{ kind: "data-null" }, "unknown: unreadable-answer", 0],
    [{ kind: "unreadable" }, "unknown: unreadable-answer", 0],
  ];

  it.each(cases)("%j", async (fault, expected, restarts) => {
    const on = await stage();
    on.standIn.fail({ ...fault, operation: "deploymentRestart" });
    const outcome = await restart(on, expected === "unknown: timeout" ? 150 : undefined);
    const text = {
      applied: () => "applied",
      "already-done": () => "already-done",
      rejected: () => (outcome.kind === "rejected" ? `rejected: ${outcome.reason}` : ""),
      "retry-later": () => (outcome.kind === "retry-later" ? `retry-later: ${outcome.afterMs}` : ""),
      unknown: () => (outcome.kind === "unknown" ? `unknown: ${outcome.why}` : ""),
    }[outcome.kind]();
    expect(text).toBe(expected);
    expect(JSON.stringify(outcome)).not.toContain(TOKEN);
    await until(() => on.standIn.restarts.every((record) => record.result !== undefined));
    expect(on.restarted()).toBe(restarts);
    expect(operations(on.standIn).filter((operation) => operation === "deploymentRestart")).toHaveLength(1);
  });

  it.each(cases)("while reading, %j leaves nothing unknown and nothing restarted", async (fault) => {
    const on = await stage();
    on.standIn.fail({ ...fault, operation: "serviceInstance" });
    const prepared = await on.provider.prepare(WHERE, { timeoutMs: fault.kind === "timeout" ? 100 : 5_000 });
    expect(["ready", "retry-later", "rejected"]).toContain(prepared.kind);
    expect(on.standIn.restarts).toHaveLength(0);
  });

  it("a deployment that was accepted and crashed is followed to its failure", async () => {
    const on = await stage();
    on.standIn.fail({ kind: "accepts-and-crashes" });
    const outcome = await restart(on);
    if (outcome.kind !== "applied") throw new Error(outcome.kind);
    await until(async () => (await on.provider.follow(outcome.reference, LIMITS)).kind === "failed");
  });

  it("a fault ends after its number of calls, or when told", async () => {
    const on = await stage();
    on.standIn.fail({ kind: "server-error", times: 1, operation: "deploymentRestart" });
    expect((await restart(on)).kind).toBe("unknown");
    expect((await restart(on)).kind).toBe("applied");
    on.standIn.fail({ kind: "server-error" });
    expect((await on.provider.prepare(WHERE, LIMITS)).kind).toBe("retry-later");
    on.standIn.fail(undefined);
    expect((await on.provider.prepare(WHERE, LIMITS)).kind).toBe("ready");
  });

  it("a stand-in that is gone was never reached", async () => {
    const on = await stage();
    await on.standIn.close();
    expect((await on.provider.act({ deploymentId: "d" }, LIMITS)).kind).toBe("retry-later");
  });
});

describe("the stand-in", () => {
  it.each([
    [
      "a rollback with a selection, as the vendor's guide has it",
      'mutation { deploymentRollback(id: "d") { id status } }',
    ],
    [
      "a filter that the vendor's guide has and its schema has not",
      'query { deployments(input: { environmentId: "env", status: { successfulOnly: true } }) { edges { node { id } } } }',
    ],
    ["a field that does not exist", 'query { deployment(id: "d") { health } }'],
    [
      "a redeploy, which is never asked for",
      'mutation { serviceInstanceRedeploy(environmentId: "e", serviceId: "s") }',
    ],
    ["a missing argument", "mutation { deploymentRestart }"],
    ["a missing selection", 'query { deployment(id: "d") }'],
  ])("refuses %s", async (_name, query) => {
    const { standIn } = await stage();
    const answer = await send(standIn, { query });
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ errors: [{ extensions: { code: "GRAPHQL_VALIDATION_FAILED" } }] });
  });

  it("takes the filter that the schema has", async () => {
    const { standIn } = await stage();
    const [newest] = standIn.setDeployments(WHERE.serviceId, [
      { status: "SUCCESS", active: true },
      { status: "FAILED", active: false },
      { status: "SUCCESS", active: false },
    ]);
    const query = `query($input: DeploymentListInput!) {
      deployments(first: 1, input: $input) { edges { node { id status } } pageInfo { hasNextPage } }
    }`;
    const input = { environmentId: "env", serviceId: "svc", status: { in: ["SUCCESS"] } };
    expect((await send(standIn, { query, variables: { input } })).body).toEqual({
      data: {
        deployments: { edges: [{ node: { id: newest, status: "SUCCESS" } }], pageInfo: { hasNextPage: true } },
      },
    });
  });

  const restartQuery = "mutation($id: String!) { deploymentRestart(id: $id) }";
  it.each<[string, unknown, number, Record<string, string>]>([
    ["a body that is no JSON", "query {", 400, {}],
    ["a body that is no object", "[]", 400, {}],
    ["an unknown member of the body", { query: restartQuery, variables: { id: "d" }, extra: 1 }, 400, {}],
    ["a syntax error", { query: "mutation {" }, 400, {}],
    ["variables that are no object", { query: restartQuery, variables: [] }, 400, {}],
    ["a variable that nobody declared", { query: restartQuery, variables: { id: "d", x: 1 } }, 400, {}],
    [
      "two operations at once",
      { query: 'mutation { a: deploymentRestart(id: "d") b: deploymentRestart(id: "d") }' },
      400,
      {},
    ],
    ["another content type", { query: restartQuery, variables: { id: "d" } }, 415, { "content-type": "text/plain" }],
  ])("refuses %s", async (_name, body, status, headers) => {
    const on = await stage();
    const answer = await send(on.standIn, body, { "project-access-token": TOKEN, ...headers });
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ errors: [{ message: expect.any(String) }] });
    expect(on.standIn.restarts).toHaveLength(0);
  });

  it.each([
    ["missing", {}, "was not provided"],
    ["of the wrong type", { id: 7 }, "got invalid value 7"],
  ])("refuses a variable that is %s", async (_name, variables, words) => {
    const { standIn } = await stage();
    const answer = await send(standIn, { query: restartQuery, variables });
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body)).toContain(words);
    expect(standIn.restarts).toHaveLength(0);
  });

  it("refuses other paths and methods", async () => {
    const { standIn } = await stage();
    expect((await fetch(`${standIn.url}/graphql`, { method: "POST" })).status).toBe(404);
    expect((await fetch(`${standIn.url}/graphql/v2`)).status).toBe(405);
  });

  it("says whose token it is, and cannot roll back what kept no image", async () => {
    const { standIn } = await stage();
    const [id] = standIn.setDeployments(WHERE.serviceId, [{ status: "SUCCESS", active: true }]);
    const who = await send(standIn, { query: "{ projectToken { projectId environmentId } }" });
    expect(who.body).toEqual({ data: { projectToken: { projectId: "prj", environmentId: "env" } } });
    const rollback = await send(standIn, {
      query: "mutation($id: String!) { deploymentRollback(id: $id) }",
      variables: { id },
    });
    expect(rollback.body).toMatchObject({ data: null, errors: [{ message: expect.stringContaining("cannot be") }] });
  });

  it("tells how many requests are left, and answers 429 when none is", async () => {
    const on = await stage({ limits: { perHour: 2, perSecond: 10 } });
    const query = "{ projectToken { projectId } }";
    const first = await send(on.standIn, { query });
    expect(first.headers.get("x-ratelimit-limit")).toBe("2");
    expect(first.headers.get("x-ratelimit-remaining")).toBe("1");
    expect(Date.parse(first.headers.get("x-ratelimit-reset") ?? "")).toBeGreaterThan(Date.now());
    expect(first.headers.has("retry-after")).toBe(false);
    await send(on.standIn, { query });
    const third = await send(on.standIn, { query });
    expect([third.status, third.body]).toEqual([429, { data: null }]);
    expect(Number(third.headers.get("retry-after"))).toBeGreaterThan(3_500);
    const outcome = await on.provider.prepare(WHERE, LIMITS);
    expect(outcome.kind).toBe("retry-later");
    expect(outcome.kind === "retry-later" ? outcome.afterMs : 0).toBeGreaterThan(3_500_000);
  });

  it("waits for its hooks: before anything is made of a call, and between the work and the answer", async () => {
    const on = await stage();
    const steps: string[] = [];
    on.standIn.hooks.onCall = async (operation) => {
      await new Promise((resolve) => setImmediate(resolve));
      steps.push(`call ${operation}, ${on.standIn.restarts.length} accepted`);
    };
    on.standIn.hooks.onExecuted = (operation) => {
      steps.push(`executed ${operation}, ${on.standIn.restarts.length} accepted`);
    };
    await restart(on);
    expect(steps).toEqual([
      "call serviceInstance, 0 accepted",
      "executed serviceInstance, 0 accepted",
      "call deploymentRestart, 0 accepted",
      "executed deploymentRestart, 1 accepted",
    ]);
  });

  it("closes with calls open and restarts waiting, starts none of them afterwards, and may be closed twice", async () => {
    const on = await stage({ restartTakesMs: 60_000 });
    await restart(on);
    on.standIn.fail({ kind: "timeout" });
    const open = on.provider.prepare(WHERE, { timeoutMs: 30_000 });
    await until(() => operations(on.standIn).length === 3);
    await on.standIn.close();
    await on.standIn.close();
    expect((await open).kind).toBe("retry-later");
    expect(on.restarted()).toBe(0);
  });

  it("says which port is taken", async () => {
    const { standIn } = await stage();
    const port = Number(new URL(standIn.url).port);
    await expect(stage({ port })).rejects.toThrow(`port ${port} is in use`);
  });
});
