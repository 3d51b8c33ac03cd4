import type { Incident, OutboxEntry, TargetItem, TimelineEntry } from "./item.ts";

/** The first entries tell how it began, the last where it stands; what is between is in the audit log. */
const KEEP_FIRST = 20;
const KEEP_LAST = 80;
/** Texts quote vendors and targets, and an item must stay far below DynamoDB's 400 KB. */
const MAX_TEXT = 300;
/** Incidents that nobody has been told of yet; more than this and the oldest stay in the archive only. */
const MAX_UNTOLD = 100;

export function shorten(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`;
}

/** Adds to the open incident's timeline and asks for people to be told, both in the one write. */
export function withEntry(item: TargetItem, now: number, kind: TimelineEntry["kind"], text: string): TargetItem {
  const { incident } = item;
  if (incident === undefined) return item;
  const seq = incident.seq + 1;
  const timeline = [...incident.timeline, { at: now, seq, kind, text: shorten(text) }];
  const kept =
    timeline.length <= KEEP_FIRST + KEEP_LAST
      ? timeline
      : [...timeline.slice(0, KEEP_FIRST), ...timeline.slice(-KEEP_LAST)];
  return { ...item, incident: { ...incident, seq, timeline: kept }, outbox: tell(item.outbox, incident, seq, now) };
}

function tell(outbox: TargetItem["outbox"], incident: Incident, seq: number, now: number): TargetItem["outbox"] {
  const entry: OutboxEntry = { kind: "incident.changed", incident: incident.id, seq, at: now };
  const entries = Object.entries({ ...outbox, [`incident:${incident.id}`]: entry });
  const untold = entries.filter(([, { kind }]) => kind === "incident.changed");
  const excess = new Set(untold.slice(0, Math.max(0, untold.length - MAX_UNTOLD)).map(([key]) => key));
  return Object.fromEntries(entries.filter(([key]) => !excess.has(key)));
}

/** A person hears at the first sign that the ladder may not be enough, and again when it ends. */
export function withHuman(item: TargetItem, now: number, why: string): TargetItem {
  const { incident } = item;
  if (incident === undefined) return item;
  return withEntry(
    { ...item, incident: { ...incident, needsHuman: { at: now, why: shorten(why) } } },
    now,
    "human",
    why,
  );
}

/** Whether this was said before in the open incident; it counts as said from now on. */
export function firstTime(item: TargetItem, key: string): { readonly item: TargetItem; readonly first: boolean } {
  const { incident } = item;
  if (incident === undefined || incident.said?.includes(key)) return { item, first: false };
  return { item: { ...item, incident: { ...incident, said: [...(incident.said ?? []), key] } }, first: true };
}
