import { type Heartbeat, seesControls } from "@neuropilot/core";
import type { Prober } from "@neuropilot/probe";
import type { Deps } from "./deps.ts";

/** Well-known endpoints: when they fail as well, it is us. */
export class Controls {
  readonly #deps: Deps;
  readonly #prober: Prober;
  #found: Heartbeat["controls"] = { answered: 0, total: 0 };
  #unsureFrom: number;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: Deps, prober: Prober) {
    this.#deps = deps;
    this.#prober = prober;
    this.#unsureFrom = deps.clock();
  }

  /** What the last check found. */
  get found(): Heartbeat["controls"] {
    return this.#found;
  }

  /** Since when it is not known that our own network works, epoch milliseconds. */
  get unsureFrom(): number {
    return this.#unsureFrom;
  }

  isBlind(): boolean {
    return !seesControls(this.#found);
  }

  /** Whether they were last asked so long ago that it is worth asking again. */
  isDue(everyMs: number): boolean {
    return this.#deps.clock() - this.#askedAt >= everyMs;
  }

  async check(): Promise<void> {
    const { config, clock } = this.#deps;
    const { endpoints, allowPrivate, timeoutMs } = config.controls;
    const askedAt = clock();
    this.#askedAt = askedAt;
    const samples = await Promise.all(
      endpoints.map(async (endpoint) => {
        const session = this.#prober.open(controlRequest(endpoint.url, allowPrivate, timeoutMs));
        try {
          return await session.sample();
        } finally {
          session.close();
        }
      }),
    );
    // Any answer shows that our own network works; a control is not judged.
    this.#found = { answered: samples.filter((sample) => sample.status > 0).length, total: endpoints.length };
    if (!this.isBlind()) this.#unsureFrom = askedAt;
  }
}

function controlRequest(url: string, allowPrivate: boolean, timeoutMs: number): Parameters<Prober["open"]>[0] {
  return { url, method: "GET", headers: {}, timeoutMs, redirects: 0, allowPrivate, bodyCapBytes: 4096, expect: [] };
}
