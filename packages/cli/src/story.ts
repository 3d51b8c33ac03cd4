import { type Config, shardsOf } from "@neuropilot/config";
import { type Conclusion, describe, type Incident, seconds, siteKey } from "@neuropilot/core";
import { incidentChanged } from "@neuropilot/events";
import type { Listener, Runner } from "@neuropilot/local";
import { findIncident } from "@neuropilot/loop";
import { styleOfEntry } from "./incidents.ts";
import { styleOf } from "./status.ts";
import { clockTime, type Style, type Terminal, wrap } from "./terminal.ts";

/** Tells what happens, a line each, as it happens; or one JSON object a line. */
export interface Story {
  /** Hears the same events as the alerts do. */
  readonly listener: Listener;
  tell(who: string, text: string, style?: Style): void;
  /** Begins to look at what the vantages see. */
  start(runner: Runner): void;
  /** Hears of each incident that ends. */
  onEnded(heard: (incident: Incident) => void): void;
  /** Resolves when every site was seen once. */
  readonly seenAll: Promise<void>;
  stop(): void;
}

const WHO_WIDTH = 12;
const LEAST_POLL_MS = 500;

export function createStory(
  terminal: Terminal,
  config: Config,
  options: { readonly json: boolean; readonly columns: number; readonly channels: readonly string[] },
): Story {
  const views = new Map<string, Conclusion["view"] | string>();
  const heard = new Map<string, number>();
  const untold = new Map<string, string>();
  const ended = new Set<string>();
  const enders: ((incident: Incident) => void)[] = [];
  let timer: NodeJS.Timeout | undefined;
  let polling = false;
  let done = () => {};
  const seenAll = new Promise<void>((resolve) => {
    done = resolve;
  });
  const sites = config.targets.reduce((count, target) => count + target.sites.length, 0);
  const began = Date.now();

  function line(at: number, who: string, text: string, style?: Style): void {
    const head = `${clockTime(at)}  ${who.padEnd(WHO_WIDTH)} `;
    const room = Math.max(24, options.columns - head.length);
    const [first = "", ...rest] = wrap(text, room);
    const paint = (part: string) => (style === undefined ? part : terminal.paint(style, part));
    terminal.out(
      [
        `${terminal.paint("dim", clockTime(at))}  ${terminal.paint("bold", who.padEnd(WHO_WIDTH))} ${paint(first)}`,
        ...rest.map((part) => `${" ".repeat(head.length)}${paint(part)}`),
      ].join("\n"),
    );
  }

  function say(
    at: number,
    who: string,
    event: string,
    fields: Readonly<Record<string, unknown>>,
    text: string,
    style?: Style,
  ): void {
    if (options.json) terminal.out(JSON.stringify({ at: new Date(at).toISOString(), event, ...fields, text }));
    else line(at, who, text, style);
  }

  async function look({ state }: Runner): Promise<void> {
    const windows = await state.readWindows(
      config.vantages.flatMap((vantage) => shardsOf(config).map((shard) => ({ vantage, shard }))),
    );
    for (const window of windows)
      for (const target of config.targets)
        for (const site of target.sites) {
          const seen = window.sites[siteKey(target.id, site.id)];
          const last = seen?.samples.at(-1);
          if (seen === undefined || last === undefined || window.at < began) continue;
          const key = `${window.vantage}/${target.id}/${site.id}`;
          if (views.get(key) === seen.view) continue;
          views.set(key, seen.view);
          const from = config.vantages.length > 1 ? ` from ${window.vantage}` : "";
          const place = target.sites.length > 1 ? ` (${site.id})` : "";
          say(
            window.at,
            target.id,
            "view",
            { target: target.id, site: site.id, vantage: window.vantage, view: seen.view },
            `${seen.view}${place}${from}: ${describe(last)}`,
            styleOf(seen.view),
          );
        }
    if (views.size >= sites) done();
    for (const [id, seq] of heard) await lookAtDeliveries(state, id, seq);
  }

  /** A channel that refuses, a mistyped one say, must not go unnoticed: this terminal may be all that works. */
  async function lookAtDeliveries(state: Runner["state"], incident: string, seq: number): Promise<void> {
    for (const channel of options.channels) {
      const key = `${incident}/${channel}`;
      const delivery = await state.readDelivery(incident, channel);
      const behind = delivery !== undefined && delivery.sentSeq < seq;
      const problem = behind ? delivery.lastProblem : undefined;
      const before = untold.get(key);
      if (problem === before) continue;
      if (problem === undefined) {
        untold.delete(key);
        if (!behind)
          say(Date.now(), channel, "told", { incident, channel }, "told now, up to the present state", "good");
      } else {
        untold.set(key, problem);
        say(
          Date.now(),
          channel,
          "not-told",
          { incident, channel },
          `not told yet, tried again later: ${problem}`,
          "warn",
        );
      }
    }
  }

  function tellIncident(incident: Incident): void {
    const after = heard.get(incident.id) ?? 0;
    for (const entry of incident.timeline) {
      if (entry.seq <= after || entry.at < began - 1_000) continue;
      const text = entry.kind === "opened" ? `${entry.text}  [${incident.id}]` : entry.text;
      say(
        entry.at,
        incident.target,
        entry.kind,
        { target: incident.target, incident: incident.id, seq: entry.seq },
        text,
        styleOfEntry(entry.kind),
      );
    }
    heard.set(incident.id, Math.max(after, incident.seq));
    if (incident.endedAt === undefined || incident.endedAt < began || ended.has(incident.id)) return;
    ended.add(incident.id);
    say(Date.now(), incident.target, "summary", { incident: incident.id }, summaryOf(incident), "bold");
    for (const ender of enders) ender(incident);
  }

  return {
    seenAll,
    onEnded: (hear) => void enders.push(hear),
    listener: {
      name: "terminal",
      pattern: { ...incidentChanged.pattern },
      async hear(event, { state }) {
        const parsed = incidentChanged.parse(event);
        if (!parsed.ok) return;
        const incident = await findIncident({ state, clock: Date.now }, parsed.detail.incident, parsed.detail.target);
        if (incident !== undefined) tellIncident(incident);
      },
    },
    tell: (who, text, style) => say(Date.now(), who, "note", { who }, text, style),
    start(runner) {
      const poll = () => {
        if (polling) return;
        polling = true;
        look(runner)
          // A look that fails is repeated; what matters is told through the incident.
          .catch(() => undefined)
          .finally(() => {
            polling = false;
          });
      };
      timer = setInterval(poll, Math.max(LEAST_POLL_MS, config.intervalMs / 10));
      if (sites === 0) done();
    },
    stop() {
      clearInterval(timer);
    },
  };
}

/** The incident in one line: what it took, from the first bad sample on. */
function summaryOf(incident: Incident): string {
  const from = incident.failedAt ?? incident.openedAt;
  const after = (at: number | undefined) => (at === undefined ? undefined : seconds(at - from));
  const called = incident.attempts.filter((attempt) => attempt.mayHaveCalled);
  const steps = called.map(
    (attempt) => `${attempt.remedy} called after ${after(attempt.callStartedAt)}: ${attempt.verdict ?? attempt.state}`,
  );
  return [
    `from the first bad sample: seen after ${after(incident.openedAt)}`,
    ...(steps.length > 0 ? steps : ["nothing was called"]),
    `over after ${after(incident.endedAt)}`,
  ].join("; ");
}
