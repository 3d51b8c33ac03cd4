import {
  healthObserved,
  incidentChanged,
  operatorSaid,
  remediationFinished,
  remediationRequested,
  SOURCE,
} from "@neuropilot/events";

/** What wakes a function: a schedule whose period the config names, or events that match a pattern. */
export type Wake =
  | { readonly kind: "schedule"; readonly every: "interval" | "reconcile" }
  | { readonly kind: "event"; readonly event: string; readonly pattern: Readonly<Record<string, unknown>> };

/** What a function may do to the table and the bus; nothing else is granted. */
export type Permission = "table:read" | "table:write" | "table:query-due" | "bus:put-events";

/** Secrets by name. Only the function that calls a vendor can read that vendor's token. */
export type SecretName = "RAILWAY_TOKEN" | "CLOUDFLARE_API_TOKEN" | "SLACK_BOT_TOKEN" | "SLACK_WEBHOOK_URL";

export interface FunctionSpec {
  readonly name: FunctionName;
  /** The file beside this one, without its ending; its export is `handler`. */
  readonly file: string;
  /** One for each vantage and shard, instead of one in all. */
  readonly perVantage: boolean;
  readonly wakes: readonly Wake[];
  readonly timeoutSeconds: number;
  readonly memoryMb: number;
  /** Deliveries after a failed one. Probes have none: the next tick is the retry. */
  readonly retries: number;
  readonly maxEventAgeSeconds: number;
  readonly permissions: readonly Permission[];
  readonly secrets: readonly SecretName[];
}

export type FunctionName = "probe" | "decide" | "restart" | "purge-cache" | "alert-slack" | "reconcile";

const on = (event: { readonly name: string }, detail?: Readonly<Record<string, unknown>>): Wake => ({
  kind: "event",
  event: event.name,
  pattern: { source: [SOURCE], "detail-type": [event.name], ...(detail === undefined ? {} : { detail }) },
});

/** The only list of functions: infrastructure and the local runner both read it. */
export const manifest: readonly FunctionSpec[] = [
  {
    name: "probe",
    file: "probe",
    perVantage: true,
    wakes: [{ kind: "schedule", every: "interval" }, on(healthObserved, { first: [true] })],
    timeoutSeconds: 60,
    memoryMb: 512,
    retries: 0,
    maxEventAgeSeconds: 60,
    permissions: ["table:read", "table:write", "bus:put-events"],
    secrets: [],
  },
  {
    name: "decide",
    file: "decide",
    perVantage: false,
    wakes: [on(healthObserved), on(remediationFinished), on(operatorSaid)],
    timeoutSeconds: 30,
    memoryMb: 256,
    retries: 2,
    maxEventAgeSeconds: 180,
    permissions: ["table:read", "table:write", "bus:put-events"],
    secrets: [],
  },
  {
    name: "restart",
    file: "restart",
    perVantage: false,
    wakes: [on(remediationRequested, { remedy: ["restart"] })],
    timeoutSeconds: 60,
    memoryMb: 256,
    retries: 2,
    maxEventAgeSeconds: 150,
    permissions: ["table:read", "table:write", "bus:put-events"],
    secrets: ["RAILWAY_TOKEN"],
  },
  {
    name: "purge-cache",
    file: "purge-cache",
    perVantage: false,
    wakes: [on(remediationRequested, { remedy: ["purge-cache"] })],
    timeoutSeconds: 60,
    memoryMb: 256,
    retries: 2,
    maxEventAgeSeconds: 150,
    permissions: ["table:read", "table:write", "bus:put-events"],
    secrets: ["CLOUDFLARE_API_TOKEN"],
  },
  {
    name: "alert-slack",
    file: "alert-slack",
    perVantage: false,
    wakes: [on(incidentChanged)],
    timeoutSeconds: 45,
    memoryMb: 256,
    retries: 2,
    maxEventAgeSeconds: 3600,
    permissions: ["table:read", "table:write"],
    secrets: ["SLACK_BOT_TOKEN", "SLACK_WEBHOOK_URL"],
  },
  {
    name: "reconcile",
    file: "reconcile",
    perVantage: false,
    wakes: [{ kind: "schedule", every: "reconcile" }],
    timeoutSeconds: 55,
    memoryMb: 256,
    retries: 0,
    maxEventAgeSeconds: 60,
    permissions: ["table:read", "table:write", "table:query-due", "bus:put-events"],
    secrets: [],
  },
];
