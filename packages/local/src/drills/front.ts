import { createServer, request, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { generate } from "selfsigned";

/** Two endpoints that answer, as the well-known ones of a real instance would. */
export async function startControls(): Promise<{ readonly urls: readonly string[]; stop(): Promise<void> }> {
  const servers = await Promise.all(
    [1, 2].map(() => listen(createServer((_, response) => void response.writeHead(204).end()))),
  );
  return {
    urls: servers.map(({ port }) => `http://127.0.0.1:${port}/`),
    async stop() {
      await Promise.all(servers.map(({ stop }) => stop()));
    },
  };
}

export interface TlsFront {
  readonly url: string;
  /** Both certificates as PEM, to be trusted, so that nothing but the date is wrong with the second. */
  readonly certificates: string;
  expire(): void;
  stop(): Promise<void>;
}

const DAY_MS = 86_400_000;

/** A proxy with TLS in front of an origin; its certificate is valid for a year until `expire`, from when on it ended yesterday. */
export async function startTlsFront(origin: string): Promise<TlsFront> {
  const valid = await certificate(-1, 365);
  const expired = await certificate(-30, -1);
  const server = createTlsServer({ key: valid.private, cert: valid.cert }, (incoming, outgoing) => {
    const forward = request(
      new URL(incoming.url ?? "/", origin),
      { method: incoming.method, agent: false },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    forward.on("error", () => outgoing.destroy());
    incoming.pipe(forward);
  });
  const { port, stop, cut } = await listen(server);
  return {
    url: `https://localhost:${port}`,
    certificates: `${valid.cert}\n${expired.cert}`,
    expire() {
      server.setSecureContext({ key: expired.private, cert: expired.cert });
      cut();
    },
    stop,
  };
}

function certificate(fromDays: number, toDays: number): Promise<{ private: string; cert: string }> {
  const now = Date.now();
  return generate([{ name: "commonName", value: "localhost" }], {
    keyType: "ec",
    notBeforeDate: new Date(now + fromDays * DAY_MS),
    notAfterDate: new Date(now + toDays * DAY_MS),
    extensions: [
      { name: "basicConstraints", cA: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 7, ip: "127.0.0.1" },
        ],
      },
    ],
  });
}

async function listen(server: Server): Promise<{ port: number; stop(): Promise<void>; cut(): void }> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: portOf(server),
    cut,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}

/** A TCP server that listens has an address object; only pipes have text. */
function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
