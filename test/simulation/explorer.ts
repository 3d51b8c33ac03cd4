import type { Ablation } from "./ablations.ts";
import { bringToRest } from "./explorer-rest.ts";
import { type Opening, opening } from "./explorer-scene.ts";
import {
  type Bounds,
  type Broken,
  type Happening,
  type Moment,
  OUTCOMES,
  type OutcomeKind,
  Space,
  type Transition,
} from "./explorer-space.ts";
import { storyOfPath } from "./explorer-story.ts";
import { TASKS } from "./explorer-task.ts";

/**
 * Explores every interleaving of the real step functions, to completion: what the simulation samples, this shows for a small
 * world. Time moves only in jumps; a sleep takes none. Four reductions keep it small, and each loses nothing:
 *
 * - A task is a deterministic function of the answers it got and of the times at which it got them, so that history is all its
 *   state (`TaskTree`). Moments with the same table, calls, time and histories are one. A run that died is as one that returned.
 * - What no other task can tell (reads of rows that nobody writes, the call, archives that only reconcile writes) commutes with
 *   everything but time and the task's own death. So it is done on the way to the task's next shared step (`Place`), and each
 *   place on that way is tried as one to die at and as one to stand still at while time jumps.
 * - A write on condition of the version read succeeds only if nothing wrote the row in between, so that the read commutes with
 *   what others did there: both are one step, and a refused write, which leaves no trace, need not be tried. Only a jump of
 *   time can come between and matter, and is tried there (`#readBefore`).
 * - The two deliveries are alike, so that whichever acts first is called the first.
 *
 * Events that the tasks publish are lost, the worst that can become of them. From every end reconcile then runs each minute, and
 * all must come to rest (`bringToRest`).
 */

/** One exploration. */
export interface Plan {
  readonly bounds: Bounds;
  readonly outcome: OutcomeKind;
  readonly ablation?: Ablation;
}

export interface Explored {
  readonly moments: number;
  readonly transitions: number;
  /** Different interleavings from the first step to the last. */
  readonly paths: number;
  /** Steps of the longest. */
  readonly depth: number;
  /** Different ends, each of which was brought to rest. */
  readonly ends: number;
  /** Each end by its content. */
  readonly endIds: ReadonlySet<string>;
  /** By property: an example, and on how many transitions or ends it was broken. */
  readonly broken: readonly (Broken & { readonly count: number })[];
}

const BOTH = ["callNotAfter", "lostAfter"] as const;

/** What is explored: together the bounds of the promise, each to completion. */
export const ROUNDS: readonly {
  readonly name: string;
  readonly bounds: Bounds;
  readonly outcomes: readonly OutcomeKind[];
}[] = [
  {
    name: "two deliveries, a reconcile and a crash",
    bounds: { tasks: ["first delivery", "second delivery", "reconcile"], jumps: [], crash: true, mostStill: 0 },
    outcomes: OUTCOMES,
  },
  {
    name: "two deliveries, a crash and both jumps of time",
    bounds: { tasks: ["first delivery", "second delivery"], jumps: BOTH, crash: true, mostStill: 2 },
    outcomes: OUTCOMES,
  },
  {
    name: "a delivery, a reconcile, a crash and both jumps of time",
    bounds: { tasks: ["first delivery", "reconcile"], jumps: BOTH, crash: true, mostStill: 2 },
    outcomes: OUTCOMES,
  },
];

/** All at once: millions of moments, and minutes. Nobody stands still in the middle of a step, which the others have looked at. */
const WHOLE: (typeof ROUNDS)[number] = {
  name: "two deliveries, a reconcile, a crash and both jumps of time",
  bounds: { tasks: TASKS, jumps: BOTH, crash: true, mostStill: 0 },
  outcomes: ["applied"],
};

interface Frame {
  readonly number: number;
  readonly next: readonly Transition[];
  index: number;
  paths: number;
  depth: number;
}

/** Goes through every moment once, depth first. */
export async function explore(plan: Plan, onProgress: (moments: number) => void = () => undefined): Promise<Explored> {
  const search = new Search(await opening(), plan, onProgress);
  return search.run();
}

class Search {
  readonly #space: Space;
  readonly #outcome: OutcomeKind;
  readonly #onProgress: (moments: number) => void;
  readonly #numbers = new Map<string, number>();
  readonly #paths: number[] = [];
  readonly #depths: number[] = [];
  readonly #ends = new Set<string>();
  readonly #endIds = new Set<string>();
  readonly #broken = new Map<string, { first: Broken; count: number }>();
  readonly #stack: Frame[] = [];
  #transitions = 0;

  constructor(start: Opening, { bounds, outcome, ablation }: Plan, onProgress: (moments: number) => void) {
    this.#space = new Space(start, bounds, outcome, ablation);
    this.#outcome = outcome;
    this.#onProgress = onProgress;
  }

  async run(): Promise<Explored> {
    const start = this.#space.start();
    await this.#enter(start, this.#space.keyOf(start));
    for (let frame = this.#stack.at(-1); frame !== undefined; frame = this.#stack.at(-1)) {
      const transition = frame.next[frame.index++];
      if (transition === undefined) this.#leave(frame);
      else await this.#follow(frame, transition);
    }
    return {
      moments: this.#numbers.size,
      transitions: this.#transitions,
      paths: this.#paths[0] ?? 0,
      depth: this.#depths[0] ?? 0,
      ends: this.#ends.size,
      endIds: this.#endIds,
      broken: [...this.#broken.values()].map(({ first, count }) => ({ ...first, count })),
    };
  }

  async #follow(frame: Frame, { to, broken }: Transition): Promise<void> {
    this.#transitions++;
    this.#note(broken);
    const key = this.#space.keyOf(to);
    const known = this.#numbers.get(key);
    if (known === undefined) return this.#enter(to, key);
    frame.paths += this.#paths[known] ?? 0;
    frame.depth = Math.max(frame.depth, (this.#depths[known] ?? 0) + 1);
    return undefined;
  }

  async #enter(moment: Moment, key: string): Promise<void> {
    const number = this.#numbers.size;
    this.#numbers.set(key, number);
    if (number % 5_000 === 0) this.#onProgress(number);
    const isOver = this.#space.isOver(moment);
    if (isOver) await this.#end(moment);
    const next = isOver ? [] : (this.#space.tryNext(moment) ?? (await this.#space.next(moment)));
    if (!isOver && next.length === 0) throw new Error(`nothing can happen any more, and yet it is not over: ${key}`);
    this.#stack.push({ number, next, index: 0, paths: isOver ? 1 : 0, depth: 0 });
  }

  #leave({ number, paths, depth }: Frame): void {
    this.#paths[number] = paths;
    this.#depths[number] = depth;
    this.#stack.pop();
    const above = this.#stack.at(-1);
    if (above === undefined) return;
    above.paths += paths;
    above.depth = Math.max(above.depth, depth + 1);
  }

  async #end(moment: Moment): Promise<void> {
    const key = endOf(moment);
    if (this.#ends.has(key)) return;
    this.#ends.add(key);
    this.#endIds.add(this.#space.endOf(moment));
    this.#note(await rest(this.#space, moment, this.#outcome));
  }

  #note(found: readonly Broken[]): void {
    for (const one of found) {
      const known = this.#broken.get(one.property);
      if (known === undefined) this.#broken.set(one.property, { first: one, count: 1 });
      else known.count++;
    }
  }
}

function endOf({ table, now, calls }: Moment): string {
  return `${table} ${now} ${calls}`;
}

function rest(space: Space, { table, now, calls }: Moment, outcome: OutcomeKind): Promise<readonly Broken[]> {
  return bringToRest(space.rowsOf(table), now, space.callsOf(calls), outcome);
}

interface Reached {
  readonly moment: Moment;
  readonly from: Reached | undefined;
  readonly what: readonly Happening[];
}

/** The shortest way to a broken promise, as a story; breadth first. Undefined if none is broken. */
export async function shortestStory(
  plan: Plan,
): Promise<{ story: string; steps: number; property: string } | undefined> {
  const start = await opening();
  const space = new Space(start, plan.bounds, plan.outcome, plan.ablation);
  const seen = new Set<string>();
  let layer: readonly Reached[] = [{ moment: space.start(), from: undefined, what: [] }];
  for (let steps = 1; layer.length > 0; steps++) {
    const next: Reached[] = [];
    for (const reached of layer)
      for (const { to, what, broken } of await space.next(reached.moment)) {
        const there = { moment: to, from: reached, what };
        const key = space.keyOf(to);
        const isNew = !seen.has(key);
        seen.add(key);
        const isOver = space.isOver(to);
        const found = isNew && isOver && broken.length === 0 ? await rest(space, to, plan.outcome) : broken;
        const [first] = found;
        if (first !== undefined)
          return { story: storyOfPath(pathOf(there), start.now, found), steps, property: first.property };
        if (isNew && !isOver) next.push(there);
      }
    layer = next;
  }
  return undefined;
}

function pathOf(reached: Reached): readonly Happening[] {
  const parts: (readonly Happening[])[] = [];
  for (let at: Reached | undefined = reached; at !== undefined; at = at.from) parts.push(at.what);
  return parts.reverse().flat();
}

/** Protections without which the explorer must find a broken promise, and in which round. */
export const PLANTED: readonly { readonly ablation: Ablation; readonly bounds: Bounds }[] = (
  [
    "no-dedupe",
    "call-without-writing-calling",
    "duplicates-mark-unknown",
    "no-call-not-after",
    "no-last-look-at-the-clock",
  ] as const
).map((ablation) => ({
  ablation,
  bounds: { tasks: ["first delivery", "second delivery"], jumps: ["callNotAfter"], crash: false, mostStill: 1 },
}));

interface Output {
  readonly out: (text: string) => void;
  readonly progress: (text: string) => void;
}

/** Explores one round and says what it found; answers whether every promise was kept. */
async function exploreAloud(name: string, plan: Plan, { out, progress }: Output): Promise<boolean> {
  const began = performance.now();
  const found = await explore(plan, (moments) => progress(`${name}: ${moments} moments`));
  const { moments, transitions, paths, depth, ends, broken } = found;
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  out(
    `${name}; the vendor says ${plan.outcome}\n` +
      `  ${moments} moments, ${transitions} transitions, ${paths.toExponential(1)} interleavings of up to ${depth} steps\n` +
      `  ${ends} ends, all brought to rest; ${seconds} s; ${broken.length === 0 ? "every promise kept" : "BROKEN"}`,
  );
  for (const { property, text, count } of broken) out(`  BROKEN ${count} times: ${property}. ${text}`);
  if (broken.length > 0) out(`  The shortest way there:\n${(await shortestStory(plan))?.story ?? ""}`);
  return broken.length === 0;
}

/** Whether the explorer finds what it must find without a protection. */
async function findAloud({ ablation, bounds }: (typeof PLANTED)[number], { out }: Output): Promise<boolean> {
  const found = await shortestStory({ bounds, outcome: "applied", ablation });
  const what = found === undefined ? "NOTHING IS FOUND" : `broken, at the soonest after ${found.steps} steps`;
  out(`\nWithout a protection (${ablation}): ${what}\n${found?.story ?? ""}`);
  return found !== undefined;
}

const USAGE = `Usage: npm run explore [-- --quick]
Goes through every interleaving of the step functions. --quick leaves out the largest round (minutes, some gigabytes).
Exit code: 0 every promise was kept and every planted fault found, 1 not so, 2 the flags are wrong.`;

async function main(args: readonly string[]): Promise<number> {
  const { stderr } = process;
  const output: Output = {
    out: (text) => console.log(text),
    progress: (text) => void (stderr.isTTY && stderr.write(`\r\u001b[K${text}`)),
  };
  const unknown = args.find((arg) => arg !== "--quick" && arg !== "--help");
  if (unknown !== undefined) {
    console.error(`explore knows --quick and --help; got "${unknown}"`);
    return 2;
  }
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  let kept = true;
  for (const { name, bounds, outcomes } of args.includes("--quick") ? ROUNDS : [...ROUNDS, WHOLE])
    for (const outcome of outcomes) kept = (await exploreAloud(name, { bounds, outcome }, output)) && kept;
  for (const planted of PLANTED) kept = (await findAloud(planted, output)) && kept;
  return kept ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
