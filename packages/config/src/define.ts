import type { ConfigInput } from "./schema.ts";

/** What is needed where a config is written and checked. Functions read the resolved config and import none of this. */
export { ENVIRONMENT_VARIABLES, SECRETS } from "./environment-variables.ts";
export { type Loaded, loadConfigFile } from "./load.ts";
export { type Fault, formatProblems, type Problem, type Read } from "./problem.ts";
export { type Resolved, resolveConfig } from "./resolve.ts";
export type { ConfigInput } from "./schema.ts";
export { formatDuration, parseDuration, parseRate } from "./units.ts";

/** Types a config as it is written: `export default defineConfig({ … })` in neuropilot.config.ts. Checks nothing by itself. */
export function defineConfig(input: ConfigInput): ConfigInput {
  return input;
}
