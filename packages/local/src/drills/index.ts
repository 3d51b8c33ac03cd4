export { runDrill } from "./run.ts";
export type { DrillResult, Scenario } from "./scenario.ts";
export { SCENARIOS } from "./scenarios.ts";
