import { ChainCheck, type ChainEnd, type Damage, extraEntry, type TargetItem } from "@neuropilot/core";
import type { OpenInstance } from "@neuropilot/local/instance";

type State = OpenInstance["state"];

/** The check of one target's audit log. */
export interface CheckedLog {
  readonly target: string;
  /** The last entry by the target's item, and its hash. */
  readonly end: ChainEnd;
  readonly damage: readonly Damage[];
  readonly check: ChainCheck;
}

/** Reads a target's whole audit log and checks its chain; `hear` gets each row on the way. */
export async function checkLog(
  state: State,
  target: string,
  hear: (row: Parameters<ChainCheck["add"]>[0]) => void = () => undefined,
): Promise<CheckedLog> {
  const { audit } = await state.readTarget(target, 0);
  const check = new ChainCheck();
  const take = (row: Parameters<ChainCheck["add"]>[0]) => {
    check.add(row);
    hear(row);
  };
  let last = 0;
  const later: number[] = [];
  const pending = audit.pending.map((entry) => ({ place: entry.n, entry }));
  for await (const row of state.auditRows(target)) {
    // What runs may add entries while we read: they are not after the end, they are newer than our look at it.
    if (row.place > audit.n) later.push(row.place);
    else {
      // What waits in the item still to be copied out stands between what has been.
      for (const waiting of pending) if (waiting.place > last && waiting.place < row.place) take(waiting);
      take(row);
      last = row.place;
    }
  }
  for (const waiting of pending) if (waiting.place > last) take(waiting);
  const end = { n: audit.n, hash: audit.head };
  return { target, end, check, damage: [...check.damage(end), ...(await extras(state, target, later))] };
}

async function extras(state: State, target: string, later: readonly number[]): Promise<Damage[]> {
  if (later.length === 0) return [];
  const { audit }: TargetItem = await state.readTarget(target, 0);
  return later.filter((place) => place > audit.n).map(extraEntry);
}
