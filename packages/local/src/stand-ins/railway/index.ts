export type { RailwayFault } from "./faults.ts";
export { RAILWAY_SCHEMA } from "./schema.ts";
export {
  type RailwayCall,
  type RailwayHooks,
  type RailwayStandIn,
  type RailwayStandInOptions,
  startRailway,
} from "./stand-in.ts";
export type { DeploymentSeed, RailwayService, RestartRecord } from "./world.ts";
