import { dirname, join } from "node:path";
import type { Log } from "@neuropilot/loop";
import { openDeadLetters } from "./dead-letters.ts";
import { type BusRule, createDeliveries, type Deliveries, type Retry, type Settled } from "./delivery.ts";
import type { DeadLetter, Undelivered } from "./event.ts";
import { openJournal } from "./journal.ts";
import { compilePattern } from "./pattern.ts";
import { type EntryResult, type PutEntry, type Refusal, readPutEvents, refuse } from "./put-events.ts";
import { startServer } from "./server.ts";

export type { BusRule, Retry } from "./delivery.ts";
export type { BusEvent, DeadLetter } from "./event.ts";
export type { PutEntry, Refusal } from "./put-events.ts";

/** What a put was answered, with one result per entry in their order. */
export type PutAnswer =
  | Refusal
  | {
      readonly ok: true;
      readonly failedEntryCount: number;
      readonly entries: readonly (
        | { readonly eventId: string }
        | { readonly errorCode: string; readonly errorMessage: string }
      )[];
    };

export interface Bus {
  /** For the SDK client's `endpoint`. */
  readonly endpoint: string;
  /** PutEvents without the network. */
  put(entries: readonly PutEntry[]): Promise<PutAnswer>;
  /** Accepted deliveries that have neither arrived nor become dead letters: events times the rules that they matched. */
  depth(): number;
  /** Resolves when depth is 0, and when the bus is closed. */
  idle(): Promise<void>;
  /** The newest thousand, those of earlier runs among them. */
  deadLetters(): readonly DeadLetter[];
  /** Takes no more, aborts what is being delivered and keeps it, with all that waits, for the next start. */
  close(): Promise<void>;
}

export interface BusOptions {
  /** A free one if 0 or not given. */
  readonly port?: number;
  /** 127.0.0.1 if not given. */
  readonly host?: string;
  readonly rules: readonly BusRule[];
  readonly journalFile: string;
  /** `dead-letters.jsonl` beside the journal, if not given. */
  readonly deadLetterFile?: string;
  readonly retry?: Retry;
  /** Epoch milliseconds. */
  readonly clock?: () => number;
  readonly log: Log;
  readonly onDeadLetter: (letter: DeadLetter) => void;
  /**
   * The name that entries must give. As with EventBridge, entries for another bus (or for none, which is `default`) are
   * accepted and reach no rule: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html. If not given,
   * every name is this bus.
   */
  readonly busName?: string;
  /** What events say in `account` and `region`. */
  readonly account?: string;
  readonly region?: string;
  /** How much the journal may grow before it is written anew; 4 MiB if not given. */
  readonly compactBytes?: number;
}

/** Why the bus could not start, in words for a person. */
export class BusStartError extends Error {
  override readonly name = "BusStartError";
}

const DEFAULT_RETRY: Retry = { firstDelayMs: 1_000, maxDelayMs: 30_000 };
const DEFAULT_COMPACT_BYTES = 4 * 1024 * 1024;
/** Ctrl-C should not take longer than this, whatever the targets do. */
const CLOSE_GRACE_MS = 1_000;

interface Route {
  readonly rule: BusRule;
  readonly matches: (event: unknown) => boolean;
  readonly deliveries: Deliveries;
}

/**
 * A local EventBridge: takes PutEvents from the real SDK client, matches events with the rules' patterns, and delivers each
 * at least once, rule by rule. What it has accepted is on disk before it says so, and is delivered by the next start if
 * this process dies. Deliveries begin after the returned promise has resolved.
 *
 * Rejects with `BusStartError` where the port or the files cannot be used or a rule is not valid.
 */
export async function startBus(options: BusOptions): Promise<Bus> {
  const { rules, journalFile, log, busName } = options;
  const host = options.host ?? "127.0.0.1";
  const port = options.port ?? 0;
  const clock = options.clock ?? Date.now;
  const retry = options.retry ?? DEFAULT_RETRY;
  const defaults = { account: options.account ?? "000000000000", region: options.region ?? "us-east-1" };
  const matchers = compileRules(rules);

  // The port before the files: a second instance must not rewrite the journal of the first.
  let open: (body: unknown) => Promise<PutAnswer> = async () =>
    refuse(500, "InternalException", "The bus is starting.");
  const server = await startServer({
    host,
    port,
    log,
    putEvents: async (body) => onTheWire(await open(body)),
  }).catch((error: unknown) => {
    throw new BusStartError(listenProblem(host, port, error));
  });

  const deadLetterFile = options.deadLetterFile ?? join(dirname(journalFile), "dead-letters.jsonl");
  const files = await openFiles().catch(async (error: unknown) => {
    await server.close(0);
    const reason = error instanceof Error ? error.message : String(error);
    throw new BusStartError(
      `The bus cannot keep its events in ${dirname(journalFile)}: ${reason}. Choose a folder that can be written.`,
    );
  });
  async function openFiles() {
    const deadLetters = await openDeadLetters(deadLetterFile, log);
    const compactBytes = options.compactBytes ?? DEFAULT_COMPACT_BYTES;
    return { deadLetters, journal: await openJournal({ file: journalFile, compactBytes, log }) };
  }
  const { journal, deadLetters } = files;

  let depth = 0;
  let closed = false;
  let idlers: (() => void)[] = [];
  const settle = () => {
    depth--;
    if (depth === 0) release();
  };
  const release = () => {
    const waiting = idlers;
    idlers = [];
    for (const resolve of waiting) resolve();
  };

  const bury = async (letter: DeadLetter) => {
    const { rule, reason, error, tries, event } = letter;
    log("error", "bus.dead-letter", { rule, reason, error, tries, event: event.id, detailType: event["detail-type"] });
    // Not on disk means not done: the next start finds it in the journal, too old by then, and buries it again.
    if (await deadLetters.add(letter)) journal.complete(event.id, rule);
    try {
      options.onDeadLetter(letter);
    } catch (thrown) {
      log("error", "bus.dead-letter-listener-failed", { rule, event: event.id, problem: String(thrown) });
    }
  };
  const settled = async (rule: string, outcome: Settled) => {
    if (outcome.kind === "delivered") journal.complete(outcome.event.id, rule);
    else await bury(outcome.letter);
    settle();
  };

  const routes: readonly Route[] = rules.map((rule, index) => ({
    rule,
    matches: matchers[index] ?? (() => false),
    deliveries: createDeliveries({ rule, retry, clock, log, settled: (outcome) => void settled(rule.name, outcome) }),
  }));
  const byName = new Map(routes.map((route) => [route.rule.name, route]));

  const dispatch = ({ event, acceptedAt, rules: names }: Undelivered) => {
    for (const name of names) {
      const route = byName.get(name);
      if (route !== undefined) route.deliveries.add(event, acceptedAt);
      else {
        const error = `there is no rule ${name} any more`;
        const letter: DeadLetter = { rule: name, at: clock(), reason: "rule-is-gone", error, tries: 0, event };
        void settled(name, { kind: "dead", letter });
      }
    }
  };

  const put = async (body: unknown): Promise<PutAnswer> => {
    if (closed) return refuse(500, "InternalException", "The bus is closing.");
    const acceptedAt = clock();
    const read = readPutEvents(body, defaults, acceptedAt);
    if (!read.ok) return read;
    const wanted: Undelivered[] = [];
    for (const result of read.results) {
      if (!result.ok) {
        log("warn", "bus.entry-refused", { code: result.code, reason: result.message });
      } else if (busName !== undefined && result.busName !== busName) {
        log("warn", "bus.event-for-another-bus", { wanted: result.busName, thisBus: busName, event: result.event.id });
      } else {
        const names = routes.filter((route) => route.matches(result.event)).map((route) => route.rule.name);
        if (names.length > 0) wanted.push({ event: result.event, acceptedAt, rules: names });
      }
    }
    const accepted = await journal.accept(wanted);
    if (!accepted.ok) {
      log("error", "bus.put-refused", { problem: accepted.problem, entries: read.results.length });
      return refuse(500, "InternalException", `The events were not accepted: ${accepted.problem}`);
    }
    for (const each of wanted) depth += each.rules.length;
    if (!closed) for (const each of wanted) dispatch(each);
    return {
      ok: true,
      failedEntryCount: read.results.filter((result) => !result.ok).length,
      entries: read.results.map(entryAnswer),
    };
  };
  open = put;

  for (const each of journal.leftOver) depth += each.rules.length;
  if (depth > 0) log("info", "bus.resumed", { deliveries: depth });
  // After the caller has the bus: targets may need its endpoint.
  const resumed = setImmediate(() => {
    for (const each of journal.leftOver) dispatch(each);
  });

  return {
    endpoint: server.endpoint,
    put: (entries) => put({ Entries: entries }),
    depth: () => depth,
    idle: () => (depth === 0 || closed ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve))),
    deadLetters: () => [...deadLetters.all()],
    async close() {
      if (closed) return;
      closed = true;
      clearImmediate(resumed);
      await Promise.all([server.close(CLOSE_GRACE_MS), ...routes.map((each) => each.deliveries.close(CLOSE_GRACE_MS))]);
      await journal.close();
      release();
    },
  };
}

function compileRules(rules: readonly BusRule[]): readonly ((event: unknown) => boolean)[] {
  const names = new Set<string>();
  return rules.map((rule) => {
    if (names.has(rule.name))
      throw new BusStartError(`Two rules are called ${rule.name}. Give each rule its own name.`);
    names.add(rule.name);
    const compiled = compilePattern(rule.pattern);
    if (!compiled.ok)
      throw new BusStartError(`Rule ${rule.name}: Event pattern is not valid. Reason: ${compiled.problem}`);
    return compiled.matches;
  });
}

function entryAnswer(result: EntryResult) {
  return result.ok ? { eventId: result.event.id } : { errorCode: result.code, errorMessage: result.message };
}

function onTheWire(answer: PutAnswer) {
  if (!answer.ok) return answer;
  return {
    ok: true as const,
    body: {
      FailedEntryCount: answer.failedEntryCount,
      Entries: answer.entries.map((entry) =>
        "eventId" in entry
          ? { EventId: entry.eventId }
          : { ErrorCode: entry.errorCode, ErrorMessage: entry.errorMessage },
      ),
    },
  };
}

function listenProblem(host: string, port: number, error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return `Port ${port} on ${host} is in use. Stop what uses it, or choose another port.`;
    case "EACCES":
      return `Port ${port} on ${host} may not be used by this user. Choose a port above 1023.`;
    default:
      return `The bus cannot listen on ${host}:${port}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
