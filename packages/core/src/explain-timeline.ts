import type { Explained } from "./explain.ts";
import type { Incident, TimelineEntry } from "./item.ts";
import { shorten } from "./timeline.ts";

/** What people were told through one channel, and when: the message as it then read. */
export interface Telling {
  readonly channel: string;
  readonly at: number;
  readonly text: string;
}

/** The story with what no decision said: what remedies wrote into the timeline, and what people were told. */
export type Told =
  | Explained
  | { readonly kind: "said"; readonly at: number; readonly what: TimelineEntry["kind"]; readonly text: string }
  | ({ readonly kind: "told" } & Telling);

/** Puts the incident's timeline and what people were told between the entries of the audit log, by time. */
export function withTimeline(
  story: readonly Explained[],
  incident: Incident,
  tellings: readonly Telling[],
): readonly Told[] {
  const known = new Set(story.flatMap((entry) => (entry.kind === "decision" ? entry.because.map(beginning) : [])));
  const between: (Told & { readonly at: number })[] = [];
  for (const { at, kind, text } of incident.timeline)
    if (!known.has(beginning(`${kind}: ${text}`))) between.push({ kind: "said", at, what: kind, text });
  for (const telling of tellings) between.push({ kind: "told", ...telling });
  return merged(story, between.sort(byTime));
}

/** A timeline's text is cut where it is long, a reason is not. */
function beginning(text: string): string {
  return shorten(text).slice(0, -1);
}

function byTime(a: { readonly at: number }, b: { readonly at: number }): number {
  return a.at - b.at;
}

/** What happened at one moment stands in the order: the audit log, then what was said and told of it. */
function merged(story: readonly Explained[], between: readonly (Told & { readonly at: number })[]): readonly Told[] {
  const all: Told[] = [];
  let next = 0;
  for (const entry of story) {
    const at = "at" in entry ? entry.at : Number.NEGATIVE_INFINITY;
    for (let other = between[next]; other !== undefined && other.at < at; other = between[next]) {
      all.push(other);
      next++;
    }
    all.push(entry);
  }
  return [...all, ...between.slice(next)];
}
