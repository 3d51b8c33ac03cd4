/** What one purge call removes. Never empty: an empty list must not be taken for everything. */
export type PurgeSelector =
  | { readonly kind: "tags" | "hosts" | "prefixes"; readonly items: readonly string[] }
  | { readonly kind: "everything" };

/** As many as one purge call may name: https://developers.cloudflare.com/cache/how-to/purge-cache/#availability-and-limits */
const MAX_ITEMS = 100;

/**
 * The purge calls that a site allows, narrowest first: tags, hosts, prefixes, and everything only where the config says so.
 * A longer list than one call takes becomes several selectors, each its own step. Blank items are dropped, so a list of
 * nothing but blanks gives no selector at all.
 */
export function purgeSelectors(purge: {
  readonly tags: readonly string[];
  readonly hosts: readonly string[];
  readonly prefixes: readonly string[];
  readonly everything: boolean;
}): readonly PurgeSelector[] {
  const lists = (["tags", "hosts", "prefixes"] as const).flatMap((kind) =>
    chunksOf(named(purge[kind]), MAX_ITEMS).map((items): PurgeSelector => ({ kind, items })),
  );
  return purge.everything ? [...lists, { kind: "everything" }] : lists;
}

function named(items: readonly string[]): string[] {
  return [...new Set(items.map((item) => item.trim()).filter((item) => item !== ""))];
}

function chunksOf(items: readonly string[], size: number): string[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

/** The body of the call, or what is wrong with the selector and how to mend it. */
export function purgeBody(
  selector: PurgeSelector,
): { readonly ok: true; readonly body: Readonly<Record<string, unknown>> } | { ok: false; readonly problem: string } {
  if (selector.kind === "everything") return { ok: true, body: { purge_everything: true } };
  const { kind, items } = selector;
  const problem = problemOf(kind, items);
  return problem === undefined ? { ok: true, body: { [kind]: items } } : { ok: false, problem };
}

function problemOf(kind: "tags" | "hosts" | "prefixes", items: readonly string[]): string | undefined {
  if (items.length === 0)
    return `purge.${kind} is empty: name what to purge, or say purge.everything if that is what is meant`;
  if (items.length > MAX_ITEMS)
    return `purge.${kind} names ${items.length} items, one call takes ${MAX_ITEMS}: split the list`;
  if (items.some((item) => item.trim() === "")) return `purge.${kind} holds a blank item: remove it`;
  const withScheme = kind === "tags" ? undefined : items.find((item) => /^[a-z]+:\/\//i.test(item));
  if (withScheme !== undefined)
    return `purge.${kind} holds "${withScheme}": write it without the scheme, as www.example.com/images`;
  const withPath = kind === "hosts" ? items.find((item) => item.includes("/")) : undefined;
  if (withPath !== undefined) return `purge.hosts holds "${withPath}": a host has no path; use purge.prefixes for it`;
  return undefined;
}
