import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type ConfigInput, defineConfig, formatProblems, type Problem, resolveConfig } from "./define.ts";
import type { Config } from "./index.ts";
import { type Path, pathText } from "./problem.ts";
import { configSchema } from "./schema.ts";

const RAILWAY = { projectId: "prj", environmentId: "env", serviceId: "srv" };
const ZONE = { zoneId: "023e105f4ecef8ad9ca31a8372d0c353" };
const API = { id: "api", url: "https://api.example.com/health" };
const ALL = { ...API, railway: RAILWAY, cloudflare: ZONE };

function good(input: unknown, environment: Record<string, string> = {}): { config: Config; notes: readonly string[] } {
  const result = resolveConfig(input, environment);
  if (!result.ok) throw new Error(formatProblems(result.problems));
  return result;
}

function problems(input: unknown, environment: Record<string, string> = {}): readonly Problem[] {
  const result = resolveConfig(input, environment);
  return result.ok ? [] : result.problems;
}

function targetOf(input: unknown, environment: Record<string, string> = {}) {
  const [target] = good(input, environment).config.targets;
  if (target === undefined) throw new Error("no target");
  return target;
}

const one = (change: object) => ({ targets: [{ ...ALL, ...change }] });
const rule = (rules: object) => one({ rules });
const site = (url: string) => ({ targets: [{ id: "api", url }] });
const purge = (selectors: object) => ({ targets: [{ ...API, cloudflare: { ...ZONE, purge: selectors } }] });
const window = (change: object) => ({ maintenance: [{ reason: "upgrade", ...change }], targets: [] });

/** Every key that an object of the schema knows, with the path of the object. */
function* everyKey(schema: unknown, path: Path): Generator<{ readonly path: Path; readonly key: string }> {
  if (schema instanceof z.ZodOptional) yield* everyKey(schema.unwrap(), path);
  else if (schema instanceof z.ZodArray) yield* everyKey(schema.element, [...path, 0]);
  else if (schema instanceof z.ZodObject)
    for (const [key, field] of Object.entries(schema.shape)) {
      yield { path, key };
      yield* everyKey(field, [...path, key]);
    }
}

/** Objects and lists down to a path, with 1 at its end. */
function nested(path: Path): unknown {
  return path.reduceRight<unknown>((value, part) => (typeof part === "number" ? [value] : { [part]: value }), 1);
}

interface Row {
  readonly bad: string;
  readonly input: unknown;
  readonly path: string;
  readonly says: RegExp;
}

const ROWS: readonly Row[] = [
  { bad: "no object", input: null, path: "(config)", says: /an object/ },
  { bad: "a list", input: [], path: "(config)", says: /an object/ },
  { bad: "no targets", input: {}, path: "targets", says: /a list/ },
  { bad: "targets that are no list", input: { targets: {} }, path: "targets", says: /a list/ },
  { bad: "a target that is no object", input: { targets: [API, 7] }, path: "targets[1]", says: /an object/ },
  { bad: "an unknown key", input: { intervl: "60s", targets: [] }, path: "intervl", says: /did you mean "interval"/ },
  {
    bad: "a deep unknown key",
    input: one({ rules: { slow: { treshold: "1s" } } }),
    path: "targets[0].rules.slow.treshold",
    says: /did you mean "threshold"/,
  },
  { bad: "an unknown key like none", input: { targets: [], zzz: 1 }, path: "zzz", says: /one of name, interval/ },
  { bad: "a duplicate id", input: { targets: [API, API] }, path: "targets[1].id", says: /targets\[0\]\.id is already/ },
  { bad: "a wildcard id", input: { targets: [{ ...API, id: "*" }] }, path: "targets[0].id", says: /no wildcard/ },
  {
    bad: "an id with capitals",
    input: { targets: [{ ...API, id: "API" }] },
    path: "targets[0].id",
    says: /a-z, 0-9 and -/,
  },
  { bad: "an id of 61", input: { targets: [{ ...API, id: "a".repeat(61) }] }, path: "targets[0].id", says: /1 to 60/ },
  {
    bad: "the store's own id",
    input: { targets: [{ ...API, id: "global" }] },
    path: "targets[0].id",
    says: /other than "global"/,
  },
  { bad: "no id", input: { targets: [{ url: API.url }] }, path: "targets[0].id", says: /an id/ },
  { bad: "neither url nor sites", input: { targets: [{ id: "api" }] }, path: "targets[0].url", says: /an address/ },
  {
    bad: "url and sites",
    input: { targets: [{ ...API, sites: [{ ...API, id: "primary" }] }] },
    path: "targets[0].sites",
    says: /one of them/,
  },
  {
    bad: "no site",
    input: { targets: [{ id: "api", sites: [] }] },
    path: "targets[0].sites",
    says: /at least one site/,
  },
  {
    bad: "a duplicate site",
    input: {
      targets: [
        {
          id: "api",
          sites: [
            { id: "a", url: API.url },
            { id: "a", url: "https://b.example.com" },
          ],
        },
      ],
    },
    path: "targets[0].sites[1].id",
    says: /is already/,
  },
  {
    bad: "two sites at one address",
    input: {
      targets: [
        {
          id: "api",
          sites: [
            { id: "a", url: API.url },
            { id: "b", url: API.url },
          ],
        },
      ],
    },
    path: "targets[0].sites[1].url",
    says: /of its own/,
  },
  {
    bad: "railway beside sites",
    input: { targets: [{ id: "api", railway: RAILWAY, sites: [{ id: "a", url: API.url }] }] },
    path: "targets[0].railway",
    says: /within the site/,
  },
  {
    bad: "cooldown 0",
    input: one({ remedies: { restart: { cooldown: 0 } } }),
    path: "targets[0].remedies.restart.cooldown",
    says: /above zero/,
  },
  {
    bad: 'cooldown "0s"',
    input: one({ remedies: { restart: { cooldown: "0s" } } }),
    path: "targets[0].remedies.restart.cooldown",
    says: /at least 1 ms/,
  },
  {
    bad: "a negative cooldown",
    input: one({ remedies: { restart: { cooldown: -5 } } }),
    path: "targets[0].remedies.restart.cooldown",
    says: /above zero/,
  },
  {
    bad: 'cooldown "-5m"',
    input: one({ remedies: { restart: { cooldown: "-5m" } } }),
    path: "targets[0].remedies.restart.cooldown",
    says: /above zero/,
  },
  {
    bad: "cooldown NaN",
    input: one({ remedies: { restart: { cooldown: Number.NaN } } }),
    path: "targets[0].remedies.restart.cooldown",
    says: /above zero/,
  },
  {
    bad: "a bare number",
    input: { healing: { clockSkew: 2 }, targets: [] },
    path: "healing.clockSkew",
    says: /a bare number does not say which.*"2ms" or "2s"/s,
  },
  {
    bad: "a bare number as the interval, without a follow-on",
    input: { interval: 60, targets: [ALL] },
    path: "interval",
    says: /a bare number does not say which.*"60s"$/s,
  },
  {
    bad: "an interval that no real service stands",
    input: { interval: "1ms", targets: [ALL] },
    path: "interval",
    says: /"1ms".*at least 1s/s,
  },
  {
    bad: "an interval of nothing",
    input: { interval: "0s", targets: [ALL] },
    path: "interval",
    says: /at least 1s/,
  },
  {
    bad: "a search for what is due that never rests",
    input: { reconcileInterval: "10ms", targets: [ALL] },
    path: "reconcileInterval",
    says: /at least 1s/,
  },
  {
    bad: "no vantage, without a follow-on",
    input: { vantages: [], targets: [ALL] },
    path: "vantages",
    says: /at least one place/,
  },
  {
    bad: "cooldown above its cap",
    input: one({ remedies: { restart: { cooldown: "7h" } } }),
    path: "remedies.restart.cooldownCap",
    says: /at least the cooldown \(7h\)/,
  },
  {
    bad: "a cap above the reset",
    input: one({ remedies: { restart: { cooldownCap: "48h" } } }),
    path: "targets[0].remedies.restart.cooldownCap",
    says: /resetAfterHealthy/,
  },
  {
    bad: "a verification too short to prove anything",
    input: one({ remedies: { restart: { verify: "1m" } } }),
    path: "targets[0].remedies.restart.verify",
    says: /at least 3 intervals \(3m\)/,
  },
  {
    bad: "a remedy passed over though it helps",
    input: one({ remedies: { restart: { skipBelow: "60%" } } }),
    path: "targets[0].remedies.restart.skipBelow",
    says: /from 0 \(never\) up to 50 %.*"20%" or 0.2/s,
  },
  {
    bad: "a remedy passed over below less than nothing",
    input: one({ remedies: { restart: { skipBelow: -1 } } }),
    path: "targets[0].remedies.restart.skipBelow",
    says: /from 0 \(never\) up to 50 %/,
  },
  {
    bad: "a rate above 1",
    input: rule({ failing: { rate: 5 } }),
    path: "targets[0].rules.failing.rate",
    says: /fraction of 1.*"5%" or 0.05/s,
  },
  {
    bad: "a rate of 120 %",
    input: rule({ failing: { rate: "120%" } }),
    path: "targets[0].rules.failing.rate",
    says: /up to 100 %/,
  },
  {
    bad: "a rate of 0",
    input: rule({ failing: { rate: 0 } }),
    path: "targets[0].rules.failing.rate",
    says: /above zero/,
  },
  {
    bad: "a rate that nothing exceeds",
    input: rule({ failing: { rate: 1 } }),
    path: "targets[0].rules.failing.rate",
    says: /less than 100%/,
  },
  {
    bad: "more failures than samples",
    input: rule({ failing: { minFailures: 30 } }),
    path: "targets[0].rules.failing.minFailures",
    says: /at most minSamples \(20\)/,
  },
  {
    bad: "6 of 5 parts",
    input: rule({ slow: { minParts: 6 } }),
    path: "targets[0].rules.slow.minParts",
    says: /1 to 5/,
  },
  {
    bad: "samples that never come together",
    input: rule({ slow: { minSamples: 61 } }),
    path: "targets[0].rules.slow.minSamples",
    says: /at most 60/,
  },
  {
    bad: "more samples than are kept",
    input: rule({ failing: { minSamples: 161, window: "10m" } }),
    path: "targets[0].rules.failing.minSamples",
    says: /at most 160/,
  },
  {
    bad: "a window that the kept samples do not cover",
    input: { interval: "1s", targets: [ALL] },
    path: "rules.slow.window",
    says: /160 samples reach back/,
  },
  {
    bad: "a window shorter than the interval",
    input: rule({ slow: { window: "30s" } }),
    path: "targets[0].rules.slow.window",
    says: /from one interval \(1m\)/,
  },
  {
    bad: "a window longer than memory",
    input: rule({ failing: { window: "11m" } }),
    path: "targets[0].rules.failing.window",
    says: /10m/,
  },
  {
    bad: "a hold longer than memory",
    input: rule({ down: { holdAlone: "11m" } }),
    path: "targets[0].rules.down.holdAlone",
    says: /at most 10m/,
  },
  {
    bad: "suspicion shorter than the interval",
    input: rule({ suspicion: { for: "60s" } }),
    path: "targets[0].rules.suspicion.for",
    says: /more than the interval/,
  },
  {
    bad: "an interval longer than memory",
    input: { interval: "11m", targets: [ALL] },
    path: "interval",
    says: /at most 10m/,
  },
  {
    bad: "a timeout that a tick cannot hold",
    input: one({ timeout: "55s" }),
    path: "targets[0].timeout",
    says: /at most 50s/,
  },
  {
    bad: "a control's timeout that a tick cannot hold",
    input: { controls: { timeout: "1m" }, targets: [] },
    path: "controls.timeout",
    says: /at most 50s/,
  },
  {
    bad: "a threshold that no look reaches",
    input: rule({ slow: { threshold: "10s" } }),
    path: "targets[0].rules.slow.threshold",
    says: /less than the timeout/,
  },
  {
    bad: "a shared rule, named where it stands",
    input: { rules: { slow: { threshold: "10s" } }, targets: [ALL, { ...API, id: "web" }] },
    path: "rules.slow.threshold",
    says: /less than the timeout/,
  },
  {
    bad: "a page before the alert",
    input: rule({ lagging: { alert: "10s" } }),
    path: "targets[0].rules.lagging.alert",
    says: /less than lagging\.page/,
  },
  {
    bad: "an unknown remedy in a ladder",
    input: one({ ladders: { down: ["restrat"] } }),
    path: "targets[0].ladders.down[0]",
    says: /did you mean "restart"/,
  },
  {
    bad: "an unknown remedy",
    input: one({ remedies: { reboot: {} } }),
    path: "targets[0].remedies.reboot",
    says: /restart, purge-cache, scale/,
  },
  {
    bad: "an unknown kind of ill health",
    input: one({ ladders: { slwo: [] } }),
    path: "targets[0].ladders.slwo",
    says: /slow/,
  },
  {
    bad: "a remedy 0 times",
    input: one({ ladders: { down: ["restart x0"] } }),
    path: "targets[0].ladders.down[0]",
    says: /1 to 10 times/,
  },
  {
    bad: "a rung after page",
    input: one({ ladders: { down: ["page", "restart"] } }),
    path: "targets[0].ladders.down[0]",
    says: /at the end/,
  },
  {
    bad: "a restart without railway",
    input: { targets: [{ ...API, ladders: { down: ["restart"] } }] },
    path: "targets[0].ladders.down[0]",
    says: /no railway is configured/,
  },
  {
    bad: "a purge without a zone",
    input: { targets: [{ ...API, ladders: { failing: ["purge-cache"] } }] },
    path: "targets[0].ladders.failing[0]",
    says: /no cloudflare zone/,
  },
  {
    bad: "a failover without a second site",
    input: one({ ladders: { down: ["failover"] } }),
    path: "targets[0].ladders.down[0]",
    says: /no second site/,
  },
  {
    bad: "a remedy that nothing carries out",
    input: one({ ladders: { loaded: ["scale"] } }),
    path: "targets[0].ladders.loaded[0]",
    says: /cannot carry it out yet/,
  },
  {
    bad: "a restart for what it cannot cure",
    input: one({ ladders: { misconfigured: ["restart"] } }),
    path: "targets[0].ladders.misconfigured[0]",
    says: /no remedy cures/,
  },
  {
    bad: "a restart under load",
    input: one({ ladders: { loaded: ["restart"] } }),
    path: "targets[0].ladders.loaded[0]",
    says: /capacity/,
  },
  {
    bad: "an address with a password",
    input: site("https://user:hunter2@example.com/"),
    path: "targets[0].url",
    says: /no user name or password/,
  },
  {
    bad: "a private address",
    input: site("http://10.1.2.3/"),
    path: "targets[0].url",
    says: /10\.1\.2\.3.*allowPrivate/s,
  },
  { bad: "a decimal address", input: site("http://2130706433/"), path: "targets[0].url", says: /127\.0\.0\.1/ },
  { bad: "a hexadecimal address", input: site("http://0x7f.1/"), path: "targets[0].url", says: /127\.0\.0\.1/ },
  { bad: "an octal address", input: site("http://0177.0.0.1/"), path: "targets[0].url", says: /127\.0\.0\.1/ },
  {
    bad: "the metadata address",
    input: site("http://169.254.169.254/"),
    path: "targets[0].url",
    says: /169\.254\.169\.254/,
  },
  { bad: "a mapped address", input: site("http://[::ffff:127.0.0.1]/"), path: "targets[0].url", says: /allowPrivate/ },
  { bad: "the local address of version 6", input: site("http://[::1]/"), path: "targets[0].url", says: /allowPrivate/ },
  { bad: "a unique local address", input: site("http://[fd00::1]/"), path: "targets[0].url", says: /allowPrivate/ },
  { bad: "NAT64", input: site("http://[64:ff9b::a00:1]/"), path: "targets[0].url", says: /allowPrivate/ },
  { bad: "6to4", input: site("http://[2002:a00:1::]/"), path: "targets[0].url", says: /allowPrivate/ },
  { bad: "localhost", input: site("http://localhost./"), path: "targets[0].url", says: /allowPrivate/ },
  {
    bad: "a name of a private network",
    input: site("http://api.railway.internal/"),
    path: "targets[0].url",
    says: /allowPrivate/,
  },
  {
    bad: "a look-alike host",
    input: site("https://аpi.example.com/"),
    path: "targets[0].url",
    says: /xn--.*allowPunycode/s,
  },
  { bad: "punycode", input: site("https://xn--pi-6kc.example.com/"), path: "targets[0].url", says: /allowPunycode/ },
  { bad: "another scheme", input: site("ftp://example.com/"), path: "targets[0].url", says: /http:\/\// },
  { bad: "no scheme", input: site("example.com/health"), path: "targets[0].url", says: /http:\/\// },
  { bad: "a wildcard host", input: site("https://*.example.com/"), path: "targets[0].url", says: /no wildcard/ },
  {
    bad: "a line break in an address",
    input: site("https://example.com/\r\nx"),
    path: "targets[0].url",
    says: /without spaces/,
  },
  {
    bad: "a line break in a header",
    input: one({ headers: { accept: "a\r\nb: c" } }),
    path: "targets[0].headers",
    says: /one line/,
  },
  {
    bad: "a header twice",
    input: one({ headers: { Accept: "a", accept: "b" } }),
    path: "targets[0].headers",
    says: /accept is there twice/,
  },
  {
    bad: "the probe's own header",
    input: one({ headers: { Host: "x" } }),
    path: "targets[0].headers",
    says: /the probe sets/,
  },
  {
    bad: "a body with HEAD",
    input: one({ method: "HEAD", expect: { body: "ok" } }),
    path: "targets[0].expect.body",
    says: /HEAD has no body/,
  },
  { bad: "another method", input: one({ method: "DELETE" }), path: "targets[0].method", says: /GET, HEAD, POST/ },
  {
    bad: "a status of 99",
    input: one({ expect: { status: [200, 99] } }),
    path: "targets[0].expect.status",
    says: /100 to 599/,
  },
  {
    bad: "an inverted range",
    input: one({ expect: { status: "299-200" } }),
    path: "targets[0].expect.status",
    says: /range/,
  },
  {
    bad: "no JSON pointer",
    input: one({ expect: { json: { pointer: "status", equals: "ok" } } }),
    path: "targets[0].expect.json.pointer",
    says: /starting with \//,
  },
  {
    bad: "nothing to equal",
    input: one({ expect: { json: { pointer: "/status" } } }),
    path: "targets[0].expect.json.equals",
    says: /a text, a number/,
  },
  {
    bad: "two numbers of days",
    input: one({ expect: { certificateDays: 7 }, rules: { expiring: { days: 14 } } }),
    path: "targets[0].expect.certificateDays",
    says: /one number/,
  },
  {
    bad: "an infinite body",
    input: one({ bodyCap: Number.POSITIVE_INFINITY }),
    path: "targets[0].bodyCap",
    says: /1 MB/,
  },
  {
    bad: "half a redirect",
    input: one({ redirects: 0.5 }),
    path: "targets[0].redirects",
    says: /whole number from 0 to 5/,
  },
  { bad: "another mode", input: { mode: "automatic", targets: [] }, path: "mode", says: /observe, approve, auto/ },
  {
    bad: "nothing to purge",
    input: purge({ everything: false }),
    path: "targets[0].cloudflare.purge",
    says: /tags, hosts or prefixes/,
  },
  {
    bad: "a prefix with a scheme",
    input: purge({ prefixes: ["https://www.example.com/a"] }),
    path: "targets[0].cloudflare.purge.prefixes[0]",
    says: /without https:\/\//,
  },
  {
    bad: "a wildcard to purge",
    input: purge({ hosts: ["*.example.com"] }),
    path: "targets[0].cloudflare.purge.hosts[0]",
    says: /no wildcard/,
  },
  {
    bad: "a tag with a comma",
    input: purge({ tags: ["a,b"] }),
    path: "targets[0].cloudflare.purge.tags[0]",
    says: /without spaces and commas/,
  },
  {
    bad: "101 tags",
    input: purge({ tags: Array.from({ length: 101 }, (_, index) => `t${index}`) }),
    path: "targets[0].cloudflare.purge.tags",
    says: /at most 100/,
  },
  {
    bad: "a wildcard project",
    input: one({ railway: { ...RAILWAY, serviceId: "*" } }),
    path: "targets[0].railway.serviceId",
    says: /the vendor's id/,
  },
  {
    bad: "an inverted window",
    input: window({ from: "2027-03-01T04:00Z", to: "2027-03-01T02:00Z" }),
    path: "maintenance[0].to",
    says: /after from/,
  },
  {
    bad: "an empty window",
    input: window({ from: "2027-03-01T04:00Z", to: "2027-03-01T05:00+01:00" }),
    path: "maintenance[0].to",
    says: /after from/,
  },
  {
    bad: "a window without its zone",
    input: window({ from: "2027-03-01T02:00", to: "2027-03-01T04:00Z" }),
    path: "maintenance[0].from",
    says: /zone/,
  },
  {
    bad: "30 February",
    input: window({ from: "2027-02-30T02:00Z", to: "2027-03-01T04:00Z" }),
    path: "maintenance[0].from",
    says: /that exist/,
  },
  {
    bad: "an inverted weekly window",
    input: window({ weekly: ["sunday"], from: "23:00", to: "01:00" }),
    path: "maintenance[0].to",
    says: /two windows/,
  },
  {
    bad: "a weekly window on no day",
    input: window({ weekly: [], from: "02:00", to: "04:00" }),
    path: "maintenance[0].weekly",
    says: /days of the week/,
  },
  {
    bad: "a weekly window on an unknown day",
    input: window({ weekly: ["sun"], from: "02:00", to: "04:00" }),
    path: "maintenance[0].weekly[0]",
    says: /sunday/,
  },
  {
    bad: "a time of day without days",
    input: window({ from: "02:00", to: "2027-03-01T04:00Z" }),
    path: "maintenance[0].from",
    says: /or weekly/,
  },
  {
    bad: "25 o'clock",
    input: window({ weekly: ["sunday"], from: "02:00", to: "25:00" }),
    path: "maintenance[0].to",
    says: /00:00 to 24:00/,
  },
  {
    bad: "a window without its reason",
    input: window({ from: "2027-03-01T02:00Z", to: "2027-03-01T04:00Z", reason: "" }),
    path: "maintenance[0].reason",
    says: /why/,
  },
  { bad: "no vantage", input: { vantages: [], targets: [] }, path: "vantages", says: /at least one place/ },
  { bad: "a vantage twice", input: { vantages: ["a", "a"], targets: [] }, path: "vantages[1]", says: /is already/ },
  {
    bad: "a private control",
    input: { controls: { endpoints: [{ id: "a", url: "http://127.0.0.1:1/" }] }, targets: [] },
    path: "controls.endpoints[0].url",
    says: /controls\.allowPrivate/,
  },
  {
    bad: "a target as its own control",
    input: { controls: { endpoints: [{ id: "a", url: "https://api.example.com/" }] }, targets: [API] },
    path: "controls.endpoints[0].url",
    says: /no target has/,
  },
  {
    bad: "a control twice",
    input: {
      controls: {
        endpoints: [
          { id: "a", url: "https://a.com" },
          { id: "a", url: "https://b.com" },
        ],
      },
      targets: [],
    },
    path: "controls.endpoints[1].id",
    says: /is already/,
  },
  { bad: "a budget of 0", input: one({ budget: { max: 0 } }), path: "targets[0].budget.max", says: /from 1/ },
  {
    bad: "a budget over two days",
    input: { fleetBudget: { per: "48h" }, targets: [] },
    path: "fleetBudget.per",
    says: /at most 24h/,
  },
  {
    bad: "a call that outlives its function",
    input: { healing: { callTimeout: "30s" }, targets: [] },
    path: "healing.callTimeout",
    says: /at most 20s/,
  },
  {
    bad: "a history of a unit",
    input: { history: { keepDays: "30d" }, targets: [] },
    path: "history.keepDays",
    says: /a whole number from 0 to 3650/,
  },
  {
    bad: "a history before today",
    input: { history: { keepDays: -1 }, targets: [] },
    path: "history.keepDays",
    says: /a whole number from 0 to 3650/,
  },
  {
    bad: "a history under another name",
    input: { history: { keep: 30 }, targets: [] },
    path: "history.keep",
    says: /keepDays/,
  },
  {
    bad: "a shard too large for its item",
    input: {
      targets: Array.from({ length: 40 }, (_, index) => ({
        id: `t${index}`,
        sites: [
          { id: "a", url: "https://a.example.com" },
          { id: "b", url: "https://b.example.com" },
        ],
      })),
    },
    path: "probe.shardSize",
    says: /at most 75 sites/,
  },
  {
    bad: "a token in the clear",
    input: { providers: { railway: { baseUrl: "http://railway.example.com" } }, targets: [] },
    path: "providers.railway.baseUrl",
    says: /https:\/\/ for a public host/,
  },
  {
    bad: "a Railway token",
    input: { providers: { railway: { token: "abc" } }, targets: [] },
    path: "providers.railway.token",
    says: /RAILWAY_TOKEN/,
  },
  {
    bad: "a Cloudflare token",
    input: { providers: { cloudflare: { apiToken: "abc" } }, targets: [] },
    path: "providers.cloudflare.apiToken",
    says: /CLOUDFLARE_API_TOKEN/,
  },
  {
    bad: "a Slack token as the channel",
    input: { providers: { slack: { channel: "xoxb-1234-abcdefgh" } }, targets: [] },
    path: "providers.slack.channel",
    says: /SLACK_BOT_TOKEN/,
  },
  {
    bad: "a Slack webhook",
    input: { providers: { slack: { webhookUrl: "https://hooks.slack.com/services/T/B/hunter2" } }, targets: [] },
    path: "providers.slack.webhookUrl",
    says: /SLACK_WEBHOOK_URL/,
  },
  {
    bad: "a mention in plain words",
    input: { providers: { slack: { mention: "@here" } }, targets: [] },
    path: "providers.slack.mention",
    says: /<!here>/,
  },
];

describe("a bad config is refused with its path and the way out", () => {
  it.each(ROWS)("$bad", ({ input, path, says }) => {
    const found = problems(input);
    expect(found.map((problem) => problem.path)).toEqual([path]);
    expect(formatProblems(found)).toMatch(says);
    for (const problem of found) for (const part of Object.values(problem)) expect(part).not.toBe("");
  });

  it("names every problem at once, those of single fields and those between fields", () => {
    const found = problems(
      {
        intervl: "60s",
        targets: [
          { id: "api", url: "https://user:pw@example.com/", rules: { lagging: { alert: "10s" } } },
          { id: "api", url: "http://10.0.0.1/", maintenance: [{ from: "x" }] },
          { url: "https://a.example.com", ladders: { down: ["rebot", "restart"] } },
        ],
      },
      { CHECK_INTERVAL: "often" },
    );
    expect(found.map(({ path }) => path).sort()).toEqual([
      "CHECK_INTERVAL",
      "intervl",
      "targets[0].rules.lagging.alert",
      "targets[0].url",
      "targets[1].id",
      "targets[1].maintenance[0].from",
      "targets[1].maintenance[0].reason",
      "targets[1].maintenance[0].to",
      "targets[1].url",
      "targets[2].id",
      "targets[2].ladders.down[0]",
      "targets[2].ladders.down[1]",
    ]);
  });

  // The second value is the one that the refused first one would be compared with: on its own it is wrong, or looks so.
  it.each([
    ["a bare interval", { interval: 60, vantages: [], targets: [ALL] }, ["interval", "vantages"]],
    ["a mistyped interval", { intervl: "2s", ...rule({ suspicion: { for: "30s" } }) }, ["intervl"]],
    ["a long timeout", { interval: 120, ...one({ timeout: "55s" }) }, ["interval"]],
    ["a long look at a control", { interval: 120, controls: { timeout: "55s" }, targets: [] }, ["interval"]],
    [
      "a threshold beside a bare timeout",
      one({ timeout: 30, rules: { slow: { threshold: "12s" } } }),
      ["targets[0].timeout"],
    ],
    [
      "a target's own rule, in place of a config's that would not do",
      { rules: { slow: { window: "30s" } }, ...rule({ slow: { window: 300 } }) },
      ["targets[0].rules.slow.window"],
    ],
    [
      "failures of bare samples",
      rule({ failing: { minFailures: 30, minSamples: "40" } }),
      ["targets[0].rules.failing.minSamples"],
    ],
    ["an alert beside a bare page", rule({ lagging: { alert: "15s", page: 20 } }), ["targets[0].rules.lagging.page"]],
    [
      "a cooldown beside a bare cap",
      one({ remedies: { restart: { cooldown: "7h", cooldownCap: 8 } } }),
      ["targets[0].remedies.restart.cooldownCap"],
    ],
    [
      "a cap beside a bare reset",
      { healing: { resetAfterHealthy: 72 }, ...one({ remedies: { restart: { cooldownCap: "48h" } } }) },
      ["healing.resetAfterHealthy"],
    ],
    [
      "a verification beside a mistyped number of observations",
      one({ rules: { recovery: { observatoins: 1 } }, remedies: { restart: { verify: "1m" } } }),
      ["targets[0].rules.recovery.observatoins"],
    ],
    [
      "a private address, where the permit is a word",
      { targets: [{ ...API, url: "http://10.0.0.1/", allowPrivate: "yes" }] },
      ["targets[0].allowPrivate"],
    ],
    ["sites that are no list", { targets: [{ id: "api", sites: 7 }] }, ["targets[0].sites"]],
    [
      "a restart, where railway is wrong",
      { targets: [{ ...API, railway: { ...RAILWAY, serviceId: "*" }, ladders: { down: ["restart"] } }] },
      ["targets[0].railway.serviceId"],
    ],
    [
      "a purge, where cloudflare is mistyped",
      { targets: [{ ...API, cloudfare: ZONE, ladders: { failing: ["purge-cache"] } }] },
      ["targets[0].cloudfare"],
    ],
    [
      "a weekly window on days that are none",
      window({ weekly: "sunday", from: "02:00", to: "04:00" }),
      ["maintenance[0].weekly"],
    ],
    ["a needed field that is mistyped", { targts: [API] }, ["targts"]],
  ])("compares nothing with a value that is itself refused: %s", (_, input, paths) => {
    expect(problems(input).map(({ path }) => path)).toEqual(paths);
  });

  it.each([
    ["CHECK_INTERVAL", "often", one({ timeout: "55s" })],
    ["CHECK_INTERVAL", "0.5", one({})],
    ["CHECK_INTERVAL", "601", one({})],
    ["LATENCY_THRESHOLD_MS", "fast", rule({ slow: { threshold: "12s" } })],
  ])("compares nothing with what a refused %s=%s would set", (name, value, input) => {
    expect(problems(input, { [name]: value }).map(({ path }) => path)).toEqual([name]);
  });

  it("names the nearest known key for a mistyped one, at every level", () => {
    const levels = [...everyKey(configSchema, [])];
    expect(levels.length).toBeGreaterThan(100);
    for (const { path, key } of levels) {
      const [a = "", b = "", ...rest] = key;
      for (const typed of [[b, a, ...rest].join(""), `${key}${key.at(-1)}`]) {
        if (typed === key) continue;
        const wanted = { path: pathText([...path, typed]), wants: `did you mean "${key}"?` };
        expect(problems(nested([...path, typed]))).toContainEqual(expect.objectContaining(wanted));
      }
    }
  });

  it.each([
    ["nmae", "name"],
    ["vantage", "vantages"],
    ["intervalSeconds", "interval"],
    ["maintainance", "maintenance"],
    ["fleet_budget", "fleetBudget"],
  ])("takes %s for %s", (typed, key) => {
    expect(problems({ [typed]: 1, targets: [] })).toMatchObject([
      { path: typed, wants: `did you mean "${key}"?`, example: `${key}: …` },
    ]);
  });

  it("says once what is wrong for ten thousand targets in the same place", () => {
    const targets = Array.from({ length: 10_000 }, (_, index) => ({ id: `t${index}`, url: API.url }));
    expect(problems({ rules: { lagging: { alert: "20s" } }, targets })).toHaveLength(1);
  });
});

describe("notes", () => {
  const zone = (selectors: object, change: object = {}) => ({
    targets: [{ ...ALL, cloudflare: { ...ZONE, purge: selectors }, ...change }],
  });
  const TWO = { tags: ["a"], hosts: ["www.example.com"] };
  const FOUR = { ...TWO, prefixes: ["www.example.com/a"], everything: true };

  it.each([
    [
      "all kinds under the default ladder",
      zone(FOUR),
      "purge-cache never gets to hosts, prefixes, everything: each call takes one kind, the narrowest first. " +
        'To reach them write ladders.failing: ["purge-cache x4", "restart", "page"]: api',
    ],
    [
      "two kinds without railway",
      { targets: [{ ...API, cloudflare: { ...ZONE, purge: TWO } }] },
      /never gets to hosts: .*ladders\.failing: \["purge-cache x2", "page"\]: api$/,
    ],
    [
      "a ladder that comes back to the cache too seldom",
      zone(FOUR, { ladders: { failing: ["purge-cache", "restart", "purge-cache", "page"] } }),
      /never gets to prefixes, everything: .*\["purge-cache", "restart", "purge-cache x3", "page"\]: api$/,
    ],
    [
      "another ladder that goes farther",
      zone(FOUR, { ladders: { slow: ["purge-cache x3", "page"] } }),
      /never gets to everything: .*ladders\.slow: \["purge-cache x4", "page"\]: api$/,
    ],
    [
      "ladders without any purge",
      zone(TWO, { ladders: { failing: ["restart", "page"] } }),
      /never gets to tags, hosts: .*ladders\.failing: \["purge-cache x2", "restart", "page"\]: api$/,
    ],
    [
      "a ladder that only tells people",
      zone(TWO, { ladders: { failing: [] } }),
      /ladders\.failing: \["purge-cache x2", "page"\]: api$/,
    ],
    [
      "the site that names most",
      {
        targets: [
          {
            id: "api",
            sites: [
              { ...ALL, id: "a", cloudflare: ZONE },
              { id: "b", url: "https://b.example.com", cloudflare: { ...ZONE, purge: TWO } },
            ],
          },
        ],
      },
      /never gets to hosts: .*"purge-cache x2"/,
    ],
    [
      "sites that name different kinds",
      {
        targets: [
          {
            id: "api",
            sites: [
              { ...ALL, id: "a", cloudflare: { ...ZONE, purge: TWO } },
              {
                id: "b",
                url: "https://b.example.com",
                cloudflare: { ...ZONE, purge: { hosts: ["b.example.com"], everything: true } },
              },
            ],
          },
        ],
      },
      /never gets to hosts, everything: .*"purge-cache x2"/,
    ],
  ])("name the kinds to purge that no ladder reaches, and what to write: %s", (_, input, says) => {
    const [note, ...others] = good(input).notes.filter((text) => text.startsWith("purge-cache never"));
    expect(note).toMatch(says);
    expect(others).toEqual([]);
    // What it says to write is taken, and then nothing is left to say.
    const [, kind = "", rungs = ""] = /ladders\.(\w+): (\[.*\]): api$/.exec(note ?? "") ?? [];
    const [target] = input.targets.map((each) => ({ ladders: {}, ...each }));
    const mended = { targets: [{ ...target, ladders: { ...target?.ladders, [kind]: JSON.parse(rungs) } }] };
    expect(good(mended).notes.filter((text) => text.startsWith("purge-cache never"))).toEqual([]);
  });

  it.each([
    ["one kind", one({})],
    ["all that are named", zone(FOUR, { ladders: { failing: ["purge-cache x4", "restart", "page"] } })],
    ["no zone", { targets: [{ ...API, railway: RAILWAY, cloudflare: undefined }] }],
  ])("say nothing of kinds that are reached: %s", (_, input) => {
    expect(good(input).notes.join()).not.toContain("never gets to");
  });

  it("say nothing of scale and failover to those who never asked for them", () => {
    expect(good(one({})).notes).toEqual([]);
    expect(good({ targets: [API] }).notes).toEqual([
      "restart is left out of the ladders (no railway is configured): api",
      "purge-cache is left out of the ladders (no cloudflare zone is configured): api",
    ]);
  });

  it.each([
    ["the environment", one({}), { ENABLE_AUTO_SCALE: "true" }, /^scale is left out.*cannot carry it out yet/],
    ["the target", one({ remedies: { rollback: { mode: "auto" } } }), {}, /^rollback is left out.*cannot/],
    [
      "the config",
      { remedies: { failover: { mode: "auto" } }, ...one({}) },
      {},
      /^failover is left out.*no second site/,
    ],
    [
      "a second site",
      {
        targets: [
          {
            id: "api",
            sites: [
              { ...ALL, id: "a" },
              { id: "b", url: "https://b.example.com" },
            ],
          },
        ],
      },
      {},
      /^failover is left out.*cannot carry it out yet/,
    ],
  ])("say that a remedy cannot be had where it was asked for by %s", (_, input, environment, says) => {
    const left = good(input, environment).notes.filter((note) => note.includes("is left out"));
    expect(left).toEqual([expect.stringMatching(says)]);
  });
});

describe("secrets", () => {
  const SECRET = "hunter2hunter2";
  it.each([
    ["a password in an address", site(`https://user:${SECRET}@example.com/`)],
    ["a user name in an address", site(`https://${SECRET}@example.com/`)],
    ["an address that cannot be parsed", site(`https://user:${SECRET}@exa mple.com/`)],
    ["an address without slashes", site(`https:user:${SECRET}@example.com/`)],
    ["the query of a private address", site(`http://10.0.0.1/?key=${SECRET}`)],
    ["a bad header's value", one({ headers: { authorization: `Bearer ${SECRET}\n` } })],
    ["a header name with a value in it", one({ headers: { [`x: ${SECRET}`]: "y" } })],
    ["a header that is a list", one({ headers: { authorization: [SECRET] } })],
    ["a token under a known vendor", { providers: { railway: { token: SECRET } }, targets: [] }],
    ["a password anywhere", { targets: [], database: { password: SECRET } }],
    ["a Slack token in a name", { name: `xoxb-${SECRET}`, targets: [] }],
    ["a Slack token in a header", one({ headers: { x: `xoxb-${SECRET}` } })],
    ["a bearer token as a text", { name: `${"x".repeat(70)} Bearer ${SECRET}`, targets: [] }],
  ])("are never shown: %s", (_, input) => {
    const found = problems(input);
    expect(found).not.toEqual([]);
    expect(JSON.stringify(found)).not.toContain(SECRET);
  });

  it("of a target may stand in its headers, with a note that never shows them", () => {
    const { config, notes } = good(one({ headers: { authorization: `Bearer ${SECRET}` } }));
    expect(config.targets[0]?.headers).toEqual({ authorization: `Bearer ${SECRET}` });
    expect(notes.join("\n")).toMatch(/credential.*api/);
    expect(notes.join("\n")).not.toContain(SECRET);
  });
});

describe("a good config", () => {
  it("of one address has every default, only observes, and pages where nothing can be done", () => {
    const { config, notes } = good({ targets: [API] });
    expect(config).toMatchObject({ schema: 1, intervalMs: 60_000, reconcileMs: 60_000, vantages: ["local"] });
    expect(config.controls.endpoints).toHaveLength(3);
    expect(config.targets[0]).toMatchObject({
      sites: [{ id: "primary", url: API.url }],
      timeoutMs: 10_000,
      bodyCapBytes: 65_536,
      budget: { max: 4, perMs: 3_600_000 },
      expect: [{ kind: "status", anyOf: [{ from: 200, to: 299 }] }],
      remedies: { restart: { mode: "observe", modeIsOpen: true, cooldownMs: 600_000, cooldownCapMs: 21_600_000 } },
      ladders: { down: [{ remedy: "page", times: 1 }], failing: [{ remedy: "page", times: 1 }], blocked: [] },
    });
    expect(notes.filter((note) => note.startsWith("restart is left out"))).toEqual([
      "restart is left out of the ladders (no railway is configured): api",
    ]);
    expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  });

  it("with its platforms has the default ladders, without what this version cannot carry out", () => {
    const { ladders } = targetOf({
      targets: [
        {
          id: "api",
          sites: [
            { ...ALL, id: "primary" },
            { id: "secondary", url: "https://eu.example.com" },
          ],
        },
      ],
    });
    const page = { remedy: "page", times: 1 };
    expect(ladders.down).toEqual([{ remedy: "restart", times: 3 }, page]);
    expect(ladders.slow).toEqual([{ remedy: "restart", times: 3 }, page]);
    expect(ladders.failing).toEqual([{ remedy: "purge-cache", times: 1 }, { remedy: "restart", times: 1 }, page]);
    expect(ladders.loaded).toEqual([page]);
    expect(ladders.misconfigured).toEqual([]);
  });

  it("without targets watches nothing and says so", () => {
    expect(good({ targets: [] }).notes).toContain("targets is empty: nothing is watched");
  });

  it("may hold ten thousand targets", () => {
    const targets = Array.from({ length: 10_000 }, (_, index) => ({
      id: `t-${index}`,
      url: `https://t${index}.example.com`,
    }));
    const { config, notes } = good({ targets });
    expect(config.targets).toHaveLength(10_000);
    expect(notes.length).toBeLessThan(10);
  });

  it("may be scaled down for a drill, private addresses included", () => {
    const { config } = good({
      interval: "2s",
      reconcileInterval: "1s",
      mode: "auto",
      controls: { endpoints: [{ id: "a", url: "http://127.0.0.1:4001/" }], allowPrivate: true },
      rules: {
        down: { hold: "3s", holdAlone: "3s", reprobe: "500ms" },
        slow: { window: "20s" },
        failing: { window: "10s" },
        suspicion: { for: "20s" },
        inconclusive: { hold: "6s" },
      },
      remedies: {
        restart: { cooldown: "5s", warmUp: "500ms", verify: "8s", follow: "10s" },
        "purge-cache": { verify: "10s", cooldown: "5s" },
      },
      healing: { callNotAfter: "5s", callTimeout: "1s", clockSkew: "50ms", followPoll: "200ms" },
      providers: { railway: { baseUrl: "http://127.0.0.1:4002/graphql/" } },
      targets: [{ ...ALL, url: "http://127.0.0.1:4000/health", allowPrivate: true }],
    });
    expect(config.targets[0]).toMatchObject({
      timeoutMs: 1_000,
      remedies: { restart: { cooldownMs: 5_000, mode: "auto" } },
    });
    expect(config.providers.railway.baseUrl).toBe("http://127.0.0.1:4002/graphql");
  });

  it("puts a target's rules over the config's, field by field", () => {
    const { rules, remedies } = targetOf({
      rules: { slow: { threshold: "300ms", share: "50%" } },
      remedies: { restart: { cooldown: "20m", warmUp: "1m" } },
      targets: [{ ...ALL, rules: { slow: { threshold: "1s" } }, remedies: { restart: { warmUp: "5s" } } }],
    });
    expect(rules.slow).toEqual({ thresholdMs: 1_000, share: 0.5, windowMs: 300_000, minSamples: 15, minParts: 4 });
    expect(remedies.restart).toMatchObject({ cooldownMs: 1_200_000, warmUpMs: 5_000 });
  });

  it.each([
    [undefined, 0],
    [0, 0],
    ["0%", 0],
    ["20%", 0.2],
    [0.5, 0.5],
  ])("passes a remedy over below %j", (value, share) => {
    const written = value === undefined ? {} : { remedies: { restart: { skipBelow: value } } };
    const { remedies } = targetOf({ ...written, targets: [ALL] });
    expect(remedies.restart.skipBelow).toBe(share);
    expect(remedies["purge-cache"].skipBelow).toBe(0);
  });

  it("reads expectations, and takes the certificate's days for a rule that only tells people", () => {
    const target = targetOf(
      one({
        expect: {
          status: [200, "204-206", "3xx"],
          body: "ready",
          json: { pointer: "/db/ok", equals: true },
          header: { name: "content-type", contains: "json" },
          certificateDays: 21,
        },
      }),
    );
    expect(target.expect).toEqual([
      {
        kind: "status",
        anyOf: [
          { from: 200, to: 200 },
          { from: 204, to: 206 },
          { from: 300, to: 399 },
        ],
      },
      { kind: "body-contains", text: "ready" },
      { kind: "json", pointer: "/db/ok", equals: true },
      { kind: "header", name: "content-type", contains: "json" },
    ]);
    expect(target.rules.expiring.days).toBe(21);
  });

  it("purges the host of the site unless it says what", () => {
    expect(targetOf(one({})).sites[0]?.cloudflare?.purge).toEqual({
      tags: [],
      hosts: ["api.example.com"],
      prefixes: [],
      everything: false,
    });
    expect(targetOf(purge({ everything: true })).sites[0]?.cloudflare?.purge).toEqual({
      tags: [],
      hosts: [],
      prefixes: [],
      everything: true,
    });
  });

  it("adds the config's maintenance to the target's", () => {
    const { maintenance } = targetOf({
      maintenance: [{ weekly: ["sunday", "saturday", "sunday"], from: "22:00", to: "24:00", reason: "backup" }],
      targets: [
        { ...ALL, maintenance: [{ from: "2027-03-01T02:00:00+01:00", to: "2027-03-01T04:00Z", reason: "move" }] },
      ],
    });
    expect(maintenance).toEqual([
      { weekdays: [0, 6], fromOfDayMs: 79_200_000, toOfDayMs: 86_400_000, reason: "backup" },
      { fromMs: Date.UTC(2027, 2, 1, 1), toMs: Date.UTC(2027, 2, 1, 4), reason: "move" },
    ]);
  });

  it("may name a host of another script where it is meant", () => {
    expect(
      targetOf({ targets: [{ id: "a", url: "https://bücher.example/", allowPunycode: true }] }).sites[0]?.url,
    ).toBe("https://xn--bcher-kva.example/");
  });

  it("ends every ladder that tries something with a person", () => {
    expect(targetOf(one({ ladders: { down: ["restart x2"], slow: [] } })).ladders).toMatchObject({
      down: [
        { remedy: "restart", times: 2 },
        { remedy: "page", times: 1 },
      ],
      slow: [],
    });
  });
});

describe("modes", () => {
  it.each([
    ["nothing named", {}, {}, "observe", true],
    ["the config's", { mode: "auto" }, {}, "auto", false],
    [
      "the config's for the remedy before the config's",
      { mode: "auto", remedies: { restart: { mode: "approve" } } },
      {},
      "approve",
      false,
    ],
    [
      "the target's before the config's",
      { remedies: { restart: { mode: "auto" } } },
      { mode: "observe" },
      "observe",
      false,
    ],
    [
      "the target's for the remedy first",
      { mode: "observe" },
      { mode: "observe", remedies: { restart: { mode: "auto" } } },
      "auto",
      false,
    ],
  ] as const)("%s", (_, config, target, mode, modeIsOpen) => {
    expect(targetOf({ ...config, targets: [{ ...ALL, ...target }] }).remedies.restart).toMatchObject({
      mode,
      modeIsOpen,
    });
  });

  it.each([
    ["false restricts what the config made automatic", "auto", "false", "observe"],
    ["false restricts what the config left open", undefined, "FALSE", "observe"],
    ["true lifts what the config left open", undefined, "true", "auto"],
    ["true leaves what the config only observes", "observe", "true", "observe"],
    ["true leaves what needs approval", "approve", "True", "approve"],
    ["an empty variable says nothing", undefined, "", "observe"],
  ] as const)("%s", (_, mode, value, expected) => {
    for (const [name, remedy] of [
      ["ENABLE_AUTO_RESTART", "restart"],
      ["ENABLE_AUTO_CACHE_PURGE", "purge-cache"],
      ["ENABLE_AUTO_SCALE", "scale"],
    ] as const) {
      const target = targetOf({ targets: [{ ...ALL, ...(mode === undefined ? {} : { mode }) }] }, { [name]: value });
      expect(target.remedies[remedy].mode).toBe(expected);
      expect(target.remedies.failover.mode).toBe(mode ?? "observe");
    }
  });
});

describe("the environment", () => {
  it("overrides the config and the target, and a note says so", () => {
    const input = { interval: "30s", targets: [{ ...ALL, rules: { slow: { threshold: "1s" } } }] };
    const { config, notes } = good(input, {
      LATENCY_THRESHOLD_MS: "250",
      ERROR_RATE_THRESHOLD_PCT: "2.5",
      CHECK_INTERVAL: "90",
      DB_LAG_THRESHOLD_MS: "3000",
      MEMORY_THRESHOLD_PCT: "70%",
      PATH: "/bin",
    });
    expect(config.intervalMs).toBe(90_000);
    expect(config.targets[0]?.rules).toMatchObject({
      slow: { thresholdMs: 250 },
      failing: { rate: 0.025 },
      lagging: { alertMs: 3_000 },
      loaded: { memory: 0.7 },
    });
    expect(notes).toContain("LATENCY_THRESHOLD_MS=250 sets rules.slow.threshold to 250ms for all targets");
    expect(notes).toContain("CHECK_INTERVAL=90 sets interval to 1m 30s for all targets");
  });

  it.each([
    ["LATENCY_THRESHOLD_MS", "fast"],
    ["LATENCY_THRESHOLD_MS", "0"],
    ["LATENCY_THRESHOLD_MS", "-1"],
    ["ERROR_RATE_THRESHOLD_PCT", "101"],
    ["ERROR_RATE_THRESHOLD_PCT", "NaN"],
    ["CHECK_INTERVAL", "0"],
    ["CHECK_INTERVAL", "1e3"],
    ["DB_LAG_THRESHOLD_MS", "Infinity"],
    ["MEMORY_THRESHOLD_PCT", "0"],
    ["ENABLE_AUTO_RESTART", "yes"],
    ["ENABLE_AUTO_CACHE_PURGE", "1"],
    ["ENABLE_AUTO_SCALE", "on"],
  ])("refuses %s=%s by its name", (name, value) => {
    expect(problems({ targets: [ALL] }, { [name]: value }).map(({ path }) => path)).toEqual([name]);
  });

  it("is named where its value does not fit the config", () => {
    expect(problems({ targets: [ALL] }, { LATENCY_THRESHOLD_MS: "20000" })).toMatchObject([
      { path: "LATENCY_THRESHOLD_MS", found: "20s" },
    ]);
  });
});

describe("defineConfig", () => {
  it("takes what the schema takes and refuses unknown keys while typing", () => {
    const input: ConfigInput = defineConfig({ interval: "60s", targets: [ALL] });
    expect(resolveConfig(input, {}).ok).toBe(true);
    // @ts-expect-error an unknown key
    defineConfig({ targets: [], intervl: "60s" });
    // @ts-expect-error a bare number as a duration
    defineConfig({ targets: [], interval: 60 });
    // @ts-expect-error an unknown remedy in a ladder
    defineConfig({ targets: [{ ...API, ladders: { down: ["reboot"] } }] });
    // @ts-expect-error an unknown rule
    defineConfig({ targets: [{ ...API, rules: { slow: { treshold: "1s" } } }] });
  });
});
