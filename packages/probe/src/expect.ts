import type { IncomingHttpHeaders } from "node:http";
import type { Expectation } from "@neuropilot/config";
import { blockedBy, originFault } from "./blocked.ts";
import { Fault } from "./fault.ts";

/** An answer as the expectations see it. */
export interface Seen {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As it came, not decompressed; absent where nothing asked for it. */
  readonly body: Buffer | undefined;
  /** The body went on after `body`: the cap was reached. */
  readonly truncated: boolean;
  readonly certificateDays: number | undefined;
}

/** Whether judging needs the body of any answer. */
export function wantsBody(expectations: readonly Expectation[]): boolean {
  return expectations.some(({ kind }) => kind === "body-contains" || kind === "json");
}

/**
 * Judges an answer: `undefined` is good. Without an expectation about the status, 2xx is. First who answered, then the status,
 * then everything else in the order of the config.
 */
export function judge(expectations: readonly Expectation[], seen: Seen): Fault | undefined {
  const { status } = seen;
  const ranges = expectations.flatMap((one) => (one.kind === "status" ? [one.anyOf] : []));
  const expected = ranges.every((anyOf) => anyOf.some(({ from, to }) => from <= status && status <= to));
  // Someone who expects a refusal by its status watches the firewall itself.
  if (!(ranges.length > 0 && expected && status >= 400)) {
    const blocked = blockedBy(status, seen.headers, seen.body);
    if (blocked !== undefined) return blocked;
  }
  if (ranges.length > 0 ? !expected : status < 200 || status > 299)
    return originFault(status, seen.headers, seen.body) ?? unexpectedStatus(status);
  for (const expectation of expectations) {
    const fault = judgeOne(expectation, seen);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function unexpectedStatus(status: number): Fault {
  if (status >= 500) return new Fault("status", `answered ${status}`);
  if (isRedirect(status)) return new Fault("redirect", `answered ${status}; redirects are not followed here`);
  return new Fault("assertion", `answered ${status}, which is not expected`);
}

/** The statuses that send a client elsewhere by their Location: RFC 9110, section 15.4. */
export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

function judgeOne(expectation: Expectation, seen: Seen): Fault | undefined {
  switch (expectation.kind) {
    case "status":
      return undefined;
    case "header":
      return judgeHeader(expectation.name, expectation.contains, seen.headers);
    case "certificate-days":
      return judgeCertificate(expectation.atLeast, seen.certificateDays);
    case "body-contains":
      return encodedBody(seen) ?? judgeText(expectation.text, seen);
    case "json":
      return encodedBody(seen) ?? judgeJson(expectation.pointer, expectation.equals, seen);
  }
}

function judgeHeader(name: string, contains: string, headers: IncomingHttpHeaders): Fault | undefined {
  const value = headers[name.toLowerCase()];
  if (value === undefined) return new Fault("assertion", `the header ${name} is missing`);
  if (String(value).includes(contains)) return undefined;
  return new Fault("assertion", `the header ${name} does not contain ${quoted(contains)}`);
}

/** An old certificate is a TLS matter: as an `assertion` it would count as something that a restart may cure. */
function judgeCertificate(atLeast: number, days: number | undefined): Fault | undefined {
  if (days === undefined) return new Fault("tls", "there is no certificate: the answer came over plain http");
  return days >= atLeast
    ? undefined
    : new Fault("tls", `the certificate ends in ${days} days, at least ${atLeast} are expected`);
}

/** Bodies are never decompressed, so that a small answer cannot become a large one here. We ask for none that would need it. */
function encodedBody({ headers }: Seen): Fault | undefined {
  const encoding = headers["content-encoding"];
  if (encoding === undefined || encoding === "identity") return undefined;
  return new Fault("assertion", "the body came compressed although identity was asked for; it is not looked into");
}

function judgeText(text: string, { body, truncated }: Seen): Fault | undefined {
  if (body?.includes(text, 0, "utf8") === true) return undefined;
  const where = truncated ? `the first ${body?.length ?? 0} bytes of the body do` : "the body does";
  return new Fault("assertion", `${where} not contain ${quoted(text)}`);
}

function judgeJson(pointer: string, equals: string | number | boolean | null, seen: Seen): Fault | undefined {
  const place = pointer === "" ? "the whole JSON" : `JSON ${pointer}`;
  if (seen.truncated)
    return new Fault("assertion", `${place} cannot be read: the body is longer than ${seen.body?.length ?? 0} bytes`);
  const document = parseJson(seen.body);
  if (document === undefined) return new Fault("assertion", `${place} cannot be read: the body is not JSON`);
  const found = atPointer(document.value, pointer);
  if (found === undefined) return new Fault("assertion", `${place} is missing`);
  if (found.value === equals) return undefined;
  return new Fault("assertion", `${place} is ${harmless(found.value)}, not ${quoted(equals)}`);
}

function parseJson(body: Buffer | undefined): { readonly value: unknown } | undefined {
  if (body === undefined) return undefined;
  try {
    return { value: JSON.parse(body.toString("utf8").replace(/^\uFEFF/, "")) };
  } catch {
    return undefined;
  }
}

/** Finds what a JSON pointer points at (RFC 6901); `undefined` where there is nothing. */
export function atPointer(document: unknown, pointer: string): { readonly value: unknown } | undefined {
  if (pointer === "") return { value: document };
  if (!pointer.startsWith("/")) return undefined;
  let value = document;
  for (const token of pointer.slice(1).split("/")) {
    const key = token.replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(value)) {
      if (!/^(?:0|[1-9]\d*)$/.test(key) || Number(key) >= value.length) return undefined;
      value = value[Number(key)];
    } else if (typeof value === "object" && value !== null && Object.hasOwn(value, key)) {
      value = Reflect.get(value, key);
    } else return undefined;
  }
  return { value };
}

/** What the body says, only as far as it cannot be a secret: a number, a truth value, or one plain word. */
function harmless(value: unknown): string {
  if (value === null || typeof value === "boolean" || typeof value === "number") return String(value);
  if (typeof value !== "string") return Array.isArray(value) ? "a list" : "an object";
  return /^[a-z][a-z_-]{0,19}$/i.test(value) ? `"${value}"` : "another text";
}

function quoted(value: string | number | boolean | null): string {
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 59)}…`;
}
