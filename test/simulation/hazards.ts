import { Chance } from "./engine.ts";

/** Everything that can go wrong around the product, by class. Each class draws from a stream of its own. */
export const HAZARDS = {
  crash: "a run of a function ends at an await, before or after its effect; the platform tries again later",
  freeze: "a run stands still at an await, for seconds up to a quarter of an hour",
  "slow-table": "the table answers late",
  "throttled-table": "the table refuses a request, now and then or for minutes",
  conflict: "another write slips in between reading and writing",
  "lost-answer": "a write succeeds and its answer does not arrive",
  drop: "the bus loses an event",
  double: "the bus delivers an event up to four times",
  delay: "the bus delivers late, by minutes or up to 24 hours",
  "refused-entry": "the bus refuses an entry of a call",
  "skipped-tick": "a schedule skips a beat",
  "doubled-tick": "a schedule fires twice",
  "vendor-does-nothing": "the vendor accepts the work and does not do it",
  "vendor-never-finishes": "the vendor accepts the work and is at it for ever",
  "vendor-acts-and-times-out": "the vendor does the work and does not answer in time",
  "vendor-times-out": "the vendor neither does the work nor answers",
  "vendor-acts-late": "the vendor does not answer in time and does the work minutes later",
  "vendor-answers-late": "the vendor answers just within the time",
  "vendor-500": "the vendor answers 502 and may have done the work",
  "vendor-429": "the vendor answers 429 to the call",
  "vendor-rejects": "the vendor refuses the call for good",
  "vendor-busy": "the vendor answers 429 to the look before the call",
  "vendor-mute": "the vendor does not say how the work stands",
  "chat-refuses": "a channel answers 429",
  "chat-loses-answer": "a channel times out; the message may have arrived",
  "chat-outage": "a channel is down, for minutes or hours",
  skew: "a function's clock is up to two seconds off",
  pause: "an operator pauses healing",
  "operator-word": "an operator approves, denies or acknowledges",
  "vantage-outage": "a vantage takes no samples for a while",
  noise: "a vantage's network loses everything, or only the way to the targets, in bursts",
  "common-noise": "the networks of all vantages lose everything at once, or only the way to the targets",
  asleep: "the whole installation stands still, as a closed laptop does, for up to a day",
  "service-fault": "a service breaks",
  "fleet-fault": "many services break together",
} as const;

export type HazardClass = keyof typeof HAZARDS;

/** Probabilities by class, each per occasion on which it could happen; absent: 0. */
export type Rates = Readonly<Partial<Record<HazardClass, number>>>;

/** What really happened. */
export interface Hazard {
  /** `class:n`, the n-th of its class in this run. */
  readonly id: string;
  readonly class: HazardClass;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly text: string;
}

export interface HazardOptions {
  /** Classes that are switched on; all of them, if absent. */
  readonly faults?: ReadonlySet<string>;
  /** Ids of occurrences that must not happen. Their draws are made all the same. */
  readonly suppress?: ReadonlySet<string>;
}

/** Decides what goes wrong, each class from its own seeded stream, so that switching one off does not reshuffle the others. */
export class Hazards {
  readonly happened: Hazard[] = [];
  /** For how long things take that take their time on any day. */
  readonly timing: Chance;
  readonly #seed: number;
  readonly #options: HazardOptions;
  readonly #streams = new Map<HazardClass, Chance>();
  readonly #counts = new Map<HazardClass, number>();
  readonly #now: () => number;
  readonly #rates: () => Rates;

  /** `rates` is asked on every occasion: in the calm at the end of a run nothing happens any more. */
  constructor(seed: number, options: HazardOptions, now: () => number, rates: () => Rates) {
    this.#seed = seed;
    this.timing = new Chance(seed ^ hashOf("timing"));
    this.#options = options;
    this.#now = now;
    this.#rates = rates;
  }

  isOn(kind: HazardClass): boolean {
    return this.#options.faults?.has(kind) ?? true;
  }

  stream(kind: HazardClass): Chance {
    const known = this.#streams.get(kind);
    if (known !== undefined) return known;
    const made = new Chance(this.#seed ^ hashOf(kind));
    this.#streams.set(kind, made);
    return made;
  }

  /** Whether it happens on this occasion; `text` says what, for people. */
  happens(kind: HazardClass, text: string, scale = 1): boolean {
    return this.maybe(kind, () => ({ value: true, text }), scale) ?? false;
  }

  /** As `happens`, with particulars drawn from the class's stream, whether or not it is then suppressed. */
  maybe<T>(
    kind: HazardClass,
    make: (chance: Chance) => { readonly value: T; readonly text: string },
    scale = 1,
  ): T | undefined {
    const rate = (this.#rates()[kind] ?? 0) * scale;
    if (rate <= 0 || !this.isOn(kind)) return undefined;
    const chance = this.stream(kind);
    if (!chance.happens(rate)) return undefined;
    const { value, text } = make(chance);
    return this.occurs(kind, text) ? value : undefined;
  }

  /** Something that was drawn before is about to happen; answers false if it is suppressed. */
  occurs(kind: HazardClass, text: string, at = this.#now()): boolean {
    const number = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, number);
    const id = `${kind}:${number}`;
    if (this.#options.suppress?.has(id) === true) return false;
    this.happened.push({ id, class: kind, at, text });
    return true;
  }
}

/** FNV-1a: spreads the names of classes over 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}
