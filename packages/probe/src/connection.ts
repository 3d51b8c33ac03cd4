import type { X509Certificate } from "node:crypto";
import type { LookupAddress } from "node:dns";
import { connect as connectTcp, isIP, type LookupFunction, type Socket, type TcpNetConnectOpts } from "node:net";
import { connect as connectTls, type SecureContext, type TLSSocket } from "node:tls";
import { bareHost, literalHost, refusedAddress } from "./address.ts";
import { classifyConnection, classifyLookup } from "./classify.ts";
import type { Deadline } from "./deadline.ts";
import { Fault } from "./fault.ts";

/** Finds all addresses of a name. `dns.lookup` fits. */
export type Lookup = (
  hostname: string,
  options: { readonly all: true },
  callback: (error: Error | null, addresses: LookupAddress[]) => void,
) => void;

export interface Dialling {
  readonly lookup: Lookup;
  readonly allowPrivate: boolean;
  /** `host:port` on this machine that is refused even where private addresses are allowed. */
  readonly runtimeApi: string | undefined;
  readonly secureContext: () => SecureContext;
}

/** An open connection to a checked address, ready for a request, and what opening it took. */
export interface Connection {
  readonly socket: Socket;
  readonly origin: string;
  /** Absent for an address that needed no looking up. */
  readonly dnsMs: number | undefined;
  readonly connectMs: number;
  readonly tlsMs: number | undefined;
  /** When the leaf certificate ends, epoch milliseconds. */
  readonly certificateEndsAt: number | undefined;
}

/** ALPN's one offer, encoded once: https://www.rfc-editor.org/rfc/rfc7301#section-3.1 */
const HTTP_1_1 = Buffer.from("\x08http/1.1", "latin1");

/**
 * Opens a connection to a URL's host. Every address of the name is checked before any is connected to, and exactly the checked
 * ones are handed to the socket: a name that answers with something else a moment later (rebinding) is not asked again. The
 * address that was reached is checked once more.
 */
export async function openConnection(url: URL, dialling: Dialling, deadline: Deadline): Promise<Connection | Fault> {
  const literal = literalHost(url);
  if (literal !== undefined) {
    const reason = refusedAddress(literal, dialling.allowPrivate);
    if (reason !== undefined) return new Fault("forbidden", `the address ${literal} is ${reason}`);
    return dial(url, [{ address: literal, family: literal.includes(":") ? 6 : 4 }], undefined, dialling, deadline);
  }
  const began = performance.now();
  const addresses = await resolve(bareHost(url), dialling, deadline);
  if (addresses instanceof Fault) return addresses;
  return dial(url, addresses, performance.now() - began, dialling, deadline);
}

function resolve(hostname: string, dialling: Dialling, deadline: Deadline): Promise<readonly LookupAddress[] | Fault> {
  deadline.doing = "looking up the name";
  return deadline.race<readonly LookupAddress[]>((settle) => {
    try {
      dialling.lookup(hostname, { all: true }, (error, addresses) => {
        settle(error === null ? vet(hostname, addresses, dialling.allowPrivate) : classifyLookup(error));
      });
    } catch (error) {
      settle(classifyLookup(error));
    }
    // A lookup cannot be taken back; its answer will be ignored.
    return () => undefined;
  });
}

/** One bad address among good ones refuses the name: which of them is reached would be up to whoever answers for it. */
function vet(
  hostname: string,
  addresses: readonly LookupAddress[],
  allowPrivate: boolean,
): readonly LookupAddress[] | Fault {
  if (addresses.length === 0) return new Fault("dns", "the name has no address");
  for (const { address } of addresses) {
    const reason = refusedAddress(address, allowPrivate);
    if (reason !== undefined) return new Fault("forbidden", `${hostname} points to ${address}, which is ${reason}`);
  }
  return addresses;
}

function dial(
  url: URL,
  addresses: readonly LookupAddress[],
  dnsMs: number | undefined,
  dialling: Dialling,
  deadline: Deadline,
): Promise<Connection | Fault> {
  deadline.doing = "connecting";
  const secure = url.protocol === "https:";
  const hostname = bareHost(url);
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  const first = addresses[0];
  const where =
    addresses.length === 1 && first !== undefined
      ? { host: first.address, port, noDelay: true, autoSelectFamily: false }
      : { host: hostname, port, noDelay: true, autoSelectFamily: true, lookup: pinned(addresses) };
  return deadline.race<Connection>((settle) => {
    const began = performance.now();
    let connectMs = 0;
    let certificateEndsAt: number | undefined;
    const socket = secure
      ? dialTls(where, hostname, dialling.secureContext(), (endsAt) => {
          certificateEndsAt = endsAt;
        })
      : connectTcp(where);
    const fail = (fault: Fault): void => {
      settle(fault);
      socket.destroy();
    };
    const ready = (): void => {
      const tlsMs = secure ? performance.now() - began - connectMs : undefined;
      settle({ socket, origin: url.origin, dnsMs, connectMs, tlsMs, certificateEndsAt });
    };
    socket.once("connect", () => {
      connectMs = performance.now() - began;
      const fault = checkPeer(socket, dialling);
      if (fault !== undefined) return fail(fault);
      if (secure) deadline.doing = "agreeing on TLS";
      else ready();
    });
    if (secure) socket.once("secureConnect", ready);
    // Stays for the socket's life: an idle connection that breaks must not bring the process down.
    socket.on("error", (error) => fail(classifyConnection(error, secure && connectMs > 0)));
    return () => socket.destroy();
  });
}

/** Gives a socket the addresses that were checked, in place of a lookup of its own. */
function pinned(addresses: readonly LookupAddress[]): LookupFunction {
  return (_hostname, options, callback) => {
    const first = addresses[0];
    if (options.all === true || first === undefined) callback(null, [...addresses]);
    else callback(null, first.address, first.family);
  };
}

function checkPeer(socket: Socket, { allowPrivate, runtimeApi }: Dialling): Fault | undefined {
  const { remoteAddress, remotePort } = socket;
  // The system forgets the peer of a connection that is broken already.
  if (remoteAddress === undefined) return new Fault("refused", "connection closed at once");
  const reason = refusedAddress(remoteAddress, allowPrivate);
  if (reason !== undefined) return new Fault("forbidden", `the address ${remoteAddress} is ${reason}`);
  const isRuntimeApi = runtimeApi !== undefined && Number(runtimeApi.split(":").at(-1)) === remotePort;
  return isRuntimeApi && refusedAddress(remoteAddress, false) !== undefined
    ? new Fault("forbidden", "that is the function's own runtime interface")
    : undefined;
}

function dialTls(
  where: TcpNetConnectOpts,
  hostname: string,
  secureContext: SecureContext,
  onCertificate: (endsAt: number) => void,
): TLSSocket {
  const socket = connectTls({
    ...where,
    // The name of a server is never an address: RFC 6066, section 3.
    servername: isIP(hostname) === 0 ? hostname : "",
    secureContext,
    ALPNProtocols: HTTP_1_1,
    checkServerIdentity: () => {
      const certificate = socket.getPeerX509Certificate();
      if (certificate === undefined || !isFor(certificate, hostname)) return identityError();
      onCertificate(certificate.validToDate.getTime());
      return undefined;
    },
  });
  // Node would turn the whole chain into plain objects for `checkServerIdentity`, read or not, which is a quarter of a check's
  // cost with a chain of three. Nothing rests on this: were it to stop working, checks would only become slower.
  Object.defineProperty(socket, "getPeerCertificate", { value: () => ({}) });
  return socket;
}

/**
 * Whether a certificate, whose chain and dates OpenSSL has verified, names this host among its alternative names. The common
 * name is not looked at, as in browsers: RFC 9525, section 2.
 */
function isFor(certificate: X509Certificate, hostname: string): boolean {
  if (isIP(hostname) !== 0) return certificate.checkIP(hostname) !== undefined;
  return certificate.checkHost(hostname, { subject: "never", partialWildcards: false }) !== undefined;
}

function identityError(): Error {
  return Object.assign(new Error("the certificate is for another host"), { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
}
