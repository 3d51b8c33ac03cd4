import { type Config, shardsOf, type TargetConfig } from "@neuropilot/config";
import {
  attemptInFlight,
  freshMs,
  type Health,
  healthOf,
  isIll,
  isPaused,
  modeOf,
  siteKey,
  type View,
} from "@neuropilot/core";
import type { OpenInstance } from "@neuropilot/local/instance";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { configOf, withInstance } from "./open.ts";
import { exact, type Style, type Terminal, table, when } from "./terminal.ts";

/** The stable shape of `status --json`: fields are added, never changed. Times are ISO 8601 UTC, null where there is none. */
export interface StatusReport {
  readonly name: string;
  readonly running: boolean;
  readonly startedAt: string | null;
  readonly paused: { readonly by: string; readonly reason: string; readonly until: string | null } | null;
  readonly vantages: readonly {
    readonly id: string;
    readonly lastTick: string | null;
    readonly controls: string;
    readonly sees: boolean;
  }[];
  readonly targets: readonly TargetStatus[];
}

export interface TargetStatus {
  readonly id: string;
  readonly site: string;
  readonly url: string;
  readonly health: View;
  readonly why: string;
  readonly since: string | null;
  readonly lastSample: string | null;
  readonly latencyMs: number | null;
  readonly views: Readonly<Record<string, View>>;
  readonly incident: string | null;
  readonly attempt: string | null;
  readonly paused: boolean;
  readonly modes: Readonly<Record<string, string>>;
}

export async function status(terminal: Terminal, options: { data: string; json: boolean }): Promise<ExitCode> {
  const report = await withInstance(options.data, (instance) =>
    readStatus(instance, configOf(instance, options.data), terminal.now()),
  );
  terminal.out(options.json ? JSON.stringify(report, null, 2) : renderStatus(terminal, report));
  return report.running && report.targets.every((target) => target.health === "healthy") ? EXIT.ok : EXIT.no;
}

/** What is true now, from the windows of all vantages: the same reduction that deciding uses. */
export async function readStatus(instance: OpenInstance, config: Config, now: number): Promise<StatusReport> {
  const { state } = instance;
  const [global, heartbeats, windows] = await Promise.all([
    state.readControl("global"),
    state.readHeartbeats(),
    state.readWindows(config.vantages.flatMap((vantage) => shardsOf(config).map((shard) => ({ vantage, shard })))),
  ]);
  const targets = await Promise.all(
    config.targets.map(async (target) => {
      const [item, own] = await Promise.all([state.readTarget(target.id, now), state.readControl(target.id)]);
      return target.sites.map((site): TargetStatus => {
        const health = healthOf(config, target, site.id, { windows, heartbeats }, 0, now);
        const seen = windows.flatMap((window) => window.sites[siteKey(target.id, site.id)] ?? []);
        const last = seen.flatMap((window) => window.samples).sort((a, b) => b.startedAt - a.startedAt)[0];
        const open = item.incident?.site === site.id ? item.incident : undefined;
        return {
          id: target.id,
          site: site.id,
          url: withoutQuery(site.url),
          health: health.state,
          why: health.why,
          since: isoOf(open?.failedAt ?? open?.openedAt ?? sinceOf(health, seen)),
          lastSample: isoOf(last?.startedAt),
          latencyMs: last === undefined || last.outcome !== "ok" ? null : Math.round(last.ttfbMs),
          views: health.views,
          incident: open?.id ?? null,
          attempt: open === undefined ? null : attemptText(item),
          paused: isPaused(own, now),
          modes: modesOf(target, { global, target: own }),
        };
      });
    }),
  );
  return {
    name: config.name,
    running: instance.running !== undefined,
    startedAt: isoOf(instance.running?.startedAt),
    paused:
      isPaused(global, now) && global.paused !== undefined
        ? { by: global.paused.by, reason: global.paused.reason, until: isoOf(global.paused.until) }
        : null,
    vantages: config.vantages.map((id) => {
      const beats = heartbeats.filter((beat) => beat.vantage === id);
      const newest = beats.sort((a, b) => b.at - a.at)[0];
      const heard = newest !== undefined && newest.at >= now - freshMs(config) - config.intervalMs;
      const sees = newest !== undefined && newest.controls.answered * 2 >= newest.controls.total;
      return {
        id,
        lastTick: isoOf(newest?.at),
        controls: newest === undefined ? "0/0" : `${newest.controls.answered}/${newest.controls.total}`,
        sees: heard && sees,
      };
    }),
    targets: targets.flat(),
  };
}

function attemptText(item: Parameters<typeof attemptInFlight>[0]): string | null {
  const attempt = attemptInFlight(item);
  return attempt === undefined ? null : `${attempt.remedy} ${attempt.state}`;
}

function sinceOf(
  health: Health,
  seen: readonly { readonly view: string; readonly since: number }[],
): number | undefined {
  const same = seen.filter((window) => window.view === health.state).map((window) => window.since);
  return same.length === 0 ? undefined : Math.min(...same);
}

function modesOf(target: TargetConfig, control: Parameters<typeof modeOf>[2]): Record<string, string> {
  return Object.fromEntries(
    (["restart", "purge-cache"] as const).map((remedy) => [remedy, modeOf(target, remedy, control)]),
  );
}

function isoOf(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString();
}

/** A URL may carry a key in its query. */
function withoutQuery(url: string): string {
  const parsed = new URL(url);
  return `${parsed.origin}${parsed.pathname}`;
}

export function styleOf(view: string): Style {
  if (view === "healthy") return "good";
  if (view === "inconclusive" || view === "suspect") return "warn";
  return isIll(viewOf(view)) ? "bad" : "dim";
}

/** Only used to choose a colour: a word that is no view reads as ill. */
function viewOf(text: string): View {
  return text as View;
}

function renderStatus(terminal: Terminal, report: StatusReport): string {
  const now = terminal.now();
  const at = (iso: string | null) => (iso === null ? "never" : when(Date.parse(iso), now));
  const ill = report.targets.filter((target) => target.health !== "healthy").length;
  const head = [
    terminal.paint("bold", report.name),
    report.running
      ? `running since ${at(report.startedAt)}`
      : terminal.paint("warn", "not running: this is the last known state"),
    report.paused === null
      ? ""
      : terminal.paint(
          "warn",
          `healing is paused by ${report.paused.by}: ${report.paused.reason}${report.paused.until === null ? "" : `, until ${exact(Date.parse(report.paused.until))}`}`,
        ),
  ].filter((part) => part !== "");
  const all = report.targets.length;
  const rows = report.targets.map((target) => [
    target.id,
    target.site,
    terminal.paint(styleOf(target.health), target.health),
    target.since === null ? "" : at(target.since),
    target.latencyMs === null ? "" : `${target.latencyMs} ms`,
    Object.values(target.modes).every((mode) => mode === target.modes.restart)
      ? (target.modes.restart ?? "")
      : Object.entries(target.modes)
          .map(([remedy, mode]) => `${remedy} ${mode}`)
          .join(", "),
    [
      target.incident === null ? "" : `${target.incident}${target.attempt === null ? "" : `, ${target.attempt}`}`,
      target.paused ? "paused" : "",
      target.health === "healthy" ? "" : target.why,
    ]
      .filter((part) => part !== "")
      .join("; "),
  ]);
  const titles = ["TARGET", "SITE", "HEALTH", "SINCE", "LATENCY", "MODE", "NOTE"].map((title) =>
    terminal.paint("dim", title),
  );
  const vantages = report.vantages.map((vantage) => [
    `vantage ${vantage.id}`,
    vantage.sees ? "sees" : terminal.paint("warn", "is blind"),
    `last looked ${at(vantage.lastTick)}`,
    `controls ${vantage.controls}`,
  ]);
  const verdict =
    report.targets.length === 0
      ? "No targets are configured."
      : ill === 0
        ? terminal.paint(report.running ? "good" : "dim", `${ofAll(all, all)} healthy.`)
        : terminal.paint("bad", `${ofAll(ill, all)} in need of attention.`);
  const end = report.running ? verdict : `${verdict} ${terminal.paint("warn", "Nobody watches now.")}`;
  return [head.join(" · "), "", table([titles, ...rows]), "", table(vantages), "", end].join("\n");
}

function ofAll(count: number, all: number): string {
  return all === 1 ? "The one target is" : `${count === all ? "All" : `${count} of`} ${all} are`;
}
