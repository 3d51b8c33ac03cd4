import { brokenLink, type Incident, readDecision, replay } from "@neuropilot/core";
import { type Call, HOUR, MINUTE, type World } from "./world.ts";

/** A pause must hold this soon after it was written. */
const PAUSE_MS = 5_000;
const ITEM_BYTES = 250_000;
/** An outage that lasts this long may not go unnoticed, however rough the world is. */
const LONG_OUTAGE_MS = 25 * MINUTE;
const NOTICED_WITHIN_MS = 15 * MINUTE;
/** What only many samples show takes longer to see, all the more where ticks are lost and a vantage is out. */
const PARTLY_WITHIN_MS = 60 * MINUTE;
/** From its opening: ended, or a person told. */
const HUMAN_WITHIN_MS = 45 * MINUTE;
/** Clocks differ by 2 s each, and a call goes out a little after its unit was taken. */
const SLACK_MS = 15_000;

/** Every way in which a finished run broke its promises, in words; nothing if it kept them all. */
export async function violations(world: World): Promise<readonly string[]> {
  const incidents = await world.incidents();
  return [
    ...world.wrongWrites,
    ...apart(world),
    ...once(world.calls),
    ...allowed(world),
    ...budgets(world),
    ...noticed(world, incidents),
    ...ended(world, incidents),
    ...healed(world, incidents),
    ...(await told(world, incidents)),
    ...(await audited(world)),
    ...(world.largestItem > ITEM_BYTES ? [`size: an item of ${world.largestItem} bytes was written`] : []),
  ];
}

/** I1: two calls of one remedy on one target are at least the policy's cooldown apart. */
function apart({ calls, config }: World): string[] {
  const found: string[] = [];
  for (const remedy of ["restart", "purge-cache"] as const) {
    const cooldown = config.targets[0]?.remedies[remedy].cooldownMs ?? 0;
    const made = calls.filter((call) => call.remedy === remedy && !call.refused).map(({ at }) => at);
    made.sort((a, b) => a - b);
    made.forEach((at, index) => {
      const before = made[index - 1];
      if (before !== undefined && at - before < cooldown)
        found.push(`I1: two calls of ${remedy} ${Math.round((at - before) / 1000)} s apart`);
    });
  }
  return found;
}

/** I3: at most one vendor call per attempt. */
function once(calls: readonly Call[]): string[] {
  const counts = new Map<string, number>();
  for (const { attempt } of calls) counts.set(attempt, (counts.get(attempt) ?? 0) + 1);
  return [...counts].filter(([, count]) => count > 1).map(([id, count]) => `I3: ${count} calls for ${id}`);
}

/** I12, I13, I18: no call after a pause, in observe or maintenance, or on what nobody has seen. */
function allowed({ calls, config }: World): string[] {
  const quorum = Math.min(config.vantages.length, 2);
  return calls.flatMap((call) => [
    ...(call.pausedSince !== undefined && call.at - call.pausedSince > PAUSE_MS
      ? [`I12: a call ${Math.round((call.at - call.pausedSince) / 1000)} s after a pause`]
      : []),
    ...(call.mode === "observe" ? ["I13: a call in observe"] : []),
    ...(call.inMaintenance ? ["I13: a call in maintenance"] : []),
    ...(call.vantagesThatSawIt < quorum
      ? [`I18: a call although only ${call.vantagesThatSawIt} of ${config.vantages.length} vantages saw anything bad`]
      : []),
  ]);
}

/** I11: calls in any hour stay within the budget. */
function budgets({ calls, config }: World): string[] {
  const max = config.targets[0]?.budget.max ?? 0;
  const made = calls.filter((call) => !call.refused);
  return made.some(({ at }) => made.filter((call) => call.at >= at && call.at < at + HOUR - SLACK_MS).length > max)
    ? [`I11: more than ${max} calls within an hour`]
    : [];
}

/** I4: every long outage is covered by an incident, soon enough. */
function noticed({ service, ends, config }: World, incidents: readonly Incident[]): string[] {
  const maintenance = config.targets[0]?.maintenance ?? [];
  return service.faults.flatMap((fault) => {
    const from = maintenance.reduce(
      (latest, window) =>
        "fromMs" in window && window.toMs > fault.from && window.fromMs < fault.from + NOTICED_WITHIN_MS
          ? Math.max(latest, window.toMs)
          : latest,
      fault.from,
    );
    const to = Math.min(service.endOf(fault), ends);
    const within = fault.kind === "failing" || fault.kind === "slow" ? PARTLY_WITHIN_MS : NOTICED_WITHIN_MS;
    if (to - from < Math.max(LONG_OUTAGE_MS, within + 10 * MINUTE)) return [];
    const covered = incidents.some(
      (incident) => incident.openedAt <= from + within && (incident.endedAt === undefined || incident.endedAt > from),
    );
    return covered ? [] : [`I4: ${fault.kind} for ${Math.round((to - from) / MINUTE)} min was not noticed in time`];
  });
}

/** I5: every incident ends, or a person is told, within a bound. */
function ended({ ends, config }: World, incidents: readonly Incident[]): string[] {
  const maintenance = config.targets[0]?.maintenance ?? [];
  return incidents.flatMap((incident) => {
    const until = incident.endedAt ?? ends;
    // Nobody is called while people work on it.
    const from = maintenance.reduce(
      (latest, window) => ("toMs" in window && window.toMs > latest ? window.toMs : latest),
      incident.openedAt,
    );
    if (until - from < HUMAN_WITHIN_MS) return [];
    const human = incident.timeline.find((entry) => entry.kind === "human");
    if (human === undefined) return [`I5: ${incident.id} went on for long and no person was told`];
    return human.at - from > HUMAN_WITHIN_MS ? [`I5: a person was told of ${incident.id} too late`] : [];
  });
}

/** I6: `healed` stands on healthy observations that started after the call, and on a service that was well at least once. */
function healed({ calls, looks, config }: World, incidents: readonly Incident[]): string[] {
  const wanted = config.targets[0]?.rules.recovery.observations ?? 0;
  const quorum = Math.min(config.vantages.length, 2);
  return incidents
    .flatMap((incident) => incident.attempts)
    .filter((attempt) => attempt.verdict === "healed")
    .flatMap((attempt) => {
      const called = calls.findLast((call) => call.attempt === attempt.id)?.at ?? attempt.callStartedAt ?? 0;
      const good = looks.filter(
        (look) => look.trueAt > called && look.trueAt < (attempt.endedAt ?? 0) + 4_000 && look.outcome === "ok",
      );
      if (good.length < wanted) return [`I6: ${attempt.id} healed on ${good.length} good samples after its call`];
      const from = new Set(good.map(({ vantage }) => vantage)).size;
      return from < quorum ? [`I6: ${attempt.id} healed on the word of ${from} vantages`] : [];
    });
}

/** Whatever happened to events and the channel: in the end people have been told how every incident stands. */
async function told(world: World, incidents: readonly Incident[]): Promise<string[]> {
  const item = await world.item();
  const quiet = Math.max(...incidents.map((incident) => incident.timeline.at(-1)?.at ?? 0));
  if (quiet > world.ends - 10 * MINUTE) return [];
  const found: string[] = [];
  for (const incident of incidents) {
    const delivery = await world.plainState.readDelivery(incident.id, "slack");
    if ((delivery?.sentSeq ?? 0) < incident.seq)
      found.push(`A1: people know ${delivery?.sentSeq ?? 0} of ${incident.seq} of ${incident.id}`);
  }
  const left = Object.keys(item.outbox);
  if (left.length > 0) found.push(`outbox: ${left.join(", ")} was left over`);
  return found;
}

/** I14, X7: the chain is whole, the step before every call is in it, and recorded decisions come out the same again. */
async function audited(world: World): Promise<string[]> {
  const entries = await world.audit();
  const { audit } = await world.item();
  const found: string[] = [];
  const broken = brokenLink(entries);
  if (broken !== undefined) found.push(`audit: entry ${broken} does not fit the chain`);
  if (entries.length !== audit.n) found.push(`audit: ${entries.length} of ${audit.n} entries are there`);
  for (const call of world.calls)
    if (!entries.some((entry) => entry.body.includes(`"attempt":"${call.attempt}","state":"calling"`)))
      found.push(`I14: nothing in the audit log before the call of ${call.attempt}`);
  const target = world.config.targets[0];
  if (target === undefined) return found;
  for (const entry of entries.slice(0, 12)) {
    if (!entry.body.startsWith('{"kind":"decision"')) continue;
    const record = readDecision(entry.body);
    const again = replay({ config: world.config, target }, record);
    if (again.state !== record.state || again.because.join() !== record.because.join())
      found.push(`X7: entry ${entry.n} replays to "${again.state}" instead of "${record.state}"`);
  }
  return found;
}
