import { PROPERTIES, type Violation } from "./invariants.ts";
import { play, type RunSpec } from "./run-seeds.ts";
import { START, type World } from "./world.ts";

interface Line {
  readonly at: number;
  /** At one moment causes come before what follows from them. */
  readonly rank: number;
  readonly who: string;
  readonly text: string;
}

/** A story longer than this is cut in its middle. */
const MOST_LINES = 60;
const WIDTH = 108;

/** What happened in a run, for people: what went wrong, what the service really did, what was decided, called and told. */
export async function storyOf(spec: RunSpec, property?: string): Promise<string> {
  const { world, violations } = await play(spec);
  const broken = violations.filter((found) => property === undefined || found.property === property);
  const lines = [
    ...hazards(world),
    ...services(world),
    ...(await decisions(world)),
    ...calls(world),
    ...told(world),
  ].sort((a, b) => a.at - b.at || a.rank - b.rank);
  return [
    setting(world),
    "",
    ...cut(lines.map(print)),
    "",
    ...promises(broken),
    ...(broken.length === 0 ? ["Every promise was kept."] : []),
  ].join("\n");
}

function setting({ seed, config, mode, channels, plan }: World): string {
  const { vantages, targets } = config;
  const sites = targets.flatMap((target) => target.sites.map((site) => `${target.id}/${site.id}`));
  const one = plan.oneMachine ? "one machine" : "functions that end at their timeout";
  return `Seed ${seed}: ${sites.join(", ")}; seen from ${vantages.join(", ")}; mode ${mode}; ${channels.map(({ name }) => name).join(" and ")}; ${one}.`;
}

/** Each broken promise once, in words, with how it was broken. */
function promises(broken: readonly Violation[]): readonly string[] {
  return [...new Set(broken.map(({ property }) => property))].flatMap((id) => {
    const texts = broken.filter(({ property }) => property === id).map(({ text }) => text);
    const { name, guarantee } = PROPERTIES.find((property) => property.id === id) ?? { name: "", guarantee: "" };
    return [`Broken: ${id}, ${name}. ${guarantee}`, ...texts.slice(0, 3).map((text) => `        ${text}`)];
  });
}

function hazards(world: World): readonly Line[] {
  return world.hazards.map(({ at, id, text }) => ({ at, rank: 0, who: "hazard", text: `${text}  [${id}]` }));
}

/** What the services really did, whoever saw it. */
function services(world: World): readonly Line[] {
  return [...world.services].flatMap(([key, service]) => [
    ...service.faults
      .filter((fault) => service.endOf(fault) <= world.ends)
      .map((fault) => ({
        at: service.endOf(fault),
        rank: 1,
        who: "service",
        text: endText(key, fault.kind, service.cured.has(fault)),
      })),
    ...service.applied.map(({ at, remedy, attempt }) => ({
      at,
      rank: 1,
      who: "service",
      text: `${key}: ${remedy} for ${attempt} is carried out`,
    })),
  ]);
}

function endText(key: string, kind: string, cured: boolean): string {
  return cured ? `${key} is no longer ${kind}: cured` : `${key} is no longer ${kind}, by itself`;
}

async function decisions(world: World): Promise<readonly Line[]> {
  const incidents = await world.incidents();
  return incidents.flatMap(({ id, timeline }) =>
    timeline.map(({ at, kind, text }) => ({ at, rank: 2, who: "decided", text: `${id} ${kind}: ${text}` })),
  );
}

function calls(world: World): readonly Line[] {
  return world.calls.map(({ at, remedy, target, site, attempt, answer, standing }) => ({
    at,
    rank: 3,
    who: "CALL",
    text: `${remedy} of ${target}/${site} for ${attempt} (${standing}); the vendor ${answer}`,
  }));
}

/** A thread repeats the timeline, which stands in the story as it was decided. */
function told(world: World): readonly Line[] {
  return world.heard
    .filter(({ kind }) => kind !== "reply")
    .map(({ at, channel, kind, text }) => ({
      at,
      rank: 4,
      who: "told",
      text: `${channel} ${kind}: ${text.split("\n")[0] ?? ""}`,
    }));
}

function print({ at, who, text }: Line): string {
  const whole = `${clock(at)}  ${who.padEnd(7)}  ${text}`;
  return whole.length <= WIDTH || who === "hazard" ? whole : `${whole.slice(0, WIDTH - 1)}…`;
}

/** Since the beginning of the run. */
function clock(at: number): string {
  const seconds = Math.floor((at - START) / 1_000);
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  return `+${hours}:${String(minutes).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
}

function cut(lines: readonly string[]): readonly string[] {
  if (lines.length <= MOST_LINES) return lines;
  const [head, tail] = [lines.slice(0, MOST_LINES - 20), lines.slice(-20)];
  return [...head, `     … ${lines.length - head.length - tail.length} lines more …`, ...tail];
}
