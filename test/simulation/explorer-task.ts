import type { CallOutcome, FollowStatus } from "@neuropilot/core";
import type { OutgoingEvent } from "@neuropilot/events";
import { type FunctionSpec, manifest } from "@neuropilot/functions/manifest";
import { type Deps, reconcile, runRemedy } from "@neuropilot/loop";
import type { RemedyProvider } from "@neuropilot/providers";
import { type Condition, createState, type Key, type Row, type State, type Table } from "@neuropilot/store";
import { type Ablation, partsOf } from "./ablations.ts";
import { Engine, settled } from "./engine.ts";
import { CHANNEL, config, TARGET } from "./explorer-scene.ts";

/** The three that race: two deliveries of one request, and a reconcile. */
export const TASKS = ["first delivery", "second delivery", "reconcile"] as const;
export type TaskName = (typeof TASKS)[number];

/** Everything that a task can await. */
export type Op =
  | { readonly kind: "get"; readonly key: Key }
  | { readonly kind: "put"; readonly row: Row; readonly condition: Condition }
  | { readonly kind: "query"; readonly pk: string }
  | { readonly kind: "due"; readonly now: number; readonly limit: number }
  | { readonly kind: "publish"; readonly events: readonly string[] }
  | { readonly kind: "sleep"; readonly until: number }
  | { readonly kind: "prepare" }
  | { readonly kind: "act"; readonly attempt: string; readonly at: number }
  | { readonly kind: "follow"; readonly reference: string };

interface Pending {
  readonly op: Op;
  readonly resolve: (answer: unknown) => void;
}

/** What a task was told after each of its awaits, and at what time it went on. */
export interface Heard {
  readonly answers: readonly unknown[];
  readonly now: number;
}

/** How far a task polls a vendor in one run, as the manifest's handlers do. */
const POLL_FOR_MS = 30_000;

/** One execution of a task's real code, which goes on only when it is told what it awaits. */
export class Execution {
  #pending: Pending[] = [];
  #ids = 0;
  #now = 0;
  /** How often it has asked for the time since it last went on, to use what it was told. */
  #clockReads = 0;
  /** Set once the task has returned. */
  ended = false;
  /** What it threw, which only a bug does. */
  threw: string | undefined;
  readonly #task: TaskName;
  readonly #attempt: string;
  readonly #engine = new Engine(0);
  readonly #ablation: Ablation | undefined;

  constructor(task: TaskName, attempt: string, ablation: Ablation | undefined) {
    this.#task = task;
    this.#attempt = attempt;
    this.#ablation = ablation;
  }

  /** What it awaits now, all at once. */
  get ops(): readonly Op[] {
    return this.#pending.map(({ op }) => op);
  }

  /** Whether what it did since it last went on may depend on what time it was. */
  get askedTheTime(): boolean {
    return this.#clockReads > 0;
  }

  /** Begins, or goes on with an answer to everything it awaits; returns when it awaits again or has returned. */
  async goOn({ answers, now }: Heard, begins: boolean): Promise<void> {
    this.#now = now;
    this.#engine.now = now;
    this.#clockReads = 0;
    const told = this.#pending;
    this.#pending = [];
    if (begins) this.#begin();
    told.forEach(({ resolve }, index) => {
      resolve(structuredClone(answers[index]));
    });
    await settled();
  }

  #begin(): void {
    this.#run().then(
      () => {
        this.ended = true;
      },
      (error: unknown) => {
        this.ended = true;
        this.threw = String(error);
      },
    );
  }

  #run(): Promise<unknown> {
    const spec = specOf(this.#task === "reconcile" ? "reconcile" : "restart");
    const deps = this.#deps(spec);
    if (this.#task === "reconcile") return reconcile(deps);
    const parts = this.#ablation === undefined ? {} : partsOf(this.#ablation);
    if (parts.provider !== undefined) throw new Error("the explorer's vendor is not the simulator's");
    const adapter = { provider: this.#provider(), where: () => "primary" };
    return runRemedy(deps, adapter, { target: TARGET, attempt: this.#attempt, pollForMs: POLL_FOR_MS });
  }

  #deps(spec: FunctionSpec): Deps {
    const parts = this.#ablation === undefined ? {} : partsOf(this.#ablation);
    const run = { spec, engine: this.#engine, config, began: this.#now };
    const clock = () => {
      this.#clockReads++;
      return this.#now;
    };
    const table = this.#table();
    const state = this.#withoutTime(createState(parts.table?.(table) ?? table));
    return {
      config: parts.config?.(config, run) ?? config,
      state: parts.state?.(state, run) ?? state,
      publish: (events) => this.#publish(events),
      clock: parts.clock?.(clock, run) ?? clock,
      sleep: (ms) => this.#ask({ kind: "sleep", until: this.#now + ms }),
      newId: (prefix) => `${prefix}${this.#task.replace(" delivery", "")}_${++this.#ids}`,
      log: () => undefined,
      channels: [CHANNEL],
    };
  }

  /** The store asks for the time only in case there is no item yet, and there is one from the beginning to the end. */
  #withoutTime(state: State): State {
    return {
      ...state,
      readTarget: (target, now) => {
        this.#clockReads--;
        return state.readTarget(target, now);
      },
      updateTarget: (target, _now, reduce) => state.updateTarget(target, () => this.#now, reduce),
    };
  }

  #table(): Table {
    return {
      get: (key) => this.#ask({ kind: "get", key: { pk: key.pk, sk: key.sk } }),
      put: (row, condition) => this.#ask({ kind: "put", row, condition }),
      query: (pk) => this.#ask({ kind: "query", pk }),
      due: (now, limit) => this.#ask({ kind: "due", now, limit }),
      queryRange: () => Promise.reject(new Error("the explorer knows of no pages")),
      remove: () => Promise.reject(new Error("the explorer knows of no removal")),
    };
  }

  async #publish(events: readonly OutgoingEvent[]): Promise<{ sent: number; failed: [] }> {
    await this.#ask({ kind: "publish", events: events.map(({ detailType }) => detailType) });
    return { sent: events.length, failed: [] };
  }

  #provider(): RemedyProvider<string, string> {
    return {
      prepare: (where) =>
        this.#ask<{ kind: "ready"; plan: string }>({ kind: "prepare" }).then(() => ({ kind: "ready", plan: where })),
      act: () => this.#ask<CallOutcome>({ kind: "act", attempt: this.#attempt, at: this.#now }),
      follow: (reference) => this.#ask<FollowStatus>({ kind: "follow", reference }),
    };
  }

  #ask<T>(op: Op): Promise<T> {
    return new Promise<unknown>((resolve) => {
      this.#pending.push({ op, resolve });
    }).then(asAnswer<T>);
  }
}

/** The model answers every kind of op with what the port's own method answers, so the type is that of the method. */
function asAnswer<T>(answer: unknown): T {
  return answer as T;
}

function specOf(name: FunctionSpec["name"]): FunctionSpec {
  const spec = manifest.find((candidate) => candidate.name === name);
  if (spec === undefined) throw new Error(`${name} is not in the manifest`);
  return spec;
}

/** A task after a history of answers. It is a deterministic function of that history, so it needs to be run only once. */
export interface TaskNode {
  readonly id: number;
  readonly task: TaskName;
  readonly parent: TaskNode | undefined;
  readonly heard: Heard | undefined;
  readonly ops: readonly Op[];
  /** Each op's number, the same for the same op. */
  readonly opIds: readonly number[];
  readonly ended: boolean;
  readonly threw: string | undefined;
  /** It went on without asking what time it was, so that it might as well have done so earlier or later. */
  readonly timeless: boolean;
  /** Still able to go on from here, unless another continuation has taken it. */
  live: Execution | undefined;
}

/** So many executions are kept ready to go on; the others are run again from their beginning. */
const MOST_LIVE = 2_000;

/** Every history that a task has been seen to have, as a tree. */
export class TaskTree {
  readonly nodes: TaskNode[] = [];
  executions = 0;
  readonly #children = new Map<string, TaskNode>();
  readonly #live: TaskNode[] = [];
  readonly #opIds = new Map<string, number>();
  readonly #attempt: string;
  readonly #ablation: Ablation | undefined;

  constructor(attempt: string, ablation: Ablation | undefined) {
    this.#attempt = attempt;
    this.#ablation = ablation;
  }

  /** A task that has not begun: it awaits nothing, and is told the time. */
  root(task: TaskName): TaskNode {
    return this.#add(task, undefined, undefined, new Execution(task, this.#attempt, this.#ablation));
  }

  /** The node after this one, if that history has been seen; `key` stands for the answers. */
  known(node: TaskNode, key: string, now: number): TaskNode | undefined {
    return this.#children.get(`${node.id}|${key}`) ?? this.#children.get(`${node.id}|${key}|${now}`);
  }

  async goOn(node: TaskNode, key: string, heard: Heard): Promise<TaskNode> {
    const known = this.known(node, key, heard.now);
    if (known !== undefined) return known;
    const execution = node.live ?? (await this.#again(node));
    node.live = undefined;
    await execution.goOn(heard, node.heard === undefined);
    const child = this.#add(node.task, node, heard, execution);
    this.#children.set(child.timeless ? `${node.id}|${key}` : `${node.id}|${key}|${heard.now}`, child);
    return child;
  }

  async #again(node: TaskNode): Promise<Execution> {
    this.executions++;
    const history: Heard[] = [];
    for (let at: TaskNode | undefined = node; at?.heard !== undefined; at = at.parent) history.push(at.heard);
    const execution = new Execution(node.task, this.#attempt, this.#ablation);
    let begins = true;
    for (const heard of history.reverse()) {
      await execution.goOn(heard, begins);
      begins = false;
    }
    return execution;
  }

  #add(task: TaskName, parent: TaskNode | undefined, heard: Heard | undefined, execution: Execution): TaskNode {
    const { ops, ended, threw } = execution;
    const live = ended ? undefined : execution;
    const opIds = ops.map((op) => this.#idOf(op));
    const timeless = !execution.askedTheTime;
    const node: TaskNode = { id: this.nodes.length, task, parent, heard, ops, opIds, ended, threw, timeless, live };
    this.nodes.push(node);
    if (live !== undefined) this.#live.push(node);
    if (this.#live.length > MOST_LIVE) {
      const oldest = this.#live.shift();
      if (oldest !== undefined) oldest.live = undefined;
    }
    return node;
  }

  #idOf(op: Op): number {
    const text = JSON.stringify(op);
    const known = this.#opIds.get(text) ?? this.#opIds.size;
    this.#opIds.set(text, known);
    return known;
  }
}
