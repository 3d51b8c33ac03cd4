import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import type { ProbeRequest } from "./port.ts";

/** A server on 127.0.0.1 that ends with all its connections. */
export interface Served {
  readonly port: number;
  /** Connections that were made to it, ever. */
  connections(): number;
  close(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1. */
export async function serve(server: Server): Promise<Served> {
  const open = new Set<Socket>();
  let connections = 0;
  server.on("connection", (socket: Socket) => {
    connections++;
    open.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => open.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return {
    port: address.port,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** An HTTP server. */
export function serveHttp(listener: RequestListener): Promise<Served> {
  return serve(createHttpServer(listener));
}

/** A server that speaks whatever it likes: called with each connection once a request's head has come. */
export function serveRaw(onRequest: (socket: Socket, count: number) => void): Promise<Served> {
  let count = 0;
  return serve(
    createServer((socket) => {
      socket.on("data", (data) => {
        if (data.includes("\r\n\r\n")) onRequest(socket, ++count);
      });
    }),
  );
}

/** A request for a site on this machine, which only `allowPrivate` permits. */
export function localRequest(url: string, changes: Partial<ProbeRequest> = {}): ProbeRequest {
  return {
    url,
    method: "GET",
    headers: {},
    timeoutMs: 10_000,
    redirects: 0,
    allowPrivate: true,
    bodyCapBytes: 65_536,
    expect: [],
    ...changes,
  };
}
