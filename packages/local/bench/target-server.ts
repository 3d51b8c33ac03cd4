import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Served, ServerAnswer, ServerOrder } from "./messages.ts";

/**
 * The targets as a process of its own. Each has its path and its delay, so that there is a true time to the first byte to
 * compare the measured one with. Those that are to fail are on a port of their own: while it is closed, the system refuses
 * their connections, as it does for a service that is not there.
 */
const served: Served[] = [];
const MOST_SERVED = 1_000_000;

/** Milliseconds that a target takes to answer: 20 to 65, the same each time. */
const delayOf = (target: number): number => 20 + (target % 10) * 5;

function answer(request: IncomingMessage, response: ServerResponse): void {
  const began = performance.now();
  response.setHeader("content-type", "application/json");
  const target = /^\/target\/(\d{1,6})$/.exec(request.url ?? "")?.[1];
  if (target === undefined) {
    response.end('{"status":"ok"}');
    return;
  }
  setTimeout(
    () => {
      response.end('{"status":"ok","database":"ok","cache":"ok"}');
      if (served.length < MOST_SERVED)
        served.push({
          target: Number(target),
          at: performance.timeOrigin + began,
          tookMs: performance.now() - began,
        });
    },
    delayOf(Number(target)),
  );
}

async function listen(port: number): Promise<{ server: Server; port: number }> {
  const server = createServer(answer);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: "127.0.0.1", backlog: 1024 }, resolve);
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return { server, port: address.port };
}

const say = (message: ServerAnswer): void => {
  process.send?.(message);
};

const steady = await listen(0);
const control = await listen(0);
let faulty = await listen(0);

async function obey(order: ServerOrder): Promise<void> {
  switch (order.do) {
    case "refuse":
      faulty.server.close();
      faulty.server.closeAllConnections();
      return say({});
    case "serve":
      faulty = await listen(faulty.port);
      return say({});
    case "report":
      return say({ served });
  }
}

process.on("message", (order: ServerOrder) => void obey(order));
process.on("disconnect", () => process.exit(0));
// Ctrl-C reaches every process of the terminal; the parent ends this one.
process.on("SIGINT", () => {});
say({ ports: { steady: steady.port, faulty: faulty.port, control: control.port } });
