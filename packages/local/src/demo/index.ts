export {
  type DemoEvent,
  type DemoService,
  DemoServiceError,
  type DemoServiceOptions,
  type DemoState,
  startDemoService,
} from "./controller.ts";
export { type DemoFault, describeFault } from "./fault.ts";
