import type { Budget, Control, Heartbeat, Incident, TargetItem, WindowItem } from "@neuropilot/core";
import { CLOCK_AHEAD_MS, newTargetItem } from "@neuropilot/core";
import { type AuditLog, createAuditLog } from "./audit-log.ts";
import { createHistory, type History } from "./history.ts";
import { packSamples, unpackSamples } from "./samples.ts";
import type { Key, Row, Table, Written } from "./table.ts";

/** A channel's state of one incident: which of its states people have been told. */
export interface Delivery {
  readonly incident: string;
  readonly target: string;
  readonly channel: string;
  readonly wantedSeq: number;
  readonly sentSeq: number;
  /** Timeline entries up to this are in the thread. */
  readonly threadSeq: number;
  /** The message as it read each time that it was posted or changed: the first and the newest. Earlier versions kept none. */
  readonly told?: readonly { readonly at: number; readonly text: string }[];
  readonly messageChannel?: string;
  readonly messageId?: string;
  /** The run that is sending; nobody else may before `until`. */
  readonly claim?: { readonly run: string; readonly until: number };
  readonly failures: number;
  readonly lastProblem?: string;
  readonly version: number;
  readonly nextActionAt?: number;
}

const MAX_CONFLICTS = 20;
/** An item may have 400 KB: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html */
const MAX_WINDOW_BYTES = 300_000;

/** The state of everything, in the table's words. All reads are consistent. */
export interface State extends History, AuditLog {
  readTarget(target: string, now: number): Promise<TargetItem>;
  /**
   * The one rule for the target item: read, reduce, write on condition of the version read; a refused write is read again.
   * `reduce` returns undefined to leave it as it is. Answers the item as it stands afterwards.
   */
  updateTarget(
    target: string,
    now: () => number,
    reduce: (item: TargetItem) => TargetItem | undefined,
  ): Promise<{ item: TargetItem; written: boolean }>;
  readWindows(shards: readonly { vantage: string; shard: string }[]): Promise<WindowItem[]>;
  readWindow(vantage: string, shard: string): Promise<WindowItem | undefined>;
  /** On condition of an older tick, or of an older step of the same run's tick. */
  writeWindow(window: WindowItem): Promise<Written>;
  readHeartbeats(): Promise<Heartbeat[]>;
  readHeartbeat(vantage: string, shard: string): Promise<Heartbeat | undefined>;
  writeHeartbeat(heartbeat: Heartbeat): Promise<void>;
  readControl(scope: string): Promise<Control>;
  updateControl(scope: string, change: (control: Control) => Control): Promise<Control>;
  readBudget(scope: string): Promise<Budget>;
  /** Takes a unit for an attempt unless the limit is reached; for the same attempt it takes one however often it is asked. */
  takeBudget(scope: string, attempt: string, limit: { max: number; perMs: number }, now: number): Promise<boolean>;
  /** Gives an attempt's unit back, once it is certain that nothing was called. */
  returnBudget(scope: string, attempt: string): Promise<void>;
  archiveIncident(incident: Incident): Promise<void>;
  readArchivedIncident(id: string): Promise<Incident | undefined>;
  /** Ids of archived incidents of a target, the newest last. */
  archivedIncidents(target: string): Promise<Incident[]>;
  readDelivery(incident: string, channel: string): Promise<Delivery | undefined>;
  writeDelivery(delivery: Delivery): Promise<Written>;
  due(now: number, limit: number): Promise<readonly Key[]>;
}

export const GLOBAL = "global";

export function createState(table: Table): State {
  const read = async <T>(key: Key, parse: (row: Row) => T | undefined): Promise<T | undefined> => {
    const row = await table.get(key);
    return row === undefined ? undefined : parse(row);
  };

  async function readTarget(target: string, now: number): Promise<TargetItem> {
    return (await read(targetKey(target), targetOf)) ?? newTargetItem(target, now);
  }

  /** Read, change, write under the row's version until it is in; for rows whose changes commute. */
  async function change<T>(
    key: Key,
    parse: (row: Row) => T | undefined,
    reduce: (value: T | undefined) => T | undefined,
  ): Promise<T | undefined> {
    for (let round = 0; round < MAX_CONFLICTS; round++) {
      const row = await table.get(key);
      const before = row === undefined ? undefined : parse(row);
      const after = reduce(before);
      if (after === undefined) return before;
      const next: Row = { ...key, version: (row?.version ?? 0) + 1, body: JSON.stringify(after) };
      const written = await table.put(
        next,
        row === undefined ? { kind: "absent" } : { kind: "version-is", version: row.version },
      );
      if (written === "written") return after;
    }
    throw new Error(`${key.pk} ${key.sk} changed under us ${MAX_CONFLICTS} times in a row`);
  }

  return {
    ...createHistory(table),
    ...createAuditLog(table),
    readTarget,
    async updateTarget(target, now, reduce) {
      for (let round = 0; round < MAX_CONFLICTS; round++) {
        const before = await readTarget(target, now());
        const reduced = reduce(before);
        if (reduced === undefined) return { item: before, written: false };
        const item = { ...reduced, version: before.version + 1 };
        const row: Row = {
          ...targetKey(target),
          version: item.version,
          body: JSON.stringify(item),
          ...(item.nextActionAt === undefined ? {} : { nextActionAt: item.nextActionAt }),
        };
        const condition =
          before.version === 0 ? { kind: "absent" as const } : { kind: "version-is" as const, version: before.version };
        if ((await table.put(row, condition)) === "written") return { item, written: true };
      }
      throw new Error(`the item of ${target} changed under us ${MAX_CONFLICTS} times in a row`);
    },
    async readWindows(shards) {
      const rows = await Promise.all(shards.map(({ vantage, shard }) => read(windowKey(vantage, shard), windowOf)));
      return rows.filter((row) => row !== undefined);
    },
    readWindow: (vantage, shard) => read(windowKey(vantage, shard), windowOf),
    async writeWindow(window) {
      const key = windowKey(window.vantage, window.shard);
      for (let round = 0; round < MAX_CONFLICTS; round++) {
        const row = await table.get(key);
        const present = row === undefined ? undefined : fenceOf(row, window.at);
        const own = present !== undefined && window.tick === present.tick && window.run === present.run;
        // An answer that was lost after a successful write looks like a conflict: what is in it counts as written.
        if (own && window.step === present.step) return "written";
        const newer = present === undefined || window.tick > present.tick;
        if (!newer && !(own && window.step > present.step)) return "refused";
        const written = await table.put(
          { ...key, version: (row?.version ?? 0) + 1, tick: window.tick, body: packWindow(window) },
          row === undefined ? { kind: "absent" } : { kind: "version-is", version: row.version },
        );
        if (written === "written") return "written";
      }
      return "refused";
    },
    async readHeartbeats() {
      return (await table.query("VANTAGES")).map(heartbeatOf).filter((beat) => beat !== undefined);
    },
    readHeartbeat: (vantage, shard) => read(heartbeatKey(vantage, shard), heartbeatOf),
    async writeHeartbeat(heartbeat) {
      const key = heartbeatKey(heartbeat.vantage, heartbeat.shard);
      await change<Heartbeat>(key, heartbeatOf, (present) =>
        present !== undefined && present.at > heartbeat.at && !isAhead(present.at, heartbeat.at)
          ? undefined
          : heartbeat,
      );
    },
    async readControl(scope) {
      return (await read(controlKey(scope), parseBody<Control>)) ?? {};
    },
    async updateControl(scope, reduce) {
      return (await change<Control>(controlKey(scope), parseBody, (present) => reduce(present ?? {}))) ?? {};
    },
    async readBudget(scope) {
      return (await read(budgetKey(scope), parseBody<Budget>)) ?? {};
    },
    async takeBudget(scope, attempt, limit, now) {
      let taken = false;
      await change<Budget>(budgetKey(scope), parseBody, (present) => {
        taken = present?.[attempt] !== undefined;
        if (taken) return undefined;
        const kept = Object.fromEntries(Object.entries(present ?? {}).filter(([, at]) => at > now - limit.perMs));
        if (Object.keys(kept).length >= limit.max) return undefined;
        taken = true;
        return { ...kept, [attempt]: now };
      });
      return taken;
    },
    async returnBudget(scope, attempt) {
      await change<Budget>(budgetKey(scope), parseBody, (present) => {
        if (present?.[attempt] === undefined) return undefined;
        const { [attempt]: _, ...rest } = present;
        return rest;
      });
    },
    async archiveIncident(incident) {
      const number = incident.id.slice(incident.id.lastIndexOf("_") + 1).padStart(8, "0");
      const body = JSON.stringify(incident);
      // By id for the one, by target for the list; either may be there already from a run that was cut off.
      await table.put({ pk: `INCIDENT#${incident.id}`, sk: "STATE", version: 1, body }, { kind: "absent" });
      await table.put({ pk: `INCIDENTS#${incident.target}`, sk: number, version: 1, body }, { kind: "absent" });
    },
    readArchivedIncident: (id) => read({ pk: `INCIDENT#${id}`, sk: "STATE" }, parseBody<Incident>),
    async archivedIncidents(target) {
      return (await table.query(`INCIDENTS#${target}`)).map((row) => parseBody<Incident>(row));
    },
    readDelivery: (incident, channel) => read(deliveryKey(incident, channel), deliveryOf),
    async writeDelivery(delivery) {
      const row: Row = {
        ...deliveryKey(delivery.incident, delivery.channel),
        version: delivery.version + 1,
        body: JSON.stringify(delivery),
        ...(delivery.nextActionAt === undefined ? {} : { nextActionAt: delivery.nextActionAt }),
      };
      return table.put(
        row,
        delivery.version === 0 ? { kind: "absent" } : { kind: "version-is", version: delivery.version },
      );
    },
    due: (now, limit) => table.due(now, limit),
  };
}

const targetKey = (target: string): Key => ({ pk: `TARGET#${target}`, sk: "STATE" });
const windowKey = (vantage: string, shard: string): Key => ({ pk: `WINDOW#${vantage}`, sk: shard });
const heartbeatKey = (vantage: string, shard: string): Key => ({ pk: "VANTAGES", sk: `${vantage}#${shard}` });
const controlKey = (scope: string): Key => ({ pk: "CONTROL", sk: scope });
const budgetKey = (scope: string): Key => ({ pk: "BUDGET", sk: scope });
const deliveryKey = (incident: string, channel: string): Key => ({ pk: `DELIVERY#${incident}`, sk: channel });

/**
 * Rows are written by this file only, from values of this type. What is no object at all was not; it is named, for what stands
 * in a control, a budget or a target's item must never be guessed.
 */
function parseBody<T extends object>(row: Row): T {
  let value: unknown;
  try {
    value = JSON.parse(row.body);
  } catch {
    throw unreadable(row, "it is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw unreadable(row, "it is not an object");
  return value as T;
}

function unreadable({ pk, sk }: Row, why: string): Error {
  return new Error(
    `the row ${pk} ${sk} cannot be read: ${why}. Nothing is done about it until it is mended or deleted`,
  );
}

/**
 * What the next tick writes anew is taken for absent where it cannot be read (another version's, or a foreign hand's): that
 * is a vantage not heard of for a minute, where an error would keep it from ever being written again.
 */
function orAbsent<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

/** Written before our clock was set back: nothing of now can be older, so it must not stand in the way. */
function isAhead(at: number, now: number): boolean {
  return at > now + CLOCK_AHEAD_MS;
}

function fenceOf(row: Row, now: number): Pick<WindowItem, "tick" | "run" | "step"> | undefined {
  const present = orAbsent(() => parseBody<WindowItem>(row));
  return present === undefined || !Number.isFinite(present.tick) || isAhead(present.at, now) ? undefined : present;
}

function heartbeatOf(row: Row): Heartbeat | undefined {
  const beat = orAbsent(() => parseBody<Partial<Heartbeat>>(row));
  return beat !== undefined && isHeartbeat(beat) ? beat : undefined;
}

/** What every version has written; the rest may be absent. */
function isHeartbeat(beat: Partial<Heartbeat>): beat is Heartbeat {
  return beat.vantage !== undefined && beat.at !== undefined && beat.controls !== undefined;
}

function targetOf(row: Row): TargetItem {
  const item = parseBody<TargetItem>(row);
  if (item.schema !== 1)
    throw new Error(`the item of ${row.pk} has schema ${String(item.schema)}; this version reads 1`);
  return { ...item, version: row.version };
}

function deliveryOf(row: Row): Delivery {
  return { ...parseBody<Delivery>(row), version: row.version };
}

/** Many sites of one shard in trouble at once must still fit: then each keeps fewer samples, the newest. */
function packWindow(window: WindowItem): string {
  for (let most = Number.POSITIVE_INFINITY; ; most = Math.min(most, 320) / 2) {
    const sites = Object.fromEntries(
      Object.entries(window.sites).map(([key, site]) => [
        key,
        { ...site, samples: packSamples(most < 320 ? site.samples.slice(-most) : site.samples) },
      ]),
    );
    const body = JSON.stringify({ ...window, sites });
    if (Buffer.byteLength(body) <= MAX_WINDOW_BYTES || most <= 10) return body;
  }
}

function windowOf(row: Row): WindowItem | undefined {
  return orAbsent(() => unpackWindow(row));
}

function unpackWindow(row: Row): WindowItem {
  const packed = parseBody<
    Omit<WindowItem, "sites"> & {
      sites: Record<string, { samples: string; view: string; since: number; tick: number }>;
    }
  >(row);
  const sites = Object.fromEntries(
    Object.entries(packed.sites).map(([key, site]) => [key, { ...site, samples: unpackSamples(site.samples) }]),
  );
  return { ...packed, sites };
}
