import type { IllKind, Remedy, TargetConfig } from "@neuropilot/config";
import type { Attempt, Incident } from "./item.ts";

export type NextRung =
  | { readonly kind: "remedy"; readonly remedy: Remedy; readonly step: number }
  | { readonly kind: "page" }
  | { readonly kind: "none" };

/** Remedies that have a function; the others have their place on ladders and are passed over, visibly. */
const CALLABLE: ReadonlySet<Remedy> = new Set<Remedy>(["restart", "purge-cache"]);

export function isCallable(remedy: Remedy): boolean {
  return CALLABLE.has(remedy);
}

/** The remedies on the ladder of a kind of ill health, in its order, each once. */
export function remediesOn(target: TargetConfig, kind: IllKind): readonly Remedy[] {
  return [...new Set(target.ladders[kind].flatMap(({ remedy }) => (remedy === "page" ? [] : [remedy])))];
}

/** Whether an attempt used up a place on the ladder: it was called, or may have been. */
export function usedRung(attempt: Attempt): boolean {
  return attempt.mayHaveCalled || attempt.state === "denied";
}

/**
 * The next rung for the incident's kind of ill health. Attempts made for another kind count as well, so that an incident that
 * turns graver does not start over; those at another site do not. A remedy that the vendor will not do for us is passed over.
 */
export function nextRung(target: TargetConfig, incident: Incident): NextRung {
  const ladder = target.ladders[incident.kind];
  if (ladder.length === 0) return { kind: "none" };
  const left = new Map<Remedy, number>();
  for (const attempt of incident.attempts)
    if (attempt.site === incident.site && usedRung(attempt))
      left.set(attempt.remedy, (left.get(attempt.remedy) ?? 0) + 1);
  for (const rung of ladder) {
    if (rung.remedy === "page") return { kind: "page" };
    if (incident.unavailable.includes(rung.remedy)) continue;
    const used = left.get(rung.remedy) ?? 0;
    if (used < rung.times) return { kind: "remedy", remedy: rung.remedy, step: stepOf(incident, rung.remedy) };
    left.set(rung.remedy, used - rung.times);
  }
  return { kind: "page" };
}

function stepOf(incident: Incident, remedy: Remedy): number {
  return incident.attempts.filter(
    (attempt) => attempt.remedy === remedy && attempt.site === incident.site && usedRung(attempt),
  ).length;
}
