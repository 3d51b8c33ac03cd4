export * from "./bus/bus.ts";
export { type CompiledPattern, compilePattern } from "./bus/pattern.ts";
export * from "./data-folder/index.ts";
export * from "./demo/index.ts";
export * from "./drills/index.ts";
export * from "./runner/instance.ts";
export type { InstanceInfo } from "./runner/instance-info.ts";
export {
  channelsOf,
  type Listener,
  type Runner,
  type RunnerOptions,
  startRunner,
} from "./runner/runner.ts";
export * from "./scheduler/index.ts";
export { demoConfig } from "./stage/demo-config.ts";
export { type Stage, startStage } from "./stage/stage.ts";
export * from "./stand-ins/cloudflare/index.ts";
export * from "./stand-ins/railway/index.ts";
export * from "./stand-ins/slack/index.ts";
export * from "./table/index.ts";
