import { fault, type Path, type Read } from "./problem.ts";
import type { Remedy } from "./resolved.ts";
import { formatDuration, parseDuration, parseInterval, parseRate } from "./units.ts";

const BARE_NUMBER = /^\d+(\.\d+)?$/;

/** What an environment variable puts in the place of what the config says, for every target. */
export type Override =
  | { readonly kind: "interval"; readonly ms: number }
  | { readonly kind: "slow-threshold"; readonly ms: number }
  | { readonly kind: "lag-alert"; readonly ms: number }
  | { readonly kind: "error-rate"; readonly rate: number }
  | { readonly kind: "memory"; readonly rate: number }
  | { readonly kind: "switch"; readonly remedy: Remedy; readonly on: boolean };

export interface EnvironmentVariable {
  readonly name: string;
  /** The field that it replaces. */
  readonly sets: Path;
  /** For people; stands in docs/configuration.md word for word. */
  readonly reads: string;
  readonly example: string;
  readonly read: (text: string) => Read<Override>;
}

/** All of them: the code goes through this table, and a test holds the documentation to it. */
export const ENVIRONMENT_VARIABLES: readonly EnvironmentVariable[] = [
  variable("LATENCY_THRESHOLD_MS", ["rules", "slow", "threshold"], "milliseconds, or a duration", "400", (text) =>
    as(milliseconds(text, "400"), (ms) => ({ kind: "slow-threshold", ms })),
  ),
  variable("ERROR_RATE_THRESHOLD_PCT", ["rules", "failing", "rate"], "percent", "5", (text) =>
    as(percent(text, "5"), (rate) => ({ kind: "error-rate", rate })),
  ),
  variable("CHECK_INTERVAL", ["interval"], "seconds, or a duration", "60", (text) =>
    as(seconds(text), (ms) => ({ kind: "interval", ms })),
  ),
  variable("DB_LAG_THRESHOLD_MS", ["rules", "lagging", "alert"], "milliseconds, or a duration", "2000", (text) =>
    as(milliseconds(text, "2000"), (ms) => ({ kind: "lag-alert", ms })),
  ),
  variable("MEMORY_THRESHOLD_PCT", ["rules", "loaded", "memory"], "percent", "85", (text) =>
    as(percent(text, "85"), (rate) => ({ kind: "memory", rate })),
  ),
  onOff("ENABLE_AUTO_RESTART", "restart"),
  onOff("ENABLE_AUTO_CACHE_PURGE", "purge-cache"),
  onOff("ENABLE_AUTO_SCALE", "scale"),
];

/** Where secrets belong. Only the function that calls a vendor can read that vendor's. */
export const SECRETS: readonly { readonly name: string; readonly holds: string; readonly keys: RegExp }[] = [
  { name: "RAILWAY_TOKEN", holds: "a project token of Railway, or an account token", keys: /railway/i },
  { name: "CLOUDFLARE_API_TOKEN", holds: "a token of Cloudflare that may purge the cache", keys: /cloudflare/i },
  { name: "SLACK_WEBHOOK_URL", holds: "an incoming webhook of Slack, where there is no bot", keys: /web-?_?hook/i },
  { name: "SLACK_BOT_TOKEN", holds: "a bot's token of Slack with chat:write", keys: /slack/i },
];

export interface ReadEnvironment {
  readonly overrides: readonly {
    readonly variable: EnvironmentVariable;
    readonly value: Override;
    readonly text: string;
  }[];
  readonly problems: readonly {
    readonly path: string;
    readonly found: string;
    readonly wants: string;
    readonly example: string;
  }[];
}

/** Reads the variables that are set; an empty one counts as not set. */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): ReadEnvironment {
  const overrides: ReadEnvironment["overrides"][number][] = [];
  const problems: ReadEnvironment["problems"][number][] = [];
  for (const variable of ENVIRONMENT_VARIABLES) {
    const text = environment[variable.name]?.trim() ?? "";
    if (text === "") continue;
    const read = variable.read(text);
    if (read.ok) overrides.push({ variable, value: read.value, text });
    else problems.push({ path: variable.name, ...read.problem });
  }
  return { overrides, problems };
}

function variable(
  name: string,
  sets: Path,
  reads: string,
  example: string,
  read: EnvironmentVariable["read"],
): EnvironmentVariable {
  return { name, sets, reads, example, read };
}

function onOff(name: string, remedy: Remedy): EnvironmentVariable {
  const reads = "`true` or `false`";
  return variable(name, ["remedies", remedy, "mode"], reads, "false", (text) => {
    const word = text.toLowerCase();
    return word === "true" || word === "false"
      ? { ok: true, value: { kind: "switch", remedy, on: word === "true" } }
      : fault(text, "true or false", `${name}=false`);
  });
}

/** A bare number counts in the unit that the variable has always had. */
function milliseconds(text: string, example: string): Read<number> {
  const read = parseDuration(BARE_NUMBER.test(text) ? `${text}ms` : text);
  return read.ok ? read : fault(text, "a number of milliseconds above zero, or a duration", example);
}

function seconds(text: string): Read<number> {
  const read = parseInterval(BARE_NUMBER.test(text) ? `${text}s` : text);
  return read.ok ? read : fault(text, "a number of seconds from 1 to 600, or a duration", "60");
}

function percent(text: string, example: string): Read<number> {
  const read = parseRate(BARE_NUMBER.test(text) ? `${text}%` : text);
  return read.ok ? read : fault(text, "a percentage above 0 and up to 100", example);
}

function as<T>(read: Read<T>, make: (value: T) => Override): Read<Override> {
  return read.ok ? { ok: true, value: make(read.value) } : read;
}

/** An override's value in words. */
export function overrideText(value: Override): string {
  switch (value.kind) {
    case "interval":
    case "slow-threshold":
    case "lag-alert":
      return formatDuration(value.ms);
    case "error-rate":
    case "memory":
      return `${Number((value.rate * 100).toFixed(3))}%`;
    case "switch":
      return value.on ? "true" : "false";
  }
}
