import type { Sample, WindowItem } from "@neuropilot/core";
import { sampleAt } from "@neuropilot/core/fixture";
import { type Deps, wakeTarget } from "@neuropilot/loop";
import { createMemoryTable, createState, type Row, type State, type Table } from "@neuropilot/store";
import { START } from "./plan.ts";
import { policyOf } from "./policy.ts";

/** Where the exploration begins: one target that is down, and a restart that was claimed and asked for a second ago. */

export const TARGET = "api";
export const CHANNEL = "slack";
const VANTAGE = "east";
const SITE = `${TARGET}/primary`;

export const config = policyOf([VANTAGE]);

export interface Opening {
  readonly rows: readonly Row[];
  readonly attempt: string;
  readonly now: number;
  /** After this the call may not start. */
  readonly callNotAfter: number;
  /** After this a call that was begun in time cannot be alive. */
  readonly lostAfter: number;
}

/** Brings an empty table to the opening, through the real decide. */
export async function opening(): Promise<Opening> {
  const table = recording(createMemoryTable());
  const state = createState(table);
  let now = START;
  let ids = 0;
  const deps: Deps = {
    config,
    state,
    publish: async (events) => ({ sent: events.length, failed: [] }),
    clock: () => now,
    sleep: async () => undefined,
    newId: (prefix) => `${prefix}opening_${++ids}`,
    log: () => undefined,
    channels: [CHANNEL],
  };
  await look(state, now, "refused");
  await wakeTarget(deps, TARGET, { kind: "wake", at: now, cause: "opening" });
  const { incident } = await state.readTarget(TARGET, now);
  const attempt = incident?.attempts.find(({ state }) => state === "claimed");
  if (incident === undefined || attempt?.callNotAfter === undefined) throw new Error("nothing was claimed");
  await state.writeDelivery(told(incident.id, incident.seq));
  now += 1_000;
  const { callTimeoutMs, clockSkewMs } = config.healing;
  const lostAfter = attempt.callNotAfter + callTimeoutMs + clockSkewMs;
  return { rows: table.rows(), attempt: attempt.id, now, callNotAfter: attempt.callNotAfter, lostAfter };
}

/** People know how the incident stands, so that what waits in the outbox is the request. */
function told(incident: string, seq: number) {
  return {
    incident,
    target: TARGET,
    channel: CHANNEL,
    wantedSeq: seq,
    sentSeq: seq,
    threadSeq: seq,
    messageChannel: "C1",
    messageId: "m1",
    failures: 0,
    version: 0,
  };
}

/** A table that can say what stands in it. */
export function recording(table: Table): Table & { rows(): readonly Row[] } {
  const rows = new Map<string, Row>();
  return {
    ...table,
    put: async (row, condition) => {
      const written = await table.put(row, condition);
      if (written === "written") rows.set(`${row.pk} ${row.sk}`, row);
      return written;
    },
    rows: () => [...rows.values()],
  };
}

/** What a vantage writes after a tick that saw the target so for the last three minutes. */
export async function look(state: State, now: number, outcome: "refused" | "ok"): Promise<void> {
  const samples: readonly Sample[] = Array.from({ length: 10 }, (_, index) =>
    sampleAt(now - 180_000 + index * 20_000, outcome),
  );
  const ill = outcome === "refused";
  const window: WindowItem = {
    vantage: VANTAGE,
    shard: "0",
    tick: now,
    step: 1,
    run: "run_probe",
    at: now,
    ended: true,
    sites: { [SITE]: { samples, view: ill ? "down" : "healthy", since: START, tick: now } },
  };
  await state.writeWindow(window);
  await state.writeHeartbeat({
    vantage: VANTAGE,
    shard: "0",
    tick: now,
    at: now,
    controls: { answered: 2, total: 2 },
    ill: ill ? 1 : 0,
    total: 1,
    illSince: ill ? [START] : [],
  });
}

/** A table in memory with these rows. */
export async function tableWith(rows: readonly Row[]): Promise<Table> {
  const table = createMemoryTable();
  for (const row of rows) await table.put(row, { kind: "absent" });
  return table;
}
