/** What the benchmark's processes say to each other. */

/** To the process that serves the targets. */
export type ServerOrder = { readonly do: "refuse" } | { readonly do: "serve" } | { readonly do: "report" };

/** What it answers: first where it listens, then one answer per order. */
export interface ServerAnswer {
  readonly ports?: Ports;
  /** Every request for a target since the start. */
  readonly served?: readonly Served[];
}

/** Of the targets that never fail, of those that refuse for a while, and of the controls. */
export interface Ports {
  readonly steady: number;
  readonly faulty: number;
  readonly control: number;
}

export interface Served {
  readonly target: number;
  /** When its head had arrived, epoch milliseconds with fractions. */
  readonly at: number;
  /** From then until the answer was handed to the system, milliseconds. */
  readonly tookMs: number;
}

/** To the process that runs the runner. */
export type RunnerOrder = { readonly do: "report" } | { readonly do: "stop" };

export interface RunnerAnswer {
  readonly ready?: { readonly tableEndpoint: string; readonly tableName: string; readonly logFile: string };
  readonly report?: RunnerReport;
}

export interface RunnerReport {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly cpuMs: number;
  readonly rssBytes: number;
  /** The most since the start. */
  readonly peakRssBytes: number;
  readonly ticks: readonly TickStart[];
  /** By schedule: ticks that came while the one before still ran. */
  readonly skipped: Readonly<Record<string, number>>;
  /** `incident.changed` as the bus delivered it. */
  readonly heard: readonly { readonly target: string; readonly at: number }[];
}

export interface TickStart {
  readonly schedule: string;
  readonly tick: number;
  readonly lateMs: number;
}
