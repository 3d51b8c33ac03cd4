export { createCloudflare, type PurgePlan, type PurgeWhere } from "./cloudflare.ts";
export { type PurgeSelector, purgeSelectors } from "./selectors.ts";
