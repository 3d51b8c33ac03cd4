import { type IncomingHttpHeaders, request as requestHttp } from "node:http";
import { classifyConnection } from "./classify.ts";
import type { Connection } from "./connection.ts";
import type { Deadline } from "./deadline.ts";
import { Fault } from "./fault.ts";

export interface Outgoing {
  readonly method: string;
  readonly path: string;
  /** Names and values in turn, complete: nothing is added to them. */
  readonly headers: readonly string[];
}

export interface Reading {
  readonly capBytes: number;
  /** Whether the body of an answer with this status is kept, or only counted. */
  readonly keepsBody: (status: number) => boolean;
  /** Whether the head alone will do, so that the body is not waited for. */
  readonly headWillDo: (status: number, headers: IncomingHttpHeaders) => boolean;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** From sending to the answer's head, milliseconds. */
  readonly ttfbMs: number;
  /** Only where it was kept. */
  readonly body: Buffer | undefined;
  /** It was longer than the cap; the rest was not read. */
  readonly truncated: boolean;
}

/** An exchange that broke, with what was seen of the answer until then. */
export interface Broken {
  readonly fault: Fault;
  readonly status: number;
  readonly ttfbMs: number;
  /** From sending to the break, milliseconds. */
  readonly afterMs: number;
}

/** Room for the long security headers of large sites; more than this is not an answer to a health check. */
const MAX_HEAD_BYTES = 32 * 1024;

/**
 * Sends one request on an open connection and reads the answer, up to the cap. The connection is left open where the answer
 * allows that, and destroyed otherwise: on a break, past the cap, after a head that would do.
 */
export async function exchange(
  { socket }: Connection,
  outgoing: Outgoing,
  reading: Reading,
  deadline: Deadline,
): Promise<Answer | Broken> {
  deadline.doing = "waiting for the answer";
  const sentAt = performance.now();
  let status = 0;
  let ttfbMs = 0;
  const answer = await deadline.race<Answer>((settle) => {
    const giveUp = (error: unknown): void => {
      settle(classifyConnection(error, false));
      socket.destroy();
    };
    let request: ReturnType<typeof requestHttp>;
    try {
      request = requestHttp({
        // Without an agent nothing is pooled, and no proxy of the environment comes into it.
        createConnection: () => socket,
        method: outgoing.method,
        path: outgoing.path,
        headers: outgoing.headers,
        maxHeaderSize: MAX_HEAD_BYTES,
      });
    } catch {
      settle(
        new Fault("forbidden", "the request cannot be sent: a header or the path holds characters that HTTP forbids"),
      );
      socket.destroy();
      return () => undefined;
    }
    // Without an agent Node assumes that the socket is to be closed; the answer still decides.
    request.shouldKeepAlive = true;
    request.on("error", giveUp);
    request.on("close", () => {
      if (status === 0) settle(new Fault("refused", "the connection ended without an answer"));
    });
    request.on("response", (response) => {
      ttfbMs = performance.now() - sentAt;
      status = response.statusCode ?? 0;
      deadline.doing = "reading the body";
      const { headers } = response;
      const kept: Buffer[] | undefined = reading.keepsBody(status) ? [] : undefined;
      let bytes = 0;
      const done = (truncated: boolean): void => {
        settle({ status, headers, ttfbMs, body: kept && Buffer.concat(kept), truncated });
        if (truncated) socket.destroy();
      };
      if (reading.headWillDo(status, headers)) return done(true);
      response.on("data", (chunk: Buffer) => {
        const room = reading.capBytes - bytes;
        bytes += chunk.length;
        kept?.push(bytes > reading.capBytes ? chunk.subarray(0, room) : chunk);
        if (bytes > reading.capBytes) done(true);
      });
      response.on("end", () => done(false));
      response.on("error", giveUp);
      response.on("close", () => settle(new Fault("refused", "the connection ended in the middle of the answer")));
    });
    request.end();
    return () => socket.destroy();
  });
  if (!(answer instanceof Fault)) return answer;
  // Also where time was up before the request could begin.
  socket.destroy();
  return { fault: answer, status, ttfbMs, afterMs: performance.now() - sentAt };
}
