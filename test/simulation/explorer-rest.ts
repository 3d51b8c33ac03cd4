import { isInFlight } from "@neuropilot/core";
import { incidentChanged, type OutgoingEvent, remediationFinished, remediationRequested } from "@neuropilot/events";
import { bringUpToDate, type Deps, reconcile, runRemedy, wakeTarget } from "@neuropilot/loop";
import type { ChatOutcome, ChatProvider, RemedyProvider } from "@neuropilot/providers";
import { createState, type Row } from "@neuropilot/store";
import { CHANNEL, config, look, recording, TARGET, tableWith } from "./explorer-scene.ts";
import { attemptsOf, type Broken, checkCall, type ExploredCall, itemOf, type OutcomeKind } from "./explorer-space.ts";
import { MINUTE } from "./plan.ts";

/** So long the target stays down after what was explored, so that another restart may be decided and made. */
const ILL_FOR = 4;
const MOST_MINUTES = 40;

/**
 * What comes after: reconcile every minute, fresh samples, and every event that is published from then on arrives. Answers what
 * does not come to rest: everything must end, whatever was lost and whoever died.
 */
export async function bringToRest(
  rows: readonly Row[],
  from: number,
  calls: readonly ExploredCall[],
  outcome: OutcomeKind,
): Promise<readonly Broken[]> {
  const table = recording(await tableWith([]));
  for (const row of rows) await table.put(row, { kind: "absent" });
  const rest = new Rest(table, from, calls, outcome);
  for (let minute = 1; minute <= MOST_MINUTES; minute++) {
    await rest.pass(minute <= ILL_FOR);
    if (minute > ILL_FOR && (await rest.isAtRest())) return rest.broken;
  }
  return [...rest.broken, ...(await rest.leftovers())];
}

class Rest {
  readonly broken: Broken[] = [];
  readonly #table: ReturnType<typeof recording>;
  readonly #calls: ExploredCall[];
  readonly #outcome: OutcomeKind;
  readonly #deps: Deps;
  #queue: OutgoingEvent[] = [];
  #now: number;
  #ids = 0;

  constructor(table: ReturnType<typeof recording>, now: number, calls: readonly ExploredCall[], outcome: OutcomeKind) {
    this.#table = table;
    this.#now = now;
    this.#calls = [...calls];
    this.#outcome = outcome;
    this.#deps = {
      config,
      state: createState(table),
      publish: async (events) => {
        this.#queue.push(...events);
        return { sent: events.length, failed: [] };
      },
      clock: () => this.#now,
      sleep: async (ms) => {
        this.#now += ms;
      },
      newId: (prefix) => `${prefix}rest_${++this.#ids}`,
      log: () => undefined,
      channels: [CHANNEL],
    };
  }

  async pass(ill: boolean): Promise<void> {
    this.#now += MINUTE;
    await look(this.#deps.state, this.#now, ill ? "refused" : "ok");
    await reconcile(this.#deps);
    while (this.#queue.length > 0) {
      const events = this.#queue;
      this.#queue = [];
      for (const event of events) await this.#deliver(delivered(event, this.#now));
    }
  }

  async #deliver(event: unknown): Promise<void> {
    const requested = remediationRequested.parse(event);
    if (requested.ok) {
      const { target, attempt } = requested.detail;
      await runRemedy(
        this.#deps,
        { provider: this.#provider(), where: () => attempt },
        { target, attempt, pollForMs: 30_000 },
      );
      return;
    }
    const changed = incidentChanged.parse(event);
    if (changed.ok) {
      const { incident, target } = changed.detail;
      await bringUpToDate(this.#deps, CHAT, { incident, target, channel: CHANNEL });
      return;
    }
    const finished = remediationFinished.parse(event);
    if (finished.ok)
      await wakeTarget(this.#deps, TARGET, { kind: "wake", at: finished.detail.at, cause: finished.detail.id });
  }

  #provider(): RemedyProvider<string, string> {
    return {
      prepare: async (where) => ({ kind: "ready", plan: where }),
      act: async (attempt) => {
        const call = { attempt, by: "afterwards", at: this.#now } as const;
        this.broken.push(...checkCall(call, this.#calls, this.#table.rows(), this.#outcome));
        this.#calls.push(call);
        return { kind: "applied", reference: attempt };
      },
      follow: async () => ({ kind: "over", detail: "SUCCESS" }),
    };
  }

  async isAtRest(): Promise<boolean> {
    return (await this.leftovers()).length === 0;
  }

  async leftovers(): Promise<readonly Broken[]> {
    const item = itemOf(this.#table.rows().find(({ pk }) => pk === `TARGET#${TARGET}`));
    const open = attemptsOf(item).filter(isInFlight);
    const left = Object.keys(item?.outbox ?? {});
    return [
      ...open.map(({ id, state }) => ({
        property: "every claimed attempt ends",
        text: `${id} is ${state} and nothing moves it on`,
      })),
      ...left.map((key) => ({ property: "the outbox empties", text: `${key} is left in it` })),
      ...(item?.incident === undefined
        ? []
        : [{ property: "no lost incident", text: `${item.incident.id} never ends though all is well` }]),
    ];
  }
}

function delivered({ source, detailType, detail }: OutgoingEvent, now: number): unknown {
  return {
    id: "bus",
    source,
    "detail-type": detailType,
    time: new Date(now).toISOString(),
    detail: JSON.parse(detail),
  };
}

const SENT: ChatOutcome = { kind: "sent", channel: "C1", messageId: "m1" };

const CHAT: ChatProvider = {
  canUpdate: true,
  post: async () => SENT,
  update: async () => SENT,
  reply: async () => SENT,
  find: async () => ({ kind: "absent" }),
};
