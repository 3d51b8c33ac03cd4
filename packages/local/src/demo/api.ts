import { createHash } from "node:crypto";
import * as z from "zod";
import { forecastSales } from "./forecast.ts";
import type { Governance } from "./governance.ts";
import { CATEGORIES, findItem, listItems, SORTS, salesOf } from "./inventory.ts";
import type { Vitals } from "./vitals.ts";

export interface ApiRequest {
  readonly method: string;
  /** Path and query as they came, still encoded. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface ApiReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A file of the page, by the path it is served at. */
export interface Asset {
  readonly type: string;
  readonly text: string;
}

export interface ApiParts {
  readonly vitals: Vitals;
  readonly governance: Governance;
  readonly assets: ReadonlyMap<string, Asset>;
}

/**
 * How long a cache in front may keep what, and under which tags it can be purged:
 * https://developers.cloudflare.com/cache/how-to/purge-cache/purge-by-tags/
 * Browsers keep nothing for long, because a purge cannot reach them.
 */
const CACHED = {
  asset: "public, max-age=60, s-maxage=3600",
  page: "public, max-age=0, s-maxage=300",
  items: "public, max-age=0, s-maxage=30",
} as const;

const number = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, "wants a whole number")
    .transform(Number)
    .pipe(z.number().min(min).max(max));

const flag = z.enum(["true", "false"]).transform((text) => text === "true");

const listQuery = z.object({
  category: z.optional(z.enum(CATEGORIES)),
  q: z.optional(z.string().min(1).max(60)),
  lowStock: z.optional(flag),
  sort: z.enum(SORTS).default("name"),
  offset: number(0, 100_000).default(0),
  limit: number(1, 100).default(20),
});

const forecastQuery = z.object({ item: z.string().min(1).max(60), days: number(1, 60).default(14) });

const credentials = z.object({ user: z.string().max(100), password: z.string().max(100) });

/** Answers one request; total, whatever the request is. */
export function answer(parts: ApiParts, request: ApiRequest): ApiReply {
  const reply = route(parts, request);
  const etag = reply.headers.etag;
  if (etag !== undefined && matches(request.headers["if-none-match"], etag)) return { ...reply, status: 304, body: "" };
  return reply;
}

/** An error as every part of this service answers it. */
export function errorReply(status: number, code: string, message: string, more: object = {}): ApiReply {
  return json(status, { error: { code, message, ...more } });
}

function route(parts: ApiParts, request: ApiRequest): ApiReply {
  const url = URL.parse(request.url, "http://demo.invalid");
  const path = url === null ? undefined : decoded(url.pathname);
  if (url === null || path === undefined)
    return errorReply(400, "invalid-path", "The path is not valid percent-encoded UTF-8.");

  if (path === "/api/login") return request.method === "POST" ? login(parts, request) : notAllowed("POST");

  const get = page(parts, path, url.searchParams, request);
  if (get === undefined) return errorReply(404, "not-found", `Nothing is served at ${path}.`);
  return request.method === "GET" || request.method === "HEAD" ? get() : notAllowed("GET, HEAD");
}

/** What answers a GET of this path; undefined where there is nothing. */
function page(
  parts: ApiParts,
  path: string,
  query: URLSearchParams,
  request: ApiRequest,
): (() => ApiReply) | undefined {
  const asset = parts.assets.get(path);
  if (asset !== undefined) return () => serveAsset(path, asset);
  switch (path) {
    case "/health":
      return () => json(200, parts.vitals.health());
    case "/metrics":
      return () => ({
        status: 200,
        headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" },
        body: parts.vitals.metrics(),
      });
    case "/api/items":
      return () => checked(listQuery, query, (wanted) => cached(json(200, listItems(wanted)), CACHED.items, ["items"]));
    case "/api/forecast":
      return () => checked(forecastQuery, query, ({ item, days }) => forecast(item, days));
    case "/api/governance":
      return () => json(200, parts.governance.report(text(request.headers.authorization)));
  }
  const id = /^\/api\/items\/([^/]+)$/.exec(path)?.[1];
  return id === undefined ? undefined : () => oneItem(id);
}

function oneItem(id: string): ApiReply {
  const item = findItem(id);
  if (item === undefined) return errorReply(404, "unknown-item", `No item has the id "${id}". See /api/items.`);
  return cached(json(200, item), CACHED.items, ["items", `item-${item.id}`]);
}

function forecast(id: string, ahead: number): ApiReply {
  const item = findItem(id);
  const history = salesOf(id);
  if (item === undefined || history === undefined)
    return errorReply(404, "unknown-item", `No item has the id "${id}". See /api/items.`);
  const result = forecastSales(history, ahead);
  const needed = result.days.reduce((sum, day) => sum + day.units, 0);
  return cached(
    json(200, {
      item: item.id,
      name: item.name,
      stock: item.stock,
      history,
      forecast: result,
      /** What is missing to get through the forecast days. */
      orderUnits: Math.max(0, Math.ceil(needed - item.stock)),
    }),
    CACHED.items,
    ["forecasts", `item-${item.id}`],
  );
}

function login(parts: ApiParts, request: ApiRequest): ApiReply {
  const given = credentials.safeParse(parsedJson(request.body));
  if (!given.success)
    return errorReply(400, "invalid-body", 'Send JSON such as {"user":"demo","password":"demo"}.', {
      problems: problemsOf(given.error),
    });
  const session = parts.governance.signIn(given.data.user, given.data.password);
  if (session === undefined) return errorReply(401, "wrong-credentials", "User or password is wrong.");
  return json(200, session);
}

function serveAsset(path: string, asset: Asset): ApiReply {
  const reply: ApiReply = {
    status: 200,
    headers: {
      "content-type": asset.type,
      "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
    },
    body: asset.text,
  };
  return path === "/" ? cached(reply, CACHED.page, ["page"]) : cached(reply, CACHED.asset, ["assets"]);
}

function cached(reply: ApiReply, cacheControl: string, tags: readonly string[]): ApiReply {
  const etag = `"${createHash("sha256").update(reply.body).digest("base64url").slice(0, 22)}"`;
  return { ...reply, headers: { ...reply.headers, "cache-control": cacheControl, "cache-tag": tags.join(","), etag } };
}

function checked<Schema extends z.ZodType>(
  schema: Schema,
  query: URLSearchParams,
  use: (value: z.output<Schema>) => ApiReply,
): ApiReply {
  const parsed = schema.safeParse(Object.fromEntries(query));
  if (parsed.success) return use(parsed.data);
  return errorReply(400, "invalid-query", "The query has mistakes.", { problems: problemsOf(parsed.error, query) });
}

function problemsOf(error: z.ZodError, query?: URLSearchParams): object[] {
  return error.issues.map((issue) => {
    const field = issue.path.join(".");
    const found = query?.get(field);
    return { field, ...(found === undefined ? {} : { found }), wanted: issue.message };
  });
}

function json(status: number, value: unknown): ApiReply {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" },
    body: `${JSON.stringify(value)}\n`,
  };
}

function notAllowed(allow: string): ApiReply {
  const reply = errorReply(405, "method-not-allowed", `This path takes ${allow}.`);
  return { ...reply, headers: { ...reply.headers, allow } };
}

function matches(header: string | string[] | undefined, etag: string): boolean {
  return (text(header) ?? "").split(",").some((part) => part.trim().replace(/^W\//, "") === etag);
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

function parsedJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
