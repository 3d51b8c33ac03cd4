import { randomBytes } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Cache, Poison, Stored } from "./cache.ts";
import { freshnessOf } from "./freshness.ts";

export interface Zone {
  readonly zoneId: string;
  /** Where the zone's origin listens, an http URL. */
  readonly origin: string;
  /** Names that the zone serves; the first also stands for requests that name none of them. */
  readonly hosts: readonly string[];
}

export interface EdgeZone extends Zone {
  readonly cache: Cache;
}

export interface EdgeOptions {
  readonly port?: number | undefined;
  readonly zones: readonly EdgeZone[];
  readonly now: () => number;
  readonly challenging: () => boolean;
  readonly connectTimeoutMs: number;
  readonly responseTimeoutMs: number;
  readonly log?: ((line: string) => void) | undefined;
}

export interface Edge {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

const MAX_KEPT_BYTES = 1_048_576;
/** Belong to one connection: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1 */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Starts the caching proxy that stands in front of the zones' origins. */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const server = createServer((incoming, outgoing) => serve(options, incoming, outgoing));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    close() {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closing;
    },
  };
}

interface Visit {
  readonly zone: EdgeZone;
  readonly host: string;
  readonly url: string;
  readonly ray: string;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

function serve(options: EdgeOptions, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const ray = `${randomBytes(8).toString("hex")}-LOC`;
  const named = (incoming.headers.host ?? "").toLowerCase().replace(/:\d+$/, "");
  const zone = options.zones.find(({ hosts }) => hosts.includes(named)) ?? options.zones[0];
  outgoing.setHeader("server", "cloudflare");
  outgoing.setHeader("cf-ray", ray);
  if (zone === undefined) {
    fail(outgoing, 530, "Error 1016", "Origin DNS error");
    return;
  }
  const host = zone.hosts.includes(named) ? named : (zone.hosts[0] ?? named);
  const visit: Visit = { zone, host, url: incoming.url ?? "/", ray, incoming, outgoing };
  if (options.challenging()) {
    incoming.resume();
    challenge(outgoing);
    return;
  }
  const asks = incoming.method === "GET" || incoming.method === "HEAD";
  if (!asks || incoming.headers.range !== undefined) {
    forward(options, visit, { keep: false, status: "DYNAMIC" });
    return;
  }
  const poison = zone.cache.poisoned(visit.url);
  if (poison !== undefined) {
    answerPoison(visit, poison);
    return;
  }
  const found = zone.cache.read(host, visit.url);
  if (found?.fresh === true) {
    answerStored(options, visit, found.entry, "HIT");
    return;
  }
  forward(options, visit, { keep: true, status: found === undefined ? "MISS" : "EXPIRED" });
}

/** https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/ */
function challenge(outgoing: ServerResponse): void {
  outgoing.writeHead(403, {
    "content-type": "text/html; charset=UTF-8",
    "cf-mitigated": "challenge",
    "cache-control": "private, max-age=0, no-store, no-cache, must-revalidate",
  });
  outgoing.end("<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>");
}

/** https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/ */
function fail(outgoing: ServerResponse, status: number, title: string, text: string): void {
  if (outgoing.headersSent) {
    outgoing.destroy();
    return;
  }
  outgoing.writeHead(status, {
    "content-type": "text/html; charset=UTF-8",
    "cache-control": "private, max-age=0, no-store, no-cache, must-revalidate",
  });
  outgoing.end(`<!DOCTYPE html><html><head><title>${title}</title></head><body>${title}: ${text}</body></html>`);
}

function answerPoison({ outgoing, incoming }: Visit, poison: Poison): void {
  outgoing.writeHead(poison.status ?? 500, {
    "content-type": "text/plain",
    "cf-cache-status": "HIT",
    age: "60",
  });
  outgoing.end(incoming.method === "HEAD" ? undefined : (poison.body ?? "a bad answer that the cache has kept"));
}

function answerStored({ now }: EdgeOptions, { incoming, outgoing }: Visit, entry: Stored, status: string): void {
  const age = String(Math.max(0, Math.floor((now() - entry.storedAt) / 1_000)));
  const etag = entry.headers.etag;
  const unchanged = etag !== undefined && incoming.headers["if-none-match"] === etag;
  outgoing.writeHead(unchanged ? 304 : entry.status, {
    ...entry.headers,
    ...(unchanged ? {} : { "content-length": String(entry.body.length) }),
    "cf-cache-status": status,
    age,
  });
  outgoing.end(unchanged || incoming.method === "HEAD" ? undefined : entry.body);
}

function forward(
  options: EdgeOptions,
  visit: Visit,
  plan: { readonly keep: boolean; readonly status: "MISS" | "EXPIRED" | "DYNAMIC" },
): void {
  const { incoming, outgoing, zone, url } = visit;
  const target = URL.parse(url, zone.origin);
  if (target === null || !url.startsWith("/")) {
    incoming.resume();
    fail(outgoing, 400, "400 Bad Request", "the request's URL cannot be read");
    return;
  }
  const upstream = request(target, {
    // A cache can only be filled by a whole answer: https://developers.cloudflare.com/cache/concepts/cache-behavior/
    method: plan.keep ? "GET" : (incoming.method ?? "GET"),
    headers: headersForOrigin(visit, plan.keep),
    agent: false,
  });
  const connecting = setTimeout(() => {
    fail(outgoing, 522, "522: Connection timed out", "the origin does not take connections");
    upstream.destroy();
  }, options.connectTimeoutMs);
  const waiting = setTimeout(() => {
    fail(outgoing, 524, "524: A timeout occurred", "the origin took the request and did not answer in time");
    upstream.destroy();
  }, options.responseTimeoutMs);
  const settle = () => {
    clearTimeout(connecting);
    clearTimeout(waiting);
  };
  upstream.on("socket", (socket) => socket.once("connect", () => clearTimeout(connecting)));
  upstream.on("error", (error: NodeJS.ErrnoException) => {
    settle();
    options.log?.(`cloudflare edge: ${url}: ${error.code ?? error.message}`);
    if (error.code === "ECONNREFUSED") fail(outgoing, 521, "521: Web server is down", "the origin refuses connections");
    else if (error.code === "EHOSTUNREACH" || error.code === "ENETUNREACH")
      fail(outgoing, 523, "523: Origin is unreachable", "there is no way to the origin");
    else fail(outgoing, 520, "520: Web server is returning an unknown error", "the origin ended the connection");
  });
  upstream.on("response", (answer) => {
    settle();
    pass(options, visit, plan, answer);
  });
  // Whoever asked and left no longer needs the origin's work.
  outgoing.once("close", () => {
    settle();
    upstream.destroy();
  });
  incoming.pipe(upstream);
}

function headersForOrigin({ incoming, ray }: Visit, keep: boolean): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(incoming.headers))
    if (value !== undefined && !HOP_BY_HOP.has(name)) headers[name] = value;
  if (keep) for (const name of ["if-none-match", "if-modified-since"]) delete headers[name];
  const address = incoming.socket.remoteAddress ?? "127.0.0.1";
  return {
    ...headers,
    // One copy is kept for everybody, so it is kept as it is.
    "accept-encoding": "identity",
    "cf-connecting-ip": address,
    "cf-ray": ray,
    "cdn-loop": "cloudflare; loops=1",
    "x-forwarded-for": [incoming.headers["x-forwarded-for"], address].flat().filter(Boolean).join(", "),
    "x-forwarded-proto": "http",
  };
}

function pass(
  options: EdgeOptions,
  visit: Visit,
  plan: { readonly keep: boolean; readonly status: "MISS" | "EXPIRED" | "DYNAMIC" },
  answer: IncomingMessage,
): void {
  const { incoming, outgoing, zone, host, url } = visit;
  const status = answer.statusCode ?? 502;
  const cacheControl = answer.headers["cache-control"];
  const freshness = plan.keep
    ? freshnessOf({
        path: url.split("?")[0] ?? url,
        status,
        authorized: incoming.headers.authorization !== undefined,
        cacheControl,
        setsCookie: answer.headers["set-cookie"] !== undefined,
      })
    : { kind: "dynamic" as const };
  const headers = headersForVisitor(answer.headers);
  answer.on("error", () => outgoing.destroy());
  if (freshness.kind !== "keep") {
    outgoing.writeHead(status, { ...headers, "cf-cache-status": freshness.kind === "bypass" ? "BYPASS" : "DYNAMIC" });
    if (incoming.method === "HEAD") {
      answer.resume();
      outgoing.end();
    } else answer.pipe(outgoing);
    return;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  outgoing.writeHead(status, { ...headers, "cf-cache-status": plan.status });
  answer.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_KEPT_BYTES) chunks.push(chunk);
    if (incoming.method !== "HEAD") outgoing.write(chunk);
  });
  answer.on("end", () => {
    outgoing.end();
    // An answer that was cut is not kept.
    if (!answer.complete || size > MAX_KEPT_BYTES) return;
    const { "content-length": _, ...kept } = headers;
    zone.cache.write(host, url, {
      status,
      headers: kept,
      body: Buffer.concat(chunks),
      tags: tagsOf(answer.headers["cache-tag"]),
      storedAt: options.now(),
      ttlMs: freshness.ttlMs,
    });
  });
  answer.on("aborted", () => outgoing.destroy());
}

function tagsOf(header: string | string[] | undefined): readonly string[] {
  return [header]
    .flat()
    .flatMap((value) => (value ?? "").split(","))
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "");
}

/** Visitors never see `Cache-Tag`: https://developers.cloudflare.com/cache/how-to/purge-cache/purge-by-tags/ */
function headersForVisitor(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !HOP_BY_HOP.has(name) && !["cache-tag", "server", "cf-ray"].includes(name))
      kept[name] = value;
  return kept;
}
