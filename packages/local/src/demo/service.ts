/**
 * The demo service as a process of its own: an inventory API with a page, which breaks on request. Its controller starts it,
 * or a person does: `node service.ts --port 8080 --admin-port 8081`.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type ApiReply, type Asset, answer, errorReply } from "./api.ts";
import { type DemoFault, describeFault, fatesUnder, leakRate, parseFault } from "./fault.ts";
import { createGovernance } from "./governance.ts";
import { commandShape, type Report } from "./messages.ts";
import { SCRIPT } from "./page/script.ts";
import { createVitals } from "./vitals.ts";

const HOST = "127.0.0.1";
const VERSION = "1.4.2";
const MAX_BODY_BYTES = 4_096;
const MAX_CONNECTIONS = 2_000;
const FINISH_MS = 500;
const LEAK_STEP_MS = 250;
const MB = 1024 * 1024;

interface Options {
  readonly port: number;
  readonly adminPort: number;
  readonly fault: DemoFault | undefined;
}

const options = readOptions();
const vitals = createVitals(VERSION, () => performance.now());
const governance = createGovernance(randomBytes(32), Date.now);
const assets = readAssets();

let fault = options.fault;
let sticky = false;
let fates = fatesUnder(fault);
let publicPort = options.port;
/** Answers that a fault holds back; their connections end with the fault. */
const held = new Set<ServerResponse>();
const leaked: Buffer[] = [];
let leakTimer: NodeJS.Timeout | undefined;

const publicServer = createServer(serve);
publicServer.maxConnections = MAX_CONNECTIONS;
publicServer.requestTimeout = 10_000;
const adminServer = createServer(administer);
adminServer.requestTimeout = 10_000;

/** Changes of the fault happen one after the other, whoever asks. */
let changes: Promise<unknown> = Promise.resolve();

// Whoever started this decides when it ends: Ctrl-C reaches every process of a terminal, but only the parent acts on it.
process.on("SIGINT", () => {});
process.on("SIGTERM", stop);
// A parent that was killed cannot say goodbye; the closed channel says it.
process.on("disconnect", () => process.exit(0));
process.on("message", (message) => void obey(message));
process.stdout.on("error", () => {});
process.stderr.on("error", () => {});

await start();

async function start(): Promise<void> {
  if (startedByController() && !process.connected) process.exit(0);
  try {
    publicPort = await listen(publicServer, options.port);
    const adminPort = await listen(adminServer, options.adminPort);
    const illness = fault;
    if (illness !== undefined) await begin(illness);
    await report({ kind: "ready", port: publicPort, adminPort });
    say(`listening on http://${HOST}:${publicPort}, admin on http://${HOST}:${adminPort}`);
    if (illness !== undefined) say(`started ill: it ${describeFault(illness)}`);
    if (illness?.kind === "crash") crash();
  } catch (error) {
    const { code, message } = asSystemError(error);
    await report({ kind: "failed", code, message });
    process.stderr.write(`demo service cannot start: ${message}\n`);
    process.exit(1);
  }
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const startedAt = performance.now();
  vitals.began();
  response.once("close", () => {
    if (response.writableFinished) vitals.ended(response.statusCode, (performance.now() - startedAt) / 1_000);
    else vitals.abandoned();
  });
  const fate = fates.next();
  if (fates.over()) usedUp();
  switch (fate.kind) {
    case "answer":
      void respond(request, response);
      return;
    case "fail":
      request.resume();
      write(response, errorReply(fate.status, "broken", "The demo service was told to fail."));
      return;
    case "late": {
      const timer = setTimeout(() => void respond(request, response), fate.ms);
      response.once("close", () => clearTimeout(timer));
      return;
    }
    case "hold":
      held.add(response);
      response.once("close", () => held.delete(response));
      return;
  }
}

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await readBody(request);
  if (body === undefined) {
    response.shouldKeepAlive = false;
    write(response, errorReply(413, "too-large", `A body may have ${MAX_BODY_BYTES} bytes.`));
    return;
  }
  write(
    response,
    answer(
      { vitals, governance, assets },
      { method: request.method ?? "GET", url: request.url ?? "/", headers: request.headers, body },
    ),
  );
}

/** The admin port: `GET /fault`, `POST /fault` with a fault as JSON (and `sticky`), `POST /recover`. */
async function administer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // A page in a browser must not break the service: it sends an Origin, or a Host that is not a loopback name.
  const host = (request.headers.host ?? "").replace(/:\d+$/, "");
  if (request.headers.origin !== undefined || (host !== HOST && host !== "localhost")) {
    request.resume();
    write(response, errorReply(403, "not-local", "The admin port answers programs on this machine only."));
    return;
  }
  const body = await readBody(request);
  switch (`${request.method} ${request.url}`) {
    case "GET /fault":
      write(response, currentFault());
      return;
    case "POST /fault": {
      const wanted = readWanted(body);
      if (!wanted.ok) {
        write(response, errorReply(400, "invalid-fault", wanted.problem));
        return;
      }
      const problem = await change(wanted.fault, wanted.sticky);
      write(response, problem === undefined ? currentFault() : errorReply(409, "not-possible", problem));
      if (wanted.fault.kind === "crash" && problem === undefined) response.once("close", crash);
      return;
    }
    case "POST /recover": {
      const problem = await change(undefined, false);
      write(response, problem === undefined ? currentFault() : errorReply(409, "not-possible", problem));
      return;
    }
    default:
      write(response, errorReply(404, "not-found", "Served: GET /fault, POST /fault, POST /recover."));
  }
}

function readWanted(
  body: string | undefined,
):
  | { readonly ok: true; readonly fault: DemoFault; readonly sticky: boolean }
  | { readonly ok: false; readonly problem: string } {
  const value = parsedObject(body ?? "");
  if (value === undefined) return { ok: false, problem: 'Send one fault as JSON, such as {"kind":"slow","ms":800}.' };
  const { sticky: wantsSticky = false, ...rest } = value;
  if (typeof wantsSticky !== "boolean")
    return { ok: false, problem: `sticky: found ${JSON.stringify(wantsSticky)}, wanted true or false` };
  if (wantsSticky && !process.connected)
    return { ok: false, problem: "sticky: nothing would start this process again; leave it out" };
  const parsed = parseFault(rest);
  return parsed.ok ? { ...parsed, sticky: wantsSticky } : parsed;
}

async function obey(message: unknown): Promise<void> {
  const command = commandShape.safeParse(message);
  if (!command.success) return;
  const { n } = command.data;
  let wanted: DemoFault | undefined;
  if (command.data.kind === "break") {
    const parsed = parseFault(command.data.fault);
    if (!parsed.ok) {
      await report({ kind: "refused", n, problem: parsed.problem });
      return;
    }
    wanted = parsed.fault;
  }
  const problem = await exchange(wanted, false);
  await report(problem === undefined ? { kind: "done", n } : { kind: "refused", n, problem });
  if (wanted?.kind === "crash" && problem === undefined) crash();
}

/** Changes the fault and tells the controller, who did not ask for it. */
async function change(next: DemoFault | undefined, nextSticky: boolean): Promise<string | undefined> {
  const problem = await exchange(next, nextSticky);
  if (problem === undefined) await report({ kind: "fault", fault: next ?? null, sticky: nextSticky });
  return problem;
}

/** Ends the present fault and begins the next. Returns why it could not, with the present one still on. */
function exchange(next: DemoFault | undefined, nextSticky: boolean): Promise<string | undefined> {
  const work = async (): Promise<string | undefined> => {
    try {
      await end();
      fault = next;
      sticky = nextSticky;
      fates = fatesUnder(next);
      if (next !== undefined) await begin(next);
      say(next === undefined ? "recovered" : `from now on it ${describeFault(next)}`);
      return undefined;
    } catch (error) {
      return asSystemError(error).message;
    }
  };
  const result = changes.then(work);
  changes = result;
  return result;
}

async function begin(next: DemoFault): Promise<void> {
  if (next.kind === "refused") {
    const closed = new Promise<void>((resolve) => publicServer.close(() => resolve()));
    publicServer.closeAllConnections();
    await closed;
  }
  if (next.kind === "leak") {
    const { mbPerSecond, maxMb } = leakRate(next);
    let bytes = 0;
    leakTimer = setInterval(() => {
      const more = Math.min((mbPerSecond * MB * LEAK_STEP_MS) / 1_000, maxMb * MB - bytes);
      if (more <= 0) return;
      // Filled, because untouched pages would not count as resident.
      leaked.push(Buffer.alloc(more, 1));
      bytes += more;
    }, LEAK_STEP_MS);
  }
}

async function end(): Promise<void> {
  if (fault?.kind === "refused") await listen(publicServer, publicPort);
  clearInterval(leakTimer);
  leaked.length = 0;
  for (const response of held) response.destroy();
}

function usedUp(): void {
  fault = undefined;
  sticky = false;
  fates = fatesUnder(undefined);
  say("recovered: the fault was for so many requests");
  void report({ kind: "fault", fault: null, sticky: false });
}

function crash(): never {
  process.stderr.write("demo service crashes, as it was told\n");
  process.exit(1);
}

function stop(): void {
  setTimeout(() => process.exit(0), FINISH_MS).unref();
  adminServer.close();
  adminServer.closeAllConnections();
  for (const response of held) response.destroy();
  publicServer.close(() => process.exit(0));
  publicServer.closeIdleConnections();
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, HOST, () => {
      server.removeListener("error", reject);
      resolve(boundPort(server));
    });
  });
}

/** A server that listens on TCP has an address with a port; any other answer is a bug. */
function boundPort(server: Server): number {
  const address = server.address() as AddressInfo | string | null;
  if (address === null || typeof address === "string") throw new Error("the server does not listen on TCP");
  return address.port;
}

/** Reads a short body; undefined when it is too long. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request) {
      const part = Buffer.from(chunk);
      bytes += part.length;
      if (bytes > MAX_BODY_BYTES) return undefined;
      chunks.push(part);
    }
  } catch {
    // The client went away: whatever is answered, nobody reads it.
    return "";
  }
  return Buffer.concat(chunks).toString("utf8");
}

function write(response: ServerResponse, reply: ApiReply): void {
  if (response.destroyed) return;
  response.writeHead(reply.status, {
    ...reply.headers,
    "x-content-type-options": "nosniff",
    ...(reply.status === 304 ? {} : { "content-length": Buffer.byteLength(reply.body) }),
  });
  response.end(reply.body);
}

function currentFault(): ApiReply {
  const state = { fault: fault ?? null, sticky, means: fault === undefined ? "healthy" : describeFault(fault) };
  return {
    status: 200,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: `${JSON.stringify(state)}\n`,
  };
}

function readAssets(): ReadonlyMap<string, Asset> {
  const file = (name: string): string => readFileSync(join(import.meta.dirname, "page", name), "utf8");
  return new Map([
    ["/", { type: "text/html; charset=utf-8", text: file("index.html") }],
    ["/assets/style.css", { type: "text/css; charset=utf-8", text: file("style.css") }],
    ["/assets/app.js", { type: "text/javascript; charset=utf-8", text: SCRIPT }],
    ["/assets/icon.svg", { type: "image/svg+xml", text: file("icon.svg") }],
  ]);
}

/** Sends a report and waits until it is on its way; nothing to do without a controller. */
function report(message: Report): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function startedByController(): boolean {
  return process.send !== undefined;
}

function asSystemError(error: unknown): { code: string; message: string } {
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "unknown";
  if (code === "EADDRINUSE")
    return { code, message: `port ${portOf(error)} on ${HOST} is in use; stop what uses it, or choose another port` };
  if (code === "EACCES")
    return { code, message: `port ${portOf(error)} on ${HOST} is not for this user; choose one above 1023` };
  return { code, message: error instanceof Error ? error.message : String(error) };
}

function portOf(error: unknown): string {
  return typeof error === "object" && error !== null && "port" in error ? String(error.port) : "?";
}

function parsedObject(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: "string", default: "0" },
        "admin-port": { type: "string", default: "0" },
        fault: { type: "string" },
      },
    });
    const wanted = values.fault === undefined ? undefined : parseFault(parsedObject(values.fault));
    if (wanted?.ok === false) throw new Error(`--fault: ${wanted.problem}`);
    return {
      port: portNumber("--port", values.port),
      adminPort: portNumber("--admin-port", values["admin-port"]),
      fault: wanted?.fault,
    };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  }
}

function portNumber(name: string, text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`${name}: found "${text}", wanted a port from 0 (any free one) to 65535`);
  return port;
}
