import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { createSecureContext } from "node:tls";
import { createProber } from "@neuropilot/probe";

/** The ways to check that are compared. Each makes a fresh connection, verifies the certificate, and reads the whole answer. */
export const WAYS = ["prober", "node:https", "undici"] as const;
export type Way = (typeof WAYS)[number];

/** One fresh check; rejects unless it was answered with 200. */
export type Check = () => Promise<void>;

/** Makes the check of a way, warmed by nothing yet. `authority` is the PEM of the only authority that is trusted. */
export async function makeCheck(way: Way, url: string, authority: string): Promise<Check> {
  switch (way) {
    case "prober":
      return ofProber(url, authority);
    case "node:https":
      return ofNode(url, authority);
    case "undici":
      return ofUndici(url, authority);
  }
}

function ofProber(url: string, authority: string): Check {
  const prober = createProber({ certificateAuthorities: [authority] });
  return async () => {
    const session = prober.open({
      url,
      method: "GET",
      headers: {},
      timeoutMs: 5000,
      redirects: 0,
      allowPrivate: true,
      bodyCapBytes: 65_536,
      expect: [],
    });
    const sample = await session.sample();
    session.close();
    if (sample.outcome !== "ok") throw new Error(`prober: ${sample.outcome}: ${sample.detail}`);
  };
}

/** The plain way with Node's client: one request without an agent, a shared context, nothing measured, nothing guarded. */
function ofNode(url: string, authority: string): Check {
  const options = { agent: false as const, timeout: 5000, secureContext: createSecureContext({ ca: authority }) };
  const request = url.startsWith("https:") ? requestHttps : requestHttp;
  return () =>
    new Promise((resolve, reject) => {
      const sent = request(url, options, (response) => {
        response.resume();
        response.on("end", () => (response.statusCode === 200 ? resolve() : reject(new Error("not 200"))));
        response.on("error", reject);
      });
      sent.on("error", reject);
      sent.end();
    });
}

async function ofUndici(url: string, authority: string): Promise<Check> {
  // Loaded here, or every way would pay for it.
  const { Client } = await import("undici");
  const { origin, pathname } = new URL(url);
  const secureContext = createSecureContext({ ca: authority });
  return async () => {
    const client = new Client(origin, { connect: { secureContext, timeout: 5000, maxCachedSessions: 0 } });
    const { statusCode, body } = await client.request({ method: "GET", path: pathname });
    await body.dump();
    await client.destroy();
    if (statusCode !== 200) throw new Error(`undici: ${statusCode}`);
  };
}
