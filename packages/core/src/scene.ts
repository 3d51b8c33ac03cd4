import type { Config, TargetConfig } from "@neuropilot/config";
import type { World } from "./guards.ts";
import { type Health, healthOf, isIll, isIllToday, type Sights } from "./health.ts";
import type { TargetItem, TimelineEntry } from "./item.ts";
import { firstTime, withEntry, withHuman } from "./timeline.ts";

/** The policy for one target. */
export interface Policy {
  readonly config: Config;
  readonly target: TargetConfig;
}

/** Why decide was called. Only wakes it: what is true stands in the item and the world. */
export type Input =
  | { readonly kind: "wake"; readonly at: number; readonly cause: string }
  | { readonly kind: "reconcile"; readonly at: number }
  | {
      readonly kind: "operator";
      readonly at: number;
      readonly word: "approve" | "deny" | "acknowledge";
      readonly attempt?: string;
      readonly incident?: string;
      readonly by: string;
    };

/** What decide reads besides the item. */
export type SeenWorld = World & Sights;

/** The item as it is becoming, and the reasons so far. */
export interface Draft {
  item: TargetItem;
  readonly because: string[];
}

/** What is seen at this moment; it does not change while deciding. */
export interface Scene {
  readonly policy: Policy;
  readonly world: SeenWorld;
  readonly now: number;
  readonly sites: Readonly<Record<string, Health>>;
  /** The site that matters now: the incident's, or the first that is ill today, or the first. */
  readonly site: string;
  readonly health: Health;
}

export function see(policy: Policy, item: TargetItem, world: SeenWorld, now: number): Scene {
  const { config, target } = policy;
  // Until the vendor's work is over, what was seen before the call is all there is to go by.
  const evidenceFrom = now >= item.evidenceFrom ? item.evidenceFrom : 0;
  const judged = item.incident?.site ?? item.health.site;
  const sites: Record<string, Health> = {};
  for (const { id } of target.sites)
    sites[id] = healthOf(config, target, id, world, judged === id ? evidenceFrom : 0, now);
  const stateOf = (id: string) => sites[id]?.state ?? "inconclusive";
  // A certificate that ends at one site can wait for what is wrong now at another.
  const ill =
    target.sites.find(({ id }) => isIllToday(stateOf(id))) ?? target.sites.find(({ id }) => isIll(stateOf(id)));
  const site = item.incident?.site ?? ill?.id ?? target.sites[0]?.id ?? "";
  const health = sites[site] ?? GONE;
  return { policy, world, now, sites, site, health };
}

const GONE: Health = { state: "inconclusive", why: "the site is no longer in the config", views: {}, observation: 0 };

/** The same moment, looking at another site. */
export function lookAt(scene: Scene, site: string): Scene {
  return { ...scene, site, health: scene.sites[site] ?? GONE };
}

/** Adds to the timeline and asks for people to be told, both in the same write. */
export function say(draft: Draft, now: number, kind: TimelineEntry["kind"], text: string): void {
  if (draft.item.incident === undefined) return;
  draft.because.push(`${kind}: ${text}`);
  draft.item = withEntry(draft.item, now, kind, text);
}

export function needHuman(draft: Draft, now: number, why: string): void {
  if (draft.item.incident === undefined) return;
  draft.because.push(`human: ${why}`);
  draft.item = withHuman(draft.item, now, why);
}

/** Whether people have yet to hear this in the open incident; what comes and goes is told once. */
export function isNews(draft: Draft, key: string): boolean {
  const { item, first } = firstTime(draft.item, key);
  draft.item = item;
  return first;
}
