import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { callVendor, quoted, retryAfterMs, type VendorAnswer, withoutSecrets } from "./http.ts";

const open: { server: Server; sockets: Set<Socket> }[] = [];

afterEach(async () => {
  for (const { server, sockets } of open.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A server that does with the raw connection what it is told once a request has arrived. */
async function answering(onRequest: (socket: Socket, request: string) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("data", (data) => onRequest(socket, data.toString("utf8")));
  });
  open.push({ server, sockets });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}

const http = (status: string, headers: string, body: string) =>
  `HTTP/1.1 ${status}\r\nconnection: close\r\n${headers}\r\n\r\n${body}`;

function post(url: string, more: { timeoutMs?: number; maxBodyBytes?: number; secrets?: string[] } = {}) {
  return callVendor({ method: "POST", url, headers: {}, json: { a: 1 }, timeoutMs: 5_000, ...more });
}

function summary(answer: VendorAnswer): string {
  if (answer.kind === "lost") return `lost: ${answer.why}`;
  if (answer.kind !== "answered") return answer.kind;
  return `${answer.status} ${answer.body.kind === "unreadable" ? `unreadable: ${answer.body.why}` : answer.body.kind}`;
}

describe("what may have had an effect is told from what cannot have had one", () => {
  it.each<[string, (socket: Socket) => void, string]>([
    ["JSON", (socket) => socket.end(http("200 OK", "content-length: 8", '{"ok":1}')), "200 json"],
    ["JSON at an error status", (socket) => socket.end(http("500 Oops", "content-length: 2", "{}")), "500 json"],
    ["a page", (socket) => socket.end(http("502 Bad", "content-length: 6", "<html>")), "502 text"],
    ["no body", (socket) => socket.end(http("204 No Content", "x: y", "")), "204 text"],
    ["a cut before the answer", (socket) => socket.destroy(), "lost: connection-lost"],
    ["a reset before the answer", (socket) => socket.resetAndDestroy(), "lost: connection-lost"],
    [
      "a cut in the middle of the answer",
      (socket) => socket.end(http("200 OK", "content-length: 80", '{"half":')),
      "200 unreadable: connection-lost",
    ],
    ["something that is not HTTP", (socket) => socket.end("SSH-2.0-hello\r\n"), "lost: connection-lost"],
  ])("%s", async (_name, onRequest, expected) => {
    expect(summary(await post(await answering(onRequest)))).toBe(expected);
  });

  it("no answer at all is a timeout", async () => {
    const answer = await post(await answering(() => undefined), { timeoutMs: 100 });
    expect(summary(answer)).toBe("lost: timeout");
  });

  it("an answer that does not end is cut at the deadline, and its status is kept", async () => {
    const url = await answering((socket) => socket.write(http("429 Slow down", "content-length: 80", "{")));
    expect(summary(await post(url, { timeoutMs: 300 }))).toBe("429 unreadable: timeout");
  });

  it("an answer longer than the cap is not read on", async () => {
    const url = await answering((socket) => socket.end(http("200 OK", "content-length: 100", "x".repeat(100))));
    expect(summary(await post(url, { maxBodyBytes: 99 }))).toBe("200 unreadable: unreadable-answer");
  });

  it("a refused connection was never sent", async () => {
    const url = await answering(() => undefined);
    const stopped = open.pop();
    await new Promise((resolve) => stopped?.server.close(resolve));
    expect(summary(await post(url))).toBe("not-sent");
  });

  it("no time left means not sent", async () => {
    let requests = 0;
    const url = await answering(() => {
      requests += 1;
    });
    expect(summary(await post(url, { timeoutMs: 0 }))).toBe("not-sent");
    expect(summary(await post(url, { timeoutMs: Number.NaN }))).toBe("not-sent");
    expect(requests).toBe(0);
  });

  it.each(["ftp://127.0.0.1/", "not a url", "http://user:secret@127.0.0.1/"])("%s cannot be sent", async (url) => {
    expect(summary(await post(url))).toBe("unsendable");
  });
});

describe("a call", () => {
  it("is sent once, to no other place, on a connection of its own", async () => {
    const requests: string[] = [];
    const elsewhere = await answering((socket, request) => {
      requests.push(request);
      socket.end(http("200 OK", "content-length: 2", "{}"));
    });
    const url = await answering((socket, request) => {
      requests.push(request);
      socket.end(http("307 Moved", `location: ${elsewhere}/\r\ncontent-length: 0`, ""));
    });
    expect(summary(await post(url))).toBe("307 text");
    expect(requests).toHaveLength(1);
    expect(requests[0]).toMatch(/^connection: close$/im);
    expect(requests[0]).toMatch(/^content-type: application\/json$/im);
  });

  it("never gives back a secret: not in the body, not in an error", async () => {
    const secret = "canary-5d1f";
    const url = await answering((socket, request) => {
      const token = /^authorization: (.*)$/im.exec(request)?.[1]?.trim() ?? "";
      socket.end(http("400 Bad", "content-type: text/plain", `you sent ${token}`));
    });
    const call = (headers: Record<string, string>) =>
      callVendor({ method: "GET", url, headers, timeoutMs: 5_000, secrets: [secret] });
    const echoed = await call({ authorization: secret });
    expect(JSON.stringify(echoed)).toContain("you sent [secret]");
    const broken = await call({ authorization: `${secret}\n` });
    expect(JSON.stringify([echoed, broken])).not.toContain(secret);
  });
});

describe("Retry-After", () => {
  const now = Date.parse("2026-01-02T03:04:05Z");
  it.each([
    ["7", 7_000],
    ["0", 0],
    ["1.5", 1_500],
    ["Fri, 02 Jan 2026 03:04:35 GMT", 30_000],
    ["Fri, 02 Jan 2026 03:00:00 GMT", 0],
    ["999999999", 86_400_000],
    ["-3", undefined],
    ["soon", undefined],
    ["", undefined],
  ])("%j is %s ms", (value, expected) => {
    expect(retryAfterMs(new Headers({ "retry-after": value }), now)).toBe(expected);
  });

  it("may be missing", () => {
    expect(retryAfterMs(new Headers(), now)).toBeUndefined();
  });
});

it("a quoted vendor text is one short printable line", () => {
  expect(quoted("<h1>Bad\u0007\n gateway</h1>")).toBe("Bad gateway");
  expect(quoted("x".repeat(500))).toHaveLength(200);
});

it("an empty secret hides nothing", () => {
  expect(withoutSecrets("text", [""])).toBe("text");
});
