import { describe, expect, it } from "vitest";
import * as z from "zod";
import { type ApiRequest, answer } from "./api.ts";
import { createGovernance } from "./governance.ts";
import { createVitals } from "./vitals.ts";

const NOW = 1_800_000_000_000;

/** One service whose clock the test turns; each call is one request to it. */
function service() {
  const clock = { now: NOW };
  const parts = {
    vitals: createVitals("9.9.9", () => clock.now),
    governance: createGovernance(Buffer.from("a secret of this test"), () => clock.now),
    assets: new Map([["/assets/app.js", { type: "text/javascript", text: "1" }]]),
  };
  const ask = (url: string, change: Partial<ApiRequest> = {}) => {
    const reply = answer(parts, { method: "GET", url, headers: {}, body: "", ...change });
    const json: unknown = reply.headers["content-type"]?.includes("json") && reply.body ? JSON.parse(reply.body) : null;
    return { ...reply, json };
  };
  return { clock, ask };
}

const itemPage = z.object({
  items: z.array(
    z.object({ id: z.string(), name: z.string(), category: z.string(), stock: z.int(), reorderAt: z.int() }),
  ),
  total: z.int(),
  nextOffset: z.nullable(z.int()),
});

describe("the inventory API", () => {
  const { ask } = service();
  const list = (query: string) => itemPage.parse(ask(`/api/items${query}`).json);

  it("lists every item exactly once over its pages", () => {
    const seen: string[] = [];
    let offset: number | null = 0;
    while (offset !== null && seen.length < 1_000) {
      const page: z.infer<typeof itemPage> = list(`?limit=7&offset=${offset}`);
      seen.push(...page.items.map((item) => item.id));
      offset = page.nextOffset;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBe(list("").total);
  });

  it("narrows by category, name and what is low", () => {
    const all = list("?limit=100").items;
    const ids = (query: string) => list(`?limit=100&${query}`).items.map((item) => item.id);
    expect(ids("category=pumps")).toEqual(all.filter((item) => item.category === "pumps").map((item) => item.id));
    expect(ids("q=FAN")).toEqual(all.filter((item) => item.name.includes("Fan")).map((item) => item.id));
    const low = all.filter((item) => item.stock <= item.reorderAt).map((item) => item.id);
    expect(low.length).toBeGreaterThan(0);
    expect(ids("lowStock=true")).toEqual(low);
    expect(ids("lowStock=false").length).toBe(all.length - low.length);
    expect(ids("q=nothing-like-it")).toEqual([]);
  });

  it("sorts by stock", () => {
    const stocks = list("?limit=100&sort=stock").items.map((item) => item.stock);
    expect(stocks).toEqual(stocks.toSorted((a, b) => a - b));
  });

  it("says the same after a restart", () => {
    expect(service().ask("/api/items?limit=100").body).toBe(ask("/api/items?limit=100").body);
  });

  it.each([
    ["/api/items?limit=0", ["limit"]],
    ["/api/items?limit=101", ["limit"]],
    ["/api/items?limit=ten&offset=-1", ["offset", "limit"]],
    ["/api/items?category=food", ["category"]],
    ["/api/items?lowStock=maybe", ["lowStock"]],
    ["/api/items?sort=colour", ["sort"]],
    ["/api/forecast", ["item"]],
    ["/api/forecast?item=fan-a10&days=999", ["days"]],
  ])("%s is a 400 that names %j", (url, fields) => {
    const reply = ask(url);
    expect(reply.status).toBe(400);
    expect(reply.headers["cache-control"]).toBe("no-store");
    expect(reply.json).toMatchObject({ error: { code: "invalid-query" } });
    expect(reply.json).toMatchObject({ error: { problems: fields.map((field) => ({ field })) } });
  });

  it.each([
    ["GET", "/api/items/none-such", 404],
    ["GET", "/api/forecast?item=none-such", 404],
    ["GET", "/nothing-here", 404],
    ["GET", "/%E0%A4%A", 400],
    ["GET", "//", 400],
    ["GET", "/assets/../fault.ts", 404],
    ["POST", "/api/items", 405],
    ["DELETE", "/api/items/fan-a10", 405],
    ["GET", "/api/login", 405],
  ])("%s %s is a %i in JSON that no cache keeps", (method, url, status) => {
    const reply = ask(url, { method });
    expect(reply.status).toBe(status);
    expect(reply.json).toMatchObject({ error: { code: expect.any(String), message: expect.any(String) } });
    expect(reply.headers["cache-control"]).toBe("no-store");
    expect(reply.headers["cache-tag"]).toBeUndefined();
  });

  it("forecasts an item's sales and says what to order", () => {
    expect(ask("/api/forecast?item=fan-a10&days=5").json).toMatchObject({
      item: "fan-a10",
      forecast: { days: [{ day: 1 }, { day: 2 }, { day: 3 }, { day: 4 }, { day: 5 }] },
      orderUnits: expect.any(Number),
    });
  });
});

describe("a cache in front", () => {
  const { ask } = service();

  it.each([
    ["/api/items", "items"],
    ["/api/items/fan-a10", "items,item-fan-a10"],
    ["/api/forecast?item=fan-a10", "forecasts,item-fan-a10"],
    ["/assets/app.js", "assets"],
  ])("may keep %s, and can purge it by %s", (url, tags) => {
    const reply = ask(url);
    expect(reply.headers["cache-control"]).toMatch(/^public, max-age=\d+, s-maxage=[1-9]/);
    expect(reply.headers["cache-tag"]).toBe(tags);
  });

  it("hears 304 as long as nothing changed", () => {
    const { etag = "" } = ask("/api/items").headers;
    expect(ask("/api/items", { headers: { "if-none-match": `"other", W/${etag}` } })).toMatchObject({
      status: 304,
      body: "",
    });
    expect(ask("/api/items", { headers: { "if-none-match": '"other"' } }).status).toBe(200);
  });

  it.each(["/health", "/metrics", "/api/governance"])("keeps nothing of %s", (url) => {
    expect(ask(url).headers["cache-control"]).toBe("no-store");
  });
});

describe("sign-in and governance", () => {
  const signIn = (ask: ReturnType<typeof service>["ask"], body: string) => ask("/api/login", { method: "POST", body });
  const right = '{"user":"demo","password":"demo"}';

  it.each([
    ["right credentials", right, 200],
    ["a wrong password", '{"user":"demo","password":"no"}', 401],
    ["no password", '{"user":"demo"}', 400],
    ["no JSON", "user=demo", 400],
    ["nothing", "", 400],
  ])("%s", (_, body, status) => {
    expect(signIn(service().ask, body).status).toBe(status);
  });

  it("shows who did what to those who are signed in only, until the session ends", () => {
    const { ask, clock } = service();
    signIn(ask, '{"user":"demo","password":"no"}');
    const { token } = z.object({ token: z.string() }).parse(signIn(ask, right).json);
    const as = (authorization: string) => ask("/api/governance", { headers: { authorization } }).json;
    const hidden = { signedIn: false, audit: [{ actor: null }, { actor: null }, { actor: null }] };
    expect(as(`Bearer ${token}`)).toMatchObject({
      signedIn: true,
      audit: [
        { action: "signed-in", actor: "demo" },
        { action: "sign-in-refused", actor: "unknown" },
        { action: "service-started", actor: "system" },
      ],
    });
    expect(as(`Bearer ${token.slice(0, -3)}AAA`)).toMatchObject(hidden);
    expect(as(`Bearer ${token.replace("demo", "root")}`)).toMatchObject(hidden);
    expect(as("")).toMatchObject(hidden);
    clock.now += 3_601_000;
    expect(as(`Bearer ${token}`)).toMatchObject(hidden);
  });

  it("keeps the last 50 audit entries", () => {
    const { ask } = service();
    for (let n = 0; n < 60; n++) signIn(ask, right);
    const { audit } = z.object({ audit: z.array(z.object({ n: z.int() })) }).parse(ask("/api/governance").json);
    expect(audit.map((entry) => entry.n)).toEqual(Array.from({ length: 50 }, (_, index) => 60 - index));
  });
});

describe("its own figures", () => {
  it("are the same in the health JSON and in the metrics", () => {
    const { ask, clock } = service();
    clock.now += 90_000;
    expect(ask("/health").json).toMatchObject({
      status: "ok",
      version: "9.9.9",
      uptimeSeconds: 90,
      memory: { rssBytes: expect.any(Number), limitBytes: expect.any(Number), usedPct: expect.any(Number) },
      database: { lagMs: expect.any(Number) },
      queue: { depth: 0 },
    });
    const metrics = ask("/metrics").body;
    expect(metrics).toContain('demo_build_info{version="9.9.9"} 1\n');
    expect(metrics).toContain("demo_uptime_seconds 90\n");
    for (const line of metrics.trimEnd().split("\n"))
      expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="[^"]*"\})? -?[\d.e+-]+)$/);
  });
});
