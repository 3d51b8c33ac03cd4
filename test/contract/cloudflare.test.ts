import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type CloudflareOptions, type CloudflareStandIn, startCloudflare } from "@neuropilot/local";
import { createCloudflare, type PurgeSelector, purgeSelectors } from "@neuropilot/providers";
import { afterEach, describe, expect, it } from "vitest";

const ZONE = "023e105f4ecef8ad9ca31a8372d0c353";
const HOST = "shop.example.test";
const LIMITS = { timeoutMs: 5_000 };
const open: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function startOrigin(serve: (request: IncomingMessage, response: ServerResponse) => void): Promise<{
  url: string;
  server: Server;
}> {
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** Counts what reaches the origin; the path says how it answers. */
async function stage(change: Partial<CloudflareOptions> = {}) {
  let reached = 0;
  const origin = await startOrigin((request, response) => {
    reached += 1;
    const path = (request.url ?? "").split("?")[0];
    const headers: Record<string, string> = {
      "cache-control": "public, max-age=300",
      "cache-tag": "items,all",
      etag: '"1"',
    };
    if (path === "/private") headers["cache-control"] = "private, max-age=300";
    if (path === "/cookie") headers["set-cookie"] = "a=b";
    if (path === "/plain" || path === "/app.css") delete headers["cache-control"];
    if (path === "/brief") headers["cache-control"] = "max-age=10, s-maxage=1";
    if (path === "/other") headers["cache-tag"] = "Other";
    if (path === "/error") response.statusCode = 500;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.end(`${request.method} ${path} ${reached} for ${request.headers.host}`);
  });
  const standIn = await startCloudflare({
    token: "t0ken",
    zones: [{ zoneId: ZONE, origin: origin.url, hosts: [HOST, "127.0.0.1"] }],
    ...change,
  });
  open.push(() => standIn.close());
  return { standIn, origin, reached: () => reached };
}

const cacheStatus = async (standIn: CloudflareStandIn, path: string, init: RequestInit = {}) => {
  const answer = await fetch(`${standIn.edgeUrl}${path}`, init);
  await answer.arrayBuffer();
  return answer.headers.get("cf-cache-status");
};

async function purge(
  standIn: CloudflareStandIn,
  selector: PurgeSelector,
  { token = "t0ken", zoneId = ZONE, limits = LIMITS } = {},
) {
  const provider = createCloudflare({ baseUrl: standIn.baseUrl, token });
  const prepared = await provider.prepare({ zoneId, selector }, LIMITS);
  if (prepared.kind !== "ready") throw new Error(`not ready: ${prepared.detail}`);
  return provider.act(prepared.plan, limits);
}

const call = (standIn: CloudflareStandIn, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${standIn.baseUrl}/zones/${ZONE}/purge_cache`, {
    method: "POST",
    headers: { authorization: "Bearer t0ken", "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

describe("the edge", () => {
  it("keeps what the origin allows, and serves it without asking again", async () => {
    const { standIn, reached } = await stage();
    expect(await cacheStatus(standIn, "/a")).toBe("MISS");
    expect(await cacheStatus(standIn, "/a")).toBe("HIT");
    expect(await cacheStatus(standIn, "/a?page=2")).toBe("MISS");
    expect(reached()).toBe(2);
  });

  it.each([
    ["/private", "BYPASS"],
    ["/cookie", "BYPASS"],
    ["/plain", "DYNAMIC"],
    ["/error", "DYNAMIC"],
  ])("does not keep %s: %s", async (path, status) => {
    const { standIn } = await stage();
    expect(await cacheStatus(standIn, path)).toBe(status);
    expect(await cacheStatus(standIn, path)).toBe(status);
  });

  it("keeps static files without the origin's word, but nothing that was asked for with credentials or as a part", async () => {
    const { standIn } = await stage();
    expect(await cacheStatus(standIn, "/app.css")).toBe("MISS");
    expect(await cacheStatus(standIn, "/app.css")).toBe("HIT");
    const part = { headers: { range: "bytes=0-3" } };
    expect([await cacheStatus(standIn, "/a", part), await cacheStatus(standIn, "/a", part)]).toEqual([
      "DYNAMIC",
      "DYNAMIC",
    ]);
    expect(await cacheStatus(standIn, "/a", { method: "POST", body: "x" })).toBe("DYNAMIC");
  });

  it("asks again when its copy is too old, by s-maxage before max-age", async () => {
    let now = 1_000_000;
    const { standIn } = await stage({ now: () => now });
    expect(await cacheStatus(standIn, "/brief")).toBe("MISS");
    expect(await cacheStatus(standIn, "/brief")).toBe("HIT");
    now += 1_001;
    expect(await cacheStatus(standIn, "/brief")).toBe("EXPIRED");
    expect(await cacheStatus(standIn, "/brief")).toBe("HIT");
  });

  it("names its ray, the age of its copy, answers HEAD and If-None-Match from it, and hides the cache tags", async () => {
    const { standIn, reached } = await stage();
    await cacheStatus(standIn, "/a", { method: "HEAD" });
    const hit = await fetch(`${standIn.edgeUrl}/a`);
    expect(await hit.text()).toContain("GET /a 1");
    expect(hit.headers.get("cf-cache-status")).toBe("HIT");
    expect(hit.headers.get("cf-ray")).toMatch(/^[0-9a-f]{16}-/);
    expect(hit.headers.get("age")).toMatch(/^\d+$/);
    expect(hit.headers.get("cache-tag")).toBeNull();
    expect((await fetch(`${standIn.edgeUrl}/a`, { headers: { "if-none-match": '"1"' } })).status).toBe(304);
    expect(reached()).toBe(1);
  });

  it("answers 521 where the origin refuses, 520 where it hangs up, 524 where it never answers", async () => {
    const refused = await stage();
    refused.origin.server.close();
    expect((await fetch(`${refused.standIn.edgeUrl}/a`)).status).toBe(521);

    const rude = await startOrigin((request) => request.socket.destroy());
    const silent = await startOrigin(() => undefined);
    for (const [origin, status] of [
      [rude, 520],
      [silent, 524],
    ] as const) {
      const { standIn } = await stage({
        zones: [{ zoneId: ZONE, origin: origin.url, hosts: [HOST] }],
        originResponseTimeoutMs: 100,
      });
      const answer = await fetch(`${standIn.edgeUrl}/a`);
      expect(answer.status).toBe(status);
      expect(answer.headers.get("server")).toBe("cloudflare");
      expect(answer.headers.get("cf-cache-status")).toBeNull();
    }
  });

  it("challenges everybody when told to, before the cache and the origin", async () => {
    const { standIn, reached } = await stage();
    standIn.challenge(true);
    const answer = await fetch(`${standIn.edgeUrl}/a`);
    expect([answer.status, answer.headers.get("cf-mitigated"), reached()]).toEqual([403, "challenge", 0]);
    standIn.challenge(false);
    expect(await cacheStatus(standIn, "/a")).toBe("MISS");
  });

  it("serves a poisoned object to the given share of requests, until a purge covers it", async () => {
    const { standIn } = await stage();
    const bad = async () => {
      const answers = await Promise.all(Array.from({ length: 40 }, () => fetch(`${standIn.edgeUrl}/items/1`)));
      return answers.filter(({ status }) => status === 500).length;
    };
    standIn.poison({ prefix: "/items", share: 0.1, tags: ["items"] });
    expect(await bad()).toBe(4);
    expect((await fetch(`${standIn.edgeUrl}/other`)).status).toBe(200);
    await purge(standIn, { kind: "tags", items: ["unrelated"] });
    expect(await bad()).toBe(4);
    await purge(standIn, { kind: "tags", items: ["items"] });
    expect(await bad()).toBe(0);
  });
});

describe("a purge", () => {
  it.each<[PurgeSelector, string, string]>([
    [{ kind: "tags", items: ["other"] }, "HIT", "MISS"],
    [{ kind: "prefixes", items: [`127.0.0.1/a`] }, "MISS", "HIT"],
    [{ kind: "prefixes", items: ["other.example.test/a"] }, "HIT", "HIT"],
    [{ kind: "hosts", items: ["127.0.0.1"] }, "MISS", "MISS"],
    [{ kind: "hosts", items: ["other.example.test"] }, "HIT", "HIT"],
    [{ kind: "everything" }, "MISS", "MISS"],
  ])("by %j leaves /a a %s and /other a %s", async (selector, a, other) => {
    const { standIn } = await stage();
    await cacheStatus(standIn, "/a");
    await cacheStatus(standIn, "/other");
    expect(standIn.cached).toBe(2);
    expect(await purge(standIn, selector)).toMatchObject({ kind: "applied" });
    expect([await cacheStatus(standIn, "/a"), await cacheStatus(standIn, "/other")]).toEqual([a, other]);
    expect(standIn.calls).toMatchObject([{ operation: "purge_cache", zoneId: ZONE, selector }]);
  });

  it("of single files takes exactly those", async () => {
    const { standIn } = await stage();
    await cacheStatus(standIn, "/a");
    await cacheStatus(standIn, "/other");
    const answer = await call(standIn, { files: ["http://127.0.0.1/a"] });
    expect([answer.status, standIn.cached]).toEqual([200, 1]);
  });

  it("may be made twice, to the same end", async () => {
    const { standIn } = await stage();
    for (let time = 0; time < 2; time += 1)
      expect(await purge(standIn, { kind: "everything" })).toMatchObject({ kind: "applied" });
  });

  it.each([
    ["nothing", {}],
    ["two kinds", { tags: ["a"], hosts: ["b.test"] }],
    ["everything as false", { purge_everything: false }],
    ["an empty list", { tags: [] }],
    ["no list", { tags: "a" }],
    ["101 items", { tags: Array.from({ length: 101 }, (_, index) => `t${index}`) }],
    ["a scheme", { prefixes: ["https://a.test/x"] }],
    ["an unknown field", { tag: ["a"] }],
    ["a file that is no URL", { files: ["/a"] }],
    ["no JSON", "tags=a"],
  ])("with %s is refused, and the cache stays", async (_name, body) => {
    const { standIn } = await stage();
    await cacheStatus(standIn, "/a");
    const answer = await call(standIn, body);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ success: false, result: null, errors: [{ code: expect.any(Number) }] });
    expect(standIn.cached).toBe(1);
  });

  it("takes what a config of 100 tags and more becomes, call by call", async () => {
    const { standIn } = await stage();
    const tags = Array.from({ length: 201 }, (_, index) => `t${index}`);
    const selectors = purgeSelectors({ tags, hosts: [], prefixes: [], everything: false });
    for (const selector of selectors) expect(await purge(standIn, selector)).toMatchObject({ kind: "applied" });
    expect(standIn.calls).toHaveLength(3);
  });

  it("is limited as on the free plan: 25 at once, then 5 a minute, and says how long to wait", async () => {
    let now = 1_000_000;
    const { standIn } = await stage({ now: () => now });
    for (let count = 0; count < 25; count += 1)
      expect(await purge(standIn, { kind: "everything" })).toMatchObject({ kind: "applied" });
    expect(await purge(standIn, { kind: "everything" })).toMatchObject({ kind: "retry-later", afterMs: 12_000 });
    now += 12_000;
    expect(await purge(standIn, { kind: "everything" })).toMatchObject({ kind: "applied" });
    expect(await purge(standIn, { kind: "everything" })).toMatchObject({ kind: "retry-later" });
  });

  it.each([
    ["a wrong token", "wr0ng", ZONE, { kind: "rejected", reason: "unauthorized" }],
    ["a token that no header can be", "bad token", ZONE, { kind: "rejected", reason: "unauthorized" }],
    ["a token with a line break", "t0ken\n2", ZONE, { kind: "rejected", reason: "invalid-request" }],
    ["a zone id that is none", "t0ken", "shop", { kind: "rejected", reason: "not-found" }],
    ["somebody else's zone", "t0ken", "ffffffffffffffffffffffffffffffff", { kind: "rejected", reason: "unauthorized" }],
  ])("with %s is rejected, with the fix", async (_name, token, zoneId, outcome) => {
    const { standIn } = await stage();
    const result = await purge(standIn, { kind: "everything" }, { token, zoneId });
    expect(result).toMatchObject(outcome);
    expect(JSON.stringify(result)).not.toContain(token === "t0ken" ? "Bearer" : token);
  });

  it.each<[Parameters<CloudflareStandIn["fail"]>[0], object, number]>([
    [{ kind: "server-error" }, { kind: "unknown", why: "vendor-error" }, 1],
    [{ kind: "rate-limited", retryAfterSeconds: 30 }, { kind: "retry-later", afterMs: 30_000 }, 1],
    [{ kind: "timeout" }, { kind: "unknown", why: "timeout" }, 1],
    [{ kind: "accepts-and-dies" }, { kind: "unknown", why: "connection-lost" }, 0],
    [{ kind: "unauthorized" }, { kind: "rejected", reason: "unauthorized" }, 1],
    [
      { kind: "refuses", code: 1107, message: "Only enterprise zones" },
      { kind: "rejected", reason: "plan-does-not-allow" },
      1,
    ],
  ])("that meets %j is called once and has the outcome that follows", async (fault, outcome, left) => {
    const { standIn } = await stage();
    await cacheStatus(standIn, "/a");
    standIn.fail(fault);
    expect(
      await purge(standIn, { kind: "everything" }, fault?.kind === "timeout" ? { limits: { timeoutMs: 200 } } : {}),
    ).toMatchObject(outcome);
    expect([standIn.calls.length, standIn.cached]).toEqual([1, left]);
  });

  it("to an address where nobody listens is retried later: nothing was sent", async () => {
    const { standIn } = await stage();
    await standIn.close();
    expect(await purge(standIn, { kind: "everything" })).toMatchObject({ kind: "retry-later" });
  });

  it("can be held at its arrival and after its work", async () => {
    const { standIn } = await stage();
    await cacheStatus(standIn, "/a");
    const seen: string[] = [];
    standIn.hooks.onCall = (operation) => void seen.push(`${operation} ${standIn.cached}`);
    standIn.hooks.onExecuted = (operation) => void seen.push(`${operation} ${standIn.cached}`);
    await purge(standIn, { kind: "everything" });
    expect(seen).toEqual(["purge_cache 1", "purge_cache 0"]);
  });
});
