export * from "./envelope.ts";
export * from "./publisher.ts";
export * from "./v1/health-observed.ts";
export * from "./v1/incident-changed.ts";
export * from "./v1/operator-said.ts";
export * from "./v1/remediation-finished.ts";
export * from "./v1/remediation-requested.ts";
