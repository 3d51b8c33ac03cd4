import { lookup as lookupOfSystem } from "node:dns";
import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import type { Sample } from "@neuropilot/core";
import { readUrl } from "./address.ts";
import { mayHoldMarks } from "./blocked.ts";
import { type Connection, type Dialling, type Lookup, openConnection } from "./connection.ts";
import { Deadline } from "./deadline.ts";
import { type Answer, type Broken, exchange, type Reading } from "./exchange.ts";
import { isRedirect, judge, wantsBody } from "./expect.ts";
import { Fault } from "./fault.ts";
import { Lateness } from "./lateness.ts";
import { Pace } from "./pace.ts";
import type { ProbeRequest, Prober, ProbeSession } from "./port.ts";

export interface ProberOptions {
  /** How names are looked up: all addresses of a name at once. The system's resolver unless given. */
  readonly lookup?: Lookup;
  /** Epoch milliseconds, for `startedAt` and the days of certificates. Durations are measured by the monotonic clock. */
  readonly clock?: () => number;
  /**
   * A sample during which our own event loop was late by more than this, once, is tainted; milliseconds, 100 unless given.
   *
   * An answer that has arrived waits at most one such lateness to be seen, so this bounds what we can add to a measured
   * latency: a quarter of the default threshold for slowness (400 ms), a fiftieth of a time-out of 5 s. A machine that merely
   * has more to do than processors is late by some of the scheduler's slices again and again: with 16 busy processes on two
   * processors, 20 ms tainted 35 of 100 samples of 100 ms, 50 ms 17, and 100 ms 5. Too low a threshold leaves the target
   * unwatched; lower it where the thresholds for slowness are lower.
   */
  readonly taintedAboveMs?: number;
  /** Certificates (PEM) to trust besides the usual authorities, for services with an authority of their own. */
  readonly certificateAuthorities?: readonly string[];
  /**
   * `host:port` of the function runtime's own interface, never to be reached, not even with `allowPrivate`. The runtime names it
   * in the environment: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
   */
  readonly runtimeApi?: string;
}

const TAINTED_ABOVE_MS = 100;
const DAY_MS = 86_400_000;

/** No post-quantum key share: it doubles the ClientHello and costs a tenth of a check, to keep a health check's bytes secret for decades. */
const CURVES = "X25519:P-256:P-384:P-521";

/**
 * The prober: takes samples over HTTP/1.1 with Node's own client, one connection at a time, phases apart, addresses checked
 * where the connection is made. However many are asked for at once, over all sessions one begins in each turn of the event loop. Expected failures are outcomes of samples; it never throws for one.
 */
export function createProber(options: ProberOptions = {}): Prober {
  const runtimeApi = options.runtimeApi ?? process.env.AWS_LAMBDA_RUNTIME_API;
  const lateness = new Lateness(() => performance.now());
  let secureContext: SecureContext | undefined;
  const shared: Shared = {
    lookup: options.lookup ?? lookupOfSystem,
    clock: options.clock ?? Date.now,
    taintedAboveMs: options.taintedAboveMs ?? TAINTED_ABOVE_MS,
    lateness,
    pace: new Pace(),
    runtimeApi,
    // One for all checks: the authorities are read once, not for every handshake.
    secureContext: () => {
      secureContext ??= createSecureContext({
        ecdhCurve: CURVES,
        ...(options.certificateAuthorities === undefined
          ? {}
          : { ca: [...getCACertificates("default"), ...options.certificateAuthorities] }),
      });
      return secureContext;
    },
  };
  return { open: (request) => new Session(shared, request) };
}

interface Shared {
  readonly lookup: Lookup;
  readonly clock: () => number;
  readonly taintedAboveMs: number;
  readonly lateness: Lateness;
  readonly pace: Pace;
  readonly runtimeApi: string | undefined;
  readonly secureContext: () => SecureContext;
}

/** What a sample has seen so far, over all its hops. */
interface Seeing {
  status: number;
  ttfbMs: number;
  /** A request was sent, and so many connections were opened for it. */
  sent: boolean;
  opened: number;
  dnsMs: number | undefined;
  connectMs: number | undefined;
  tlsMs: number | undefined;
  certificateEndsAt: number | undefined;
}

class Session implements ProbeSession {
  readonly #shared: Shared;
  readonly #request: ProbeRequest;
  readonly #dialling: Dialling;
  readonly #reading: Reading;
  readonly #running = new Set<Deadline>();
  #kept: Kept | undefined;
  #closed = false;

  constructor(shared: Shared, request: ProbeRequest) {
    this.#shared = shared;
    this.#request = request;
    this.#dialling = { ...shared, allowPrivate: request.allowPrivate };
    const keepsAll = wantsBody(request.expect);
    this.#reading = {
      capBytes: request.bodyCapBytes,
      keepsBody: (status) => keepsAll || mayHoldMarks(status),
      headWillDo: (status, headers) => request.redirects > 0 && isRedirect(status) && headers.location !== undefined,
    };
    // Reading the authorities takes a while and would taint the first sample.
    if (request.url.startsWith("https:")) shared.secureContext();
  }

  async sample(signal?: AbortSignal): Promise<Sample> {
    const { clock, lateness, pace, taintedAboveMs } = this.#shared;
    await pace.next();
    const startedAt = clock();
    const began = performance.now();
    const watch = lateness.begin();
    const deadline = new Deadline(this.#request.timeoutMs, signal);
    if (this.#closed) deadline.stop(SESSION_CLOSED);
    this.#running.add(deadline);
    const seeing: Seeing = {
      status: 0,
      ttfbMs: 0,
      sent: false,
      opened: 0,
      dnsMs: undefined,
      connectMs: undefined,
      tlsMs: undefined,
      certificateEndsAt: undefined,
    };
    let fault: Fault | undefined;
    try {
      fault = await this.#look(deadline, seeing);
    } catch (error) {
      // A fault of ours says nothing about the target, and one site's must not end the tick of the others.
      fault = new Fault("local", `the probe itself failed: ${error instanceof Error ? error.name : "unknown"}`);
    } finally {
      deadline.end();
      this.#running.delete(deadline);
    }
    const totalMs = performance.now() - began;
    const lateMs = lateness.end(watch);
    const days = daysUntil(seeing.certificateEndsAt, clock());
    return {
      startedAt,
      outcome: fault === undefined ? "ok" : fault.outcome,
      status: seeing.status,
      ttfbMs: seeing.ttfbMs,
      totalMs,
      tainted: lateMs > taintedAboveMs,
      reused: seeing.sent && seeing.opened === 0,
      ...(seeing.opened === 0 ? {} : { phases: phasesOf(seeing) }),
      ...(days === undefined ? {} : { certificateDays: days }),
      ...(fault === undefined ? {} : { detail: fault.detail }),
    };
  }

  close(): void {
    this.#closed = true;
    this.#kept?.connection.socket.destroy();
    this.#kept = undefined;
    for (const deadline of this.#running) deadline.stop(SESSION_CLOSED);
  }

  /** One request and the redirects that it may follow; each hop's address is checked anew, and the deadline is over all. */
  async #look(deadline: Deadline, seeing: Seeing): Promise<Fault | undefined> {
    const { allowPrivate, expect, redirects } = this.#request;
    let { method } = this.#request;
    let url = readUrl(this.#request.url, undefined, allowPrivate);
    let trusted = true;
    for (let hop = 0; ; hop++) {
      if (url instanceof Fault) return url;
      const answer = await this.#ask(url, method, trusted, deadline, seeing);
      if (answer instanceof Fault) return answer;
      const { status, headers, body, truncated } = answer;
      if (!this.#reading.headWillDo(status, headers)) {
        const certificateDays = daysUntil(seeing.certificateEndsAt, this.#shared.clock());
        return judge(expect, { status, headers, body, truncated, certificateDays });
      }
      if (hop === redirects)
        return new Fault("redirect", `answered ${status} after ${hop} redirects, no more are followed`);
      const next = readUrl(headers.location ?? "", url, allowPrivate);
      if (next instanceof Fault) return new Fault(next.outcome, `redirected: ${next.detail}`);
      // Headers may hold credentials: what the config gives for one origin is never sent to another, nor to what that names.
      if (next.origin !== url.origin) trusted = false;
      if (method === "POST" && (status === 301 || status === 302 || status === 303)) method = "GET";
      url = next;
    }
  }

  /** One hop: on the kept connection where that is open and safe, else on a fresh one. */
  async #ask(url: URL, method: Method, trusted: boolean, deadline: Deadline, seeing: Seeing): Promise<Answer | Fault> {
    const outgoing = { method, path: `${url.pathname}${url.search}`, headers: this.#headers(url, method, trusted) };
    seeing.status = 0;
    seeing.ttfbMs = 0;
    const kept = await this.#takeKept(url.origin, method);
    if (kept !== undefined) {
      seeing.sent = true;
      const answer = await exchange(kept.connection, outgoing, this.#reading, deadline);
      if (!("fault" in answer)) return this.#finish(answer, kept.connection, method, seeing);
      if (!wasClosedBefore(answer, kept.connection)) return this.#broken(answer, seeing);
    }
    const connection = await openConnection(url, this.#dialling, deadline);
    if (connection instanceof Fault) return connection;
    note(connection, seeing);
    seeing.sent = true;
    const answer = await exchange(connection, outgoing, this.#reading, deadline);
    return "fault" in answer ? this.#broken(answer, seeing) : this.#finish(answer, connection, method, seeing);
  }

  #finish(answer: Answer, connection: Connection, method: Method, seeing: Seeing): Answer {
    seeing.status = answer.status;
    seeing.ttfbMs = answer.ttfbMs;
    seeing.certificateEndsAt = earlier(seeing.certificateEndsAt, connection.certificateEndsAt);
    if (this.#closed || !isReusable(method)) connection.socket.destroy();
    else if (!connection.socket.destroyed) this.#keep(connection, answer.headers);
    return answer;
  }

  #broken(broken: Broken, seeing: Seeing): Fault {
    seeing.status = broken.status;
    seeing.ttfbMs = broken.ttfbMs;
    return broken.fault;
  }

  #keep(connection: Connection, headers: IncomingHttpHeaders): void {
    this.#kept?.connection.socket.destroy();
    this.#kept = { connection, until: performance.now() + idleMs(headers) };
    // What comes unasked is no answer to the next request. Reading on also lets the server's close be seen.
    connection.socket.on("data", destroyOnData);
  }

  /**
   * The kept connection, if it may be used. Servers close idle connections whenever they like, and that is no failure of
   * theirs. So it is not used past the time that the server named, and first the event loop goes round once, for a close
   * that has already arrived to be seen before anything is sent.
   */
  async #takeKept(origin: string, method: Method): Promise<Kept | undefined> {
    const kept = this.#kept;
    if (kept === undefined) return undefined;
    this.#kept = undefined;
    if (kept.connection.origin === origin && isReusable(method) && performance.now() < kept.until) {
      // The first round may be the one that we are in, whose events were collected before.
      await oneRound();
      await oneRound();
      const { socket } = kept.connection;
      socket.off("data", destroyOnData);
      if (!this.#closed && !socket.destroyed && socket.writable && !socket.readableEnded) return kept;
    }
    kept.connection.socket.destroy();
    return undefined;
  }

  #headers(url: URL, method: Method, trusted: boolean): readonly string[] {
    const headers = ["accept-encoding", "identity", "connection", "keep-alive"];
    if (method === "POST") headers.push("content-length", "0");
    const custom = trusted ? Object.entries(this.#request.headers) : [];
    const given = new Set(custom.map(([name]) => name.toLowerCase()));
    if (!given.has("host")) headers.unshift("host", url.host);
    if (!given.has("user-agent")) headers.push("user-agent", USER_AGENT);
    if (!given.has("accept")) headers.push("accept", "*/*");
    for (const [name, value] of custom) if (!OURS.has(name.toLowerCase())) headers.push(name, value);
    return headers;
  }
}

interface Kept {
  readonly connection: Connection;
  /** By the monotonic clock. */
  readonly until: number;
}

type Method = ProbeRequest["method"];

const USER_AGENT = "NeuroPilot-Probe/0.1";
const SESSION_CLOSED = new Fault("local", "the session was closed before it was over");

/** Headers that say how the message is sent: the prober's own, whatever the config holds. */
const OURS: ReadonlySet<string> = new Set([
  "accept-encoding",
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Only what is safe to repeat goes on a kept connection, since one may have to begin again on a fresh one. */
function isReusable(method: Method): boolean {
  return method === "GET" || method === "HEAD";
}

/**
 * Whether a kept connection had been closed before the request could have reached the server. The word of a server that breaks
 * off because of a request needs a round trip to come back; a break sooner than that was already under way when we sent.
 * Opening the connection took at least one round trip, so that is the measure. Any break later than that, or after the
 * head of an answer, is the target's failure, and is not asked again. Where a slow opening makes the measure too long, no more
 * is lost than that a GET or HEAD is sent twice.
 */
export function wasClosedBefore(broken: Broken, connection: Pick<Connection, "connectMs">): boolean {
  return broken.fault.outcome === "refused" && broken.status === 0 && broken.afterMs < connection.connectMs;
}

/** How long a server keeps an idle connection, less a second for the way: its `Keep-Alive: timeout=5`, in seconds. */
function idleMs(headers: IncomingHttpHeaders): number {
  const timeout = /(?:^|[\s,])timeout=(\d{1,6})/i.exec(String(headers["keep-alive"] ?? ""))?.[1];
  return timeout === undefined ? Number.POSITIVE_INFINITY : Number(timeout) * 1000 - 1000;
}

function destroyOnData(this: Socket): void {
  this.destroy();
}

function oneRound(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function note(connection: Connection, seeing: Seeing): void {
  seeing.opened++;
  seeing.dnsMs = plus(seeing.dnsMs, connection.dnsMs);
  seeing.connectMs = plus(seeing.connectMs, connection.connectMs);
  seeing.tlsMs = plus(seeing.tlsMs, connection.tlsMs);
  seeing.certificateEndsAt = earlier(seeing.certificateEndsAt, connection.certificateEndsAt);
}

function phasesOf({ dnsMs, connectMs, tlsMs }: Seeing): NonNullable<Sample["phases"]> {
  return {
    ...(dnsMs === undefined ? {} : { dnsMs }),
    ...(connectMs === undefined ? {} : { connectMs }),
    ...(tlsMs === undefined ? {} : { tlsMs }),
  };
}

function plus(sum: number | undefined, value: number | undefined): number | undefined {
  return value === undefined ? sum : (sum ?? 0) + value;
}

/** Over several hops the certificate that ends first counts: the way is as good as its weakest part. */
function earlier(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}

/** Whole days, rounded down: 0 on the last day, negative after the end. */
function daysUntil(endsAt: number | undefined, now: number): number | undefined {
  return endsAt === undefined ? undefined : Math.floor((endsAt - now) / DAY_MS);
}
