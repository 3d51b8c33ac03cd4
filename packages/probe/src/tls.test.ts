import { createServer as createHttpsServer, type ServerOptions } from "node:https";
import { createServer } from "node:net";
import type { Sample } from "@neuropilot/core";
import { generate } from "selfsigned";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { localRequest, type Served, serve, serveHttp, serveRaw } from "./fixture.ts";
import type { ProbeRequest } from "./port.ts";
import { createProber, type ProberOptions } from "./prober.ts";

interface Pair {
  readonly key: string;
  readonly cert: string;
}
type Names = { readonly dns?: string; readonly ip?: string };

const DAY_MS = 86_400_000;
let authority: Pair;
const ending: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});
beforeAll(async () => {
  const made = await generate([{ name: "commonName", value: "Test authority" }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, critical: true },
    ],
  });
  authority = { key: made.private, cert: made.cert };
});

/** A certificate under the test's authority, or self-signed. */
async function certificate(
  names: Names,
  { fromDays = -1, toDays = 30, selfSigned = false }: { fromDays?: number; toDays?: number; selfSigned?: boolean } = {},
): Promise<Pair> {
  const now = Date.now();
  const made = await generate([{ name: "commonName", value: "localhost" }], {
    keyType: "ec",
    algorithm: "sha256",
    notBeforeDate: new Date(now + fromDays * DAY_MS),
    notAfterDate: new Date(now + toDays * DAY_MS),
    extensions: [
      {
        name: "subjectAltName",
        altNames: [
          ...(names.dns === undefined ? [] : [{ type: 2 as const, value: names.dns }]),
          ...(names.ip === undefined ? [] : [{ type: 7 as const, ip: names.ip }]),
        ],
      },
    ],
    ...(selfSigned ? {} : { ca: authority }),
  });
  return { key: made.private, cert: made.cert };
}

async function serveTls(options: ServerOptions): Promise<Served> {
  const server = createHttpsServer(options, (_request, response) => response.end("ok"));
  server.on("tlsClientError", () => undefined);
  const served = await serve(server);
  ending.push(served.close);
  return served;
}

async function look(url: string, changes: Partial<ProbeRequest> = {}, options: ProberOptions = {}): Promise<Sample> {
  const session = createProber({ certificateAuthorities: [authority.cert], ...options }).open(
    localRequest(url, changes),
  );
  try {
    return await session.sample();
  } finally {
    session.close();
  }
}

describe("TLS", () => {
  test("has a phase of its own; the phases add up; the certificate's days are told", async () => {
    const { port } = await serveTls(await certificate({ dns: "localhost" }, { toDays: 30 }));
    const sample = await look(`https://localhost:${port}/`);
    expect(sample).toMatchObject({ outcome: "ok", status: 200, reused: false });
    expect(Object.keys(sample.phases ?? {}).sort()).toEqual(["connectMs", "dnsMs", "tlsMs"]);
    const { dnsMs = 0, connectMs = 0, tlsMs = 0 } = sample.phases ?? {};
    expect(dnsMs + connectMs + tlsMs + sample.ttfbMs).toBeLessThanOrEqual(sample.totalMs);
    expect(tlsMs).toBeGreaterThan(0);
    expect([29, 30]).toContain(sample.certificateDays);
  });

  test("is agreed on once for a session, and the certificate's days stay known", async () => {
    const { port, connections } = await serveTls(await certificate({ dns: "localhost" }));
    const session = createProber({ certificateAuthorities: [authority.cert] }).open(
      localRequest(`https://localhost:${port}/`),
    );
    ending.push(() => session.close());
    const { certificateDays } = await session.sample();
    for (let taken = 0; taken < 3; taken++) {
      const sample = await session.sample();
      expect(sample).toMatchObject({ outcome: "ok", reused: true, certificateDays });
      expect(sample.phases).toBeUndefined();
    }
    expect(connections()).toBe(1);
  });

  test.each([
    { name: "has expired", names: { dns: "localhost" }, how: { fromDays: -20, toDays: -2 }, code: "CERT_HAS_EXPIRED" },
    {
      name: "is not valid yet",
      names: { dns: "localhost" },
      how: { fromDays: 2, toDays: 20 },
      code: "CERT_NOT_YET_VALID",
    },
    { name: "is for another host", names: { dns: "other.example" }, how: {}, code: "ERR_TLS_CERT_ALTNAME_INVALID" },
    { name: "is for an address only", names: { ip: "127.0.0.1" }, how: {}, code: "ERR_TLS_CERT_ALTNAME_INVALID" },
    {
      name: "is self-signed",
      names: { dns: "localhost" },
      how: { selfSigned: true },
      code: "DEPTH_ZERO_SELF_SIGNED_CERT",
    },
  ])("refuses a certificate that $name, before the request is sent", async ({ names, how, code }) => {
    let asked = 0;
    const server = createHttpsServer(await certificate(names, how), (_request, response) => {
      asked++;
      response.end("ok");
    });
    const served = await serve(server);
    ending.push(served.close);
    const sample = await look(`https://localhost:${served.port}/`, { headers: { authorization: "Bearer hunter2" } });
    expect(sample).toMatchObject({ outcome: "tls", status: 0, ttfbMs: 0 });
    expect(sample.detail).toMatch(new RegExp(`^${code}: the certificate `));
    expect(asked).toBe(0);
  });

  test("refuses a certificate of an authority that nobody trusts", async () => {
    const { port } = await serveTls(await certificate({ dns: "localhost" }));
    const session = createProber().open(localRequest(`https://localhost:${port}/`));
    ending.push(() => session.close());
    expect((await session.sample()).outcome).toBe("tls");
  });

  test.each([
    { name: "a wildcard of one level", dns: "*.example.test", host: "api.example.test", outcome: "ok" },
    { name: "a wildcard, two levels down", dns: "*.example.test", host: "v1.api.example.test", outcome: "tls" },
    { name: "a wildcard within a label", dns: "a*.example.test", host: "api.example.test", outcome: "tls" },
    { name: "a name in other letters", dns: "API.example.test", host: "api.example.test", outcome: "ok" },
    { name: "a full name with its last dot", dns: "api.example.test", host: "api.example.test.", outcome: "ok" },
  ])("judges $name as $outcome", async ({ dns, host, outcome }) => {
    const { port } = await serveTls(await certificate({ dns }));
    const lookup: ProberOptions["lookup"] = (_name, _options, callback) =>
      callback(null, [{ address: "127.0.0.1", family: 4 }]);
    expect((await look(`https://${host}:${port}/`, {}, { lookup })).outcome).toBe(outcome);
  });

  test("accepts an address that the certificate names", async () => {
    const { port } = await serveTls(await certificate({ ip: "127.0.0.1" }));
    expect(await look(`https://127.0.0.1:${port}/`)).toMatchObject({ outcome: "ok" });
  });

  test("tells a server that speaks plain HTTP, and one that offers only what is too old, as trouble with TLS", async () => {
    const plain = await serveHttp((_request, response) => response.end("ok"));
    ending.push(plain.close);
    expect((await look(`https://localhost:${plain.port}/`)).outcome).toBe("tls");
    const pair = await certificate({ dns: "localhost" });
    const old = await serveTls({ ...pair, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" });
    expect((await look(`https://localhost:${old.port}/`)).outcome).toBe("tls");
  });

  test("tells a server that speaks HTTP/2 only as trouble with TLS", async () => {
    const pair = await certificate({ dns: "localhost" });
    const { port } = await serveTls({ ...pair, ALPNProtocols: ["h2"] });
    expect((await look(`https://localhost:${port}/`)).outcome).toBe("tls");
  });

  test("tells a close before the handshake as refused, and silence as a time-out", async () => {
    const closing = await serve(createServer((socket) => socket.end()));
    ending.push(closing.close);
    expect((await look(`https://localhost:${closing.port}/`)).outcome).toBe("refused");
    const silent = await serveRaw(() => undefined);
    ending.push(silent.close);
    expect(await look(`https://localhost:${silent.port}/`, { timeoutMs: 300 })).toMatchObject({
      outcome: "timeout",
      detail: expect.stringMatching(/agreeing on TLS/),
    });
  });

  test.each([
    { atLeast: 14, outcome: "ok" },
    { atLeast: 60, outcome: "tls" },
  ])("with at least $atLeast days expected of a certificate of 30 is $outcome", async ({ atLeast, outcome }) => {
    const { port } = await serveTls(await certificate({ dns: "localhost" }, { toDays: 30 }));
    const sample = await look(`https://localhost:${port}/`, { expect: [{ kind: "certificate-days", atLeast }] });
    expect(sample).toMatchObject({ outcome, status: 200 });
  });
});
