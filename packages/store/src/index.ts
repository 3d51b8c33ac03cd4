export * from "./definition.ts";
export * from "./dynamo.ts";
export * from "./history.ts";
export * from "./memory.ts";
export * from "./samples.ts";
export * from "./state.ts";
export * from "./table.ts";
