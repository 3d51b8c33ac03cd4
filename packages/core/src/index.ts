export * from "./attempt.ts";
export * from "./audit.ts";
export * from "./chain.ts";
export * from "./decide.ts";
export * from "./effectiveness.ts";
export * from "./explain.ts";
export * from "./explain-timeline.ts";
export * from "./guards.ts";
export * from "./health.ts";
export * from "./history.ts";
export * from "./history-due.ts";
export { removeFromConfig } from "./incident.ts";
export * from "./item.ts";
export * from "./ladder.ts";
export * from "./outcome.ts";
export * from "./packed.ts";
export {
  type DecisionRecord,
  type PolicyRecord,
  readDecision,
  readRecord,
  type StepRecord,
  stateOf,
} from "./record.ts";
export * from "./sample.ts";
export { shadowTakesMs } from "./shadow.ts";
export { type Conclusion, conclude, describe, seconds, type View } from "./view.ts";
export * from "./window.ts";
