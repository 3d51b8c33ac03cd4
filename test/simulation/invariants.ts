import { ofCalls } from "./properties/calls.ts";
import { ofHealth } from "./properties/health.ts";
import { ofIncidents } from "./properties/incidents.ts";
import { ofPeople } from "./properties/people.ts";
import { ofRecords } from "./properties/records.ts";
import type { Breach, Violation } from "./watch.ts";
import type { World } from "./world.ts";

export type { Violation } from "./watch.ts";

export interface Property {
  readonly id: string;
  readonly name: string;
  /** What is promised, in one sentence. */
  readonly guarantee: string;
}

const property = (id: string, name: string, guarantee: string): Property => ({ id, name, guarantee });

/** Every promise that is checked, at each step or at the end of a run. */
export const PROPERTIES: readonly Property[] = [
  property("I1", "calls apart", "Two calls of one remedy on one target are at least the policy's cooldown apart."),
  property("I2", "one in flight", "An incident has at most one attempt that has not ended."),
  property("I3", "called once", "A vendor sees at most one call for an attempt."),
  property("I4", "no lost incident", "A long outage has an incident soon, whatever events were lost."),
  property("I5", "ends or calls", "An incident ends, or a person is told, within 45 minutes."),
  property(
    "I6",
    "healed is proven",
    "`healed` stands on healthy samples of a quorum that started after the vendor's work.",
  ),
  property("I7", "order is nothing", "Health is the same whatever the order in which observations came."),
  property("I8", "stale never acts", "An event older than healing may act on never causes a claim."),
  property("I9", "tokens grow", "The fence token of a target grows with every attempt and never falls."),
  property(
    "I10",
    "ended is final",
    "An attempt that has ended is never written again, by whoever still holds its token.",
  ),
  property("I11", "within budget", "Calls in any hour stay within the target's and the fleet's budget."),
  property("I12", "a pause holds", "No call starts more than 5 seconds after a pause."),
  property("I13", "hands off", "No call is made in observe or in maintenance."),
  property("I14", "written first", "The audit log has `calling` before the call goes out."),
  property(
    "I15",
    "told once",
    "A channel has one message an incident, and more only for sends whose fate was in doubt.",
  ),
  property(
    "I16",
    "flapping is bounded",
    "Whatever a service does, its calls are at most 1 + log2(time / cooldown + 1).",
  ),
  property("I17", "no recursion", "Events hop at most three times, and no report of a remedy asks for a remedy."),
  property(
    "I18",
    "seen by a quorum",
    "A call is made only on what a quorum of vantages saw while their own networks worked.",
  ),
  property(
    "I19",
    "fleet is left alone",
    "While much of the fleet is ill together nothing is called once that is known.",
  ),
  property(
    "I20",
    "some channel hears",
    "A call for a person reaches some channel in time, also while another is down.",
  ),
  property(
    "V1",
    "a verdict for all",
    "Every claimed attempt ends in a verdict, or provably uncalled, within 30 minutes.",
  ),
  property("V2", "no-effect is seen", "`no-effect` stands on bad samples of a quorum, never on silence."),
  property(
    "C1",
    "cooldown arithmetic",
    "A claim takes policy × 2^streak plus the longest life of a lost call, never early, and gives it back if uncalled.",
  ),
  property(
    "D1",
    "only while calling",
    "A call starts only while its attempt stands as `calling`, and not after callNotAfter.",
  ),
  property("L1", "ladder ends", "An incident calls a remedy no more often than its ladder says."),
  property("A1", "told in the end", "In the end every channel knows how every incident stands."),
  property("O1", "outbox empties", "Nothing stays in an outbox once the world is calm."),
  property("X7", "audit replays", "The audit chain is whole and every recorded decision comes out the same again."),
  property("X8", "explain agrees", "What incidents tell of calls is what the vendors saw."),
  property("S1", "items stay small", "No target item grows beyond 250 KB."),
  property("bug", "no bug", "No function throws for anything but its own infrastructure."),
];

const ITEM_BYTES = 250_000;

/** Every way in which a finished run broke its promises; nothing if it kept them all. */
export async function violations(world: World): Promise<readonly Violation[]> {
  const incidents = await world.incidents();
  const found: Breach[] = [
    ...world.breaches,
    ...ofCalls(world, incidents),
    ...ofIncidents(world, incidents),
    ...(await ofPeople(world, incidents)),
    ...(await ofRecords(world, incidents)),
    ...(await ofHealth(world)),
  ];
  if (world.largestItem > ITEM_BYTES)
    found.push({ property: "S1", text: `an item of ${world.largestItem} bytes was written` });
  return found.map((breach) => ({ ...breach, name: nameOf(breach.property) }));
}

function nameOf(id: string): string {
  const found = PROPERTIES.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`${id} is not among the properties`);
  return found.name;
}
