export type { RailwayOptions } from "./client.ts";
export { RAILWAY_DOCUMENTS } from "./documents.ts";
export { createRailway, type RailwayPlan, type RailwayWhere } from "./railway.ts";
export {
  DEPLOYMENT_STATUSES as RAILWAY_DEPLOYMENT_STATUSES,
  type DeploymentStatus as RailwayDeploymentStatus,
  INSTANCE_STATUSES as RAILWAY_INSTANCE_STATUSES,
  type InstanceStatus as RailwayInstanceStatus,
} from "./statuses.ts";
