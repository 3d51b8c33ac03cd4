import { describe, expect, it } from "vitest";
import type { Fetch } from "../port.ts";
import { createCloudflare, type PurgeSelector, purgeSelectors } from "./index.ts";

const LIMITS = { timeoutMs: 2_000 };
const ZONE = "023e105f4ecef8ad9ca31a8372d0c353";
const NOTHING = { tags: [], hosts: [], prefixes: [], everything: false };

function failure(status: number, code: number, message = "words", headers: Record<string, string> = {}): Response {
  const body = { success: false, errors: [{ code, message }], messages: [], result: null };
  return new Response(JSON.stringify(body), { status, headers });
}

function cloudflare(answer: () => Response | Promise<Response>) {
  const sent: { url: string; init: RequestInit }[] = [];
  const fetch: Fetch = async (url, init) => {
    sent.push({ url, init });
    return answer();
  };
  return { sent, provider: createCloudflare({ baseUrl: "http://cf.test/client/v4/", token: "t0ken", fetch }) };
}

async function purge(answer: () => Response | Promise<Response>, selector: PurgeSelector = { kind: "everything" }) {
  const { provider, sent } = cloudflare(answer);
  const prepared = await provider.prepare({ zoneId: ZONE, selector }, LIMITS);
  if (prepared.kind !== "ready") return { outcome: prepared, sent };
  return { outcome: await provider.act(prepared.plan, LIMITS), sent };
}

const accepted = () =>
  new Response(JSON.stringify({ success: true, errors: [], messages: [], result: { id: ZONE } }), { status: 200 });

describe("the selectors of a site", () => {
  it("go from the narrowest to the widest, and hold everything only where the config says so", () => {
    const purge = { tags: ["items"], hosts: ["a.test"], prefixes: ["a.test/x"], everything: true };
    expect(purgeSelectors(purge).map(({ kind }) => kind)).toEqual(["tags", "hosts", "prefixes", "everything"]);
    expect(purgeSelectors({ ...purge, everything: false }).map(({ kind }) => kind)).not.toContain("everything");
  });

  it("never turn an empty or blank list into anything, least of all into everything", () => {
    expect(purgeSelectors(NOTHING)).toEqual([]);
    expect(purgeSelectors({ ...NOTHING, tags: ["", "  "], prefixes: [""] })).toEqual([]);
  });

  it("hold at most 100 items each, every item once, none lost", () => {
    const tags = Array.from({ length: 250 }, (_, index) => `tag-${index}`);
    const selectors = purgeSelectors({ ...NOTHING, tags: [...tags, "tag-0"] });
    const sizes = selectors.map((selector) => (selector.kind === "everything" ? 0 : selector.items.length));
    expect(sizes).toEqual([100, 100, 50]);
    expect(selectors.flatMap((selector) => (selector.kind === "everything" ? [] : selector.items))).toEqual(tags);
  });
});

describe("a purge call", () => {
  it.each<[PurgeSelector, object]>([
    [{ kind: "tags", items: ["items"] }, { tags: ["items"] }],
    [{ kind: "hosts", items: ["a.test"] }, { hosts: ["a.test"] }],
    [{ kind: "prefixes", items: ["a.test/x"] }, { prefixes: ["a.test/x"] }],
    [{ kind: "everything" }, { purge_everything: true }],
  ])("sends %j as exactly one kind, once, with the token", async (selector, body) => {
    const { outcome, sent } = await purge(accepted, selector);
    expect(outcome).toMatchObject({ kind: "applied", reference: ZONE });
    expect(sent).toHaveLength(1);
    expect(sent[0]?.url).toBe(`http://cf.test/client/v4/zones/${ZONE}/purge_cache`);
    expect(JSON.parse(String(sent[0]?.init.body))).toEqual(body);
    expect(new Headers(sent[0]?.init.headers).get("authorization")).toBe("Bearer t0ken");
  });

  it.each<[string, PurgeSelector, RegExp]>([
    ["an empty list", { kind: "tags", items: [] }, /purge\.tags is empty/],
    ["a blank item", { kind: "hosts", items: [" "] }, /blank/],
    ["a scheme", { kind: "prefixes", items: ["https://a.test/x"] }, /without the scheme/],
    ["a path in a host", { kind: "hosts", items: ["a.test/x"] }, /no path/],
    ["101 items", { kind: "tags", items: Array.from({ length: 101 }, (_, i) => `t${i}`) }, /101 items/],
  ])("is refused before anything is sent: %s", async (_name, selector, detail) => {
    const { outcome, sent } = await purge(accepted, selector);
    expect(outcome).toMatchObject({
      kind: "rejected",
      reason: "invalid-request",
      detail: expect.stringMatching(detail),
    });
    expect(sent).toHaveLength(0);
  });

  it("without a token is rejected and names the variable to set", async () => {
    for (const token of ["", undefined])
      expect(
        await createCloudflare({ baseUrl: "http://cf.test", token }).prepare(
          { zoneId: ZONE, selector: { kind: "everything" } },
          LIMITS,
        ),
      ).toMatchObject({
        kind: "rejected",
        reason: "no-credentials",
        detail: expect.stringContaining("CLOUDFLARE_API_TOKEN"),
      });
  });

  it.each<[string, () => Response, object]>([
    ["10000", () => failure(403, 10000), { kind: "rejected", reason: "unauthorized" }],
    ["9109", () => failure(403, 9109), { kind: "rejected", reason: "unauthorized" }],
    ["6003", () => failure(400, 6003), { kind: "rejected", reason: "unauthorized" }],
    ["1001", () => failure(400, 1001), { kind: "rejected", reason: "not-found" }],
    ["7003", () => failure(404, 7003), { kind: "rejected", reason: "not-found" }],
    ["1012", () => failure(400, 1012), { kind: "rejected", reason: "invalid-request" }],
    ["1107", () => failure(400, 1107), { kind: "rejected", reason: "plan-does-not-allow" }],
    ["a code nobody knows", () => failure(400, 424242), { kind: "rejected", reason: "invalid-request" }],
    ["success:false with 200", () => failure(200, 9109), { kind: "rejected", reason: "unauthorized" }],
    [
      "success:false with 200 and no known code",
      () => failure(200, 1),
      { kind: "rejected", reason: "invalid-request" },
    ],
    [
      "429 with Retry-After",
      () => failure(429, 1134, "x", { "retry-after": "12" }),
      { kind: "retry-later", afterMs: 12_000 },
    ],
    ["429 without", () => failure(429, 1134), { kind: "retry-later", afterMs: 60_000 }],
    ["500", () => failure(500, 10001), { kind: "unknown", why: "vendor-error" }],
    [
      "502 as a page",
      () => new Response("<html>bad gateway</html>", { status: 502 }),
      { kind: "unknown", why: "vendor-error" },
    ],
    ["200 as a page", () => new Response("<html>hello</html>"), { kind: "unknown", why: "unreadable-answer" }],
    ["200 as other JSON", () => new Response('{"ok":1}'), { kind: "unknown", why: "unreadable-answer" }],
    ["401 as a page", () => new Response("no", { status: 401 }), { kind: "rejected", reason: "unauthorized" }],
    [
      "a redirect",
      () => new Response(null, { status: 301, headers: { location: "http://x.test" } }),
      { kind: "rejected" },
    ],
  ])("that is answered with %s has the outcome that follows", async (_name, answer, outcome) => {
    expect((await purge(answer)).outcome).toMatchObject(outcome);
  });

  it("never shows the token, not even where the vendor repeats it", async () => {
    const { outcome } = await purge(() => failure(400, 6003, "bad header: Bearer t0ken"));
    expect(JSON.stringify(outcome)).not.toContain("t0ken");
  });

  it("is over once it is accepted", async () => {
    expect(await cloudflare(accepted).provider.follow("x", LIMITS)).toMatchObject({ kind: "over" });
  });
});
