import type { PurgeSelector } from "@neuropilot/providers";

/** What a purge removes, as the API takes it: the providers' selectors, and single files by URL. */
export type Purge = PurgeSelector | { readonly kind: "files"; readonly items: readonly string[] };

/** An answer that can be kept. */
export interface Stored {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Buffer;
  readonly tags: readonly string[];
  /** Epoch milliseconds. */
  readonly storedAt: number;
  readonly ttlMs: number;
}

/** A bad object that some of the edge's machines hold: a share of the requests below a path get it until it is purged. */
export interface Poison {
  /** The path that it lies under, as `/items`. */
  readonly prefix: string;
  /** Between 0 and 1: which part of the requests. Spread evenly, not at random. */
  readonly share: number;
  /** Default 500. */
  readonly status?: number;
  readonly body?: string;
  /** Cache tags it was stored with. */
  readonly tags?: readonly string[];
}

export interface Cache {
  /** The fresh entry, the stale one, or nothing. */
  read(host: string, url: string): { readonly entry: Stored; readonly fresh: boolean } | undefined;
  write(host: string, url: string, entry: Stored): void;
  poison(poison: Poison): void;
  /** Whether this request meets a bad object; counts it. */
  poisoned(url: string): Poison | undefined;
  /** Removes what the selector names, and says how much that was. */
  purge(selector: Purge): number;
  readonly size: number;
}

const MAX_ENTRIES = 1_000;

/** The cache of one zone. */
export function createCache(hosts: readonly string[], now: () => number): Cache {
  const entries = new Map<string, { host: string; url: string; stored: Stored }>();
  let poisons: { poison: Poison; met: number }[] = [];

  const remove = (matches: (host: string, url: string, tags: readonly string[]) => boolean): number => {
    const gone = [...entries].filter(([, { host, url, stored }]) => matches(host, url, stored.tags));
    for (const [key] of gone) entries.delete(key);
    // A bad object is in the cache of every name of the zone, so any of them names it.
    const kept = poisons.filter(({ poison }) => !hosts.some((host) => matches(host, poison.prefix, poison.tags ?? [])));
    const healed = poisons.length - kept.length;
    poisons = kept;
    return gone.length + healed;
  };

  return {
    get size() {
      return entries.size;
    },
    read(host, url) {
      const entry = entries.get(`${host}${url}`)?.stored;
      return entry === undefined ? undefined : { entry, fresh: now() < entry.storedAt + entry.ttlMs };
    },
    write(host, url, stored) {
      const oldest = entries.keys().next().value;
      if (entries.size >= MAX_ENTRIES && oldest !== undefined) entries.delete(oldest);
      entries.set(`${host}${url}`, { host, url, stored });
    },
    poison(poison) {
      if (!(poison.share > 0 && poison.share <= 1))
        throw new RangeError(`poison.share is ${poison.share}: it is a part of all requests, above 0 and at most 1`);
      poisons.push({ poison, met: 0 });
    },
    poisoned(url) {
      for (const state of poisons) {
        if (!url.startsWith(state.poison.prefix)) continue;
        const { share } = state.poison;
        state.met += 1;
        if (Math.floor(state.met * share) > Math.floor((state.met - 1) * share)) return state.poison;
      }
      return undefined;
    },
    purge(selector) {
      switch (selector.kind) {
        case "everything":
          return remove(() => true);
        case "tags": {
          // Tags know no case: https://developers.cloudflare.com/cache/how-to/purge-cache/purge-by-tags/
          const wanted = new Set(selector.items.map((tag) => tag.toLowerCase()));
          return remove((_host, _url, tags) => tags.some((tag) => wanted.has(tag.toLowerCase())));
        }
        case "hosts":
          return remove((host) => selector.items.some((item) => item.toLowerCase() === host));
        case "prefixes":
          // A prefix is one of the text: example.com/bar removes /bar/a and /bar2.
          return remove((host, url) => selector.items.some((item) => `${host}${url}`.startsWith(item)));
        case "files":
          return remove((host, url) =>
            selector.items.some((item) => item.replace(/^https?:\/\//, "") === `${host}${url}`),
          );
      }
    },
  };
}
