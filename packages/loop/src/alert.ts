import type { Incident, TimelineEntry } from "@neuropilot/core";
import type { CallLimits, ChatOutcome, ChatProvider } from "@neuropilot/providers";
import type { Delivery } from "@neuropilot/store";
import type { Deps } from "./deps.ts";
import { renderIncident, renderThread } from "./render.ts";

/** One run may send for so long; nobody else does meanwhile, and it starts no call that could outlive it. */
const CLAIM_MS = 30_000;
const CLAIM_MARGIN_MS = 1_000;
const SHORTEST_CALL_MS = 500;
const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 5 * 60_000;
/** What only a person can mend is tried again, but not often. */
const REFUSED_RETRY_MS = 10 * 60_000;
/** Where nothing can be looked up, every try after a lost answer may be one message more. */
const BLIND_RETRY_MS = 30 * 60_000;
/** News of an incident that ended so long ago helps nobody. */
const GIVE_UP_MS = 3 * 86_400_000;
/** While sending, the incident may move on; what is left after so many rounds has an event of its own. */
const MAX_ROUNDS = 5;
const BETWEEN_REPLIES_MS = 1_100;

const KEEP_TOLD = 40;
const MAX_TOLD_TEXT = 300;

/** In a channel whose messages cannot be changed, only these are worth a message of their own. */
const WORTH_A_MESSAGE: ReadonlySet<TimelineEntry["kind"]> = new Set(["opened", "human", "resolved"]);

export type AlertResult = {
  readonly kind: "up-to-date" | "sent" | "busy" | "later" | "unknown-incident";
  readonly why: string;
};

export interface AlertRequest {
  readonly incident: string;
  readonly target: string;
  readonly channel: string;
  /** Who is called when a person is needed. */
  readonly mention?: string;
}

type Unsent = Exclude<ChatOutcome, { kind: "sent" }>;
type Problem = Unsent | { readonly kind: "claim-lost"; readonly detail: string };

/**
 * Brings one channel up to date with one incident: what is true now, under a claim, so that nothing is told twice or out of
 * order. A channel that fails is tried again by reconcile, for as long as it takes, and never holds up healing.
 *
 * A claim that is still in the item when it has run out belongs to a run that never said how it ended (it died, or the answer
 * was lost). What it may have sent is looked for before anything is sent again.
 */
export async function bringUpToDate(deps: Deps, chat: ChatProvider, request: AlertRequest): Promise<AlertResult> {
  const incident = await findIncident(deps, request.incident, request.target);
  const delivery = await readDelivery(deps, request);
  if (incident === undefined) return forget(deps, delivery, request);
  if (isTold(delivery, incident)) return { kind: "up-to-date", why: `seq ${incident.seq}` };
  const now = deps.clock();
  if (delivery.claim !== undefined && delivery.claim.until > now)
    return { kind: "busy", why: `${delivery.claim.run} is sending` };
  if (delivery.nextActionAt !== undefined && delivery.nextActionAt > now) {
    if (delivery.wantedSeq < incident.seq) await deps.state.writeDelivery({ ...delivery, wantedSeq: incident.seq });
    return { kind: "later", why: `waits until ${iso(delivery.nextActionAt)}: ${delivery.lastProblem ?? ""}` };
  }
  const claim = { run: deps.newId("run_"), until: now + CLAIM_MS };
  const claimed = await write(deps, {
    ...delivery,
    wantedSeq: Math.max(delivery.wantedSeq, incident.seq),
    claim,
    nextActionAt: claim.until,
  });
  if (claimed === undefined) return { kind: "busy", why: "another run was first" };
  return new Sender(deps, chat, request, claimed, claim.until).run(incident, delivery.claim !== undefined);
}

/**
 * For a channel that cannot be used at all, such as one without credentials: says so once for an incident, and looks again
 * now and then, in case somebody mends it.
 */
export async function noteUnusable(deps: Deps, request: AlertRequest, why: string): Promise<AlertResult> {
  const incident = await findIncident(deps, request.incident, request.target);
  const delivery = await readDelivery(deps, request);
  if (incident === undefined) return forget(deps, delivery, request);
  const now = deps.clock();
  if (delivery.lastProblem !== why)
    deps.log("error", "channel-unusable", { incident: incident.id, channel: request.channel, problem: why });
  const { claim: _, nextActionAt: __, ...rest } = delivery;
  const next = isPast(incident, now) ? {} : { nextActionAt: now + REFUSED_RETRY_MS };
  await deps.state.writeDelivery({ ...rest, ...next, wantedSeq: incident.seq, lastProblem: why });
  return { kind: "later", why };
}

/** Sends under one claim, writing down each step before the next. */
class Sender {
  readonly #deps: Deps;
  readonly #chat: ChatProvider;
  readonly #request: AlertRequest;
  readonly #until: number;
  /** As it stands in the table. */
  #saved: Delivery;

  constructor(deps: Deps, chat: ChatProvider, request: AlertRequest, claimed: Delivery, until: number) {
    this.#deps = deps;
    this.#chat = chat;
    this.#request = request;
    this.#saved = claimed;
    this.#until = until;
  }

  async run(first: Incident, doubtful: boolean): Promise<AlertResult> {
    const problem = doubtful ? await this.#lookFirst(first) : undefined;
    // In doubt until the look succeeds: the next run must look as well.
    if (problem !== undefined) return this.#later(first, problem, true);
    let incident = first;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const trouble = (await this.#tell(incident)) ?? (await this.#addToThread(incident));
      if (trouble?.kind === "gone" && round === 0) {
        if (!(await this.#startOver(incident, trouble.detail))) return LOST;
        continue;
      }
      if (trouble !== undefined) return this.#later(incident, trouble, trouble.kind === "unknown");
      const now = await findIncident(this.#deps, incident.id, incident.target);
      if (now === undefined || isTold(this.#saved, now)) break;
      incident = now;
    }
    return this.#settle(incident);
  }

  /** What an earlier run may have sent becomes ours. */
  async #lookFirst(incident: Incident): Promise<Problem | undefined> {
    const { messageChannel: channel, messageId } = this.#saved;
    const known = channel === undefined || messageId === undefined ? undefined : { channel, messageId };
    const limits = this.#limits();
    if (limits === undefined) return OUT_OF_TIME;
    const found = await this.#chat.find(
      {
        key: incident.id,
        source: this.#deps.config.name,
        since: incident.openedAt,
        ...(known === undefined ? {} : { known }),
      },
      limits,
    );
    switch (found.kind) {
      case "retry-later":
        return found;
      case "cannot-look":
        this.#log("warn", "may-be-told-twice", incident, { problem: found.detail });
        return undefined;
      case "absent":
        return known === undefined || (await this.#startOver(incident, "the message is not there"))
          ? undefined
          : CLAIM_LOST;
      case "found": {
        this.#log("info", "found-told", incident, { messageId: found.messageId });
        const { channel: messageChannel, messageId: id, threadSeq } = found;
        return (await this.#save({ messageChannel, messageId: id, threadSeq })) ? undefined : CLAIM_LOST;
      }
    }
  }

  /** The message itself: changed in place where there is one. */
  async #tell(incident: Incident): Promise<Problem | undefined> {
    const { sentSeq, messageChannel, messageId } = this.#saved;
    if (sentSeq >= incident.seq) return undefined;
    const { canUpdate } = this.#chat;
    const news = incident.timeline.some((entry) => entry.seq > sentSeq && WORTH_A_MESSAGE.has(entry.kind));
    if (!canUpdate && !news) return (await this.#save({ sentSeq: incident.seq })) ? undefined : CLAIM_LOST;
    const limits = this.#limits();
    if (limits === undefined) return OUT_OF_TIME;
    const message = renderIncident(this.#deps.config, incident, this.#deps.clock(), {
      withTimeline: !canUpdate,
      // With a thread, the call for a person is a message of its own there.
      mention: canUpdate ? undefined : this.#request.mention,
    });
    const outcome =
      messageChannel !== undefined && messageId !== undefined
        ? await this.#chat.update(messageChannel, messageId, message, limits)
        : await this.#chat.post(message, limits);
    if (outcome.kind !== "sent") return outcome;
    const where = canUpdate ? { messageChannel: outcome.channel, messageId: outcome.messageId } : {};
    const told = withTelling(this.#saved.told ?? [], this.#deps.clock(), message.text);
    return (await this.#save({ ...where, told, sentSeq: incident.seq })) ? undefined : CLAIM_LOST;
  }

  async #addToThread(incident: Incident): Promise<Problem | undefined> {
    const { messageChannel, messageId } = this.#saved;
    if (!this.#chat.canUpdate || messageChannel === undefined || messageId === undefined)
      return (await this.#save({ threadSeq: incident.seq })) ? undefined : CLAIM_LOST;
    for (let count = 0; ; count += 1) {
      const part = renderThread(incident, this.#saved.threadSeq, this.#request.mention);
      if (part === undefined) break;
      // A channel takes about one post a second: https://docs.slack.dev/apis/web-api/rate-limits
      if (count > 0) await this.#deps.sleep(BETWEEN_REPLIES_MS);
      const limits = this.#limits();
      if (limits === undefined) return OUT_OF_TIME;
      const reply = { key: incident.id, source: this.#deps.config.name, ...part };
      const outcome = await this.#chat.reply(messageChannel, messageId, reply, limits);
      if (outcome.kind !== "sent") return outcome;
      if (!(await this.#save({ threadSeq: part.seq }))) return CLAIM_LOST;
    }
    if (this.#saved.threadSeq >= incident.seq) return undefined;
    return (await this.#save({ threadSeq: incident.seq })) ? undefined : CLAIM_LOST;
  }

  /** A message that can no longer be changed is told anew, its timeline under it. */
  async #startOver(incident: Incident, why: string): Promise<boolean> {
    this.#log("warn", "told-anew", incident, { problem: why });
    const { messageChannel: _, messageId: __, ...rest } = this.#saved;
    return this.#put({ ...rest, sentSeq: 0, threadSeq: 0 });
  }

  async #settle(incident: Incident): Promise<AlertResult> {
    const { claim: _, nextActionAt: __, lastProblem: ___, ...rest } = this.#saved;
    if (!(await this.#put({ ...rest, failures: 0 }))) return LOST;
    this.#log("info", "told", incident, { seq: incident.seq });
    return { kind: "sent", why: `seq ${incident.seq}` };
  }

  /** Leaves it to reconcile. Where it is in doubt what was sent, the claim stays, run out, so that the next run looks first. */
  async #later(incident: Incident, problem: Problem, doubtful: boolean): Promise<AlertResult> {
    if (problem.kind === "claim-lost") return LOST;
    const now = this.#deps.clock();
    const { claim, nextActionAt: _, ...rest } = this.#saved;
    const failures = rest.failures + 1;
    const wait = waitAfter(problem, failures, this.#chat.canUpdate);
    const givesUp = isPast(incident, now);
    const again = rest.lastProblem === problem.detail;
    this.#log(problem.kind === "rejected" && !again ? "error" : "warn", givesUp ? "not-told" : "told-later", incident, {
      outcome: problem.kind,
      problem: problem.detail,
      ...(givesUp ? {} : { retryInMs: wait }),
    });
    const saved = await this.#put({
      ...rest,
      failures,
      lastProblem: problem.detail,
      ...(doubtful && claim !== undefined ? { claim: { ...claim, until: now } } : {}),
      ...(givesUp ? {} : { nextActionAt: now + wait }),
    });
    return saved ? { kind: "later", why: problem.detail } : LOST;
  }

  #limits(): CallLimits | undefined {
    const left = this.#until - CLAIM_MARGIN_MS - this.#deps.clock();
    const timeoutMs = Math.min(this.#deps.config.healing.callTimeoutMs, left);
    return timeoutMs < SHORTEST_CALL_MS ? undefined : { timeoutMs };
  }

  #save(change: Partial<Delivery>): Promise<boolean> {
    return this.#put({ ...this.#saved, ...change });
  }

  async #put(delivery: Delivery): Promise<boolean> {
    const written = await write(this.#deps, delivery);
    if (written !== undefined) this.#saved = written;
    return written !== undefined;
  }

  #log(level: "info" | "warn" | "error", event: string, incident: Incident, fields: Record<string, unknown>): void {
    this.#deps.log(level, event, { incident: incident.id, channel: this.#request.channel, ...fields });
  }
}

const OUT_OF_TIME: Unsent = { kind: "retry-later", afterMs: 1_000, detail: "the time of this run is over" };
const CLAIM_LOST: Problem = { kind: "claim-lost", detail: "the claim ran out" };
const LOST: AlertResult = { kind: "busy", why: "the claim ran out, and another run has taken over" };

/** How it began and where it stands are worth keeping; an incident may last for weeks. */
function withTelling(told: NonNullable<Delivery["told"]>, at: number, text: string): NonNullable<Delivery["told"]> {
  const all = [...told, { at, text: text.slice(0, MAX_TOLD_TEXT) }];
  return all.length <= KEEP_TOLD ? all : [...all.slice(0, KEEP_TOLD / 2), ...all.slice(-KEEP_TOLD / 2)];
}

function waitAfter(problem: Unsent, failures: number, canLook: boolean): number {
  const backoff = FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 12);
  switch (problem.kind) {
    case "retry-later":
      // What is asked for is kept to; without a wish of Slack's, an outage is not asked about every minute.
      return Math.max(problem.afterMs, Math.min(backoff, LONGEST_RETRY_MS));
    case "rejected":
    case "gone":
      return Math.min(Math.max(backoff, 60_000), REFUSED_RETRY_MS);
    case "unknown":
      return Math.min(backoff, canLook ? LONGEST_RETRY_MS : BLIND_RETRY_MS);
  }
}

function isTold(delivery: Delivery, incident: Incident): boolean {
  return delivery.sentSeq >= incident.seq && delivery.threadSeq >= incident.seq;
}

function isPast(incident: Incident, now: number): boolean {
  return incident.endedAt !== undefined && now - incident.endedAt > GIVE_UP_MS;
}

/** An incident that nobody knows any more must not stay due. */
async function forget(deps: Deps, delivery: Delivery, request: AlertRequest): Promise<AlertResult> {
  if (delivery.nextActionAt !== undefined) {
    const { claim: _, nextActionAt: __, ...rest } = delivery;
    await deps.state.writeDelivery(rest);
  }
  deps.log("warn", "unknown-incident", { incident: request.incident, target: request.target });
  return { kind: "unknown-incident", why: `${request.incident} is neither open nor archived` };
}

async function readDelivery({ state }: Deps, request: AlertRequest): Promise<Delivery> {
  const present = await state.readDelivery(request.incident, request.channel);
  return (
    present ?? {
      incident: request.incident,
      target: request.target,
      channel: request.channel,
      wantedSeq: 0,
      sentSeq: 0,
      threadSeq: 0,
      failures: 0,
      version: 0,
    }
  );
}

/** The delivery as it then stands, or undefined where somebody else wrote first. */
async function write({ state }: Deps, delivery: Delivery): Promise<Delivery | undefined> {
  const written = await state.writeDelivery(delivery);
  return written === "refused" ? undefined : { ...delivery, version: delivery.version + 1 };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}

/** The incident as it is now: open, just closed, or archived. */
export async function findIncident(
  deps: Pick<Deps, "state" | "clock">,
  id: string,
  target: string,
): Promise<Incident | undefined> {
  const item = await deps.state.readTarget(target, deps.clock());
  if (item.incident?.id === id) return item.incident;
  return item.closed.find((incident) => incident.id === id) ?? deps.state.readArchivedIncident(id);
}
