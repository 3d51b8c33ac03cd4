export const DEFAULT_CONFIG = "neuropilot.config.ts";
