export interface TickWake {
  readonly vantage: string;
  readonly shard: string;
  /** Epoch milliseconds. */
  readonly tick: number;
}

/**
 * Reads which vantage and shard is meant, and the scheduled time. A schedule sends `{ vantage, shard, tick }`; an event that
 * reaches a probe carries them beside it as `neuropilot`, put there by the rule's target.
 */
export function readTick(event: unknown, now: number): TickWake {
  const outer = record(event, "the probe's input");
  const source = "neuropilot" in outer ? record(outer.neuropilot, "neuropilot") : outer;
  const { vantage, shard, tick } = source;
  if (typeof vantage !== "string" || typeof shard !== "string")
    throw new Error(`the probe's input must name vantage and shard, found ${JSON.stringify({ vantage, shard })}`);
  const time = typeof tick === "string" ? Date.parse(tick) : tick;
  return { vantage, shard, tick: typeof time === "number" && Number.isFinite(time) ? time : now };
}

function record(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new Error(`${name} must be an object`);
  return { ...value };
}
