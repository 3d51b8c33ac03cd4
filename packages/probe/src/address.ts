import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { Fault } from "./fault.ts";

/**
 * What may never be reached, although its range would allow it: the metadata and host services of clouds, which hand out
 * credentials to whoever asks.
 * - AWS over IPv6: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
 * - Google Cloud over IPv6: https://cloud.google.com/compute/docs/metadata/querying-metadata
 * - Azure: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
 */
const METADATA = ["fd00:ec2::/32", "fd20:ce::254/128", "168.63.129.16/32"].map((range) => ipaddr.parseCIDR(range));

/** Global unicast is what IANA has given out so far; all else in IPv6 is special, reserved or a tunnel in disguise. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR("2000::/3");

/**
 * Whether an address may be connected to: `undefined` if so, else the reason. An allow-list: what is not known to be public is
 * refused. IPv4 inside IPv6 is judged as IPv4 where it is mapped, and refused where it is translated or tunnelled (NAT64, 6to4,
 * Teredo). With `allowPrivate`, loopback, RFC 1918 and unique local addresses pass as well, and nothing else.
 */
export function refusedAddress(address: string, allowPrivate: boolean): string | undefined {
  const hex = inHex(address);
  if (!ipaddr.isValid(hex)) return "not an IP address";
  const parsed = ipaddr.process(hex);
  if (METADATA.some(([range, bits]) => parsed.kind() === range.kind() && parsed.match(range, bits)))
    return "a cloud's metadata service";
  const range = parsed.range();
  if (range === "unicast") return parsed instanceof ipaddr.IPv6 && !parsed.match(GLOBAL_IPV6) ? "reserved" : undefined;
  if (range === "loopback" || range === "private" || range === "uniqueLocal")
    return allowPrivate ? undefined : `${WORDS[range]} (allowPrivate would permit it)`;
  return WORDS[range] ?? range;
}

/** ipaddr.js reads `::1.2.3.4` as the mapped `::ffff:1.2.3.4`; the system, which prints it so, means another address. */
function inHex(address: string): string {
  if (!address.includes(":")) return address;
  return address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)(?=%|$)/, (dotted, ...bytes: string[]) => {
    const [a = 256, b = 256, c = 256, d = 256] = bytes.slice(0, 4).map(Number);
    if (Math.max(a, b, c, d) > 255) return dotted;
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
}

const WORDS: Readonly<Record<string, string>> = {
  loopback: "loopback",
  private: "private",
  uniqueLocal: "private",
  linkLocal: "link-local",
  carrierGradeNat: "carrier-grade NAT",
  rfc6052: "NAT64",
  rfc6145: "translated",
};

/** The host of a URL as an address, without brackets; `undefined` for a name. */
export function literalHost(url: URL): string | undefined {
  const host = bareHost(url);
  return isIP(host) === 0 ? undefined : host;
}

/** The host of a URL without the brackets of IPv6 and without the dot that ends a full name. */
export function bareHost(url: URL): string {
  const { hostname } = url;
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname.replace(/\.$/, "");
}

/**
 * Reads a URL that a probe may ask for: http or https, without credentials in it, its host no refused address. The URL parser
 * turns every way to write an IPv4 address (decimal, hex, octal, short) into the dotted one, so only that is judged.
 */
export function readUrl(text: string, base: URL | undefined, allowPrivate: boolean): URL | Fault {
  const url = URL.parse(text, base?.href);
  if (url === null) return new Fault("forbidden", "the URL cannot be read");
  if (url.protocol !== "http:" && url.protocol !== "https:")
    return new Fault("forbidden", `only http and https are probed, not ${url.protocol}`);
  if (url.username !== "" || url.password !== "")
    return new Fault("forbidden", "the URL holds credentials; send them in a header");
  const literal = literalHost(url);
  if (literal === undefined) return url;
  const reason = refusedAddress(literal, allowPrivate);
  return reason === undefined ? url : new Fault("forbidden", `the address ${literal} is ${reason}`);
}
