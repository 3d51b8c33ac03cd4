import { Fault } from "./fault.ts";

/** Our own machine, not the target: no route, no sockets, no memory, a firewall of ours. */
const LOCAL: Readonly<Record<string, string>> = {
  ENETUNREACH: "no route to its network",
  ENETDOWN: "our network is down",
  EHOSTUNREACH: "no route to the host",
  EHOSTDOWN: "no route to the host",
  EADDRNOTAVAIL: "no local address or port is free",
  EADDRINUSE: "no local port is free",
  EAFNOSUPPORT: "this machine does not speak that address family",
  EMFILE: "too many open files here",
  ENFILE: "too many open files here",
  ENOBUFS: "no buffers left here",
  ENOMEM: "no memory left here",
  EACCES: "not permitted by this machine",
  EPERM: "not permitted by this machine",
};

const REFUSED: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  ECONNABORTED: "connection aborted",
  EPIPE: "connection closed",
};

/** getaddrinfo's codes as Node names them, and c-ares' for an injected resolver: https://nodejs.org/docs/latest-v24.x/api/dns.html#error-codes */
const DNS: Readonly<Record<string, string>> = {
  ENOTFOUND: "the name does not exist",
  ENODATA: "the name has no address",
  EAI_AGAIN: "the resolver does not answer",
  EAI_FAIL: "the resolver failed",
  EAI_NODATA: "the name has no address",
  EAI_NONAME: "the name does not exist",
  ESERVFAIL: "the name's servers failed",
  EREFUSED: "the resolver refused",
  ETIMEOUT: "the resolver does not answer",
};

/** OpenSSL's verification results, whose names carry no common prefix: https://nodejs.org/docs/latest-v24.x/api/tls.html#x509-certificate-error-codes */
const CERTIFICATE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the certificate has expired",
  CERT_NOT_YET_VALID: "the certificate is not valid yet",
  CERT_REVOKED: "the certificate is revoked",
  CERT_UNTRUSTED: "the certificate is not trusted",
  CERT_REJECTED: "the certificate is rejected",
  CERT_CHAIN_TOO_LONG: "the certificate's chain is too long",
  CERT_SIGNATURE_FAILURE: "the certificate's signature is wrong",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "the certificate's chain ends in a self-signed one that is not trusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the certificate's chain is incomplete",
  UNABLE_TO_GET_ISSUER_CERT: "the certificate's issuer is not known",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the certificate's issuer is not known",
  HOSTNAME_MISMATCH: "the certificate is for another host",
  INVALID_PURPOSE: "the certificate is not for servers",
  INVALID_CA: "the certificate's issuer may not issue",
  PATH_LENGTH_EXCEEDED: "the certificate's chain is too long",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate is for another host",
};

/** A failed lookup. */
export function classifyLookup(error: unknown): Fault {
  const code = codeOf(error);
  const local = LOCAL[code];
  if (local !== undefined) return new Fault("local", `${code}: ${local}`);
  return new Fault("dns", `${code}: ${DNS[code] ?? "the name could not be looked up"}`);
}

/** A connection or an exchange that failed; `secure` while TLS was being agreed on. */
export function classifyConnection(error: unknown, secure: boolean): Fault {
  const errors = error instanceof AggregateError && error.errors.length > 0 ? error.errors : [error];
  const faults = errors.map((one) => classifyOne(one, secure));
  // Of several addresses, one that answered with a refusal says more of the target than one that we have no route to.
  return faults.find((fault) => fault.outcome !== "local") ?? faults[0] ?? new Fault("refused", "connection failed");
}

function classifyOne(error: unknown, secure: boolean): Fault {
  const code = codeOf(error);
  const local = LOCAL[code];
  if (local !== undefined) return new Fault("local", `${code}: ${local}`);
  const refused = REFUSED[code];
  if (refused !== undefined)
    return new Fault("refused", `${code}: ${refused}${secure ? " before TLS was agreed on" : ""}`);
  if (code === "ETIMEDOUT") return new Fault("timeout", "ETIMEDOUT: no answer to the connection");
  if (DNS[code] !== undefined) return classifyLookup(error);
  const certificate = CERTIFICATE[code];
  if (certificate !== undefined) return new Fault("tls", `${code}: ${certificate}`);
  if (code.startsWith("HPE_")) return new Fault("refused", `${code}: the answer is not HTTP/1.1`);
  if (code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_") || code.startsWith("ERR_OSSL_") || code === "EPROTO")
    return new Fault("tls", `${sslReason(error) ?? code}: no agreement on TLS`);
  // While TLS is being agreed on, what is left is a verification result that is not in the table above.
  if (secure && code !== "") return new Fault("tls", `${code}: the certificate is not accepted`);
  return new Fault("refused", code === "" ? "connection failed" : `${code}: connection failed`);
}

function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

function sslReason(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("reason" in error)) return undefined;
  return typeof error.reason === "string" ? error.reason : undefined;
}
