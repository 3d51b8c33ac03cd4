import type { TargetItem } from "@neuropilot/core";
import { type Row, type State, type Table, TableUnavailable } from "@neuropilot/store";
import { isRecord } from "./bus.ts";
import type { Engine, Invocation, Span } from "./engine.ts";
import type { Hazards } from "./hazards.ts";
import type { Watch, Writer } from "./watch.ts";

/** The item that a run is about to write, so that whoever looks at the write need not read it back from its text. */
export interface Pending {
  item?: TargetItem;
}

/** Keeps what a run is about to write where `watched` finds it. */
export function remembering(state: State, pending: Pending): State {
  return {
    ...state,
    updateTarget: (target, now, reduce) =>
      state.updateTarget(target, now, (item) => {
        const after = reduce(item);
        if (after !== undefined) pending.item = after;
        return after;
      }),
  };
}

/** The table, with every write of a target item looked at as it happens. */
export function watched(table: Table, engine: Engine, watch: Watch, pending: Pending, writer: Writer): Table {
  return {
    ...table,
    put: async (row, condition) => {
      const { item } = pending;
      const written = await table.put(row, condition);
      if (written === "written" && item !== undefined && row.pk === `TARGET#${item.target}`)
        watch.wrote(item, row.body.length, writer);
      if (written === "written" && row.pk.startsWith(DELIVERY))
        watch.delivered(row.pk.slice(DELIVERY.length), row.sk, numberIn(row.body, "sentSeq"), engine.now);
      if (written === "written" && row.pk === "VANTAGES" && watch.isFleet)
        watch.beat(row.sk, illIn(row.body), engine.now);
      return written;
    },
  };
}

/** Written by one run at a time, under its claim: nobody slips in between. */
const DELIVERY = "DELIVERY#";

/** The store wrote it from a `Delivery` a moment ago. */
function numberIn(body: string, name: string): number {
  const row: unknown = JSON.parse(body);
  const value = isRecord(row) ? row[name] : undefined;
  return typeof value === "number" ? value : 0;
}

/** How many targets a heartbeat holds to be ill. */
function illIn(body: string): number {
  const beat: unknown = JSON.parse(body);
  return isRecord(beat) && Array.isArray(beat.illSince) ? beat.illSince.length : 0;
}

/** The table as a run reaches it: late, throttled, with other writers in between, and with answers that are lost. */
export function unreliable(
  table: Table,
  parts: {
    readonly engine: Engine;
    readonly hazards: Hazards;
    /** The same table, as other writers reach it. */
    readonly plain: Table;
    readonly throttles: readonly Span[];
    readonly invocation: Invocation;
    readonly who: string;
  },
): Table {
  const { engine, hazards, plain, throttles, invocation, who } = parts;
  const throttled = () => {
    const { now } = engine;
    const burst = throttles.some(({ from, to }) => from <= now && now < to);
    return burst ? hazards.timing.happens(0.5) : hazards.happens("throttled-table", `the table throttles ${who}`);
  };
  const reach = <T>(effect: () => Promise<T>): Promise<T> =>
    invocation.through(async () => {
      const late = hazards.maybe("slow-table", (chance) => {
        const ms = chance.exponential(300);
        return { value: ms, text: `the table answers ${who} after ${Math.round(ms)} ms` };
      });
      if (late !== undefined) await engine.sleep(late);
      if (throttled()) {
        invocation.disturbed = true;
        throw new TableUnavailable("throttled");
      }
      return effect();
    });
  return {
    get: (key) => reach(() => table.get(key)),
    query: (pk) => reach(() => table.query(pk)),
    queryRange: (pk, range) => reach(() => table.queryRange(pk, range)),
    remove: (key) => reach(() => table.remove(key)),
    due: (now, limit) => reach(() => table.due(now, limit)),
    put: (row, condition) =>
      reach(async () => {
        const contested = condition.kind === "version-is" && !row.pk.startsWith(DELIVERY);
        if (contested && hazards.happens("conflict", `another writes ${row.pk} before ${who}`))
          await overtake(plain, row, condition.version);
        const written = await table.put(row, condition);
        if (written !== "written" || !hazards.happens("lost-answer", `${who} is not told that ${row.pk} was written`))
          return written;
        invocation.disturbed = true;
        // The client library asked again and met its own write, or gave up.
        if (hazards.stream("lost-answer").happens(0.5)) return "refused";
        throw new TableUnavailable("the answer was lost");
      }),
  };
}

/** Somebody else's write of the same row, that leaves everything as it was but its version. */
async function overtake(table: Table, row: Row, version: number): Promise<void> {
  const present = await table.get(row);
  if (present?.version === version)
    await table.put({ ...present, version: version + 1 }, { kind: "version-is", version });
}
