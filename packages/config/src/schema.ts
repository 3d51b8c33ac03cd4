import { z } from "zod";
import { parseAddress } from "./address.ts";
import { fault, looksLikeSecret, type Read } from "./problem.ts";
import type { Expectation, IllKind, Remedy, Rung } from "./resolved.ts";
import { MODES, REMEDIES } from "./resolved.ts";
import {
  parseDuration,
  parseInterval,
  parseMoment,
  parsePeriod,
  parseRate,
  parseSize,
  parseTimeOfDay,
} from "./units.ts";

/**
 * The one schema of what people write. Objects are strict; every leaf reads its own value and says itself what it wants, so
 * that each problem comes with words and an example. What concerns more than one field is in `checks.ts`.
 */

function leaf<Input, Output>(read: (value: unknown) => Read<Output>) {
  return z.custom<Input>().transform((value, context): Output => {
    const result = read(value);
    if (result.ok) return result.value;
    context.issues.push({ code: "custom", input: value, message: result.problem.wants, params: result.problem });
    return z.NEVER;
  });
}

const text = (wants: string, example: string, accepts: (value: string) => boolean) =>
  leaf<string, string>((value) =>
    typeof value === "string" && accepts(value) && !looksLikeSecret(value)
      ? { ok: true, value }
      : fault(value, wants, example),
  );

const whole = (from: number, to: number, example: number) =>
  leaf<number, number>((value) =>
    typeof value === "number" && Number.isInteger(value) && value >= from && value <= to
      ? { ok: true, value }
      : fault(value, `a whole number from ${from} to ${to}`, String(example)),
  );

const yesOrNo = leaf<boolean, boolean>((value) =>
  typeof value === "boolean" ? { ok: true, value } : fault(value, "true or false", "false"),
);

function oneOf<const Word extends string>(words: readonly Word[]) {
  const [first = ""] = words;
  return leaf<Word, Word>((value) => {
    const word = words.find((candidate) => candidate === value);
    return word === undefined
      ? fault(value, `one of ${words.join(", ")}${nearestText(value, words)}`, `"${first}"`)
      : { ok: true, value: word };
  });
}

/** The known word that was most likely meant: few letters away, or with something after it, such as a unit. */
export function nearest(value: unknown, known: readonly string[]): string | undefined {
  if (typeof value !== "string" || value.length > 60) return undefined;
  const typed = value.toLowerCase();
  const ranked = known
    .map((word) => ({ word, distance: editDistance(typed, word.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const close = ranked.find(({ word, distance }) => distance <= Math.max(1, Math.floor(word.length / 3)));
  const begun = ranked.find(({ word }) => word.length >= SHORTEST_START && typed.startsWith(word.toLowerCase()));
  return (close ?? begun)?.word;
}

const SHORTEST_START = 4;

/** The same as `: did you mean "…"?`, or nothing where none is near. */
export function nearestText(value: unknown, known: readonly string[]): string {
  const word = nearest(value, known);
  return word === undefined ? "" : `: did you mean "${word}"?`;
}

/** Changes, additions, removals and swaps of neighbours between two words (Damerau, restricted). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? (before[j - 2] ?? 0) + 1 : replaced;
      next.push(Math.min(replaced, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

const ID = /^[a-z0-9-]{1,60}$/;
const id = leaf<string, string>((value) => {
  const example = '"api"';
  if (typeof value !== "string") return fault(value, "an id", example);
  if (/[*?]/.test(value)) return fault(value, "one id, no wildcard: name every target", example);
  if (!ID.test(value)) return fault(value, "1 to 60 of a-z, 0-9 and -", example);
  // The store keeps what holds for all targets under this name.
  return value === "global" ? fault(value, 'an id other than "global"', example) : { ok: true, value };
});

const duration = leaf<string, number>(parseDuration);
const interval = leaf<string, number>(parseInterval);
const period = leaf<string, number>(parsePeriod);
const rate = leaf<string | number, number>(parseRate);
/** A share below which a remedy is not worth a try: more than half would pass over what helps. */
const skipBelow = leaf<string | number, number>((value) => {
  if (value === 0 || value === "0%") return { ok: true, value: 0 };
  const read = parseRate(value);
  return read.ok && read.value <= 0.5 ? read : fault(value, "a share from 0 (never) up to 50 %", '"20%" or 0.2');
});
const size = leaf<string | number, number>(parseSize);
/** When a maintenance window begins or ends: once, or a time of day that repeats. */
type Edge = { readonly kind: "once" | "time-of-day"; readonly ms: number };
const edge = leaf<string, Edge>((value) => {
  const clock = parseTimeOfDay(value);
  if (clock.ok) return { ok: true, value: { kind: "time-of-day", ms: clock.value } };
  const once = parseMoment(value);
  if (once.ok) return { ok: true, value: { kind: "once", ms: once.value } };
  const looksLikeTime = typeof value === "string" && /^\d+:\d+$/.test(value.trim());
  return looksLikeTime ? clock : once;
});
const address = leaf<string, string>(parseAddress);
const baseUrl = leaf<string, string>((value) => {
  const read = parseAddress(value);
  return read.ok ? { ok: true, value: read.value.replace(/\/+$/, "") } : read;
});
const vendorId = (example: string) =>
  text("the vendor's id: letters, digits, - and _", example, (value) => /^[A-Za-z0-9_-]{1,64}$/.test(value));
const words = (wants: string, example: string, longest: number) =>
  text(wants, example, (value) => value.trim() !== "" && value.length <= longest && isPrintable(value));

function isPrintable(value: string): boolean {
  return [...value].every((char) => char >= " " && char !== "\x7f");
}

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
/** Set by the connection itself; a second one splits what the target and we take for the request. */
const OWN_HEADERS = ["host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer"];

const headers = leaf<Readonly<Record<string, string>>, Record<string, string>>((value) => {
  const example = '{ "user-agent": "neuropilot" }';
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return fault(value, "headers by name", example);
  const entries = Object.entries(value);
  const seen = new Set<string>();
  const hide = {
    found: `the header ${entries.length === 1 ? "" : "names "}${entries.map(([name]) => quoteName(name)).join(", ")}`,
  };
  const refuse = (wants: string): Read<Record<string, string>> => ({ ok: false, problem: { ...hide, wants, example } });
  for (const [name, content] of entries) {
    if (!HEADER_NAME.test(name)) return refuse("header names of letters, digits and -");
    if (OWN_HEADERS.includes(name.toLowerCase()))
      return refuse(`headers without ${name.toLowerCase()}, which the probe sets`);
    if (seen.has(name.toLowerCase())) return refuse(`each header once: ${name.toLowerCase()} is there twice`);
    seen.add(name.toLowerCase());
    if (typeof content !== "string" || /[^\t\x20-\x7e\x80-\xff]/.test(content))
      return refuse(`text in one line as the value of ${name}`);
    if (looksLikeSecret(content)) return refuse(`no vendor token in ${name}: a target never needs one`);
  }
  return { ok: true, value: Object.fromEntries(entries.map(([name, content]) => [name, String(content)])) };
});

function quoteName(name: string): string {
  return HEADER_NAME.test(name) ? name : "(one that is not a header name)";
}

type StatusInput = number | `${number}-${number}` | `${1 | 2 | 3 | 4 | 5}xx`;
type StatusRange = Extract<Expectation, { kind: "status" }>["anyOf"][number];

const status = leaf<StatusInput | readonly StatusInput[], StatusRange[]>((value) => {
  const wants = "a status from 100 to 599, a range, or a list of them";
  const example = '200, "200-299", "2xx" or [200, 204]';
  const given: readonly unknown[] = Array.isArray(value) ? value : [value];
  const ranges = given.map(statusRange);
  if (ranges.length === 0 || ranges.length > 20) return fault(value, wants, example);
  const good = ranges.filter((range) => range !== undefined);
  return good.length === ranges.length
    ? { ok: true, value: good }
    : fault(given[ranges.indexOf(undefined)], wants, example);
});

function statusRange(value: unknown): StatusRange | undefined {
  const spelled = typeof value === "number" ? String(value) : typeof value === "string" ? value : "";
  const match = /^([1-5]\d\d)(?:-([1-5]\d\d))?$|^([1-5])xx$/.exec(spelled.trim());
  if (match === null) return undefined;
  const from = match[3] === undefined ? Number(match[1]) : Number(match[3]) * 100;
  const to = match[3] === undefined ? Number(match[2] ?? match[1]) : from + 99;
  return from <= to ? { from, to } : undefined;
}

const pointer = text(
  'a JSON pointer (RFC 6901): "" for the whole answer, else starting with /',
  '"/status"',
  (value) => value.length <= 500 && /^(\/([^~]|~[01])*)?$/.test(value),
);
const scalar = leaf<string | number | boolean | null, string | number | boolean | null>((value) =>
  value === null ||
  typeof value === "string" ||
  typeof value === "boolean" ||
  (typeof value === "number" && Number.isFinite(value))
    ? { ok: true, value }
    : fault(value, "a text, a number, true, false or null", '"ok"'),
);

type RungInput = "page" | Remedy | `${Remedy} x${number}`;

const rung = leaf<RungInput, Rung>((value) => {
  const example = '"restart x3" or "page"';
  const match = typeof value === "string" ? /^\s*([a-z-]+)(?:\s+[x×]\s*(\d+))?\s*$/i.exec(value) : null;
  const name = match?.[1];
  const times = match?.[2] === undefined ? 1 : Number(match[2]);
  if (name === "page")
    return times === 1 ? { ok: true, value: { remedy: "page", times } } : fault(value, '"page" once', '"page"');
  const remedy = REMEDIES.find((candidate) => candidate === name);
  if (remedy === undefined)
    return fault(
      value,
      `one of ${REMEDIES.join(", ")}, page${nearestText(name ?? value, [...REMEDIES, "page"])}`,
      example,
    );
  return times >= 1 && times <= 10
    ? { ok: true, value: { remedy, times } }
    : fault(value, "a remedy 1 to 10 times", example);
});

const weekday = oneOf(["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]);

/** A selector that Cloudflare takes: https://developers.cloudflare.com/api/resources/cache/methods/purge */
const selector = (wants: string, example: string, shape: RegExp) =>
  leaf<string, string>((value) => {
    if (typeof value !== "string") return fault(value, wants, example);
    if (value.includes("*")) return fault(value, `${wants}, no wildcard`, example);
    if (/^[a-z]+:\/\//i.test(value)) return fault(value, `${wants}, without https:// in front`, example);
    return shape.test(value) ? { ok: true, value } : fault(value, wants, example);
  });
const HOST = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+(?::\\d{1,5})?";
const tag = selector(
  "a cache tag of up to 1,024 printable characters, without spaces and commas",
  '"assets"',
  /^[!-+\--~]{1,1024}$/,
);
const host = selector("a host name", '"www.example.com"', new RegExp(`^${HOST}$`, "i"));
const prefix = selector(
  "a host and the start of a path",
  '"www.example.com/assets"',
  new RegExp(`^${HOST}/[^\\s?#]*$`, "i"),
);

const railway = z.strictObject({
  /** The project's id, from its settings. */
  projectId: vendorId('"6b7ff2a9-…"'),
  /** The environment's id; a project token opens one environment only. */
  environmentId: vendorId('"c3b0f7c1-…"'),
  /** The id of the service to restart. */
  serviceId: vendorId('"d8f1a3e2-…"'),
});

const cloudflare = z.strictObject({
  /** The zone's id, from its overview page. */
  zoneId: vendorId('"023e105f4ecef8ad9ca31a8372d0c353"'),
  /** What to purge, narrowest first: tags, then hosts, then prefixes, then everything. Default: the host of the site's address. */
  purge: z
    .strictObject({
      /** Cache tags, as the origin's `Cache-Tag` header names them. At most 100. */
      tags: z.array(tag).optional(),
      /** Host names. At most 100. */
      hosts: z.array(host).optional(),
      /** Host and start of the path, without `https://`. At most 100. */
      prefixes: z.array(prefix).optional(),
      /** Whether the whole zone may be purged, as the last step. Default `false`. */
      everything: yesOrNo.optional(),
    })
    .optional(),
});

const site = z.strictObject({
  /** `primary`, `secondary` or another name, unique within its target; the first is the one that serves. */
  id,
  /** The address to look at: http or https. */
  url: address,
  /** Where Railway finds it. Absent: this site cannot be restarted. */
  railway: railway.optional(),
  /** The Cloudflare zone in front of it. Absent: its cache cannot be purged. */
  cloudflare: cloudflare.optional(),
});

const expectation = z.strictObject({
  /** The statuses of a healthy answer: `200`, `"200-299"`, `"2xx"` or a list. Default `"2xx"`. */
  status: status.optional(),
  /** A text that the body contains, within `bodyCap`. */
  body: words("a text to look for in the body", '"ready"', 1_000).optional(),
  /** A value in a JSON body. */
  json: z
    .strictObject({
      /** Where, as a JSON pointer (RFC 6901): `"/status"`. */
      pointer,
      /** The value that stands there. */
      equals: scalar,
    })
    .optional(),
  /** A header of the answer. */
  header: z
    .strictObject({
      name: text("the name of a header", '"content-type"', (value) => HEADER_NAME.test(value)),
      /** A text that its value contains. */
      contains: words("a text to look for in the header", '"json"', 1_000),
    })
    .optional(),
  /** Fewer days left on the certificate than this, and people are told. The same as `rules.expiring.days`. */
  certificateDays: whole(1, 365, 14).optional(),
});

export const rules = z.strictObject({
  /** Refused, timed out, 5xx or not as expected. */
  down: z
    .strictObject({
      /** Failing without a break for this long, seen from a quorum of vantages. Default `"30s"`. */
      hold: duration.optional(),
      /** The same where there is only one vantage. Default `"90s"`. */
      holdAlone: duration.optional(),
      /** Time between the looks that follow a failure. Default `"5s"`. */
      reprobe: duration.optional(),
    })
    .optional(),
  /** Answers, but too late. */
  slow: z
    .strictObject({
      /** Later than this to the first byte is slow. Default `"400ms"`. */
      threshold: duration.optional(),
      /** Over this long. Default `"5m"`. */
      window: duration.optional(),
      /** At least this share of the samples. Default `"60%"`. */
      share: rate.optional(),
      /** Of at least so many samples. Default `15`. */
      minSamples: whole(1, 10_000, 15).optional(),
      /** In at least so many of the window's five equal parts. Default `4`. */
      minParts: whole(1, 5, 4).optional(),
    })
    .optional(),
  /** Some requests fail, over all vantages together. */
  failing: z
    .strictObject({
      /** More than this share of the samples. Default `"5%"`. */
      rate: rate.optional(),
      /** Over this long. Default `"2m"`. */
      window: duration.optional(),
      /** Of at least so many samples. Default `20`. */
      minSamples: whole(1, 10_000, 20).optional(),
      /** At least so many failures. Default `3`. */
      minFailures: whole(1, 10_000, 3).optional(),
    })
    .optional(),
  /** Load, from the target's own health JSON. */
  loaded: z
    .strictObject({
      /** Memory above this is high load. Default `"85%"`. */
      memory: rate.optional(),
    })
    .optional(),
  /** Database lag, from the target's own health JSON. */
  lagging: z
    .strictObject({
      /** Above this people are told. Default `"2s"`. */
      alert: duration.optional(),
      /** Above this a person is paged. Default `"10s"`. */
      page: duration.optional(),
    })
    .optional(),
  /** The certificate is about to end. */
  expiring: z
    .strictObject({
      /** Fewer days left than this. Default `14`. */
      days: whole(1, 365, 14).optional(),
    })
    .optional(),
  suspicion: z
    .strictObject({
      /** After a bad sample the probe looks more often for this long. Default `"5m"`. */
      for: duration.optional(),
    })
    .optional(),
  recovery: z
    .strictObject({
      /** So many healthy observations in a row end an incident. Default `3`. */
      observations: whole(1, 100, 3).optional(),
    })
    .optional(),
  inconclusive: z
    .strictObject({
      /** People are told that we cannot see only after this long. Default `"3m"`. */
      hold: duration.optional(),
    })
    .optional(),
});

const remedy = z.strictObject({
  /** `observe` decides and records and calls nothing, `approve` waits for a person's yes, `auto` acts. */
  mode: oneOf(MODES).optional(),
  /** Least time between two calls for one target. */
  cooldown: duration.optional(),
  /** The cooldown doubles with each call that no healthy day followed, up to this. */
  cooldownCap: duration.optional(),
  /** After the vendor's work is over, this long before samples count. */
  warmUp: duration.optional(),
  /** From the end of the warm-up, this long for health to come back. */
  verify: duration.optional(),
  /** How long the vendor may take to finish what it accepted. */
  follow: duration.optional(),
  /** Passed over where at most this share of tries can be shown to help; 0 passes over nothing. */
  skipBelow: skipBelow.optional(),
});

export const remedies = z.strictObject({
  restart: remedy.optional(),
  "purge-cache": remedy.optional(),
  scale: remedy.optional(),
  failover: remedy.optional(),
  rollback: remedy.optional(),
} satisfies Record<Remedy, unknown>);

const ladder = z.array(rung).optional();

const ladders = z.strictObject({
  /** Default `["restart x3", "page"]`. */
  down: ladder,
  /** Default `["restart x3", "page"]`. */
  slow: ladder,
  /** Default `["purge-cache", "restart", "page"]`. */
  failing: ladder,
  /** Default `["page"]`. */
  loaded: ladder,
  /** Default `[]`: people are told, nothing is called. So are the rest. */
  lagging: ladder,
  misconfigured: ladder,
  blocked: ladder,
  expiring: ladder,
  inconclusive: ladder,
} satisfies Record<IllKind, unknown>);

const maintenance = z.array(
  z.strictObject({
    /** Days on which it repeats, in UTC. Absent: the window is once. */
    weekly: z.array(weekday).optional(),
    /** Once: ISO 8601 with its zone. Weekly: a time of day in UTC, `"02:00"`. */
    from: edge,
    /** The first moment after the window. Weekly windows end on the same day, at `"24:00"` at the latest. */
    to: edge,
    reason: words("why, in a few words", '"database upgrade"', 200),
  }),
);

const budget = z.strictObject({
  /** At most so many calls. */
  max: whole(1, 1_000, 4).optional(),
  /** Within this rolling time. */
  per: duration.optional(),
});

const target = z.strictObject({
  /** 1 to 60 of a-z, 0-9 and -, unique. */
  id,
  /** Short for one site called `primary`. */
  url: address.optional(),
  /** With `url`: where Railway finds it. */
  railway: railway.optional(),
  /** With `url`: the Cloudflare zone in front of it. */
  cloudflare: cloudflare.optional(),
  /** The same service in several places; the first is the one that serves. */
  sites: z.array(site).optional(),
  /** Default `"GET"`. */
  method: oneOf(["GET", "HEAD", "POST"]).optional(),
  /** Sent with each request. No vendor tokens. */
  headers: headers.optional(),
  /** What a healthy answer must show. */
  expect: expectation.optional(),
  /** Longest time for one look. Default `"10s"`, or half the interval where that is shorter. */
  timeout: duration.optional(),
  /** How many redirects to follow, each checked anew. Default `0`. */
  redirects: whole(0, 5, 0).optional(),
  /** Whether private and local addresses may be looked at. Default `false`. */
  allowPrivate: yesOrNo.optional(),
  /** Whether host names in other scripts are meant as they stand. Default `false`. */
  allowPunycode: yesOrNo.optional(),
  /** How much of a body is read. Default `"64kB"`. */
  bodyCap: size.optional(),
  /** What counts as ill, where it differs from the config's `rules`. */
  rules: rules.optional(),
  /** What is done about it, in order. */
  ladders: ladders.optional(),
  /** The mode of this target's remedies. */
  mode: oneOf(MODES).optional(),
  /** What each remedy may do and when, where it differs from the config's `remedies`. */
  remedies: remedies.optional(),
  /** Calls for this target. Default 4 within `"1h"`. */
  budget: budget.optional(),
  /** Times in which nothing is done for this target, besides the config's own. */
  maintenance: maintenance.optional(),
});

export const configSchema = z.strictObject({
  /** What people call this installation; stands in alerts. Default `"neuropilot"`. */
  name: words("a name of up to 60 characters", '"shop"', 60).optional(),
  /** Time between two looks at a target, from `"1s"` to `"10m"`. Default `"60s"`. */
  interval: interval.optional(),
  /** How often state is searched for what is due, at least `"1s"`. Default `"60s"`. */
  reconcileInterval: period.optional(),
  /** Where we watch from. On one machine all of them watch from here. Default `["local"]`. */
  vantages: z.array(id).optional(),
  /** `observe` (the default) decides and records and calls nothing, `approve` waits for a person's yes, `auto` acts. */
  mode: oneOf(MODES).optional(),
  /** Well-known endpoints; where they fail as well, it is our own network. */
  controls: z
    .strictObject({
      endpoints: z.array(z.strictObject({ id, url: address })).optional(),
      /** Default `false`. */
      allowPrivate: yesOrNo.optional(),
      /** Default `"5s"`, or half the interval where that is shorter. */
      timeout: duration.optional(),
    })
    .optional(),
  probe: z
    .strictObject({
      /** Looks at the same time; more than the machine can do fabricates latency. Default `10`. */
      concurrency: whole(1, 200, 10).optional(),
      /** Targets in one probe function. Default `50`. */
      shardSize: whole(1, 75, 50).optional(),
    })
    .optional(),
  /** What counts as ill, for all targets. */
  rules: rules.optional(),
  /** What each remedy may do and when, for all targets. */
  remedies: remedies.optional(),
  /** Times in which nothing is done for any target. */
  maintenance: maintenance.optional(),
  /** What is watched. */
  targets: z.array(target),
  /** Calls for all targets together. Default 6 within `"1h"`. */
  fleetBudget: budget.optional(),
  /** When much of the fleet turns ill at once, something shared or we ourselves are at fault: nothing is called. */
  fleetGuard: z
    .strictObject({
      /** At least this share of the targets. Default `"30%"`. */
      share: rate.optional(),
      /** And at least so many. Default `3`. */
      minTargets: whole(1, 10_000, 3).optional(),
      /** Turned ill within this time. Default `"5m"`. */
      within: duration.optional(),
    })
    .optional(),
  /** Times of the healing protocol. Leave them unless you know docs/configuration.md, "Healing times". */
  healing: z
    .strictObject({
      /** No call starts later than this after it was decided. Default `"150s"`. */
      callNotAfter: duration.optional(),
      /** Longest time for one call of a vendor; at most 20 s. Default `"10s"`. */
      callTimeout: duration.optional(),
      /** How far clocks may differ. Default `"2s"`. */
      clockSkew: duration.optional(),
      /** Time between two questions whether the vendor is done. Default `"5s"`. */
      followPoll: duration.optional(),
      /** Events older than this are recorded and never acted on. Default `"180s"`. */
      maxEventAge: duration.optional(),
      /** A healthy stretch this long resets the cooldown's growth. Default `"24h"`. */
      resetAfterHealthy: duration.optional(),
    })
    .optional(),
  /** Every sample, kept for `report` and `backtest`; see docs/history.md. */
  history: z
    .strictObject({
      /** For so many days; `0` keeps none. Default `30`. */
      keepDays: whole(0, 3_650, 30).optional(),
    })
    .optional(),
  /** Where vendors are reached. Tokens never stand here: they come from the environment. */
  providers: z
    .strictObject({
      railway: z
        .strictObject({
          /** Default `"https://backboard.railway.com/graphql/v2"`. */
          baseUrl: baseUrl.optional(),
        })
        .optional(),
      cloudflare: z
        .strictObject({
          /** Default `"https://api.cloudflare.com/client/v4"`. */
          baseUrl: baseUrl.optional(),
        })
        .optional(),
      slack: z
        .strictObject({
          /** Default `"https://slack.com/api"`. */
          baseUrl: baseUrl.optional(),
          /** The channel's id, such as `"C0123456789"`. Needed with SLACK_BOT_TOKEN; a webhook has its own. */
          channel: text("a channel's id or #name", '"C0123456789"', (value) =>
            /^#?[\w-]{1,80}$/.test(value),
          ).optional(),
          /** Who is called when a person is needed: `"<!here>"`, `"<@U0123456789>"`. */
          mention: text("a mention as Slack writes it", '"<!here>" or "<@U0123456789>"', (value) =>
            /^(<!(here|channel|everyone)>|<@[UW][A-Z0-9]+>|<!subteam\^[A-Z0-9]+>)$/.test(value),
          ).optional(),
        })
        .optional(),
    })
    .optional(),
});

/** The keys of a shape that may be missing. */
type OptionalKey<Shape> = { [K in keyof Shape]: Shape[K] extends z.ZodOptional ? K : never }[keyof Shape];
type Needed<Shape, Key extends keyof Shape> = { [K in Key]: Written<Shape[K]> };
type Allowed<Shape, Key extends keyof Shape> = { [K in Key]?: Written<Shape[K]> | undefined };

/** As `z.input`, but over the shape itself without renaming keys: so that the comments on its fields can reach editors. */
export type Written<Schema> =
  Schema extends z.ZodOptional<infer Inner>
    ? Written<Inner>
    : Schema extends z.ZodArray<infer Element>
      ? readonly Written<Element>[]
      : Schema extends z.ZodObject<infer Shape>
        ? Needed<Shape, Exclude<keyof Shape, OptionalKey<Shape>>> & Allowed<Shape, OptionalKey<Shape>>
        : z.input<Schema>;

/** What people write: everything but `targets` has a default. */
export type ConfigInput = Written<typeof configSchema>;
/** What was written, with durations in milliseconds and rates as fractions, defaults not yet filled in. */
export type ParsedConfig = z.output<typeof configSchema>;
export type ParsedTarget = ParsedConfig["targets"][number];
