import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Log } from "@neuropilot/loop";
import * as z from "zod";
import { compilePattern } from "./pattern.ts";
import { isObject } from "./pattern-leaf.ts";
import { parseJson, type Refusal, refuse } from "./put-events.ts";

/** Far above what 256 KB of entries need once their JSON is escaped; a body over it is not read to its end. */
const MAX_BODY_BYTES = 2 * 1024 * 1024;
/** https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TestEventPattern.html */
const MAX_PATTERN = 4096;
const MANDATORY = ["id", "account", "source", "time", "region", "resources", "detail-type"];

type Answer = Refusal | { readonly ok: true; readonly body: unknown };

type Operation = (body: unknown) => Promise<Answer> | Answer;

export interface BusServer {
  /** `http://127.0.0.1:4567` */
  readonly endpoint: string;
  /** Takes no new requests and lets those in flight end, for `graceMs` at most. */
  close(graceMs: number): Promise<void>;
}

/**
 * An HTTP server that speaks the two operations of EventBridge that matter here, in AWS JSON 1.1, to the real SDK client.
 * Rejects if it cannot listen.
 */
export async function startServer(options: {
  readonly host: string;
  readonly port: number;
  readonly log: Log;
  putEvents(body: unknown): Promise<Answer>;
}): Promise<BusServer> {
  const { host, port, log, putEvents } = options;
  const operations: ReadonlyMap<string, Operation> = new Map<string, Operation>([
    ["AWSEvents.PutEvents", putEvents],
    ["AWSEvents.TestEventPattern", testEventPattern],
  ]);
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000 }, (incoming, response) => {
    answer(incoming, operations).then(
      (result) => send(response, result),
      (error: unknown) => {
        // The client went away in the middle of its request: there is nobody to answer.
        if (incoming.destroyed && !incoming.complete) return;
        log("error", "bus.request-failed", { problem: String(error) });
        send(response, refuse(500, "InternalException", "The request could not be processed."));
      },
    );
  });
  await listen(server, host, port);
  const address = server.address();
  if (!isAddress(address)) throw new Error("the server listens on a pipe, not on a port");
  return {
    endpoint: `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`,
    close: (graceMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

const isAddress = (address: AddressInfo | string | null): address is AddressInfo =>
  address !== null && typeof address !== "string";

async function answer(incoming: IncomingMessage, operations: ReadonlyMap<string, Operation>): Promise<Answer> {
  // A page in a browser can reach this port under a name of its own that resolves to this machine.
  if (!isOurName(incoming.headers.host, incoming.socket.localAddress))
    return refuse(
      403,
      "AccessDeniedException",
      "The Host header must name this machine by its address or as localhost.",
    );
  const target = incoming.headers["x-amz-target"];
  const operation = typeof target === "string" ? operations.get(target) : undefined;
  if (incoming.method !== "POST" || incoming.url !== "/" || operation === undefined)
    return refuse(
      400,
      "UnknownOperationException",
      "This bus answers AWSEvents.PutEvents and AWSEvents.TestEventPattern, as POST /.",
    );
  if (incoming.headers["content-type"]?.split(";")[0]?.trim() !== "application/x-amz-json-1.1")
    return refuse(400, "SerializationException", "The content type must be application/x-amz-json-1.1.");
  if (!(incoming.headers.authorization ?? "").startsWith("AWS4-HMAC-SHA256 "))
    return refuse(403, "MissingAuthenticationTokenException", "Missing Authentication Token");
  const text = await readBody(incoming);
  if (text === undefined)
    return refuse(413, "RequestEntityTooLargeException", `A request has at most ${MAX_BODY_BYTES} bytes.`);
  const body = parseJson(text);
  if (!isObject(body)) return refuse(400, "SerializationException", "The body is not a JSON object.");
  return operation(body);
}

function isOurName(header: string | undefined, localAddress: string | undefined): boolean {
  const name = (header ?? "").replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || name === "127.0.0.1" || name === "::1" || (name !== "" && name === localAddress);
}

async function readBody(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Kept open when the loop is left early, so that the answer still reaches the client; Node reads and drops the rest.
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
    if (!(chunk instanceof Buffer)) continue;
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, result: Answer): void {
  const status = result.ok ? 200 : result.status;
  const body = JSON.stringify(result.ok ? result.body : { __type: result.code, message: result.message });
  response.writeHead(status, {
    "content-type": "application/x-amz-json-1.1",
    "content-length": Buffer.byteLength(body),
    "x-amzn-requestid": randomUUID(),
    ...(result.ok ? {} : { "x-amzn-errortype": result.code }),
  });
  response.end(body);
}

const testRequest = z.object({ EventPattern: z.string(), Event: z.string() });

/** https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TestEventPattern.html */
function testEventPattern(body: unknown): Answer {
  const parsed = testRequest.safeParse(body);
  if (!parsed.success) return refuse(400, "ValidationException", z.prettifyError(parsed.error));
  const { EventPattern: patternText, Event: eventText } = parsed.data;
  if (patternText.length > MAX_PATTERN)
    return refuse(
      400,
      "ValidationException",
      `1 validation error detected: Value at 'eventPattern' failed to satisfy constraint: Member must have length less than or equal to ${MAX_PATTERN}`,
    );
  const pattern = parseJson(patternText);
  const compiled = pattern === undefined ? { ok: false as const, problem: "Invalid JSON" } : compilePattern(pattern);
  if (!compiled.ok)
    return refuse(400, "InvalidEventPatternException", `Event pattern is not valid. Reason: ${compiled.problem}`);
  const event = parseJson(eventText);
  if (!isObject(event))
    return refuse(400, "ValidationException", "Parameter Event is not valid. Reason: it is not a JSON object.");
  const missing = MANDATORY.filter((field) => !Object.hasOwn(event, field));
  if (missing.length > 0)
    return refuse(400, "ValidationException", `Parameter Event is not valid. Reason: it lacks ${missing.join(", ")}.`);
  return { ok: true, body: { Result: compiled.matches(event) } };
}
