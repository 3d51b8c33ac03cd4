export * from "./alert.ts";
export * from "./deps.ts";
export * from "./reconcile.ts";
export * from "./remedy.ts";
export * from "./render.ts";
export * from "./tick.ts";
export * from "./wake.ts";
