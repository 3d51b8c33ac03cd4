/**
 * Whether an origin's answer may be kept, and for how long. As for a zone with a cache rule "eligible for cache" that respects
 * the origin: https://developers.cloudflare.com/cache/concepts/cache-control/ and
 * https://developers.cloudflare.com/cache/concepts/default-cache-behavior/
 */
export type Freshness =
  | { readonly kind: "keep"; readonly ttlMs: number }
  /** The origin forbids it. */
  | { readonly kind: "bypass" }
  /** Nothing says that it may be kept. */
  | { readonly kind: "dynamic" };

export interface Exchange {
  readonly path: string;
  readonly status: number;
  readonly authorized: boolean;
  readonly cacheControl: string | undefined;
  readonly setsCookie: boolean;
}

/** File endings that are kept without the origin's word: a part of the vendor's list. */
const STATIC = /\.(?:css|js|mjs|jpg|jpeg|png|gif|svg|webp|avif|ico|woff2?|ttf|eot|pdf|zip|mp4)$/i;
const STATIC_TTL_MS = 120 * 60_000;

export function freshnessOf(exchange: Exchange): Freshness {
  const directives = readDirectives(exchange.cacheControl ?? "");
  if (["private", "no-store", "no-cache"].some((name) => directives.has(name))) return { kind: "bypass" };
  if (exchange.setsCookie) return { kind: "bypass" };
  const shared = ["s-maxage", "public", "must-revalidate"].some((name) => directives.has(name));
  if (exchange.authorized && !shared) return { kind: "bypass" };
  if (exchange.status !== 200) return { kind: "dynamic" };
  const seconds = Number(directives.get("s-maxage") ?? directives.get("max-age") ?? Number.NaN);
  if (Number.isNaN(seconds))
    return STATIC.test(exchange.path) ? { kind: "keep", ttlMs: STATIC_TTL_MS } : { kind: "dynamic" };
  return seconds > 0 ? { kind: "keep", ttlMs: seconds * 1_000 } : { kind: "bypass" };
}

function readDirectives(header: string): ReadonlyMap<string, string> {
  return new Map(
    header
      .toLowerCase()
      .split(",")
      .map((part) => part.trim().split("="))
      .map(([name, value]) => [name ?? "", (value ?? "").replaceAll('"', "")] as const),
  );
}
