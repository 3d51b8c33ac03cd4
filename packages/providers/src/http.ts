import type { Fetch } from "./port.ts";

export interface VendorRequest {
  /** Node's own `fetch` unless a test or proxy injects another. */
  readonly fetch?: Fetch | undefined;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as JSON with its content type, unless `headers` names another. */
  readonly json?: unknown;
  /** For the whole call, from the connection to the last byte of the answer, milliseconds. */
  readonly timeoutMs: number;
  /** Longest answer that is read, bytes. */
  readonly maxBodyBytes?: number;
  /** Tokens and the like: they never appear in a text that comes back. */
  readonly secrets?: readonly string[];
}

/** The body as JSON, as text that is not JSON, or why it could not be read. */
export type VendorBody =
  | { readonly kind: "json"; readonly value: unknown }
  | { readonly kind: "text"; readonly text: string }
  | {
      readonly kind: "unreadable";
      readonly why: "timeout" | "connection-lost" | "unreadable-answer";
      readonly detail: string;
    };

/**
 * How one HTTP call went, in the terms that decide whether it may have had an effect.
 *
 * - `answered`: the status line arrived; what follows may still be unreadable.
 * - `unsendable`: nothing was sent and asking again will not help (a bad URL or header value).
 * - `not-sent`: nothing was sent, because no connection came about (refused, name not found, TLS).
 * - `lost`: it was or may have been sent, and no answer came.
 */
export type VendorAnswer =
  | { readonly kind: "answered"; readonly status: number; readonly headers: Headers; readonly body: VendorBody }
  | { readonly kind: "unsendable"; readonly detail: string }
  | { readonly kind: "not-sent"; readonly detail: string }
  | { readonly kind: "lost"; readonly why: "timeout" | "connection-lost"; readonly detail: string };

const MAX_BODY_BYTES = 1_048_576;

/**
 * One HTTP call: no retries, no redirects followed (a 307 would repeat the action elsewhere, with the token), a deadline
 * and a cap on the answer. Never throws for what the other side does.
 */
export async function callVendor(request: VendorRequest): Promise<VendorAnswer> {
  if (!(request.timeoutMs > 0)) return { kind: "not-sent", detail: "no time was left for the call" };
  const headers = readHeaders(request);
  if (headers === undefined)
    return {
      kind: "unsendable",
      detail: "a header cannot be sent: does the token hold a line break or a foreign character?",
    };
  if (!isHttpUrl(request.url)) return { kind: "unsendable", detail: "the base URL is not an http or https URL" };
  const host = new URL(request.url).host;
  const send: Fetch = request.fetch ?? globalThis.fetch;
  const signal = AbortSignal.timeout(request.timeoutMs);
  let response: Response;
  try {
    response = await send(request.url, {
      method: request.method,
      headers,
      redirect: "manual",
      signal,
      ...(request.json === undefined ? {} : { body: JSON.stringify(request.json) }),
    });
  } catch (error) {
    if (signal.aborted)
      return { kind: "lost", why: "timeout", detail: `no answer from ${host} within ${request.timeoutMs} ms` };
    const code = errorCode(error);
    if (neverSent(error)) return { kind: "not-sent", detail: `no connection to ${host}: ${code ?? "refused"}` };
    return {
      kind: "lost",
      why: "connection-lost",
      detail: `the connection to ${host} ended without an answer${code === undefined ? "" : ` (${code})`}`,
    };
  }
  return {
    kind: "answered",
    status: response.status,
    headers: response.headers,
    body: await readBody(response, request, signal),
  };
}

function readHeaders(request: VendorRequest): Headers | undefined {
  try {
    // A kept connection may have died unseen (a frozen function, an idle proxy), and a call that fails on one looks as
    // if it may have had an effect. A connection of its own makes "refused" mean "never sent".
    const headers = new Headers({ accept: "application/json", connection: "close", ...request.headers });
    if (request.json !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json");
    return headers;
  } catch {
    // The error of `Headers` quotes the value, which may be the token.
    return undefined;
  }
}

function isHttpUrl(url: string): boolean {
  const parsed = URL.parse(url);
  // fetch refuses credentials in a URL, with an error that quotes them.
  return (
    (parsed?.protocol === "http:" || parsed?.protocol === "https:") && parsed.username === "" && parsed.password === ""
  );
}

async function readBody(response: Response, request: VendorRequest, signal: AbortSignal): Promise<VendorBody> {
  const limit = request.maxBodyBytes ?? MAX_BODY_BYTES;
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  try {
    if (response.body !== null) {
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
        size += chunk.byteLength;
        if (size > limit)
          return { kind: "unreadable", why: "unreadable-answer", detail: `the answer is longer than ${limit} bytes` };
        text += decoder.decode(chunk, { stream: true });
      }
    }
  } catch {
    return signal.aborted
      ? {
          kind: "unreadable",
          why: "timeout",
          detail: `the answer began but did not end within ${request.timeoutMs} ms`,
        }
      : { kind: "unreadable", why: "connection-lost", detail: "the connection ended in the middle of the answer" };
  }
  text = withoutSecrets(text + decoder.decode(), request.secrets ?? []);
  try {
    const value: unknown = JSON.parse(text);
    return { kind: "json", value };
  } catch {
    return { kind: "text", text };
  }
}

/** Replaces every secret in a text; a proxy's error page may echo the headers it got. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.filter((secret) => secret !== "").reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text);
}

const QUOTE_LENGTH = 200;

/** A vendor's words as one short printable line, for a detail text. */
export function quoted(text: string): string {
  const line = text
    .replace(/<[^>]*>/g, " ")
    .replace(/[\p{C}\p{Z}]+/gu, " ")
    .trim();
  return line.length <= QUOTE_LENGTH ? line : `${line.slice(0, QUOTE_LENGTH - 1)}…`;
}

const LONGEST_RETRY_AFTER_MS = 24 * 60 * 60 * 1000;

/**
 * `Retry-After` in milliseconds, from seconds or an HTTP date (RFC 9110, section 10.2.3), at most a day.
 * Undefined if it is missing or makes no sense.
 */
export function retryAfterMs(headers: Headers, now = Date.now()): number | undefined {
  const value = headers.get("retry-after")?.trim();
  if (value === undefined || value === "") return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return Math.min(Math.ceil(Number(value) * 1000), LONGEST_RETRY_AFTER_MS);
  const at = /[a-z]/i.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.min(Math.max(at - now, 0), LONGEST_RETRY_AFTER_MS);
}

/** Codes of failures that happen before the first byte of a request leaves. */
const BEFORE_SENDING = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EAI_FAIL",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  // OpenSSL's verdicts on a certificate: https://nodejs.org/docs/latest-v24.x/api/tls.html#x509-certificate-error-codes
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);

function neverSent(error: unknown): boolean {
  return causes(error).some(
    (cause) => (cause.code !== undefined && BEFORE_SENDING.has(cause.code)) || cause.syscall === "connect",
  );
}

function errorCode(error: unknown): string | undefined {
  return causes(error).find((cause) => cause.code !== undefined)?.code;
}

/** The chain of causes, with what node's errors carry. Bounded, since a cause may point back. */
function causes(error: unknown): { code: string | undefined; syscall: string | undefined }[] {
  const found = [];
  let current: unknown = error;
  for (let depth = 0; depth < 5 && typeof current === "object" && current !== null; depth += 1) {
    found.push({
      code: "code" in current && typeof current.code === "string" ? current.code : undefined,
      syscall: "syscall" in current && typeof current.syscall === "string" ? current.syscall : undefined,
    });
    current = "cause" in current ? current.cause : undefined;
  }
  return found;
}
