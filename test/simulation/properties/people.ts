import type { Incident } from "@neuropilot/core";
import type { Channel } from "../chat.ts";
import { MINUTE, minutes } from "../plan.ts";
import type { Breach } from "../watch.ts";
import type { World } from "../world.ts";

/** How long after a person was needed at least one channel has said so, where one of them works. */
const CALLED_WITHIN_MS = 45 * MINUTE;
/** What happened so shortly before the end may still be on its way. */
const ON_ITS_WAY_MS = 10 * MINUTE;

/** What must hold for what people are told. */
export async function ofPeople(world: World, incidents: readonly Incident[]): Promise<Breach[]> {
  return [
    ...(await inTheEnd(world, incidents)),
    ...world.channels.flatMap((channel) => incidents.flatMap((incident) => notTooOften(channel, incident))),
    ...incidents.flatMap((incident) => bySomeChannel(world, incident)),
  ];
}

/** Whatever happened to events and channels: in the end people have been told how every incident stands. */
async function inTheEnd(world: World, incidents: readonly Incident[]): Promise<Breach[]> {
  const found: Breach[] = [];
  for (const { id } of world.config.targets) {
    const own = incidents.filter(({ target }) => target === id);
    const quiet = Math.max(...own.map((incident) => incident.timeline.at(-1)?.at ?? 0));
    if (quiet > world.ends - ON_ITS_WAY_MS) continue;
    for (const incident of own)
      for (const { name } of world.channels) {
        const sent = (await world.plainState.readDelivery(incident.id, name))?.sentSeq ?? 0;
        if (sent < incident.seq)
          found.push({ property: "A1", text: `${name} knows ${sent} of ${incident.seq} of ${incident.id}` });
      }
    const left = Object.keys((await world.item(id)).outbox);
    if (left.length > 0) found.push({ property: "O1", text: `${left.join(", ")} of ${id} was left over` });
  }
  return found;
}

/** One message an incident, each part of its thread once; more only where a send was in doubt. */
function notTooOften(channel: Channel, incident: Incident): Breach[] {
  const heard = channel.heard.filter((entry) => entry.incident === incident.id);
  const doubts = channel.doubtsOf(incident.id);
  const posts = heard.filter(({ kind }) => kind === "post").length;
  const worth = incident.timeline.filter(({ kind }) => kind === "opened" || kind === "human" || kind === "resolved");
  const most = (channel.canUpdate ? 1 : worth.length) + doubts;
  if (posts > most)
    return [{ property: "I15", text: `${posts} messages of ${incident.id} in ${channel.name}: ${most} at most` }];
  const replies = heard.filter(({ kind }) => kind === "reply");
  const again = replies.length - new Set(replies.map(({ seq }) => seq)).size;
  return again > doubts
    ? [
        {
          property: "I15",
          text: `${again} parts of the thread of ${incident.id} were said again, ${doubts} sends were in doubt`,
        },
      ]
    : [];
}

/** A call for a person reaches one through some channel, also while another is down. */
function bySomeChannel(world: World, incident: Incident): Breach[] {
  const human = incident.timeline.find((entry) => entry.kind === "human");
  if (human === undefined) return [];
  const { asleep } = world.plan;
  const from =
    asleep !== undefined && human.at < asleep.to && human.at > asleep.from - CALLED_WITHIN_MS ? asleep.to : human.at;
  const until = from + CALLED_WITHIN_MS;
  if (until > world.ends || world.channels.every((channel) => channel.isDown(from, until))) return [];
  const told = world.watch.toldAt(incident.id, human.seq);
  return told !== undefined && told <= until
    ? []
    : [
        {
          property: "I20",
          text: `nobody heard within ${minutes(CALLED_WITHIN_MS)} that ${incident.id} needs a person`,
        },
      ];
}
