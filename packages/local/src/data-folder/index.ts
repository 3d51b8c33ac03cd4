export * from "./data-folder.ts";
export * from "./listen-error.ts";
