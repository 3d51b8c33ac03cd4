/**
 * The configuration after checking: every default filled in, every duration in milliseconds, every rate a fraction of 1.
 * `defineConfig` takes what people write; `resolveConfig` returns this. Plain JSON, so that it can be stored and sent.
 */

export const REMEDIES = ["restart", "purge-cache", "scale", "failover", "rollback"] as const;
export type Remedy = (typeof REMEDIES)[number];

/** What a rung of a ladder does: a remedy so many times, or a call for a person. */
export type Rung = { readonly remedy: Remedy; readonly times: number } | { readonly remedy: "page"; readonly times: 1 };

/** Kinds of ill health, graver last where two are ranked (see `gravity` in core). */
export const ILL_KINDS = [
  "inconclusive",
  "expiring",
  "blocked",
  "misconfigured",
  "lagging",
  "loaded",
  "slow",
  "failing",
  "down",
] as const;
export type IllKind = (typeof ILL_KINDS)[number];

export const MODES = ["observe", "approve", "auto"] as const;
export type Mode = (typeof MODES)[number];

/** One thing a healthy answer must show. */
export type Expectation =
  | { readonly kind: "status"; readonly anyOf: readonly { readonly from: number; readonly to: number }[] }
  | { readonly kind: "body-contains"; readonly text: string }
  | { readonly kind: "json"; readonly pointer: string; readonly equals: string | number | boolean | null }
  | { readonly kind: "header"; readonly name: string; readonly contains: string }
  | { readonly kind: "certificate-days"; readonly atLeast: number };

export interface SiteConfig {
  /** `primary`, `secondary` or another name, unique within its target; the first is the one that serves. */
  readonly id: string;
  readonly url: string;
  /** Where its platform finds it. Absent: this site cannot be restarted. */
  readonly railway?: { readonly projectId: string; readonly environmentId: string; readonly serviceId: string };
  /** The CDN zone in front of it, and what to purge, narrowest first; `everything` last and only if it is said. */
  readonly cloudflare?: {
    readonly zoneId: string;
    readonly purge: {
      readonly tags: readonly string[];
      readonly hosts: readonly string[];
      readonly prefixes: readonly string[];
      readonly everything: boolean;
    };
  };
}

export interface RemedyPolicy {
  readonly mode: Mode;
  /** Whether the config itself named the mode; an `ENABLE_…=true` lifts to `auto` only where it did not. */
  readonly modeIsOpen: boolean;
  /** Least time between two calls of this remedy for one target, before the margin for lost calls is added. */
  readonly cooldownMs: number;
  /** The cooldown doubles with every call that was not followed by a healthy day, up to this. */
  readonly cooldownCapMs: number;
  /** After the vendor's work is over, this long before samples count. */
  readonly warmUpMs: number;
  /** From the end of the warm-up, this long for health to come back. */
  readonly verifyMs: number;
  /** How long the vendor may take to finish what it accepted. */
  readonly followMs: number;
  /** Passed over for a kind of ill health once it has shown that it helps in less than this share; 0: never. */
  readonly skipBelow: number;
}

export interface Rules {
  readonly down: { readonly holdMs: number; readonly holdAloneMs: number; readonly reprobeMs: number };
  readonly slow: {
    readonly thresholdMs: number;
    readonly windowMs: number;
    readonly share: number;
    readonly minSamples: number;
    /** In at least so many of the window's five equal parts. */
    readonly minParts: number;
  };
  readonly failing: {
    readonly rate: number;
    readonly windowMs: number;
    readonly minSamples: number;
    readonly minFailures: number;
  };
  /** Read from the target's health JSON; recorded in the policy, acted on from the scaling and database issues on. */
  readonly loaded: { readonly memory: number };
  readonly lagging: { readonly alertMs: number; readonly pageMs: number };
  readonly expiring: { readonly days: number };
  readonly suspicion: { readonly forMs: number };
  readonly recovery: { readonly observations: number };
  /** How long blindness must last before people are told. */
  readonly inconclusive: { readonly holdMs: number };
}

export type MaintenanceWindow = OnceWindow | WeeklyWindow;

export interface OnceWindow {
  /** Half-open: from ≤ t < to, epoch milliseconds. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly reason: string;
}

/** Every week on the same days, in UTC, so that no clock change moves it. */
export interface WeeklyWindow {
  /** 0 is Sunday, 6 is Saturday. */
  readonly weekdays: readonly number[];
  /** Half-open, milliseconds from the start of each of these days; at most to its end. */
  readonly fromOfDayMs: number;
  readonly toOfDayMs: number;
  readonly reason: string;
}

export interface TargetConfig {
  readonly id: string;
  readonly sites: readonly SiteConfig[];
  readonly method: "GET" | "HEAD" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly redirects: number;
  readonly allowPrivate: boolean;
  readonly bodyCapBytes: number;
  readonly expect: readonly Expectation[];
  readonly rules: Rules;
  readonly ladders: Readonly<Record<IllKind, readonly Rung[]>>;
  readonly remedies: Readonly<Record<Remedy, RemedyPolicy>>;
  readonly budget: { readonly max: number; readonly perMs: number };
  readonly maintenance: readonly MaintenanceWindow[];
}

export interface ControlEndpoint {
  readonly id: string;
  readonly url: string;
}

export interface Config {
  readonly schema: 1;
  readonly name: string;
  readonly intervalMs: number;
  readonly reconcileMs: number;
  /** Where we watch from. On one machine all of them watch from here. */
  readonly vantages: readonly string[];
  readonly controls: {
    readonly endpoints: readonly ControlEndpoint[];
    readonly allowPrivate: boolean;
    readonly timeoutMs: number;
  };
  readonly probe: { readonly concurrency: number; readonly shardSize: number };
  readonly targets: readonly TargetConfig[];
  /** Calls over all targets together in a rolling window. */
  readonly fleetBudget: { readonly max: number; readonly perMs: number };
  readonly fleetGuard: { readonly share: number; readonly minTargets: number; readonly withinMs: number };
  readonly healing: {
    /** From claim: no call starts later than this. */
    readonly callNotAfterMs: number;
    readonly callTimeoutMs: number;
    readonly clockSkewMs: number;
    readonly followPollMs: number;
    /** Events older than this are recorded and never acted on. */
    readonly maxEventAgeMs: number;
    /** A healthy stretch this long resets the cooldown's growth. */
    readonly resetAfterHealthyMs: number;
  };
  /** How long samples are kept for reports and backtests; 0: not at all. */
  readonly history: { readonly keepMs: number };
  readonly providers: {
    readonly railway: { readonly baseUrl: string };
    readonly cloudflare: { readonly baseUrl: string };
    readonly slack: { readonly baseUrl: string; readonly channel?: string; readonly mention?: string };
  };
}
