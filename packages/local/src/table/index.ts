export * from "./ensure-table.ts";
export * from "./table-problem.ts";
export { startTableServer, type TableServer } from "./table-server.ts";
