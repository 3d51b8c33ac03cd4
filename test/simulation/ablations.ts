import {
  asIfNew,
  callsFirst,
  claimsWithoutCooldown,
  coolsAfterCall,
  coolsForLess,
  countsOldSamples,
  findsNothing,
  forgetsCooldowns,
  givesUpCalls,
  hearsIllnessInSilence,
  isRemedy,
  looksFresh,
  overAtOnce,
  type Parts,
  retriesUnknown,
  rewriting,
  standingStill,
  takesOverCalls,
  withFreeHands,
  withoutBreaker,
  withoutBudgets,
  withoutDeadline,
  withoutFence,
  withoutOutbox,
  withoutWarmUp,
  writesOver,
} from "./ablation-parts.ts";
import type { Focus } from "./plan.ts";

interface Ablated {
  /** What is taken away, in words. */
  readonly takesAway: string;
  /** The properties of which one must find it. */
  readonly caughtBy: readonly string[];
  /** The situations in which it matters. With the protection in place they break nothing. */
  readonly focus: Focus;
  readonly parts: Parts;
}

/** An outage that nothing cures, so that remedy follows remedy. */
const STUBBORN = { kind: "refused", cure: "nothing", share: 1, forMinutes: 300 } as const;
const LATE = { chaos: "rough", mode: "auto", shape: "single", fault: STUBBORN } as const satisfies Focus;

const CATALOGUE = {
  "cooldown-after-call": {
    takesAway: "the cooldown is taken when the outcome is written, not with the claim",
    caughtBy: ["I1"],
    focus: { ...LATE, rates: { crash: 0.3, double: 0.2 } },
    parts: { state: (state, run) => (isRemedy(run.spec) ? coolsAfterCall(state, run) : claimsWithoutCooldown(state)) },
  },
  "no-fence-token": {
    takesAway: "a run writes what came of its call whoever holds the attempt by then",
    caughtBy: ["I10"],
    focus: { ...LATE, rates: { freeze: 0.4 }, oneMachine: true },
    parts: { state: (state, run) => (isRemedy(run.spec) ? withoutFence(state) : state) },
  },
  "no-call-not-after": {
    takesAway: "a call may start however long after its claim",
    caughtBy: ["I1", "D1"],
    focus: { ...LATE, rates: { freeze: 0.4 }, oneMachine: true },
    parts: { state: (state, run) => (isRemedy(run.spec) ? withoutDeadline(state) : state) },
  },
  "no-zombie-margin": {
    takesAway: "the cooldown is the policy's alone, without the longest life of a lost call",
    caughtBy: ["I1"],
    focus: { ...LATE, rates: { freeze: 0.3, delay: 0.6 }, oneMachine: true },
    parts: { state: (state, run) => (isRemedy(run.spec) ? state : coolsForLess(state, run)) },
  },
  "ttl-as-lock": {
    takesAway: "a cooldown is gone when the time to live of its row is over, five minutes after the claim",
    caughtBy: ["I1"],
    focus: LATE,
    parts: { state: (state, run) => (isRemedy(run.spec) ? state : forgetsCooldowns(state, run, 300_000)) },
  },
  "no-reconcile": {
    takesAway: "nothing looks at what is due: events alone carry everything",
    caughtBy: ["I4", "I5", "V1", "A1", "O1"],
    focus: { chaos: "wild" },
    parts: { reconciles: false },
  },
  "no-outbox": {
    takesAway: "requests are published once and not kept in the item",
    caughtBy: ["I5", "V1", "A1"],
    focus: { chaos: "wild", rates: { drop: 0.5, "refused-entry": 0.3 } },
    parts: { state: (state) => withoutOutbox(state) },
  },
  "no-age-gate": {
    takesAway: "an event is acted on however old it is",
    caughtBy: ["I8"],
    focus: { ...LATE, rates: { delay: 0.8, drop: 0.3 } },
    parts: { event: asIfNew },
  },
  "no-controls": {
    takesAway: "no control targets: our own network's trouble looks like the target's",
    caughtBy: ["I18"],
    focus: { chaos: "calm", mode: "auto", noise: { share: 0.05, meanMs: 120_000, whole: 1, common: 0.5 } },
    parts: { config: (config) => ({ ...config, controls: { ...config.controls, endpoints: [] } }) },
  },
  "no-quorum": {
    takesAway: "the word of one vantage is enough",
    caughtBy: ["I18"],
    focus: {
      chaos: "calm",
      mode: "auto",
      vantages: 3,
      noise: { share: 0.08, meanMs: 180_000, whole: 0, common: 0 },
    },
    parts: {
      config: (config, { spec }) =>
        spec.name === "probe" ? config : { ...config, vantages: config.vantages.slice(0, 1) },
    },
  },
  "unknown-is-failed": {
    takesAway: "a call whose outcome is unknown is made again, as if it had failed",
    caughtBy: ["I1"],
    focus: { ...LATE, rates: { "vendor-acts-and-times-out": 0.4, "vendor-500": 0.3 } },
    parts: { provider: retriesUnknown },
  },
  "no-streak-breaker": {
    takesAway: "cooldowns do not grow and ladders do not end",
    caughtBy: ["L1", "I16", "C1"],
    focus: { ...LATE, rates: {} },
    parts: { config: (config) => ({ ...config, targets: config.targets.map(withoutBreaker) }) },
  },
  "no-fleet-guard": {
    takesAway: "each target is healed for itself, however many turned ill together",
    caughtBy: ["I19"],
    focus: { chaos: "calm", shape: "fleet", mode: "auto", rates: { "fleet-fault": 1 } },
    parts: { config: (config) => ({ ...config, fleetGuard: { ...config.fleetGuard, minTargets: 1_000 } }) },
  },
  "no-dedupe": {
    takesAway: "a second delivery of a request takes up an attempt that is being called",
    caughtBy: ["I3"],
    focus: { ...LATE, rates: { double: 0.8 } },
    parts: { state: (state, run) => (isRemedy(run.spec) ? takesOverCalls(state) : state) },
  },
  "duplicates-mark-unknown": {
    takesAway: "a second delivery that finds an attempt being called takes it for lost",
    caughtBy: ["D1", "I10"],
    focus: { ...LATE, rates: { double: 0.8, freeze: 0.4 }, oneMachine: true },
    parts: { state: (state, run) => (isRemedy(run.spec) ? givesUpCalls(state, run) : state) },
  },
  "verify-old-process": {
    takesAway: "samples count as soon as the vendor has accepted the work, though the old process still answers",
    caughtBy: ["I6"],
    focus: {
      chaos: "calm",
      mode: "auto",
      shape: "single",
      fault: { kind: "refused", cure: "nothing", share: 1, forMinutes: 4 },
    },
    parts: { provider: overAtOnce, config: withoutWarmUp, state: (state) => countsOldSamples(state) },
  },
  "silence-is-illness": {
    takesAway: "a vantage that is not heard of counts as one that sees the target down",
    caughtBy: ["I18", "V2"],
    focus: { chaos: "calm", mode: "auto", rates: { "vantage-outage": 1 } },
    parts: { state: (state, run) => (run.spec.name === "probe" ? state : hearsIllnessInSilence(state, run)) },
  },
  "claim-without-condition": {
    takesAway: "the target item is written without the condition that nobody else wrote it",
    caughtBy: ["I1", "I2", "I3", "I9", "I10"],
    focus: { ...LATE, chaos: "wild" },
    parts: { table: writesOver },
  },
  "call-without-writing-calling": {
    takesAway: "the call goes out before the attempt is written as being called",
    caughtBy: ["I1", "I3", "I14", "D1"],
    focus: { ...LATE, chaos: "wild" },
    parts: { state: (state, run) => (isRemedy(run.spec) ? callsFirst(state) : state) },
  },
  "no-cooldown": {
    takesAway: "no cooldown is ever written",
    caughtBy: ["I1"],
    focus: LATE,
    parts: { state: (state) => rewriting(state, { written: (after) => ({ ...after, cooldowns: {} }) }) },
  },
  "stale-looks-fresh": {
    takesAway: "windows and heartbeats count as fresh however old they are",
    caughtBy: ["I18"],
    focus: { chaos: "rough", mode: "auto", rates: { "vantage-outage": 1, pause: 0.4 } },
    parts: { state: (state, run) => (run.spec.name === "probe" ? state : looksFresh(state, run)) },
  },
  "no-last-look-at-the-clock": {
    takesAway: "a run that stood still on its way to a call does not notice",
    caughtBy: ["I1", "I12", "D1"],
    focus: { ...LATE, rates: { freeze: 0.35, pause: 0.12 }, oneMachine: true },
    parts: { clock: (clock, run) => (isRemedy(run.spec) ? standingStill(clock) : clock) },
  },
  "no-second-channel": {
    takesAway: "people are told through one channel only",
    caughtBy: ["I20"],
    focus: { ...LATE, channels: 2, rates: { "chat-outage": 1 } },
    parts: { channels: (channels) => channels.slice(0, 1) },
  },
  "no-look-before-telling": {
    takesAway: "after a lost answer a message is sent again without looking for it first",
    caughtBy: ["I15"],
    focus: { ...LATE, channels: 1, rates: { "chat-loses-answer": 0.4, crash: 0.2 } },
    parts: { chat: findsNothing },
  },
  "no-budgets": {
    takesAway: "calls are not counted against any budget",
    caughtBy: ["I11"],
    focus: { chaos: "calm", mode: "auto", shape: "fleet", rates: {}, fault: STUBBORN },
    parts: { config: withoutBudgets },
  },
  "no-pause": {
    takesAway: "a pause is not asked for",
    caughtBy: ["I12"],
    focus: { ...LATE, rates: { pause: 0.5 } },
    parts: { state: (state) => ({ ...state, readControl: async () => ({}) }) },
  },
  "no-hands-off": {
    takesAway: "neither observe nor maintenance is asked for",
    caughtBy: ["I13"],
    focus: { chaos: "calm", mode: "observe", shape: "single", fault: STUBBORN },
    parts: { config: (config) => ({ ...config, targets: config.targets.map(withFreeHands) }) },
  },
} as const satisfies Readonly<Record<string, Ablated>>;

export type Ablation = keyof typeof CATALOGUE;

/** Everything that can be taken away, and what must notice. */
export const ABLATIONS: readonly (Pick<Ablated, "takesAway" | "caughtBy" | "focus"> & { readonly name: Ablation })[] =
  namesOf(CATALOGUE).map((name) => {
    const { takesAway, caughtBy, focus } = CATALOGUE[name];
    return { name, takesAway, caughtBy, focus };
  });

export function partsOf(name: Ablation): Parts {
  return CATALOGUE[name].parts;
}

export function focusOf(name: Ablation): Focus {
  return CATALOGUE[name].focus;
}

/** The keys of an object literal are those of its type. */
function namesOf<T extends object>(catalogue: T): readonly (keyof T)[] {
  return Object.keys(catalogue) as (keyof T)[];
}
