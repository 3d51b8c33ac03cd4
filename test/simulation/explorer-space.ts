import { createHash } from "node:crypto";
import { type Attempt, type CallOutcome, isInFlight, lostCallMs, type TargetItem } from "@neuropilot/core";
import { createState, type Row } from "@neuropilot/store";
import type { Ablation } from "./ablations.ts";
import { isRecord } from "./bus.ts";
import { config, look, type Opening, recording, TARGET, tableWith } from "./explorer-scene.ts";
import { type Op, TASKS, type TaskName, type TaskNode, TaskTree } from "./explorer-task.ts";

/** What the vendor does with a call. */
export const OUTCOMES = ["applied", "unknown", "rejected", "retry-later"] as const;
export type OutcomeKind = (typeof OUTCOMES)[number];

export interface ExploredCall {
  readonly attempt: string;
  readonly by: TaskName | "afterwards";
  readonly at: number;
}

/** What takes part in an exploration. */
export interface Bounds {
  readonly tasks: readonly TaskName[];
  /** Which limits time may jump past. */
  readonly jumps: readonly ("callNotAfter" | "lostAfter")[];
  readonly crash: boolean;
  /** At most so many tasks stand still in the middle of what they do while time jumps. */
  readonly mostStill: number;
  /** Without the reductions: every await is a step of its own. To show, in a small world, that they lose nothing. */
  readonly whole?: true;
}

/** A promise that was not kept, and in which words. */
export interface Broken {
  readonly property: string;
  readonly text: string;
}

/** How a task stands. */
export interface TaskState {
  /** Undefined: it has returned, or died. Which of the two makes no difference to what may still happen. */
  readonly node: TaskNode | undefined;
  /** One for each of its ops: the answer's number, or `WAITS`. Once all are there it may go on. */
  readonly answers: readonly number[];
}

/** All that can make a difference to what happens next. */
export interface Moment {
  readonly table: number;
  readonly now: number;
  readonly calls: number;
  readonly crashed: boolean;
  readonly tasks: readonly TaskState[];
}

/** What happens between two moments, for the story. */
export type Happening =
  | { readonly kind: "does"; readonly task: TaskName; readonly op: Op; readonly answer: unknown; readonly now: number }
  | { readonly kind: "stands-still"; readonly task: TaskName; readonly before: readonly Op[] }
  | { readonly kind: "returns"; readonly task: TaskName }
  | { readonly kind: "dies"; readonly task: TaskName; readonly before: readonly Op[] }
  | { readonly kind: "time"; readonly to: number; readonly why: string };

export interface Transition {
  readonly to: Moment;
  readonly what: readonly Happening[];
  readonly broken: readonly Broken[];
}

interface Version {
  readonly id: number;
  /** The row's number by its key. */
  readonly rows: ReadonlyMap<string, number>;
}

interface Effect {
  readonly answer: number;
  readonly table: number;
  readonly broken: readonly Broken[];
  /** Attempts that this write ended as never called. */
  readonly uncalled: readonly string[];
}

/** Where a task may be after doing only what no other can tell. */
interface Place {
  readonly task: TaskState;
  /** What it has done on its way that leaves a trace. */
  readonly traces: readonly { readonly op: Op; readonly opId: number }[];
  readonly what: readonly Happening[];
  readonly broken: readonly Broken[];
  /** Standing still here is the same as standing still at the next place: what comes between does not depend on the time. */
  passing: boolean;
}

interface Places {
  /** Every place on the way, the beginning first and the end last. */
  readonly all: readonly Place[];
  /** As far as it can go. */
  readonly end: Place;
}

const WAITS = -1;

/** Whether another task can tell that an op took effect, and whether time alone changes its answer. */
type Reach = "shared" | "own" | "own-and-moving";

/** The graph of moments: what can happen next in each of them. Everything that was computed once is kept. */
export class Space {
  readonly opening: Opening;
  readonly tree: TaskTree;
  readonly #outcome: OutcomeKind;
  readonly #rowIds = new Map<string, number>();
  readonly #rows: Row[] = [];
  readonly #versions: Version[] = [];
  readonly #versionIds = new Map<string, number>();
  readonly #answers: unknown[] = [];
  readonly #answerIds = new Map<string, number>();
  readonly #calls: (readonly ExploredCall[])[] = [];
  readonly #callIds = new Map<string, number>();
  readonly #effects = new Map<string, Effect>();
  readonly #jumps = new Map<string, number>();
  readonly #places = new Map<string, Places>();
  #missing: (() => Promise<void>)[] = [];

  readonly #bounds: Bounds;

  constructor(opening: Opening, bounds: Bounds, outcome: OutcomeKind, ablation: Ablation | undefined) {
    this.opening = opening;
    this.#bounds = bounds;
    this.#outcome = outcome;
    this.tree = new TaskTree(opening.attempt, ablation);
  }

  get tables(): number {
    return this.#versions.length;
  }

  start(): Moment {
    const table = this.#version(this.opening.rows.map((row) => [keyOf(row), this.#rowId(row)] as const));
    const tasks = TASKS.map((task) =>
      this.#bounds.tasks.includes(task) ? { node: this.tree.root(task), answers: [] } : OVER,
    );
    return { table, now: this.opening.now, calls: this.#callsId([]), crashed: !this.#bounds.crash, tasks };
  }

  /** The same text for moments from which the same can happen. */
  keyOf({ table, now, calls, crashed, tasks }: Moment): string {
    let key = `${table} ${now - this.opening.now} ${calls} ${crashed ? 1 : 0}`;
    for (const task of tasks) key += ` ${textOf(task)}`;
    return key;
  }

  rowsOf(table: number): readonly Row[] {
    const version = this.#versions[table];
    if (version === undefined) throw new Error("no such table");
    return [...version.rows.values()].map((id) => this.#row(id));
  }

  callsOf(calls: number): readonly ExploredCall[] {
    return this.#calls[calls] ?? [];
  }

  /** An end in words that are the same in every exploration. */
  endOf({ table, now, calls }: Moment): string {
    const rows = this.rowsOf(table).map((row) => JSON.stringify(row));
    return createHash("sha256")
      .update(`${rows.join("\n")}\n${now}\n${JSON.stringify(this.callsOf(calls))}`)
      .digest("hex");
  }

  isOver({ tasks }: Moment): boolean {
    return tasks.every(({ node }) => node === undefined);
  }

  /** Everything that can happen next. */
  async next(moment: Moment): Promise<readonly Transition[]> {
    for (;;) {
      const found = this.tryNext(moment);
      if (found !== undefined) return found;
      await this.fill();
    }
  }

  /** As `next`, if all that it takes has been computed before; otherwise `fill` must be awaited. */
  tryNext(moment: Moment): readonly Transition[] | undefined {
    this.#missing = [];
    const found = this.#next(moment);
    return this.#missing.length === 0 ? found : undefined;
  }

  async fill(): Promise<void> {
    const missing = this.#missing;
    this.#missing = [];
    for (const job of missing) await job();
  }

  #next(moment: Moment): readonly Transition[] {
    return [
      ...moment.tasks.flatMap((_, index) => this.#steps(moment, index)),
      ...moment.tasks.flatMap((_, index) => this.#deaths(moment, index)),
      ...this.#time(moment),
    ];
  }

  /** A task goes as far as it can without the others noticing, and takes one more step that they may notice, or returns. */
  #steps(moment: Moment, index: number): readonly Transition[] {
    const places = this.#placesOf(moment, index);
    if (places === undefined || this.#waitsItsTurn(moment, index)) return [];
    const { end } = places;
    const here = this.#after(moment, index, end);
    if (here === undefined) return [];
    const { node, answers } = end.task;
    if (node === undefined) return [{ ...here, what: [...here.what, { kind: "returns", task: nameOf(index) }] }];
    return node.ops.flatMap((_, number) => (answers[number] === WAITS ? this.#does(here, index, number) : []));
  }

  #does(here: Transition, index: number, number: number): readonly Transition[] {
    const { node, answers } = taskOf(here.to, index);
    const op = node?.ops[number];
    const opId = node?.opIds[number];
    if (node === undefined || op === undefined || opId === undefined) return [];
    const effect = this.#effect(here.to, op, opId);
    if (effect === undefined) return [];
    const call = op.kind === "act" ? this.#called(here.to, index, op) : { to: here.to, broken: [] };
    const to = withTask({ ...call.to, table: effect.table }, index, {
      node,
      answers: answers.with(number, effect.answer),
    });
    const what = { kind: "does", task: node.task, op, answer: this.#answers[effect.answer], now: to.now } as const;
    const broken = [...here.broken, ...call.broken, ...effect.broken, ...this.#checkUncalled(here.to, effect)];
    const done = { to, what: [...here.what, what], broken };
    if (op.kind !== "get" || this.#bounds.whole === true) return [done];
    const writing = this.#aboutToWrite(done, index, op);
    if (writing === undefined) return [];
    return writing === "no" ? [done] : this.#does(writing, index, 0);
  }

  /** After a read: the task as it is about to write that row on condition of what it has read; `no` if it is about to do something else. */
  #aboutToWrite(done: Transition, index: number, { key }: Extract<Op, { kind: "get" }>): Transition | "no" | undefined {
    const places = this.#placesOf(done.to, index);
    if (places === undefined) return undefined;
    const { node } = places.end.task;
    const [op] = node?.ops ?? [];
    if (op?.kind !== "put" || node?.ops.length !== 1 || keyOf(op.row) !== keyOf(key) || places.end.traces.length > 0)
      return "no";
    const there = this.#after(done.to, index, places.end);
    return there === undefined
      ? undefined
      : { ...there, what: [...done.what, ...there.what], broken: [...done.broken, ...there.broken] };
  }

  /** The moment with a task at one of its places, and with the traces that it left on the way there. */
  #after(moment: Moment, index: number, place: Place): Transition | undefined {
    let to = withTask(moment, index, place.task);
    const broken = [...place.broken];
    for (const { op, opId } of place.traces) {
      if (op.kind === "act") {
        const call = this.#called(to, index, op);
        to = call.to;
        broken.push(...call.broken);
        continue;
      }
      const effect = this.#effect(to, op, opId);
      if (effect === undefined) return undefined;
      to = { ...to, table: effect.table };
    }
    return { to, what: place.what, broken };
  }

  /** A call leaves, at the moment at which the task asks for it. */
  #called(moment: Moment, index: number, op: Extract<Op, { kind: "act" }>): { to: Moment; broken: readonly Broken[] } {
    const call = { attempt: op.attempt, by: nameOf(index), at: op.at };
    const before = this.callsOf(moment.calls);
    const broken = checkCall(call, before, this.rowsOf(moment.table), this.#outcome);
    return { to: { ...moment, calls: this.#callsId([...before, call]) }, broken };
  }

  /** It may die wherever it is; where that leaves the same traces behind, once is enough. */
  #deaths(moment: Moment, index: number): readonly Transition[] {
    const places = moment.crashed ? undefined : this.#placesOf(moment, index);
    const found = new Map<number, Transition>();
    for (const place of places?.all ?? []) {
      if (found.has(place.traces.length)) continue;
      const here = this.#after({ ...moment, crashed: true }, index, place);
      if (here === undefined || place.task.node === undefined) continue;
      const what = { kind: "dies", task: nameOf(index), before: waitingOf(place.task) } as const;
      found.set(place.traces.length, { ...here, to: withTask(here.to, index, OVER), what: [...here.what, what] });
    }
    return [...found.values()];
  }

  /** The deliveries are alike: whichever acts first is called the first. */
  #waitsItsTurn({ tasks }: Moment, index: number): boolean {
    const node = tasks[0]?.node;
    return nameOf(index) === "second delivery" && node !== undefined && node.parent === undefined;
  }

  #reachOf(op: Op, task: TaskName): Reach {
    const reach = reachOf(op, task);
    return this.#bounds.whole === true ? "shared" : reach;
  }

  /** It has returned, or all that it still awaits can be told by others. */
  #isAtEnd({ node, answers }: TaskState): boolean {
    if (node === undefined) return true;
    const waiting = node.ops.filter((_, number) => answers[number] === WAITS);
    return waiting.length > 0 && waiting.every((op) => this.#reachOf(op, node.task) === "shared");
  }

  #placesOf(moment: Moment, index: number): Places | undefined {
    const { node, answers } = taskOf(moment, index);
    if (node === undefined) return undefined;
    const key = `${moment.now} ${node.id} ${answers.join(",")}`;
    const known = this.#places.get(key);
    if (known === undefined)
      this.#missing.push(async () => {
        this.#places.set(key, await this.#walk(moment, { node, answers }));
      });
    return known;
  }

  /** All ways through what only the task itself can tell, at this time. */
  async #walk({ table, now }: Moment, from: TaskState): Promise<Places> {
    const start: Place = { task: from, traces: [], what: [], broken: [], passing: false };
    const seen = new Map<string, Place>();
    const todo: Place[] = [start];
    for (let place = todo.pop(); place !== undefined; place = todo.pop()) {
      const key = textOf(place.task);
      if (seen.has(key)) continue;
      seen.set(key, place);
      todo.push(...(await this.#onward(table, now, place)));
    }
    const all = [...seen.values()];
    const end = all.find(({ task }) => this.#isAtEnd(task));
    if (end === undefined) throw new Error("a task goes round in circles");
    return { all, end };
  }

  async #onward(table: number, now: number, place: Place): Promise<readonly Place[]> {
    const { node, answers } = place.task;
    if (node === undefined) return [];
    if (answers.every((answer) => answer !== WAITS)) return [await this.#goOn(now, place, node)];
    const own = node.ops.flatMap((op, number) =>
      answers[number] === WAITS && this.#reachOf(op, node.task) !== "shared" ? [number] : [],
    );
    // Those that time does not change may as well be answered first, all at once.
    const still = own.find((number) => isOwn(node, number));
    place.passing = still !== undefined;
    return Promise.all(
      (still === undefined ? own : [still]).map((number) => this.#answer(table, now, place, node, number)),
    );
  }

  async #answer(table: number, now: number, place: Place, node: TaskNode, number: number): Promise<Place> {
    const op = node.ops[number];
    const opId = node.opIds[number];
    if (op === undefined || opId === undefined) throw new Error("no such op");
    const effect = await this.#effectOf({ table }, op, opId);
    const task = { node, answers: place.task.answers.with(number, effect.answer) };
    const what = { kind: "does", task: node.task, op, answer: this.#answers[effect.answer], now } as const;
    const leavesTrace = op.kind === "act" || op.kind === "put";
    const traces = leavesTrace ? [...place.traces, { op, opId }] : place.traces;
    return { task, traces, what: [...place.what, what], broken: place.broken, passing: false };
  }

  /** The task runs up to its next await, or returns. */
  async #goOn(now: number, place: Place, node: TaskNode): Promise<Place> {
    const { answers } = place.task;
    const heard = { answers: answers.map((answer) => this.#answers[answer]), now };
    const child = await this.tree.goOn(node, answers.join(","), heard);
    const broken =
      child.threw === undefined ? [] : [{ property: "no bug", text: `${child.task} threw: ${child.threw}` }];
    const task = child.ended ? OVER : { node: child, answers: child.ops.map(() => WAITS) };
    place.passing = child.timeless;
    return { ...place, passing: false, task, broken: [...place.broken, ...broken] };
  }

  /** Time jumps past the two limits, once each, and fresh samples come. */
  #time(moment: Moment): readonly Transition[] {
    const { now } = moment;
    const { callNotAfter, lostAfter } = this.opening;
    const { jumps } = this.#bounds;
    if (now <= callNotAfter && jumps.includes("callNotAfter"))
      return this.#jump(moment, callNotAfter + 1, "callNotAfter is past");
    if (now <= lostAfter && jumps.includes("lostAfter"))
      return this.#jump(moment, lostAfter + 1, "the longest life of a lost call is past");
    return [];
  }

  /** Every way in which time may find the tasks: each somewhere on its way to the next step that others can tell. */
  #standings(moment: Moment): readonly Transition[] {
    let found: readonly (Transition & { readonly still: number })[] = [{ to: moment, what: [], broken: [], still: 0 }];
    for (const index of moment.tasks.keys()) {
      const places = this.#placesOf(moment, index);
      if (places === undefined) continue;
      found = found.flatMap((so) => {
        const ready = this.#after(so.to, index, places.end);
        if (ready === undefined) return [];
        const still = so.still >= this.#bounds.mostStill ? [] : this.#standingStill(so.to, index, places, ready);
        return [joined(so, ready, so.still), ...still.map((there) => joined(so, there, so.still + 1))];
      });
    }
    return found;
  }

  /** Every place of a task on the way but the last, where it would do the next step that others can tell. */
  #standingStill(moment: Moment, index: number, places: Places, ready: Transition): readonly Transition[] {
    const onTheWay = places.all.filter((place) => !place.passing && place !== places.end);
    const there = onTheWay.flatMap((place) => this.#after(moment, index, place) ?? []);
    const ops = places.end.task.node?.ops ?? [];
    const read =
      this.#bounds.whole === true ? [] : ops.flatMap((op, number) => this.#readBefore(ready, index, op, number));
    return [...there, ...read].map((place) => {
      const before = waitingOf(taskOf(place.to, index));
      return { ...place, what: [...place.what, { kind: "stands-still", task: nameOf(index), before }] };
    });
  }

  /** The task has read what it is going to write, and not yet written. */
  #readBefore(end: Transition, index: number, op: Op, number: number): readonly Transition[] {
    const { node, answers } = taskOf(end.to, index);
    const opId = node?.opIds[number];
    if (node === undefined || op.kind !== "get" || opId === undefined || answers[number] !== WAITS) return [];
    const effect = this.#effect(end.to, op, opId);
    if (effect === undefined) return [];
    const what = { kind: "does", task: node.task, op, answer: this.#answers[effect.answer], now: end.to.now } as const;
    const to = withTask(end.to, index, { node, answers: answers.with(number, effect.answer) });
    const writing = this.#aboutToWrite({ to, what: [...end.what, what], broken: end.broken }, index, op);
    if (writing === undefined || writing === "no") return [];
    // Written with nothing that depends on the time of reading, it might as well be read later.
    return taskOf(writing.to, index).node?.timeless === true ? [] : [writing];
  }

  #jump(moment: Moment, now: number, why: string): readonly Transition[] {
    return this.#standings(moment).flatMap((there) => {
      const table = this.#withFreshSamples(there.to.table, now);
      if (table === undefined) return [];
      return [
        { ...there, to: { ...there.to, now, table }, what: [...there.what, { kind: "time", to: now, why } as const] },
      ];
    });
  }

  #withFreshSamples(table: number, now: number): number | undefined {
    const key = `${table} ${now}`;
    const known = this.#jumps.get(key);
    if (known === undefined)
      this.#missing.push(async () => {
        const rows = recording(await tableWith([]));
        for (const row of this.rowsOf(table)) await rows.put(row, { kind: "absent" });
        await look(createState(rows), now, "refused");
        this.#jumps.set(key, this.#version(rows.rows().map((row) => [keyOf(row), this.#rowId(row)] as const)));
      });
    return known;
  }

  /** As `#effect`, for whoever may wait. */
  async #effectOf(moment: Pick<Moment, "table">, op: Op, opId: number): Promise<Effect> {
    for (;;) {
      const found = this.#effect(moment, op, opId);
      if (found !== undefined) return found;
      await this.fill();
    }
  }

  #effect({ table }: Pick<Moment, "table">, op: Op, opId: number): Effect | undefined {
    switch (op.kind) {
      case "publish":
      case "prepare":
      case "sleep":
        return this.#told(table, null);
      case "act":
        return this.#told(table, outcomeOf(this.#outcome, op.attempt, op.at));
      case "follow": {
        return this.#told(table, { kind: "over", detail: "SUCCESS" });
      }
      case "get":
      case "put":
      case "query":
      case "due": {
        const key = `${table} ${opId}`;
        const known = this.#effects.get(key);
        if (known === undefined)
          this.#missing.push(async () => {
            this.#effects.set(key, await this.#onTable(table, op));
          });
        return known;
      }
    }
  }

  #told(table: number, answer: unknown): Effect {
    return { answer: this.#answerId(answer), table, broken: [], uncalled: [] };
  }

  /** Carried out on the store's own table in memory. */
  async #onTable(table: number, op: Extract<Op, { kind: "get" | "put" | "query" | "due" }>): Promise<Effect> {
    const memory = await tableWith(this.rowsOf(table));
    switch (op.kind) {
      case "get":
        return this.#told(table, await memory.get(op.key));
      case "query":
        return this.#told(table, await memory.query(op.pk));
      case "due":
        return this.#told(table, await memory.due(op.now, op.limit));
      case "put": {
        const written = await memory.put(op.row, op.condition);
        if (written !== "written") return this.#told(table, written);
        const rows = new Map(this.#versions[table]?.rows).set(keyOf(op.row), this.#rowId(op.row));
        const before = await memory
          .get(op.row)
          .then(() => this.rowsOf(table).find((row) => keyOf(row) === keyOf(op.row)));
        return { ...this.#told(this.#version([...rows]), written), ...checkWrite(before, op.row) };
      }
    }
  }

  #checkUncalled({ calls }: Moment, { uncalled }: Effect): readonly Broken[] {
    if (uncalled.length === 0 || !mayHaveActed(this.#outcome)) return [];
    const called = this.callsOf(calls).filter(({ attempt }) => uncalled.includes(attempt));
    return called.map(({ attempt }) => ({
      property: "what was called is not told as uncalled",
      text: `the vendor was called for ${attempt}, and it was written as not called`,
    }));
  }

  #version(rows: readonly (readonly [string, number])[]): number {
    const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
    const text = sorted.map(([, id]) => id).join(",");
    const known = this.#versionIds.get(text);
    if (known !== undefined) return known;
    const id = this.#versions.length;
    this.#versions.push({ id, rows: new Map(sorted) });
    this.#versionIds.set(text, id);
    return id;
  }

  #rowId(row: Row): number {
    const text = JSON.stringify(row);
    const known = this.#rowIds.get(text);
    if (known !== undefined) return known;
    this.#rowIds.set(text, this.#rows.length);
    return this.#rows.push(row) - 1;
  }

  #row(id: number): Row {
    const row = this.#rows[id];
    if (row === undefined) throw new Error("no such row");
    return row;
  }

  #answerId(answer: unknown): number {
    const text = JSON.stringify(answer ?? null);
    const known = this.#answerIds.get(text);
    if (known !== undefined) return known;
    this.#answerIds.set(text, this.#answers.length);
    return this.#answers.push(answer === null ? undefined : answer) - 1;
  }

  #callsId(calls: readonly ExploredCall[]): number {
    const text = JSON.stringify(calls);
    const known = this.#callIds.get(text);
    if (known !== undefined) return known;
    this.#callIds.set(text, this.#calls.length);
    return this.#calls.push(calls) - 1;
  }
}

const OVER: TaskState = { node: undefined, answers: [] };

function joined(so: Transition, then: Transition, still: number) {
  return { to: then.to, what: [...so.what, ...then.what], broken: [...so.broken, ...then.broken], still };
}

function keyOf({ pk, sk }: { readonly pk: string; readonly sk: string }): string {
  return `${pk} ${sk}`;
}

function taskOf({ tasks }: Moment, index: number): TaskState {
  return tasks[index] ?? OVER;
}

function withTask(moment: Moment, index: number, task: TaskState): Moment {
  return { ...moment, tasks: moment.tasks.with(index, task) };
}

function isOwn(node: TaskNode, number: number): boolean {
  const op = node.ops[number];
  return op !== undefined && reachOf(op, node.task) === "own";
}

function nameOf(index: number): TaskName {
  const name = TASKS[index];
  if (name === undefined) throw new Error("there is no such task");
  return name;
}

function textOf({ node, answers }: TaskState): string {
  return node === undefined ? "." : `${node.id},${answers.join(",")}`;
}

function waitingOf({ node, answers }: TaskState): readonly Op[] {
  return node?.ops.filter((_, number) => answers[number] === WAITS) ?? [];
}

/**
 * Who can tell that an op took effect. The target's item and the budgets are shared. Controls and deliveries are written by
 * nobody here; windows and heartbeats by the jumps of time alone; archives are written by reconcile alone and read by nobody;
 * a call is seen by the vendor alone. Throws for what the explorer has not foreseen, for then this would be no longer true.
 */
function reachOf(op: Op, task: TaskName): Reach {
  switch (op.kind) {
    case "due":
      return "shared";
    case "publish":
    case "sleep":
    case "prepare":
    case "act":
    case "follow":
      return "own";
    case "query":
      return reachOfRead(op.pk);
    case "get":
      return reachOfRead(op.key.pk);
    case "put":
      if (isShared(op.row.pk)) return "shared";
      if (task === "reconcile" && /^(AUDIT|INCIDENT|INCIDENTS)#/.test(op.row.pk)) return "own";
      throw new Error(`${task} writes ${op.row.pk}, which the explorer has not foreseen`);
  }
}

function isShared(pk: string): boolean {
  return pk.startsWith("TARGET#") || pk === "BUDGET";
}

function reachOfRead(pk: string): Reach {
  if (isShared(pk)) return "shared";
  if (pk === "VANTAGES" || pk.startsWith("WINDOW#")) return "own-and-moving";
  if (pk === "CONTROL" || pk.startsWith("DELIVERY#")) return "own";
  throw new Error(`somebody reads ${pk}, which the explorer has not foreseen`);
}

function outcomeOf(kind: OutcomeKind, attempt: string, at: number): CallOutcome {
  switch (kind) {
    case "applied":
      return { kind, reference: `${attempt}@${at}` };
    case "unknown":
      return { kind, why: "timeout", detail: "no answer" };
    case "rejected":
      return { kind, reason: "unauthorized", detail: "Not Authorized" };
    case "retry-later":
      return { kind, afterMs: 20_000, detail: "429" };
  }
}

export function mayHaveActed(outcome: OutcomeKind): boolean {
  return outcome === "applied" || outcome === "unknown";
}

/** The body of a target's row was written by the store from an item. */
export function itemOf(row: Row | undefined): TargetItem | undefined {
  return row === undefined ? undefined : (JSON.parse(row.body) as TargetItem);
}

export function attemptsOf(item: TargetItem | undefined): readonly Attempt[] {
  return [item?.incident, ...(item?.closed ?? [])].flatMap((incident) => incident?.attempts ?? []);
}

/** What must hold for every write of the target's item. */
function checkWrite(before: Row | undefined, after: Row): Pick<Effect, "broken" | "uncalled"> {
  if (after.pk !== `TARGET#${TARGET}`) return { broken: checkBudget(before, after), uncalled: [] };
  const [was, is] = [itemOf(before), itemOf(after)];
  const broken: Broken[] = [];
  if (is === undefined || was === undefined) return { broken, uncalled: [] };
  if (is.tokens < was.tokens)
    broken.push({ property: "the token never falls", text: `from ${was.tokens} to ${is.tokens}` });
  if (attemptsOf(is).filter(isInFlight).length > 1)
    broken.push({ property: "one attempt in flight", text: "two attempts are in flight" });
  const uncalled: string[] = [];
  for (const attempt of attemptsOf(is)) {
    const earlier = attemptsOf(was).find(({ id }) => id === attempt.id);
    if (isUncalled(attempt) && (earlier === undefined || !isUncalled(earlier))) uncalled.push(attempt.id);
    if (
      isGuess(attempt) &&
      (earlier === undefined || !isGuess(earlier)) &&
      (attempt.overAt ?? 0) - (attempt.claimedAt ?? 0) <= lostCallMs(config)
    )
      broken.push({
        property: "a live call is never given up",
        text: `${attempt.id} was taken for lost while its call may still have been alive`,
      });
  }
  return { broken, uncalled };
}

function isUncalled({ state }: Attempt): boolean {
  return state === "abandoned" || state === "rejected" || state === "retry-later";
}

function isGuess({ outcome }: Attempt): boolean {
  return outcome?.kind === "unknown" && outcome.why === "runner-lost";
}

function checkBudget(before: Row | undefined, after: Row): readonly Broken[] {
  if (after.pk !== "BUDGET" || before === undefined) return [];
  const [was, is] = [budgetOf(before), budgetOf(after)];
  const twice = Object.keys(is).filter((attempt) => was[attempt] !== undefined && was[attempt] !== is[attempt]);
  return twice.map((attempt) => ({
    property: "budget is taken once",
    text: `a second unit of ${after.sk} was taken for ${attempt}`,
  }));
}

/** The body of a budget's row was written by the store from a map of times. */
function budgetOf(row: Row): Readonly<Record<string, number>> {
  return JSON.parse(row.body) as Record<string, number>;
}

/** What must hold at the moment at which a call leaves. */
export function checkCall(
  call: ExploredCall,
  before: readonly ExploredCall[],
  rows: readonly Row[],
  outcome: OutcomeKind,
): readonly Broken[] {
  const item = itemOf(rows.find(({ pk }) => pk === `TARGET#${TARGET}`));
  const attempt = attemptsOf(item).find(({ id }) => id === call.attempt);
  const broken: Broken[] = [];
  const say = (property: string, text: string) => broken.push({ property, text });
  if (before.some((other) => other.attempt === call.attempt))
    say("one call per attempt", `the vendor was called twice for ${call.attempt}`);
  if (attempt === undefined || call.at > (attempt.callNotAfter ?? 0))
    say("no call after callNotAfter", `${call.attempt} was called too late`);
  if (!isWritten(call.attempt, item, rows))
    say("calling is written first", `${call.attempt} was called and the audit log does not have calling before it`);
  for (const { sk } of rows.filter(({ pk, body }) => pk === "BUDGET" && !body.includes(`"${call.attempt}"`)))
    say("budget is taken before the call", `${call.attempt} was called without a unit of ${sk}`);
  if (!rows.some(({ pk }) => pk === "BUDGET"))
    say("budget is taken before the call", `${call.attempt} was called without any unit`);
  const { cooldownMs } = config.targets[0]?.remedies.restart ?? { cooldownMs: 0 };
  const near = before.find((other) => other.attempt !== call.attempt && Math.abs(call.at - other.at) < cooldownMs);
  if (near !== undefined && mayHaveActed(outcome))
    say("the cooldown holds", `${near.attempt} and ${call.attempt} were called within the cooldown`);
  return broken;
}

function isWritten(attempt: string, item: TargetItem | undefined, rows: readonly Row[]): boolean {
  const archived = rows.filter(({ pk }) => pk.startsWith("AUDIT#")).map(({ body }) => JSON.parse(body) as unknown);
  const entries = [...archived, ...(item?.audit.pending ?? [])];
  return entries.some((entry) => {
    const step: unknown = isRecord(entry) && typeof entry.body === "string" ? JSON.parse(entry.body) : undefined;
    return isRecord(step) && step.kind === "step" && step.attempt === attempt && step.state === "calling";
  });
}
