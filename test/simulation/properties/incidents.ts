import { type Attempt, type Incident, isInFlight, quorumOf, siteKey } from "@neuropilot/core";
import { MINUTE, minutes } from "../plan.ts";
import type { Look } from "../prober.ts";
import type { Fault } from "../service.ts";
import type { Breach } from "../watch.ts";
import type { World } from "../world.ts";

/** A longer outage may not go unnoticed, however rough the world is; where there is one vantage, the more so. */
const NOTICED_WITHIN_MS = 20 * MINUTE;
const NOTICED_ALONE_MS = 35 * MINUTE;
/** What only many samples show takes longer to see, all the more where ticks are lost and a vantage is out. */
const PARTLY_WITHIN_MS = 60 * MINUTE;
/** From its opening: ended, or a person told. */
const HUMAN_WITHIN_MS = 45 * MINUTE;
/** From the claim: called or given up, followed, warmed up and verified, each with its own bound, and a little more. */
const VERDICT_WITHIN_MS = 30 * MINUTE;

/** What must hold for incidents and their attempts, against what was true. */
export function ofIncidents(world: World, incidents: readonly Incident[]): Breach[] {
  return [
    ...noticed(world, incidents),
    ...ended(world, incidents),
    ...incidents.flatMap((incident) =>
      incident.attempts.flatMap((attempt) => [...verdict(world, attempt), ...proof(world, incident, attempt)]),
    ),
  ];
}

function noticed(world: World, incidents: readonly Incident[]): Breach[] {
  return [...world.services.values()].flatMap((service) => {
    const id = service.key.slice(0, service.key.indexOf("/"));
    const own = incidents.filter((incident) => incident.target === id);
    return service.faults
      .filter((fault) => fault.flaps === undefined)
      .flatMap((fault) => {
        const to = Math.min(service.endOf(fault), world.ends);
        const from = lookedFor(world, id, fault);
        const hard = world.config.vantages.length === 1 ? NOTICED_ALONE_MS : NOTICED_WITHIN_MS;
        const within = fault.kind === "failing" || fault.kind === "slow" ? PARTLY_WITHIN_MS : hard;
        if (to - from < within + 10 * MINUTE) return [];
        const covered = own.some(
          (incident) =>
            incident.openedAt <= from + within && (incident.endedAt === undefined || incident.endedAt > from),
        );
        return covered
          ? []
          : [
              {
                property: "I4",
                text: `${fault.kind} at ${service.key} for ${minutes(to - from)} was not noticed in time`,
              },
            ];
      });
  });
}

/** From when on a fault could be noticed: not during maintenance, nor while everything slept. */
function lookedFor({ config, plan }: World, id: string, fault: Fault): number {
  const maintenance = config.targets.find((target) => target.id === id)?.maintenance ?? [];
  const spans = maintenance.flatMap((window) => ("fromMs" in window ? [{ from: window.fromMs, to: window.toMs }] : []));
  if (plan.asleep !== undefined) spans.push(plan.asleep);
  spans.sort((a, b) => a.from - b.from);
  return spans.reduce(
    (latest, span) => (span.to > latest && span.from < latest + NOTICED_WITHIN_MS ? span.to : latest),
    fault.from,
  );
}

function ended({ ends, config, plan }: World, incidents: readonly Incident[]): Breach[] {
  return incidents.flatMap((incident) => {
    const until = incident.endedAt ?? ends;
    // Nobody is called while people work on it, and nobody was there to call while everything slept.
    const maintenance = config.targets.find((target) => target.id === incident.target)?.maintenance ?? [];
    const over = maintenance.map((window) => ("toMs" in window ? window.toMs : 0));
    if (plan.asleep !== undefined && plan.asleep.to < until) over.push(plan.asleep.to);
    const from = Math.max(incident.openedAt, ...over);
    if (until - from < HUMAN_WITHIN_MS) return [];
    const human = incident.timeline.find((entry) => entry.kind === "human");
    if (human === undefined)
      return [{ property: "I5", text: `${incident.id} went on for long and no person was told` }];
    return human.at - from > HUMAN_WITHIN_MS
      ? [{ property: "I5", text: `a person was told of ${incident.id} too late` }]
      : [];
  });
}

function verdict({ ends }: World, attempt: Attempt): Breach[] {
  if (attempt.claimedAt === undefined || !isInFlight(attempt)) return [];
  return ends - attempt.claimedAt < VERDICT_WITHIN_MS
    ? []
    : [
        {
          property: "V1",
          text: `${attempt.id} is still ${attempt.state} ${minutes(ends - attempt.claimedAt)} after its claim`,
        },
      ];
}

/** A verdict stands on samples that started after the vendor's work, seen from enough places. */
function proof(world: World, incident: Incident, attempt: Attempt): Breach[] {
  const { verdict, endedAt = 0, id } = attempt;
  if (verdict !== "healed" && verdict !== "no-effect") return [];
  const key = siteKey(incident.target, attempt.site);
  const from = workOver(world, key, attempt);
  const looks = world.looks.filter((look) => look.key === key && look.trueAt > from && look.trueAt < endedAt + 4_000);
  const wanted = verdict === "healed" ? isGood : isBad;
  const found = looks.filter((look) => wanted(look, attempt.kind));
  const least = verdict === "healed" ? (world.config.targets[0]?.rules.recovery.observations ?? 0) : 1;
  const vantages = new Set(found.map(({ vantage }) => vantage)).size;
  if (found.length >= least && vantages >= quorumOf(world.config)) return [];
  const text = `${id} is ${verdict} on ${found.length} samples from ${vantages} vantages since the work was over`;
  return [{ property: verdict === "healed" ? "I6" : "V2", text }];
}

/** When the vendor had really done it; where it did not, or said nothing, when it was asked. */
function workOver({ calls, services }: World, key: string, attempt: Attempt): number {
  const call = calls.findLast((candidate) => candidate.attempt === attempt.id);
  const applied = services.get(key)?.applied.find((work) => work.attempt === attempt.id)?.at;
  const asked = call?.at ?? attempt.callStartedAt ?? 0;
  const accepted = call?.honest === true && attempt.outcome?.kind === "applied";
  return accepted ? (applied ?? Number.POSITIVE_INFINITY) : asked;
}

function isGood(look: Look): boolean {
  return look.outcome === "ok";
}

function isBad(look: Look, kind: Incident["kind"]): boolean {
  return look.outcome !== "ok" || look.ttfbMs > 400 || kind === "failing";
}
