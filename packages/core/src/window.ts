import type { Config, TargetConfig } from "@neuropilot/config";
import type { Outcome, Sample } from "./sample.ts";

/** What one vantage holds of one site: the samples of the last ten minutes, oldest first. */
export interface SiteWindow {
  readonly samples: readonly Sample[];
  /** What the vantage itself last concluded, for people and for the probe's own next step. Deciding uses the samples. */
  readonly view: string;
  readonly since: number;
  /**
   * When it stopped being well for the vantage, by the first trouble that was seen, however long it takes to be sure; kept until it
   * is healthy again: losing sight of it ends no illness.
   */
  readonly illSince?: number;
  /** Scheduled time of the tick that last looked at it, epoch milliseconds. */
  readonly tick: number;
  /** Another vantage had a bad sample: looked at as closely until then, or there are too few samples to tell an error rate. */
  readonly suspectUntil?: number;
}

/** One vantage's shard: written on condition of an older tick, so that of two runs of a tick only one counts. */
export interface WindowItem {
  readonly vantage: string;
  readonly shard: string;
  /** Scheduled time of the tick, epoch milliseconds. */
  readonly tick: number;
  /** Counts the writes within a tick; only the run that wrote the first may write the next. */
  readonly step: number;
  readonly run: string;
  readonly at: number;
  /** The run has gone through its tick. */
  readonly ended: boolean;
  /** Samples from before this stand in the history already, epoch milliseconds. */
  readonly historyTo?: number;
  /** By `target/site`. */
  readonly sites: Readonly<Record<string, SiteWindow>>;
}

/** A vantage's sign of life, with what it knows of itself. */
export interface Heartbeat {
  readonly vantage: string;
  readonly shard: string;
  readonly tick: number;
  readonly at: number;
  readonly controls: { readonly answered: number; readonly total: number };
  /** Targets of this shard that turned ill within the fleet guard's time, and how many the shard has. */
  readonly ill: number;
  readonly total: number;
  /** For every target of this shard that is ill today: since when, epoch milliseconds. */
  readonly illSince?: readonly number[];
  /** Targets of this shard with nothing wrong but a certificate that ends soon. */
  readonly expiring?: number;
  /** Sites (`target/site`) that looked bad from here lately: the other vantages look more closely too. */
  readonly suspects?: readonly string[];
}

/** Whether enough controls answer for the vantage's own network to be trusted; without any, it is. */
export function seesControls({ answered, total }: Heartbeat["controls"]): boolean {
  return answered * 2 >= total;
}

/** A time further ahead of ours than this was written before our clock was set back, or by one that is wrong. */
export const CLOCK_AHEAD_MS = 120_000;

export const KEEP_MS = 10 * 60_000;
/** Bounds the item's size whatever the intervals: 400 KB is DynamoDB's limit for a whole shard. */
export const KEEP_SAMPLES = 160;

export function siteKey(targetId: string, siteId: string): string {
  return `${targetId}/${siteId}`;
}

/** What tells two samples of one start apart, as far as a window keeps it. */
const SEEN = ["outcome", "status", "ttfbMs", "totalMs", "tainted", "reused", "certificateDays", "detail"] as const;

/** Orders samples by their start, and those of one start by all that was seen: 0 only for the same sample twice. */
export function compareSamples(a: Sample, b: Sample): number {
  if (a.startedAt !== b.startedAt) return a.startedAt - b.startedAt;
  for (const field of SEEN) {
    const [one, other] = [String(a[field]), String(b[field])];
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}

/**
 * Adds samples, the oldest first whatever our clock has done, each once however often it comes, and forgets what is too old or
 * too much. The same samples make the same window, in whatever order and portions they come.
 */
export function appendSamples(samples: readonly Sample[], added: readonly Sample[], now: number): readonly Sample[] {
  return [...samples, ...added]
    .filter((sample) => sample.startedAt > now - KEEP_MS && sample.startedAt <= now + CLOCK_AHEAD_MS)
    .sort(compareSamples)
    .filter((sample, index, sorted) => {
      const before = sorted[index - 1];
      return before === undefined || compareSamples(before, sample) !== 0;
    })
    .slice(-KEEP_SAMPLES);
}

/** Whether a sample says anything about the target: not tainted, and not our own machine's failure. */
export function counts(sample: Sample): boolean {
  return !sample.tainted && sample.outcome !== "local";
}

type Meaning = "good" | "ill" | "not-curable" | "nothing";

/** What an outcome says about the target. A restart can cure `ill`, and never `not-curable`. */
export function meaningOf(outcome: Outcome): Meaning {
  switch (outcome) {
    case "ok":
      return "good";
    case "refused":
    case "timeout":
    case "status":
    case "assertion":
      return "ill";
    case "blocked":
    case "tls":
    case "dns":
    case "forbidden":
    case "redirect":
      return "not-curable";
    case "local":
      return "nothing";
  }
}

/** A failure of any kind that counts. */
export function isBad(sample: Sample): boolean {
  return counts(sample) && sample.outcome !== "ok";
}

/** Answered, but later than the rule allows: time to the first byte after the connection, so that our own CPU does not count. */
export function isSlow(sample: Sample, thresholdMs: number): boolean {
  return counts(sample) && sample.outcome === "ok" && sample.ttfbMs > thresholdMs;
}

/** Whether the probe looks more closely: any bad or slow sample within `suspicion.forMs`. */
export function isSuspicious(samples: readonly Sample[], target: TargetConfig, now: number): boolean {
  const { suspicion, slow } = target.rules;
  return samples.some(
    (sample) => sample.startedAt > now - suspicion.forMs && (isBad(sample) || isSlow(sample, slow.thresholdMs)),
  );
}

/** Samples a tick while suspicious: enough for 24 pooled in the failing window, over all vantages that are at work. */
export function samplesPerSuspiciousTick(
  config: Config,
  target: TargetConfig,
  atWork = config.vantages.length,
): number {
  const pooled = target.rules.failing.minSamples * 1.2;
  return Math.max(1, Math.ceil((pooled * config.intervalMs) / (target.rules.failing.windowMs * Math.max(1, atWork))));
}

/** How old a view may be and still be fresh: one and a half ticks (90 s at 60 s). */
export function freshMs(config: Config): number {
  return config.intervalMs * 1.5;
}
