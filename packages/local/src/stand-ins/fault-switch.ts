/** What every fault can be limited by. */
export interface FaultLimits {
  /** Only requests of this operation. */
  readonly operation?: string;
  /** Only so many of them. */
  readonly times?: number;
}

export interface FaultSwitch<Fault extends FaultLimits> {
  set(fault: Fault | undefined): void;
  /** The fault that this request meets; counts it. */
  take(operation: string): Fault | undefined;
}

/** Holds the fault that a stand-in was told to show, until its times are over. */
export function createFaultSwitch<Fault extends FaultLimits>(): FaultSwitch<Fault> {
  let current: Fault | undefined;
  let left = 0;
  return {
    set(fault) {
      current = fault;
      left = fault?.times ?? Number.POSITIVE_INFINITY;
    },
    take(operation) {
      if (current === undefined || left <= 0) return undefined;
      if (current.operation !== undefined && current.operation !== operation) return undefined;
      left -= 1;
      return current;
    },
  };
}
