import { type AuditEntry, brokenLink, type Incident, readDecision, replay } from "@neuropilot/core";
import type { Breach } from "../watch.ts";
import type { World } from "../world.ts";

/** What must hold for the audit log and for what `explain` tells from it. */
export async function ofRecords(world: World, incidents: readonly Incident[]): Promise<Breach[]> {
  const found: Breach[] = [...agreement(world, incidents)];
  for (const target of world.config.targets) {
    const entries = await world.audit(target.id);
    const { audit } = await world.item(target.id);
    found.push(...chain(target.id, entries, audit.n));
    found.push(...before(world, target.id, entries));
    found.push(...replays(world, target, entries));
  }
  return found;
}

function chain(target: string, entries: readonly AuditEntry[], wanted: number): Breach[] {
  const broken = brokenLink(entries);
  return [
    ...(broken === undefined ? [] : [{ property: "X7", text: `entry ${broken} of ${target} does not fit the chain` }]),
    ...(entries.length === wanted
      ? []
      : [{ property: "X7", text: `${entries.length} of ${wanted} entries of ${target} are there` }]),
  ];
}

/** The step to `calling` stands in the log before the call goes out. */
function before({ calls }: World, target: string, entries: readonly AuditEntry[]): Breach[] {
  return calls
    .filter((call) => call.target === target)
    .filter(({ attempt }) => !entries.some(({ body }) => body.includes(`"attempt":"${attempt}","state":"calling"`)))
    .map(({ attempt }) => ({ property: "I14", text: `nothing in the audit log before the call of ${attempt}` }));
}

/** Every recorded decision comes out the same again, byte for byte. */
function replays(
  { config }: World,
  target: World["config"]["targets"][number],
  entries: readonly AuditEntry[],
): Breach[] {
  return entries
    .filter(({ body }) => body.startsWith('{"kind":"decision"'))
    .flatMap(({ n, body }) => {
      const record = readDecision(body);
      const again = replay({ config, target }, record);
      const same = again.result === record.result && again.because.join() === record.because.join();
      return same && again.state === record.state
        ? []
        : [
            {
              property: "X7",
              text: `entry ${n} of ${target.id} replays to "${again.state}" (${again.because.join("; ")}), not byte for byte to "${record.state}" (${record.because.join("; ")})`,
            },
          ];
    });
}

/** What incidents say of their calls is what the vendors saw: none that was not made, and none that is not told of. */
function agreement({ calls }: World, incidents: readonly Incident[]): Breach[] {
  const attempts = incidents.flatMap((incident) => incident.attempts);
  const found: Breach[] = [];
  for (const { id, state, outcome, mayHaveCalled } of attempts) {
    const seen = calls.filter((call) => call.attempt === id);
    const accepted = seen.some((call) => !call.refused);
    if (!mayHaveCalled && accepted)
      found.push({ property: "X8", text: `${id} is told of as ${state}, and it was called` });
    if (outcome?.kind === "applied" && !accepted)
      found.push({ property: "X8", text: `${id} is told of as accepted by the vendor, who never saw it` });
  }
  const known = new Set(attempts.map(({ id }) => id));
  for (const call of calls)
    if (!known.has(call.attempt) && !call.refused)
      found.push({ property: "X8", text: `${call.attempt} was called, and no incident tells of it` });
  return found;
}
