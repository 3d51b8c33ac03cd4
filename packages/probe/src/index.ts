export { refusedAddress } from "./address.ts";
export type { Lookup } from "./connection.ts";
export * from "./port.ts";
export { createProber, type ProberOptions } from "./prober.ts";
