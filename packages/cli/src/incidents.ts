import type { Attempt, Incident, Telling, WouldHave } from "@neuropilot/core";
import { seconds } from "@neuropilot/core";
import type { OpenInstance } from "@neuropilot/local/instance";
import { CommandFailed, EXIT, type ExitCode } from "./exit-codes.ts";
import { configOf, withInstance } from "./open.ts";
import { clockTime, exact, type Style, type Terminal, table, when } from "./terminal.ts";

/** The stable shape of `incidents --json`: fields are added, never changed. Times are ISO 8601 UTC, null where there is none. */
export interface IncidentReport {
  readonly id: string;
  readonly target: string;
  readonly site: string;
  readonly kind: string;
  readonly why: string;
  readonly failedAt: string | null;
  readonly openedAt: string;
  readonly endedAt: string | null;
  readonly end: string | null;
  readonly needsHuman: string | null;
  readonly attempts: readonly {
    readonly id: string;
    readonly remedy: string;
    readonly state: string;
    readonly verdict: string | null;
    readonly called: boolean;
    readonly claimedAt: string | null;
    readonly calledAt: string | null;
    readonly endedAt: string | null;
    readonly because: string;
    readonly note: string | null;
  }[];
  /** `score`: what the service did without it; null while that is not known yet. */
  readonly wouldHave: readonly {
    readonly remedy: string;
    readonly at: string;
    readonly score: string | null;
    readonly scoredAt: string | null;
  }[];
  /** By channel: whether people have been told of the present state, and what stands in the way. */
  readonly told: readonly ToldReport[];
  readonly timeline: readonly { readonly at: string; readonly kind: string; readonly text: string }[];
}

export interface ToldReport {
  readonly channel: string;
  readonly upToDate: boolean;
  readonly problem: string | null;
}

export interface FoundIncident {
  readonly incident: Incident;
  readonly told: readonly ToldReport[];
}

const CHANNELS = ["slack"] as const;

export async function incidents(
  terminal: Terminal,
  options: { data: string; json: boolean; id: string | undefined },
): Promise<ExitCode> {
  const all = await withInstance(options.data, async (instance) => {
    const found = await readIncidents(instance, options.data);
    return Promise.all(found.map((incident) => withTold(instance.state, incident)));
  });
  if (options.id === undefined) {
    terminal.out(
      options.json
        ? JSON.stringify(all.map(reportOf), null, 2)
        : renderList(
            terminal,
            all.map(({ incident }) => incident),
          ),
    );
    return EXIT.ok;
  }
  const one = all.find(({ incident }) => incident.id === options.id);
  if (one === undefined)
    throw new CommandFailed(
      EXIT.usage,
      `no incident is called "${options.id}"${
        all.length === 0
          ? "; there are none"
          : `. The newest: ${all
              .slice(0, 3)
              .map(({ incident }) => incident.id)
              .join(", ")}`
      }`,
    );
  terminal.out(options.json ? JSON.stringify(reportOf(one), null, 2) : renderOne(terminal, one));
  return EXIT.ok;
}

/** Open, just closed and archived ones of every target, the newest first. */
export async function readIncidents(instance: OpenInstance, data: string): Promise<readonly Incident[]> {
  const { state } = instance;
  const byId = new Map<string, Incident>();
  for (const target of configOf(instance, data).targets) {
    const [item, archived] = await Promise.all([state.readTarget(target.id, 0), state.archivedIncidents(target.id)]);
    for (const incident of [...archived, ...item.closed, ...(item.incident === undefined ? [] : [item.incident])])
      byId.set(incident.id, incident);
  }
  return [...byId.values()].sort((a, b) => b.openedAt - a.openedAt);
}

export async function withTold(state: OpenInstance["state"], incident: Incident): Promise<FoundIncident> {
  return { incident, told: await readTold(state, incident) };
}

async function readTold(state: OpenInstance["state"], incident: Incident): Promise<ToldReport[]> {
  const deliveries = await Promise.all(CHANNELS.map((channel) => state.readDelivery(incident.id, channel)));
  return deliveries.flatMap((delivery) => {
    if (delivery === undefined) return [];
    const upToDate = delivery.sentSeq >= incident.seq;
    return [{ channel: delivery.channel, upToDate, problem: upToDate ? null : (delivery.lastProblem ?? null) }];
  });
}

/** What people were told of an incident, and when, through every channel. */
export async function readTellings(state: OpenInstance["state"], id: string): Promise<Telling[]> {
  const deliveries = await Promise.all(CHANNELS.map((channel) => state.readDelivery(id, channel)));
  return deliveries.flatMap((delivery) =>
    (delivery?.told ?? []).map(({ at, text }) => ({ channel: delivery?.channel ?? "", at, text })),
  );
}

function iso(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString();
}

function reportOf({ incident, told }: FoundIncident): IncidentReport {
  return {
    id: incident.id,
    target: incident.target,
    site: incident.site,
    kind: incident.kind,
    why: incident.why,
    failedAt: iso(incident.failedAt),
    openedAt: new Date(incident.openedAt).toISOString(),
    endedAt: iso(incident.endedAt),
    end: incident.end ?? null,
    needsHuman: incident.needsHuman?.why ?? null,
    attempts: incident.attempts.map((attempt) => ({
      id: attempt.id,
      remedy: attempt.remedy,
      state: attempt.state,
      verdict: attempt.verdict ?? null,
      called: attempt.mayHaveCalled,
      claimedAt: iso(attempt.claimedAt),
      calledAt: iso(attempt.callStartedAt),
      endedAt: iso(attempt.endedAt),
      because: attempt.because,
      note: attempt.note ?? null,
    })),
    wouldHave: incident.wouldHave.map(({ remedy, at, score, scoredAt }) => ({
      remedy,
      at: new Date(at).toISOString(),
      score: score ?? null,
      scoredAt: iso(scoredAt),
    })),
    told,
    timeline: incident.timeline.map(({ at, kind, text }) => ({ at: new Date(at).toISOString(), kind, text })),
  };
}

export function outcomeOf(terminal: Terminal, incident: Incident): string {
  if (incident.endedAt === undefined)
    return incident.needsHuman === undefined
      ? terminal.paint("warn", "open")
      : terminal.paint("bad", "open, a person is needed");
  switch (incident.end) {
    case "healed":
      return terminal.paint("good", "healed");
    case "target-removed":
      return "target removed";
    case "superseded":
      return "gave way to another";
    default:
      return "recovered by itself";
  }
}

function triedIn(incident: Incident): string {
  const tried = incident.attempts.map((attempt: Attempt) => `${attempt.remedy} ${attempt.state}`);
  const would = incident.wouldHave.map(({ remedy }) => `would have done ${remedy}`);
  return [...tried, ...would].join(", ") || "nothing";
}

function renderList(terminal: Terminal, all: readonly Incident[]): string {
  if (all.length === 0) return "No incidents.";
  const now = terminal.now();
  const rows = all.map((incident) => [
    incident.id,
    `${incident.kind} at ${incident.site}`,
    when(incident.failedAt ?? incident.openedAt, now),
    seconds((incident.endedAt ?? now) - (incident.failedAt ?? incident.openedAt)),
    outcomeOf(terminal, incident),
    triedIn(incident),
  ]);
  const titles = ["INCIDENT", "WHAT", "BEGAN", "LASTED", "OUTCOME", "TRIED"].map((title) =>
    terminal.paint("dim", title),
  );
  return table([titles, ...rows]);
}

const MARKS: Readonly<Record<Incident["timeline"][number]["kind"], Style>> = {
  opened: "bad",
  changed: "warn",
  attempt: "info",
  refused: "warn",
  "would-have": "info",
  human: "bad",
  resolved: "good",
  operator: "bold",
};

export function styleOfEntry(kind: Incident["timeline"][number]["kind"]): Style {
  return MARKS[kind];
}

const SCORES: Readonly<Record<NonNullable<WouldHave["score"]>, string>> = {
  recovered: "it recovered alone",
  "still-ill": "it was still ill",
  worse: "it got worse",
  unknown: "nobody can say what came of it",
};

/** What observe would have called, and what the service did without it. */
function shadowRow({ remedy, at, score, scoredAt }: WouldHave): string[] {
  const after = scoredAt === undefined ? "" : ` (${seconds(scoredAt - at)} later)`;
  return [`would have done ${remedy}`, exact(at), score === undefined ? "not judged yet" : `${SCORES[score]}${after}`];
}

function renderOne(terminal: Terminal, { incident, told }: FoundIncident): string {
  const now = terminal.now();
  const facts = table([
    ["target", `${incident.target} (${incident.site})`],
    ["what", `${incident.kind}: ${incident.why}`],
    ["failed", incident.failedAt === undefined ? "not known to the second" : when(incident.failedAt, now)],
    ["seen", when(incident.openedAt, now)],
    ["ended", incident.endedAt === undefined ? "not yet" : when(incident.endedAt, now)],
    ["outcome", outcomeOf(terminal, incident)],
    ...(incident.needsHuman === undefined ? [] : [["person", incident.needsHuman.why]]),
    ...told.map(({ channel, upToDate, problem }) => [
      channel,
      upToDate
        ? "knows the present state"
        : terminal.paint("warn", `not told yet${problem === null ? "" : `: ${problem}`}`),
    ]),
  ]);
  const attempts = incident.attempts.map((attempt) => [
    attempt.id,
    attempt.remedy,
    attempt.state,
    attempt.callStartedAt === undefined ? "never called" : `called ${exact(attempt.callStartedAt)}`,
    attempt.note ?? attempt.because,
  ]);
  const timeline = incident.timeline.map((entry) => [
    clockTime(entry.at),
    terminal.paint(styleOfEntry(entry.kind), entry.kind),
    entry.text,
  ]);
  return [
    terminal.paint("bold", incident.id),
    facts,
    "",
    attempts.length === 0 ? "No remedy was tried." : table(attempts),
    ...(incident.wouldHave.length === 0 ? [] : ["", table(incident.wouldHave.map(shadowRow))]),
    "",
    table(timeline),
  ].join("\n");
}
