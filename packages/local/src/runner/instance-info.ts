export const TABLE_NAME = "neuropilot";

/** What a running instance tells the command line: where its table and bus are, and what it watches. */
export interface InstanceInfo {
  readonly pid: number;
  readonly startedAt: number;
  readonly tableEndpoint: string;
  /** Whether the state is in our own table below the data folder, or in another server. */
  readonly ownTable: boolean;
  readonly busEndpoint: string;
  readonly tableName: string;
  readonly busName: string;
  /** The resolved config, as JSON. */
  readonly configFile: string;
  readonly logFile: string;
}
