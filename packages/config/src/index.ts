export * from "./resolved.ts";
export * from "./shards.ts";
