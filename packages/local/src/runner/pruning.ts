import type { State } from "@neuropilot/store";
import type { ScheduleEntry } from "../scheduler/index.ts";

/** A vantage's shard: what has a history of its own. */
export interface Place {
  readonly vantage: string;
  readonly shard: string;
}

const EVERY_MS = 3_600_000;
const FIRST_AFTER_MS = 60_000;
/** An hour makes a dozen rows of a place, some fifty at the shortest interval: this also catches up, a little at a time. */
const ROWS_OF_A_PLACE = 200;
const ROWS_IN_ALL = 2_000;

/**
 * Removes, once an hour, history that is older than it is to be kept, since the table on this machine has no TTL. Places that
 * left the config are known by their heartbeats.
 */
export function pruning(state: State, keepMs: number, places: readonly Place[]): ScheduleEntry {
  return {
    name: "prune-history",
    schedule: { everyMs: EVERY_MS },
    firstAfterMs: FIRST_AFTER_MS,
    async run(tick) {
      await pruneHistory(state, places, tick - keepMs);
    },
  };
}

/** Removes what ended before a time, within the bounds of one run; answers how many rows that were. */
export async function pruneHistory(state: State, places: readonly Place[], before: number): Promise<number> {
  const seen = (await state.readHeartbeats()).map(({ vantage, shard }) => ({ vantage, shard }));
  const all = new Map([...places, ...seen].map((place) => [JSON.stringify([place.vantage, place.shard]), place]));
  let removed = 0;
  for (const place of all.values()) {
    const limit = Math.min(ROWS_OF_A_PLACE, ROWS_IN_ALL - removed);
    if (limit > 0) removed += await state.pruneHistory({ ...place, before, limit });
  }
  return removed;
}
