import type { Config, IllKind, Remedy } from "@neuropilot/config";
import { type Attempt, type Incident, isInFlight, type TimelineEntry, usedRung } from "@neuropilot/core";
import { type ChatMessage, clipMrkdwn, escapeMrkdwn, mentionMrkdwn } from "@neuropilot/providers";

/** What people read at night: the first line says what is ill and what is being done about it. Everything foreign is escaped. */

const ILL: Readonly<Record<IllKind, string>> = {
  down: "is down",
  failing: "answers with errors",
  slow: "is slow",
  loaded: "is overloaded",
  lagging: "has a database that lags behind",
  misconfigured: "has a TLS or DNS fault",
  blocked: "turns our probe away",
  expiring: "has a certificate that ends soon",
  inconclusive: "cannot be seen from here",
};

/** The same when it is over. */
const WAS: Readonly<Record<IllKind, string>> = {
  down: "was down",
  failing: "answered with errors",
  slow: "was slow",
  loaded: "was overloaded",
  lagging: "had a database that lagged behind",
  misconfigured: "had a TLS or DNS fault",
  blocked: "turned our probe away",
  expiring: "had a certificate that was about to end",
  inconclusive: "could not be seen from here",
};

const REMEDY: Readonly<Record<Remedy, { readonly doing: string; readonly noun: string }>> = {
  restart: { doing: "restarting it", noun: "the restart" },
  "purge-cache": { doing: "purging its cache", noun: "the cache purge" },
  scale: { doing: "scaling it up", noun: "scaling up" },
  failover: { doing: "moving traffic to the other site", noun: "the failover" },
  rollback: { doing: "rolling back the last deploy", noun: "the rollback" },
};

const MAX_WHY = 600;
const MAX_LINE = 400;
const MAX_ATTEMPTS = 5;
const MAX_LATEST = 6;
/** Slack advises to stay below 4,000: https://docs.slack.dev/reference/methods/chat.postMessage#truncating */
const MAX_REPLY = 3_800;

export interface RenderOptions {
  /** Who is called when a person is needed. Only for a message that is new: changing one calls nobody. */
  readonly mention?: string | undefined;
  /** Whether the timeline's last lines stand in the message, for a channel without threads. */
  readonly withTimeline: boolean;
}

/** The incident's message as it should read now. */
export function renderIncident(config: Config, incident: Incident, now: number, options: RenderOptions): ChatMessage {
  const over = incident.endedAt !== undefined;
  const { needsHuman } = incident;
  const ended = incident.end === "superseded" ? ":white_circle:" : ":large_green_circle:";
  const state = over ? ended : needsHuman === undefined ? ":large_orange_circle:" : ":red_circle:";
  const headline = over ? headlineOfEnd(incident) : `${nameOf(incident)} ${ILL[incident.kind]}`;
  const doing = over ? howItEnded(incident) : whatIsDone(incident, now);
  const lines = [`${state} *${headline}*: ${doing}`];
  if (!over) lines.push(`Seen: ${shown(incident.why, MAX_WHY)}`);
  if (needsHuman !== undefined && !over) {
    const call = options.mention === undefined ? "" : `${mentionMrkdwn(options.mention)} `;
    lines.push(`${call}*A person is needed*: ${shown(needsHuman.why, MAX_WHY)}`);
  }
  const attempts = incident.attempts.filter(worthListing).slice(-MAX_ATTEMPTS).map(lineOfAttempt);
  const latest = options.withTimeline
    ? incident.timeline.slice(-MAX_LATEST).map((entry) => lineOf(entry, incident.openedAt))
    : [];
  const facts = [
    `${over ? "began" : "since"} ${dateAndTime(beganAt(incident))}`,
    ...(incident.endedAt === undefined ? [] : [`over at ${dateAndTime(incident.endedAt)}`]),
    `incident ${escapeMrkdwn(incident.id)}`,
    escapeMrkdwn(config.name),
    ...(options.withTimeline ? [] : ["timeline in the thread"]),
  ];
  return {
    key: incident.id,
    source: config.name,
    text: `${headline}: ${doing}`,
    blocks: [
      section(lines),
      ...[attempts, latest].filter((list) => list.length > 0).map(section),
      { type: "context", elements: [textOf(facts.join(" · "), 2_000)] },
    ],
  };
}

/**
 * The next part of the timeline after what the thread has, oldest first, as much as one reply holds; undefined if there is
 * nothing new. What a person must hear stands alone and is broadcast, if it still holds.
 */
export function renderThread(
  incident: Incident,
  afterSeq: number,
  mention: string | undefined,
): { readonly text: string; readonly broadcast: boolean; readonly seq: number } | undefined {
  const waiting = incident.timeline.filter((entry) => entry.seq > afterSeq);
  const [first] = waiting;
  if (first === undefined) return undefined;
  const call = incident.endedAt === undefined ? waiting.findLast((entry) => entry.kind === "human") : undefined;
  if (first === call) {
    const who = mention === undefined ? "" : `${mentionMrkdwn(mention)} `;
    const text = `${who}*${nameOf(incident)} ${ILL[incident.kind]}, and a person is needed*: ${shown(first.text, MAX_WHY)}\n\`${timeOf(first.at, incident.openedAt)}\``;
    return { text, broadcast: true, seq: first.seq };
  }
  let text = lineOf(first, incident.openedAt);
  let seq = first.seq;
  for (const entry of waiting.slice(1)) {
    const longer = `${text}\n${lineOf(entry, incident.openedAt)}`;
    if (entry === call || longer.length > MAX_REPLY) break;
    text = longer;
    seq = entry.seq;
  }
  return { text, broadcast: false, seq };
}

function nameOf({ target, site }: Incident): string {
  return site === "primary" ? shown(target, 100) : `${shown(target, 100)} (${shown(site, 100)})`;
}

function headlineOfEnd(incident: Incident): string {
  if (incident.end === "target-removed") return `${nameOf(incident)} is no longer watched`;
  if (incident.end === "superseded") return `${nameOf(incident)} ${WAS[incident.kind]}`;
  return `${nameOf(incident)} is healthy again after ${duration((incident.endedAt ?? 0) - beganAt(incident))}`;
}

function howItEnded(incident: Incident): string {
  const was = `it ${WAS[incident.kind]}`;
  switch (incident.end ?? "recovered") {
    case "healed": {
      const attempt = incident.attempts.findLast(({ verdict }) => verdict === "healed");
      if (attempt === undefined) return `${was}; a remedy healed it`;
      return `${was}; ${REMEDY[attempt.remedy].noun} at ${time(whenOf(attempt))} helped, as fresh samples show`;
    }
    case "superseded":
      return "what came then is an incident of its own";
    case "target-removed":
      return "it left the configuration while it was ill";
    case "recovered":
      return incident.attempts.some(usedRung)
        ? `${was}; it recovered, and no remedy can claim it`
        : `${was}; it recovered by itself, nothing was done`;
  }
}

function whatIsDone(incident: Incident, now: number): string {
  const attempt = incident.attempts.find(isInFlight);
  if (attempt !== undefined) return whatIsUnderWay(attempt, now);
  const { lastRefusal } = incident;
  const next =
    lastRefusal?.until === undefined || lastRefusal.until <= now ? "" : ` (until ${time(lastRefusal.until)})`;
  if (incident.needsHuman !== undefined)
    return incident.ladderEnded || next === ""
      ? "nothing more is tried now, a person is needed"
      : `nothing is done now, a person is needed: ${shown(lastRefusal?.text ?? "", MAX_LINE)}${next}`;
  const would = incident.wouldHave.at(-1);
  if (would !== undefined)
    return `nothing is done (mode observe); in mode auto we would be ${REMEDY[would.remedy].doing}`;
  if (lastRefusal !== undefined) return `nothing is done now: ${shown(lastRefusal.text, MAX_LINE)}${next}`;
  const last = incident.attempts.at(-1);
  if (last !== undefined) return `${REMEDY[last.remedy].noun} ${resultOf(last)}; the next step is being decided`;
  return "looking into it";
}

function whatIsUnderWay(attempt: Attempt, now: number): string {
  const { doing, noun } = REMEDY[attempt.remedy];
  const known = attempt.record === undefined ? "" : ` (${shown(attempt.record, MAX_LINE)})`;
  switch (attempt.state) {
    case "proposed":
      return `${noun} waits for a person's yes${known}`;
    case "claimed":
    case "calling":
      return `${doing} now${known}`;
    case "following":
      return `${doing}, accepted at ${time(whenOf(attempt))}${known}`;
    default: {
      const unsure = attempt.outcome?.kind === "unknown";
      const done = unsure ? `whether ${noun} took place is not known` : `${noun} is done`;
      if (attempt.verifyUntil === undefined) return `${done}; checking whether it helped`;
      const warming = attempt.verifyFrom !== undefined && now < attempt.verifyFrom;
      return `${done}; ${warming && attempt.remedy === "restart" ? "it starts up, then fresh samples" : "fresh samples"} show until ${time(attempt.verifyUntil)} whether it helped`;
    }
  }
}

function worthListing(attempt: Attempt): boolean {
  return usedRung(attempt) || attempt.state === "rejected" || attempt.state === "retry-later";
}

function lineOfAttempt(attempt: Attempt): string {
  return `• ${time(whenOf(attempt))}  ${REMEDY[attempt.remedy].noun} of ${shown(attempt.site, 100)}: ${resultOf(attempt)}`;
}

function resultOf(attempt: Attempt): string {
  const note = attempt.note === undefined ? "" : `: ${shown(attempt.note, MAX_LINE)}`;
  switch (attempt.state) {
    case "healed":
      return "helped";
    case "self-resolved":
      return "came when it had already recovered";
    case "no-effect":
      return "did not help";
    case "worse":
      return "made it worse";
    case "unknown":
      return attempt.verdict === undefined ? "may have taken place" : "cannot be shown to have helped";
    case "rejected":
      return `was refused${note}`;
    case "retry-later":
      return `must wait${note}`;
    case "abandoned":
      return `was not done${note}`;
    case "denied":
      return "was not allowed by a person";
    case "proposed":
    case "claimed":
    case "calling":
    case "following":
    case "verifying":
      return "under way";
  }
}

function lineOf(entry: TimelineEntry, openedAt: number): string {
  return `\`${timeOf(entry.at, openedAt)}\` ${shown(entry.text, MAX_LINE)}`;
}

/** Cut first, so that no entity is cut in half. */
function shown(text: string, max: number): string {
  return escapeMrkdwn(clipMrkdwn(text, max));
}

function beganAt(incident: Incident): number {
  return incident.failedAt ?? incident.openedAt;
}

function whenOf(attempt: Attempt): number {
  return attempt.callStartedAt ?? attempt.at;
}

function dateAndTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

function time(at: number): string {
  return `${new Date(at).toISOString().slice(11, 19)} UTC`;
}

/** The date as well where it is not the day the incident began. */
function timeOf(at: number, openedAt: number): string {
  const sameDay = Math.floor(at / 86_400_000) === Math.floor(openedAt / 86_400_000);
  return sameDay ? time(at) : dateAndTime(at);
}

/** Exact to the second up to an hour, to the minute after it. */
function duration(ms: number): string {
  const total = Math.max(0, Math.round(ms / 1_000));
  const [hours, minutes, seconds] = [Math.floor(total / 3_600), Math.floor((total % 3_600) / 60), total % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds} s` : `${seconds} s`;
}

function section(lines: readonly string[]): unknown {
  return { type: "section", text: textOf(lines.join("\n"), 3_000) };
}

/** `verbatim`: nothing in it becomes a link or a mention by itself. */
function textOf(text: string, max: number): unknown {
  return { type: "mrkdwn", text: clipMrkdwn(text, max), verbatim: true };
}
