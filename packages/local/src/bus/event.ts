/** An event as EventBridge delivers it: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html */
export interface BusEvent {
  readonly version: "0";
  readonly id: string;
  readonly "detail-type": string;
  readonly source: string;
  readonly account: string;
  /** ISO 8601 with seconds, in UTC. */
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: Readonly<Record<string, unknown>>;
}

/** An accepted event and the rules that it still has to reach. */
export interface Undelivered {
  readonly event: BusEvent;
  /** Epoch milliseconds when the bus accepted it. */
  readonly acceptedAt: number;
  readonly rules: readonly string[];
}

/** What could not be delivered to a rule. */
export interface DeadLetter {
  readonly rule: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly reason: "retries-exhausted" | "too-old" | "rule-is-gone";
  /** The last failure, or why there was no delivery. */
  readonly error: string;
  readonly tries: number;
  readonly event: BusEvent;
}
