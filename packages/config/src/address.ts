import { BlockList, isIPv4, isIPv6 } from "node:net";
import { fault, type Read } from "./problem.ts";

/**
 * What a config can be told about an address before anything connects. The guard that counts is the probe's, at connect time:
 * a name can resolve to anything.
 */
export type HostTrouble =
  | { readonly kind: "private"; readonly host: string }
  | { readonly kind: "punycode"; readonly host: string };

/** Special-purpose addresses: https://www.iana.org/assignments/iana-ipv4-special-registry */
const SPECIAL_V4 = blocked("ipv4", [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
]);
/** Within global unicast, what still leads elsewhere: protocol assignments, documentation, 6to4. */
const SPECIAL_V6 = blocked("ipv6", [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
]);
const GLOBAL_V6 = blocked("ipv6", [["2000::", 3]]);

/** Names that never lead to the public internet (RFC 6761, RFC 6762, RFC 8375, and the `.internal` of private networks). */
const PRIVATE_NAMES = ["localhost", "local", "internal", "home.arpa", "lan"];

function blocked(family: "ipv4" | "ipv6", subnets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [net, prefix] of subnets) list.addSubnet(net, prefix, family);
  return list;
}

/** Reads an http(s) address: no user name or password, no wildcard. Answers it as the URL standard writes it. */
export function parseAddress(value: unknown): Read<string> {
  const wants = "an http:// or https:// address";
  const example = '"https://api.example.com/health"';
  if (typeof value !== "string") return fault(value, wants, example);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the URL parser drops them silently, which hides where a request goes.
  if (/[\s\x00-\x1f\x7f\\]/.test(value)) return fault(value, `${wants} without spaces or backslashes`, example);
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:\/\//i.test(value) || url.hostname === "") return fault(value, wants, example);
  if (url.username !== "" || url.password !== "")
    return fault(
      value,
      "no user name or password in the address: send them in a header if the target needs them",
      example,
    );
  if (url.hostname.includes("*")) return fault(value, "one address, no wildcard", example);
  return { ok: true, value: url.href };
}

/** What is odd about the host of an address that `parseAddress` accepted. */
export function hostTrouble(address: string): HostTrouble | undefined {
  const { hostname } = new URL(address);
  const host = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (isIPv4(host)) return SPECIAL_V4.check(host, "ipv4") ? { kind: "private", host } : undefined;
  if (isIPv6(host)) {
    const open = GLOBAL_V6.check(host, "ipv6") && !SPECIAL_V6.check(host, "ipv6");
    return open ? undefined : { kind: "private", host };
  }
  const hidden = !host.includes(".") || PRIVATE_NAMES.some((name) => host === name || host.endsWith(`.${name}`));
  if (hidden) return { kind: "private", host };
  return host.split(".").some((label) => label.startsWith("xn--")) ? { kind: "punycode", host } : undefined;
}
