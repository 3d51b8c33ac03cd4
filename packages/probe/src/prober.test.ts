import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import type { Outcome, Sample } from "@neuropilot/core";
import { afterEach, describe, expect, test } from "vitest";
import { Fault } from "./fault.ts";
import { localRequest, type Served, serveHttp, serveRaw } from "./fixture.ts";
import type { ProbeRequest } from "./port.ts";
import { createProber, type ProberOptions, wasClosedBefore } from "./prober.ts";

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

/** Takes one sample and closes the session. */
async function look(url: string, changes: Partial<ProbeRequest> = {}, options: ProberOptions = {}): Promise<Sample> {
  const session = createProber(options).open(localRequest(url, changes));
  try {
    return await session.sample();
  } finally {
    session.close();
  }
}

function keep(served: Served): Served {
  ending.push(served.close);
  return served;
}

function http(listener: (request: IncomingMessage, response: ServerResponse) => void): Promise<Served> {
  return serveHttp(listener).then(keep);
}

function raw(onRequest: (socket: Socket, count: number) => void): Promise<Served> {
  return serveRaw(onRequest).then(keep);
}

/** Writes something again and again until the connection is gone: at most 2,000 times. */
function drip(socket: Socket, text: string): void {
  let left = 2000;
  const timer = setInterval(() => {
    if (left-- > 0 && !socket.destroyed) socket.write(text);
    else clearInterval(timer);
  }, 5);
  socket.on("close", () => clearInterval(timer));
}

const HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";

interface Row {
  readonly name: string;
  readonly serves: (socket: Socket, count: number) => void;
  readonly changes?: Partial<ProbeRequest>;
  readonly outcome: Outcome;
  readonly status?: number;
  readonly detail?: RegExp;
}

const short = { timeoutMs: 300 };
const bodyExpected = { expect: [{ kind: "body-contains", text: "fine" }] } as const;

const rows: readonly Row[] = [
  { name: "a good answer", serves: (s) => s.write(`${HEAD}ok`), outcome: "ok", status: 200 },
  {
    name: "a 204 without a body",
    serves: (s) => s.write("HTTP/1.1 204 No Content\r\n\r\n"),
    outcome: "ok",
    status: 204,
  },
  {
    name: "early hints before a good answer",
    serves: (s) => s.write(`HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n${HEAD}ok`),
    outcome: "ok",
    status: 200,
  },
  {
    name: "a good answer that ends with the connection",
    serves: (s) => s.end("HTTP/1.1 200 OK\r\n\r\nall is fine"),
    changes: bodyExpected,
    outcome: "ok",
    status: 200,
  },
  { name: "a reset", serves: (s) => s.resetAndDestroy(), outcome: "refused", status: 0, detail: /^ECONNRESET/ },
  { name: "a close without an answer", serves: (s) => s.end(), outcome: "refused", status: 0 },
  {
    name: "a close within the head",
    serves: (s) => s.end("HTTP/1.1 200 OK\r\nContent-Le"),
    outcome: "refused",
    status: 0,
  },
  {
    name: "a close within the body",
    serves: (s) => s.end("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
    outcome: "refused",
    status: 200,
  },
  {
    name: "something that is not HTTP",
    serves: (s) => s.end("220 mail ready\r\n"),
    outcome: "refused",
    detail: /^HPE_/,
  },
  {
    name: "a head of contradictions",
    serves: (s) => s.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok"),
    outcome: "refused",
    detail: /^HPE_/,
  },
  {
    name: "a head without end",
    serves: (s) => s.write(`HTTP/1.1 200 OK\r\nX: ${"y".repeat(70_000)}`),
    outcome: "refused",
    detail: /^HPE_HEADER_OVERFLOW/,
  },
  {
    name: "an upgrade that nobody asked for",
    serves: (s) => s.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
    outcome: "refused",
  },
  { name: "silence", serves: () => undefined, changes: short, outcome: "timeout", status: 0, detail: /waiting/ },
  {
    name: "a head in drips",
    serves: (s) => {
      s.write("HTTP/1.1 200 OK\r\n");
      drip(s, "X-A: b\r\n");
    },
    changes: short,
    outcome: "timeout",
    status: 0,
    detail: /waiting/,
  },
  {
    name: "interim answers without end",
    serves: (s) => drip(s, "HTTP/1.1 102 Processing\r\n\r\n"),
    changes: short,
    outcome: "timeout",
    status: 0,
  },
  {
    name: "a body in drips",
    serves: (s) => {
      s.write("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n");
      drip(s, "x");
    },
    changes: short,
    outcome: "timeout",
    status: 200,
    detail: /reading the body/,
  },
  {
    name: "a body without end, of which nothing is expected",
    serves: (s) => s.write(`HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n${"x".repeat(2000)}`),
    changes: { bodyCapBytes: 1000 },
    outcome: "ok",
    status: 200,
  },
  {
    name: "a body whose expected words come after the cap",
    serves: (s) => s.write(`HTTP/1.1 200 OK\r\nContent-Length: 2004\r\n\r\n${"x".repeat(2000)}fine`),
    changes: { bodyCapBytes: 1000, ...bodyExpected },
    outcome: "assertion",
    detail: /the first 1000 bytes/,
  },
  {
    name: "a 500",
    serves: (s) => s.write("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"),
    outcome: "status",
    status: 500,
  },
  {
    name: "a plain 503",
    serves: (s) => s.write("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"),
    outcome: "status",
    status: 503,
  },
  {
    name: "a 404",
    serves: (s) => s.write("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"),
    outcome: "assertion",
    status: 404,
  },
  {
    name: "a plain 403",
    serves: (s) => s.write("HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nforbidden"),
    outcome: "assertion",
    status: 403,
  },
  {
    name: "a 503 that is expected",
    serves: (s) => s.write("HTTP/1.1 503 Off\r\nContent-Length: 0\r\n\r\n"),
    changes: { expect: [{ kind: "status", anyOf: [{ from: 503, to: 503 }] }] },
    outcome: "ok",
    status: 503,
  },
  {
    name: "a 201 where 200 alone is expected",
    serves: (s) => s.write("HTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n"),
    changes: { expect: [{ kind: "status", anyOf: [{ from: 200, to: 200 }] }] },
    outcome: "assertion",
  },
  {
    name: "the wrong body",
    serves: (s) => s.write(`${HEAD}no`),
    changes: bodyExpected,
    outcome: "assertion",
    detail: /does not contain "fine"/,
  },
  {
    name: "a redirect that is not expected",
    serves: (s) => s.write("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"),
    outcome: "redirect",
    status: 302,
  },
  {
    name: "a redirect that is expected",
    serves: (s) => s.write("HTTP/1.1 301 Moved\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"),
    changes: { expect: [{ kind: "status", anyOf: [{ from: 301, to: 301 }] }] },
    outcome: "ok",
    status: 301,
  },
  {
    name: "redirects without end",
    serves: (s) => s.write("HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"),
    changes: { redirects: 3 },
    outcome: "redirect",
    detail: /after 3 redirects/,
  },
  {
    name: "a redirect to the metadata service, even where private addresses are allowed",
    serves: (s) =>
      s.write("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n"),
    changes: { redirects: 3 },
    outcome: "forbidden",
    detail: /^redirected: .*169\.254\.169\.254 is link-local/,
  },
  {
    name: "a redirect out of http",
    serves: (s) => s.write("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"),
    changes: { redirects: 1 },
    outcome: "forbidden",
  },
  {
    name: "a challenge of Cloudflare's",
    serves: (s) => s.write("HTTP/1.1 403 No\r\ncf-mitigated: challenge\r\nContent-Length: 0\r\n\r\n"),
    outcome: "blocked",
    status: 403,
    detail: /Cloudflare/,
  },
  {
    name: "a firewall's page in a redirect-free 503 whose status nobody expected",
    serves: (s) => s.end("HTTP/1.1 503 No\r\nServer: cloudflare\r\n\r\n<title>Just a moment...</title>"),
    outcome: "blocked",
    status: 503,
  },
];

describe("one sample", () => {
  test.each(rows)("reads $name as $outcome", async ({ serves, changes, outcome, status, detail }) => {
    const { port } = await raw(serves);
    const sample = await look(`http://127.0.0.1:${port}/`, changes);
    expect(sample).toMatchObject({ outcome, ...(status === undefined ? {} : { status }) });
    if (detail !== undefined) expect(sample.detail).toMatch(detail);
    if (outcome === "ok") expect(sample.detail).toBeUndefined();
    else expect(sample.detail).toMatch(/^[^\p{Cc}]{1,160}$/u);
  });

  test("reads a closed port as refused", async () => {
    const served = await serveRaw(() => undefined);
    await served.close();
    const sample = await look(`http://127.0.0.1:${served.port}/`);
    expect(sample).toMatchObject({ outcome: "refused", status: 0, ttfbMs: 0, reused: false });
    expect(sample.detail).toBe("ECONNREFUSED: connection refused");
  });

  test("asks once, whatever comes of it", async () => {
    let asked = 0;
    const { port, connections } = await raw((socket) => {
      asked++;
      socket.resetAndDestroy();
    });
    await look(`http://127.0.0.1:${port}/`);
    expect({ asked, connections: connections() }).toEqual({ asked: 1, connections: 1 });
  });

  test("does not inflate a compressed body, and asks for none", async () => {
    let asked: string | undefined;
    const bomb = gzipSync(Buffer.alloc(20_000_000, "fine"));
    const { port } = await http((request, response) => {
      asked = String(request.headers["accept-encoding"]);
      response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
    });
    const before = process.memoryUsage().arrayBuffers;
    const sample = await look(`http://127.0.0.1:${port}/`, { ...bodyExpected, headers: { "Accept-Encoding": "gzip" } });
    expect(sample).toMatchObject({ outcome: "assertion", detail: expect.stringMatching(/compressed/) });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
    expect(asked).toBe("identity");
  });

  test("keeps secrets and control characters out of what people read", async () => {
    const { port } = await http((_request, response) => {
      response.end(JSON.stringify({ status: "sk_live_4f\u001b[31m\nX", ready: "\u202Eno" }));
    });
    const url = `http://127.0.0.1:${port}/health?token=hunter2`;
    const headers = { authorization: "Bearer hunter2" };
    for (const pointer of ["/status", "/ready"]) {
      const sample = await look(url, { headers, expect: [{ kind: "json", pointer, equals: "ok" }] });
      expect(sample.detail).toBe(`JSON ${pointer} is another text, not "ok"`);
    }
    const redirected = await http((_request, response) => {
      response.writeHead(302, { location: "http://[::1%25\u00a0]:x/?token=hunter2" }).end();
    });
    const sample = await look(`http://127.0.0.1:${redirected.port}/`, { redirects: 2 });
    expect(sample).toMatchObject({ outcome: "forbidden", detail: "redirected: the URL cannot be read" });
  });

  test("refuses a header that HTTP forbids instead of throwing", async () => {
    const { port, connections } = await http((_request, response) => response.end());
    const sample = await look(`http://127.0.0.1:${port}/`, { headers: { "x-a": "b\r\nx-evil: 1" } });
    expect(sample).toMatchObject({ outcome: "forbidden", status: 0 });
    expect(sample.detail).not.toContain("evil");
    expect(connections()).toBe(1);
  });

  test.each([
    { method: "HEAD", length: undefined },
    { method: "POST", length: "0" },
    { method: "GET", length: undefined },
  ] as const)("sends $method with the config's headers, and its own for the transfer", async ({ method, length }) => {
    const seen: IncomingMessage[] = [];
    const { port } = await http((request, response) => {
      seen.push(request);
      response.end("ok");
    });
    const headers = { "X-Key": "v", "User-Agent": "mine", Connection: "close", "Transfer-Encoding": "chunked" };
    const sample = await look(`http://127.0.0.1:${port}/a%20b?c=d`, { method, headers });
    expect(sample.outcome).toBe("ok");
    expect(seen.map(({ method: sent, url }) => [sent, url])).toEqual([[method, "/a%20b?c=d"]]);
    expect(seen[0]?.headers).toEqual({
      host: `127.0.0.1:${port}`,
      "x-key": "v",
      "user-agent": "mine",
      accept: "*/*",
      "accept-encoding": "identity",
      connection: "keep-alive",
      ...(length === undefined ? {} : { "content-length": length }),
    });
  });
});

describe("the deadline", () => {
  test("is one over all hops", async () => {
    let hops = 0;
    const { port } = await http((_request, response) => {
      hops++;
      setTimeout(() => response.writeHead(302, { location: `/${hops}` }).end(), 60);
    });
    const sample = await look(`http://127.0.0.1:${port}/`, { redirects: 1000, timeoutMs: 400 });
    expect(sample.outcome).toBe("timeout");
    expect(hops).toBeLessThan(1000);
  });

  test("that passes while the name is looked up is trouble with DNS, not with the target", async () => {
    const sample = await look("http://slow.example/", { timeoutMs: 30 }, { lookup: () => undefined });
    expect(sample).toMatchObject({ outcome: "dns", status: 0, detail: expect.stringMatching(/looking up/) });
  });

  test("destroys the connection when it passes", async () => {
    let gone: Promise<unknown> | undefined;
    const { port } = await raw((socket) => {
      gone = once(socket, "close");
    });
    const session = createProber().open(localRequest(`http://127.0.0.1:${port}/`, short));
    ending.push(() => session.close());
    expect((await session.sample()).outcome).toBe("timeout");
    await gone;
  });
});

describe("stopping", () => {
  test("an abort ends the sample as our own doing", async () => {
    const stop = new AbortController();
    const { port } = await raw(() => stop.abort());
    const session = createProber().open(localRequest(`http://127.0.0.1:${port}/`));
    ending.push(() => session.close());
    expect(await session.sample(stop.signal)).toMatchObject({ outcome: "local", status: 0 });
  });

  test("an abort that came before sends nothing", async () => {
    const { port, connections } = await raw(() => undefined);
    const session = createProber().open(localRequest(`http://127.0.0.1:${port}/`));
    expect((await session.sample(AbortSignal.abort())).outcome).toBe("local");
    session.close();
    expect(connections()).toBe(0);
  });

  test("closing the session ends the sample and destroys its connection, and no later sample is sent", async () => {
    let gone: Promise<unknown> | undefined;
    const { port, connections } = await raw((socket) => {
      gone = once(socket, "close");
      session.close();
    });
    const session = createProber().open(localRequest(`http://127.0.0.1:${port}/`));
    expect((await session.sample()).outcome).toBe("local");
    await gone;
    expect((await session.sample()).outcome).toBe("local");
    expect(connections()).toBe(1);
  });

  test("closing the session destroys the idle connection", async () => {
    let gone: Promise<unknown> | undefined;
    const { port } = await http((request, response) => {
      gone = once(request.socket, "close");
      response.end("ok");
    });
    const session = createProber().open(localRequest(`http://127.0.0.1:${port}/`));
    expect((await session.sample()).outcome).toBe("ok");
    session.close();
    await gone;
  });
});

describe("a session", () => {
  test("reuses its connection, without phases, and without gathering listeners on it", async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on("warning", warned);
    ending.push(() => process.off("warning", warned));
    const { port, connections } = await http((_request, response) => response.end("ok"));
    const session = createProber().open(localRequest(`http://127.0.0.1:${port}/`));
    ending.push(() => session.close());
    const first = await session.sample();
    expect(first).toMatchObject({ outcome: "ok", reused: false, phases: { connectMs: expect.any(Number) } });
    expect(first.phases).not.toHaveProperty("dnsMs");
    for (let taken = 0; taken < 15; taken++) {
      const sample = await session.sample();
      expect(sample).toMatchObject({ outcome: "ok", status: 200, reused: true });
      expect(sample.phases).toBeUndefined();
      expect(sample.ttfbMs).toBeGreaterThan(0);
    }
    expect(connections()).toBe(1);
    expect(warnings).toEqual([]);
  });

  test.each([
    { name: "says close", headers: { connection: "close" } },
    { name: "keeps idle connections for a second only", headers: { "keep-alive": "timeout=1" } },
  ])("opens a fresh connection where the server $name", async ({ headers }) => {
    const { port, connections } = await http((_request, response) => response.writeHead(200, headers).end("ok"));
    const session = createProber().open(localRequest(`http://127.0.0.1:${port}/`));
    ending.push(() => session.close());
    for (let taken = 0; taken < 2; taken++)
      expect(await session.sample()).toMatchObject({ outcome: "ok", reused: false });
    expect(connections()).toBe(2);
  });

  test("takes an idle connection that the server closed for no failure: a fresh one is opened", async () => {
    const { port, connections } = await raw((socket) => {
      socket.write(`${HEAD}ok`, () => socket.destroy());
    });
    const session = createProber().open(localRequest(`http://127.0.0.1:${port}/`));
    ending.push(() => session.close());
    for (let taken = 1; taken <= 5; taken++) {
      expect(await session.sample()).toMatchObject({ outcome: "ok", reused: false });
      expect(connections()).toBe(taken);
    }
  });

  test("takes a connection that breaks after the request reached the server for a failure, and does not ask again", async () => {
    let asked = 0;
    const { port, connections } = await raw((socket, count) => {
      asked++;
      if (count === 1) socket.write(`${HEAD}ok`);
      else setTimeout(() => socket.destroy(), 400);
    });
    const session = createProber().open(localRequest(`http://127.0.0.1:${port}/`));
    ending.push(() => session.close());
    expect((await session.sample()).outcome).toBe("ok");
    expect(await session.sample()).toMatchObject({ outcome: "refused", reused: true, status: 0 });
    expect({ asked, connections: connections() }).toEqual({ asked: 2, connections: 1 });
  });

  test("never sends a POST on a kept connection, since a lost one could not be sent again", async () => {
    const { port, connections } = await http((_request, response) => response.end("ok"));
    const session = createProber().open(localRequest(`http://127.0.0.1:${port}/`, { method: "POST" }));
    ending.push(() => session.close());
    for (let taken = 0; taken < 2; taken++)
      expect(await session.sample()).toMatchObject({ outcome: "ok", reused: false });
    expect(connections()).toBe(2);
  });

  test("gives up a connection on which something came unasked, so that it never becomes an answer", async () => {
    let gone: Promise<unknown> | undefined;
    const { port, connections } = await raw((socket, count) => {
      gone = once(socket, "close");
      socket.write(`${HEAD}ok`);
      if (count === 1) first.then(() => socket.write("HTTP/1.1 500 Planted\r\nContent-Length: 0\r\n\r\n"));
    });
    const session = createProber().open(localRequest(`http://127.0.0.1:${port}/`));
    ending.push(() => session.close());
    const first = session.sample();
    expect((await first).outcome).toBe("ok");
    await gone;
    expect(await session.sample()).toMatchObject({ outcome: "ok", reused: false });
    expect(connections()).toBe(2);
  });

  test.each([
    { name: "sooner than a round trip", afterMs: 19, closedBefore: true },
    { name: "after a round trip", afterMs: 20, closedBefore: false },
    { name: "after the head of an answer", afterMs: 5, status: 200, closedBefore: false },
    { name: "by our own deadline", afterMs: 5, outcome: "timeout" as const, closedBefore: false },
  ])("counts a kept connection that broke $name as closed before: $closedBefore", (row) => {
    const broken = {
      fault: new Fault(row.outcome ?? "refused", "broke"),
      status: row.status ?? 0,
      ttfbMs: 0,
      afterMs: row.afterMs,
    };
    expect(wasClosedBefore(broken, { connectMs: 20 })).toBe(row.closedBefore);
  });
});

describe("redirects", () => {
  test("are followed up to the number that the target says, and the last answer is judged", async () => {
    const { port } = await http((request, response) => {
      const left = Number(request.url?.slice(1));
      if (left > 0) response.writeHead(307, { location: `${left - 1}` }).end();
      else response.end("fine");
    });
    const changes = { ...bodyExpected, redirects: 3 };
    expect(await look(`http://127.0.0.1:${port}/3`, changes)).toMatchObject({ outcome: "ok", status: 200 });
    expect(await look(`http://127.0.0.1:${port}/4`, changes)).toMatchObject({ outcome: "redirect", status: 307 });
  });

  test("take no header of the config to another origin, nor back again", async () => {
    const seen: string[] = [];
    let other = 0;
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      seen.push(`${request.url} ${request.headers.authorization ?? "-"} ${request.headers["x-key"] ?? "-"}`);
      const next = { "/a": "/b", "/b": `http://127.0.0.1:${other}/c`, "/c": `http://127.0.0.1:${own}/d` }[
        request.url ?? ""
      ];
      if (next === undefined) response.end("ok");
      else response.writeHead(302, { location: next }).end();
    };
    const { port: own } = await http(listener);
    other = (await http(listener)).port;
    const headers = { authorization: "Bearer hunter2", "x-key": "k" };
    expect((await look(`http://127.0.0.1:${own}/a`, { headers, redirects: 5 })).outcome).toBe("ok");
    expect(seen).toEqual(["/a Bearer hunter2 k", "/b Bearer hunter2 k", "/c - -", "/d - -"]);
  });

  test("have their names looked up and checked at each hop", async () => {
    const { port } = await http((_request, response) => {
      response.writeHead(302, { location: "http://metadata.example/" }).end();
    });
    const asked: string[] = [];
    const lookup: ProberOptions["lookup"] = (name, _options, callback) => {
      asked.push(name);
      callback(null, [{ address: name === "start.example" ? "127.0.0.1" : "169.254.169.254", family: 4 }]);
    };
    const sample = await look(`http://start.example:${port}/`, { redirects: 3 }, { lookup });
    expect(sample).toMatchObject({
      outcome: "forbidden",
      status: 0,
      detail: "metadata.example points to 169.254.169.254, which is link-local",
    });
    expect(asked).toEqual(["start.example", "metadata.example"]);
  });

  test("do not wait for the body of an answer that only points elsewhere", async () => {
    const { port } = await raw((socket, count) => {
      if (count === 1) socket.write("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 1000\r\n\r\n");
      else socket.write(`${HEAD}ok`);
    });
    expect((await look(`http://127.0.0.1:${port}/`, { redirects: 1 })).outcome).toBe("ok");
  });
});

describe("names", () => {
  const named = (code: string) => Object.assign(new Error(code), { code });
  test.each([
    { name: "does not exist", error: named("ENOTFOUND"), outcome: "dns" },
    { name: "cannot be resolved now", error: named("EAI_AGAIN"), outcome: "dns" },
    { name: "has no address", error: named("ENODATA"), outcome: "dns" },
    { name: "cannot be looked up for want of files", error: named("EMFILE"), outcome: "local" },
    { name: "has an empty answer", error: null, outcome: "dns" },
  ])("a name that $name is $outcome", async ({ error, outcome }) => {
    const sample = await look(
      "http://name.example/",
      {},
      { lookup: (_name, _options, callback) => callback(error, []) },
    );
    expect(sample).toMatchObject({ outcome, status: 0, reused: false });
  });

  test("a real name has a phase of its own, and the phases add up", async () => {
    const { port } = await http((_request, response) => response.end("ok"));
    const { outcome, phases, ttfbMs, totalMs } = await look(`http://localhost:${port}/`);
    expect(outcome).toBe("ok");
    expect(Object.keys(phases ?? {}).sort()).toEqual(["connectMs", "dnsMs"]);
    expect((phases?.dnsMs ?? 0) + (phases?.connectMs ?? 0) + ttfbMs).toBeLessThanOrEqual(totalMs);
  });

  test("the second address serves where the first does not", async () => {
    const { port } = await http((_request, response) => response.end("ok"));
    const lookup: ProberOptions["lookup"] = (_name, _options, callback) =>
      callback(null, [
        { address: "127.0.0.2", family: 4 },
        { address: "127.0.0.1", family: 4 },
      ]);
    expect((await look(`http://two.example:${port}/`, {}, { lookup })).outcome).toBe("ok");
  });

  test("a name is asked once for a connection, and the connection goes to what was checked", async () => {
    const { port } = await http((request, response) => response.end(request.socket.localAddress));
    const answers = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    let asked = 0;
    const lookup: ProberOptions["lookup"] = (_name, _options, callback) =>
      callback(null, [{ address: answers[asked++] ?? "", family: 4 }]);
    const expectation = { kind: "body-contains", text: "127.0.0.1" } as const;
    const sample = await look(`http://rebinding.example:${port}/`, { expect: [expectation] }, { lookup });
    expect(sample.outcome).toBe("ok");
    expect(asked).toBe(1);
  });

  test("a name that was public and turns private is refused from then on", async () => {
    const secret = await http((_request, response) => response.end("secret"));
    const stop = new AbortController();
    let asked = 0;
    const lookup: ProberOptions["lookup"] = (_name, _options, callback) => {
      asked++;
      // Stopped between the check and the connection: a public address is never connected to from a test.
      if (asked === 1) stop.abort();
      callback(null, [{ address: asked === 1 ? "8.8.8.8" : "127.0.0.1", family: 4 }]);
    };
    const session = createProber({ lookup }).open(
      localRequest(`http://rebinding.example:${secret.port}/`, { allowPrivate: false }),
    );
    ending.push(() => session.close());
    expect((await session.sample(stop.signal)).outcome).toBe("local");
    expect((await session.sample()).outcome).toBe("forbidden");
    expect({ asked, connections: secret.connections() }).toEqual({ asked: 2, connections: 0 });
  });

  test("one private address among public ones refuses the name", async () => {
    const secret = await http((_request, response) => response.end("secret"));
    const lookup: ProberOptions["lookup"] = (_name, _options, callback) =>
      callback(null, [
        { address: "8.8.8.8", family: 4 },
        { address: "127.0.0.1", family: 4 },
      ]);
    const sample = await look(`http://mixed.example:${secret.port}/`, { allowPrivate: false }, { lookup });
    expect(sample).toMatchObject({
      outcome: "forbidden",
      detail: expect.stringMatching(/127\.0\.0\.1, which is loopback/),
    });
    expect(secret.connections()).toBe(0);
  });

  test("the function's own runtime interface is refused even where private addresses are allowed", async () => {
    let asked = 0;
    const { port } = await http((_request, response) => {
      asked++;
      response.end("secret");
    });
    const sample = await look(`http://localhost:${port}/`, {}, { runtimeApi: `127.0.0.1:${port}` });
    expect(sample.outcome).toBe("forbidden");
    expect(asked).toBe(0);
  });
});

describe("taint", () => {
  test("marks a sample during which our own event loop stood still, and no other", async () => {
    let hold = true;
    const { port } = await http((_request, response) => {
      const until = performance.now() + (hold ? 150 : 0);
      while (performance.now() < until);
      response.end("ok");
    });
    const url = `http://127.0.0.1:${port}/`;
    expect(await look(url)).toMatchObject({ outcome: "ok", tainted: true });
    expect(await look(url, {}, { taintedAboveMs: 60_000 })).toMatchObject({ outcome: "ok", tainted: false });
    hold = false;
    expect(await look(url, {}, { taintedAboveMs: 60_000 })).toMatchObject({ outcome: "ok", tainted: false });
  });
});
