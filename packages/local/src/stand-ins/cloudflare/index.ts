import { createFaultSwitch, type FaultLimits } from "../fault-switch.ts";
import { type StandInReply, type StandInRequest, startStandInServer } from "../server.ts";
import { createCache, type Poison, type Purge } from "./cache.ts";
import { startEdge, type Zone } from "./edge.ts";
import { API_PATH, accepted, createBucket, failure, readPurge, refusalOfToken } from "./purge-api.ts";

export type { Poison, Purge } from "./cache.ts";

/**
 * How the API fails, until told otherwise or so many `times`.
 *
 * - `server-error`: 500 or what is named, nothing purged.
 * - `rate-limited`: 429 with Retry-After, nothing purged.
 * - `timeout`: no answer, nothing purged.
 * - `accepts-and-dies`: purges, then ends the connection without an answer.
 * - `unauthorized`: as for a token without the permission.
 * - `refuses`: HTTP 200 with `success: false` and this code.
 */
export type CloudflareFault = (
  | { readonly kind: "server-error"; readonly status?: 500 | 502 | 503 | 504 }
  | { readonly kind: "rate-limited"; readonly retryAfterSeconds: number }
  | { readonly kind: "timeout" | "accepts-and-dies" | "unauthorized" }
  | { readonly kind: "refuses"; readonly code: number; readonly message: string }
) &
  FaultLimits;

/** Where a drill takes hold of a purge; each is awaited, and may be changed at any time. */
export interface CloudflareHooks {
  /** It has arrived, and nothing has been made of it yet. */
  onCall?: ((operation: string) => void | Promise<void>) | undefined;
  /** The cache is purged, and nothing is answered yet. */
  onExecuted?: ((operation: string) => void | Promise<void>) | undefined;
}

export interface CloudflareCall {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly operation: "purge_cache";
  readonly zoneId: string;
  /** Undefined where the request could not be read. */
  readonly selector: Purge | undefined;
}

export interface CloudflareOptions {
  /** Of the API; 0, the default, takes any free port. */
  readonly port?: number;
  /** Of the caching proxy. */
  readonly edgePort?: number;
  readonly token: string;
  readonly zones: readonly Zone[];
  /** Purges per account, all but those of single files. The default is the free plan's 5 a minute in a bucket of 25. */
  readonly rate?: { readonly perMinute: number; readonly size: number };
  /** How long the edge waits for a connection to the origin, and for its answer. */
  readonly originConnectTimeoutMs?: number;
  readonly originResponseTimeoutMs?: number;
  readonly now?: () => number;
  readonly log?: (line: string) => void;
}

export interface CloudflareStandIn {
  /** What `providers.cloudflare.baseUrl` is set to. */
  readonly baseUrl: string;
  /** The caching proxy in front of the zones. */
  readonly edgeUrl: string;
  /** Every purge request that arrived, whatever came of it. */
  readonly calls: readonly CloudflareCall[];
  /** Objects in the cache of all zones. */
  readonly cached: number;
  fail(fault: CloudflareFault | undefined): void;
  readonly hooks: CloudflareHooks;
  /** While true, the edge answers everything with a bot challenge. */
  challenge(on: boolean): void;
  /** Puts a bad object into a zone's cache (the first zone's by default), to stay until a purge covers it. */
  poison(poison: Poison, zoneId?: string): void;
  close(): Promise<void>;
}

/** The free plan: https://developers.cloudflare.com/cache/how-to/purge-cache/#availability-and-limits */
const FREE_PLAN = { perMinute: 5, size: 25 };

/** Starts a stand-in of Cloudflare: the purge API, and the caching proxy that it really purges. */
export async function startCloudflare(options: CloudflareOptions): Promise<CloudflareStandIn> {
  const now = options.now ?? Date.now;
  const zones = options.zones.map((zone) => {
    const hosts = zone.hosts.map((host) => host.toLowerCase().replace(/:\d+$/, ""));
    return { ...zone, hosts, cache: createCache(hosts, now) };
  });
  const bucket = createBucket(options.rate ?? FREE_PLAN, now);
  const calls: CloudflareCall[] = [];
  const fault = createFaultSwitch<CloudflareFault>();
  const hooks: CloudflareHooks = {};
  let challenging = false;

  const handle = async (request: StandInRequest): Promise<StandInReply> => {
    const answer = (value: ReturnType<typeof failure>): StandInReply => ({ kind: "answer", answer: value });
    const path = new RegExp(`^${API_PATH}/zones/([^/]+)/purge_cache$`).exec(request.path);
    const zoneId = path?.[1];
    if (zoneId === undefined) return answer(failure(404, 7000, "No route for that URI"));
    if (request.method !== "POST") return answer(failure(405, 10405, "Method not allowed for this endpoint"));
    const read = readPurge(request);
    const selector = read.kind === "purge" ? read.selector : undefined;
    const call: CloudflareCall = { at: now(), operation: "purge_cache", zoneId, selector };
    calls.push(call);
    await hooks.onCall?.(call.operation);
    const failing = fault.take(call.operation);
    switch (failing?.kind) {
      case "server-error":
        return answer(failure(failing.status ?? 500, 10001, "Internal server error"));
      case "rate-limited":
        return answer(rateLimited(failing.retryAfterSeconds));
      case "timeout":
        return { kind: "hang" };
      case "unauthorized":
        return answer(failure(403, 10000, "Authentication error"));
      case "refuses":
        return answer(failure(200, failing.code, failing.message));
      case "accepts-and-dies":
      case undefined:
        break;
    }
    const refused = refusalOfToken(request, options.token);
    if (refused !== undefined) return answer(refused);
    const zone = zones.find((candidate) => candidate.zoneId === zoneId);
    if (zone === undefined)
      return answer(
        /^[0-9a-f]{32}$/.test(zoneId)
          ? failure(403, 10000, "Authentication error")
          : failure(404, 7003, `Could not route to ${request.path}, perhaps your object identifier is invalid?`),
      );
    if (read.kind === "refused") return answer(read.answer);
    const wait = read.selector.kind === "files" ? 0 : bucket.take();
    if (wait > 0) return answer(rateLimited(wait));
    const removed = zone.cache.purge(read.selector);
    options.log?.(`cloudflare: purged ${removed} objects of zone ${zoneId} by ${read.selector.kind}`);
    await hooks.onExecuted?.(call.operation);
    return failing !== undefined ? { kind: "destroy" } : answer(accepted(zoneId));
  };

  const api = await startStandInServer({ name: "cloudflare", port: options.port ?? 0, handle, log: options.log });
  const edge = await startEdge({
    port: options.edgePort,
    zones,
    now,
    challenging: () => challenging,
    connectTimeoutMs: options.originConnectTimeoutMs ?? 19_000,
    responseTimeoutMs: options.originResponseTimeoutMs ?? 100_000,
    log: options.log,
  }).catch(async (error: unknown) => {
    await api.close();
    throw error;
  });
  return {
    baseUrl: `${api.url}${API_PATH}`,
    edgeUrl: edge.url,
    calls,
    get cached() {
      return zones.reduce((sum, zone) => sum + zone.cache.size, 0);
    },
    fail: fault.set,
    hooks,
    challenge(on) {
      challenging = on;
    },
    poison(poison, zoneId = zones[0]?.zoneId) {
      const zone = zones.find((candidate) => candidate.zoneId === zoneId);
      if (zone === undefined) throw new Error(`there is no zone ${zoneId ?? ""} to poison`);
      zone.cache.poison(poison);
    },
    async close() {
      await Promise.all([api.close(), edge.close()]);
    },
  };
}

function rateLimited(seconds: number): ReturnType<typeof failure> {
  return failure(429, 1134, "Unable to purge, rate limit reached", { "retry-after": String(seconds) });
}
