import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** A request as a stand-in sees it, its body read whole. */
export interface StandInRequest {
  readonly method: string;
  /** The path without its query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export interface StandInAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * What a stand-in does with a request: an answer, or a way not to answer.
 *
 * - `hang`: the connection stays open and silent until the caller gives up or the stand-in closes.
 * - `destroy`: the connection is cut without an answer.
 * - `cut`: the answer begins (status line, headers, half of the body) and is cut.
 */
export type StandInReply =
  | { readonly kind: "answer"; readonly answer: StandInAnswer }
  | { readonly kind: "hang" }
  | { readonly kind: "destroy" }
  | { readonly kind: "cut"; readonly answer: StandInAnswer };

export interface StandInServer {
  /** Without a trailing slash. */
  readonly url: string;
  readonly port: number;
  /** Ends open connections too. May be called twice. */
  close(): Promise<void>;
}

export interface StandInServerOptions {
  /** The vendor's name, for messages. */
  readonly name: string;
  /** 0, the default, takes any free port. Only 127.0.0.1 is listened on. */
  readonly port?: number;
  readonly handle: (request: StandInRequest) => Promise<StandInReply>;
  /** Hears of bugs in `handle`; the caller gets a 500 with the message. */
  readonly log?: ((line: string) => void) | undefined;
}

const MAX_REQUEST_BYTES = 1_048_576;

/** Starts an HTTP server on 127.0.0.1 that answers as `handle` says. Rejects where the port is taken. */
export async function startStandInServer(options: StandInServerOptions): Promise<StandInServer> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    respond(options, request, response).catch((error: unknown) => {
      options.log?.(`${options.name}: ${error instanceof Error ? error.message : String(error)}`);
      response.destroy();
    });
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await listen(server, options);
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    close() {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
      return closing;
    },
  };
}

function listen(server: Server, options: StandInServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE"
          ? new Error(
              `port ${options.port} is in use, so the ${options.name} stand-in cannot start: choose another port`,
            )
          : error,
      );
    });
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
}

async function respond(
  options: StandInServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await readAll(request);
  if (body === undefined) {
    response.writeHead(413, { "content-type": "text/plain", connection: "close" }).end("the request is too large");
    return;
  }
  const url = new URL(request.url ?? "/", "http://127.0.0.1");
  const reply = await replyOf(options, {
    method: request.method ?? "GET",
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
    body,
  });
  switch (reply.kind) {
    case "hang":
      return;
    case "destroy":
      response.destroy();
      return;
    case "answer":
      response.writeHead(reply.answer.status, reply.answer.headers ?? {});
      response.end(reply.answer.body);
      return;
    case "cut": {
      const bytes = Buffer.from(reply.answer.body);
      response.writeHead(reply.answer.status, { ...reply.answer.headers, "content-length": String(bytes.length + 1) });
      response.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => response.destroy());
      return;
    }
  }
}

async function replyOf(options: StandInServerOptions, request: StandInRequest): Promise<StandInReply> {
  try {
    return await options.handle(request);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    options.log?.(`${options.name}: ${message}`);
    return { kind: "answer", answer: { status: 500, headers: { "content-type": "text/plain" }, body: message } };
  }
}

async function readAll(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > MAX_REQUEST_BYTES) return undefined;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** A JSON answer. */
export function jsonAnswer(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): StandInAnswer {
  return {
    status,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
    body: JSON.stringify(value),
  };
}
