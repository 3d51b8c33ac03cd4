import { type Incident, quorumOf } from "@neuropilot/core";
import type { Call } from "../calls.ts";
import { HOUR, minutes, START } from "../plan.ts";
import { type Breach, CALLED } from "../watch.ts";
import type { World } from "../world.ts";

/** A pause must hold this soon after it was written. */
const PAUSE_MS = 5_000;
/** Clocks differ by 2 s each, and a call goes out a little after its unit was taken. */
const SLACK_MS = 15_000;
/** Two clocks, each so far off. */
const SKEW_MS = 4_000;

/** What must hold for the calls that the vendors saw. */
export function ofCalls(world: World, incidents: readonly Incident[]): Breach[] {
  const { calls, config } = world;
  return [
    ...config.targets.flatMap(({ id }) => [...apart(world, id), ...bounded(world, id), ...budget(world, id)]),
    ...once(calls),
    ...onLadder(world, incidents),
    ...fleetBudget(world),
    ...calls.flatMap((call) => allowed(world, call)),
  ];
}

function made(world: World, target: string, remedy?: Call["remedy"]): readonly Call[] {
  return world.calls
    .filter((call) => !call.refused && call.target === target && (remedy ?? call.remedy) === call.remedy)
    .sort((a, b) => a.at - b.at);
}

function apart(world: World, id: string): Breach[] {
  const target = world.config.targets.find((candidate) => candidate.id === id);
  return CALLED.flatMap((remedy) => {
    const cooldown = target?.remedies[remedy].cooldownMs ?? 0;
    const calls = made(world, id, remedy);
    return calls.flatMap((call, index) => {
      const before = calls[index - 1];
      return before === undefined || call.at - before.at >= cooldown
        ? []
        : [breach("I1", `${remedy} of ${id} was called twice within ${minutes(call.at - before.at)}`)];
    });
  });
}

function once(calls: readonly Call[]): Breach[] {
  const counts = new Map<string, number>();
  for (const { attempt } of calls) counts.set(attempt, (counts.get(attempt) ?? 0) + 1);
  return [...counts].filter(([, count]) => count > 1).map(([id, count]) => breach("I3", `${count} calls for ${id}`));
}

/** With a cooldown that doubles, n calls take at least C·(2ⁿ⁻¹ − 1): whatever the input does, few fit into the time. */
function bounded(world: World, id: string): Breach[] {
  const target = world.config.targets.find((candidate) => candidate.id === id);
  const lasted = world.ends - START;
  const fresh = 1 + Math.floor(lasted / world.config.healing.resetAfterHealthyMs);
  return CALLED.flatMap((remedy) => {
    const cooldown = target?.remedies[remedy].cooldownMs ?? 1;
    const most = fresh * (1 + Math.floor(Math.log2(lasted / cooldown + 1)));
    const count = made(world, id, remedy).length;
    return count <= most
      ? []
      : [breach("I16", `${count} calls of ${remedy} of ${id} in ${minutes(lasted)}: ${most} at most`)];
  });
}

/** No incident calls a remedy at a site more often than the longest of the ladders allows. */
function onLadder({ calls, config }: World, incidents: readonly Incident[]): Breach[] {
  return incidents.flatMap((incident) => {
    const ladders = config.targets.find(({ id }) => id === incident.target)?.ladders;
    const own = new Set(incident.attempts.map(({ id }) => id));
    return CALLED.flatMap((remedy) => {
      const most = Math.max(
        ...Object.values(ladders ?? {}).map((ladder) =>
          ladder.filter((rung) => rung.remedy === remedy).reduce((sum, rung) => sum + rung.times, 0),
        ),
      );
      const tried = calls.filter((call) => call.remedy === remedy && !call.refused && own.has(call.attempt));
      return [...new Set(tried.map(({ site }) => site))]
        .map((site) => ({ site, count: tried.filter((call) => call.site === site).length }))
        .filter(({ count }) => count > most)
        .map(({ site, count }) =>
          breach("L1", `${incident.id}: ${count} calls of ${remedy} at ${site}, the ladder has ${most}`),
        );
    });
  });
}

function budget(world: World, id: string): Breach[] {
  const max = world.config.targets.find((target) => target.id === id)?.budget.max ?? 0;
  return crowded(made(world, id), max) ? [breach("I11", `more than ${max} calls for ${id} within an hour`)] : [];
}

function fleetBudget(world: World): Breach[] {
  const { max } = world.config.fleetBudget;
  const all = world.calls.filter((call) => !call.refused);
  return crowded(all, max) ? [breach("I11", `more than ${max} calls over all targets within an hour`)] : [];
}

function crowded(calls: readonly Call[], max: number): boolean {
  return calls.some(({ at }) => calls.filter((call) => call.at >= at && call.at < at + HOUR - SLACK_MS).length > max);
}

function allowed({ config }: World, call: Call): Breach[] {
  const { at, attempt, pausedSince, vantagesThatSawIt: saw } = call;
  const found: Breach[] = [];
  if (pausedSince !== undefined && at - pausedSince > PAUSE_MS)
    found.push(breach("I12", `${attempt} was called ${minutes(at - pausedSince)} after a pause`));
  if (call.mode === "observe") found.push(breach("I13", `${attempt} was called in observe`));
  if (call.inMaintenance) found.push(breach("I13", `${attempt} was called in maintenance`));
  if (saw < quorumOf(config))
    found.push(
      breach("I18", `${attempt} was called though ${saw} of ${config.vantages.length} vantages saw anything bad`),
    );
  if (call.fleetIll > 0)
    found.push(
      breach(
        "I19",
        `${attempt} was called while ${call.fleetIll} of ${config.targets.length} targets were ill together`,
      ),
    );
  if (call.standing !== "calling") found.push(breach("D1", `${attempt} was called while it stood as ${call.standing}`));
  else if (at > call.callNotAfter + SKEW_MS)
    found.push(breach("D1", `${attempt} was called ${minutes(at - call.callNotAfter)} after the last moment for it`));
  return found;
}

function breach(property: string, text: string): Breach {
  return { property, text };
}
