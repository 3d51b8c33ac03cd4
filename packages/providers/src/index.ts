export * from "./cloudflare/index.ts";
export * from "./port.ts";
export * from "./railway/index.ts";
export * from "./slack/index.ts";
