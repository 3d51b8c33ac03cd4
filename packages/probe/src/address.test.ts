import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readUrl, refusedAddress } from "./address.ts";
import { Fault } from "./fault.ts";
import { localRequest, type Served, serveHttp } from "./fixture.ts";
import { createProber } from "./prober.ts";

describe("the address guard", () => {
  test.each([
    ["8.8.8.8", undefined, undefined],
    ["2606:4700::1111", undefined, undefined],
    ["::ffff:8.8.8.8", undefined, undefined],
    ["127.0.0.1", /^loopback/, undefined],
    ["127.255.255.254", /^loopback/, undefined],
    ["::1", /^loopback/, undefined],
    ["::ffff:127.0.0.1", /^loopback/, undefined],
    ["10.0.0.1", /^private/, undefined],
    ["172.16.0.1", /^private/, undefined],
    ["172.32.0.1", undefined, undefined],
    ["192.168.1.1", /^private/, undefined],
    ["fd12:3456::1", /^private/, undefined],
    ["0.0.0.0", /unspecified/, /unspecified/],
    ["::", /unspecified/, /unspecified/],
    ["169.254.169.254", /link-local/, /link-local/],
    ["::ffff:169.254.169.254", /link-local/, /link-local/],
    ["fe80::1", /link-local/, /link-local/],
    ["fe80::1%eth0", /link-local/, /link-local/],
    ["fd00:ec2::254", /metadata/, /metadata/],
    ["fd20:ce::254", /metadata/, /metadata/],
    ["168.63.129.16", /metadata/, /metadata/],
    ["100.64.0.1", /carrier/, /carrier/],
    ["100.100.100.200", /carrier/, /carrier/],
    ["192.0.0.192", /reserved/, /reserved/],
    ["198.18.0.1", /./, /./],
    ["203.0.113.1", /reserved/, /reserved/],
    ["224.0.0.1", /multicast/, /multicast/],
    ["ff02::1", /multicast/, /multicast/],
    ["240.0.0.1", /reserved/, /reserved/],
    ["255.255.255.255", /broadcast/, /broadcast/],
    ["64:ff9b::7f00:1", /NAT64/, /NAT64/],
    ["64:ff9b::808:808", /NAT64/, /NAT64/],
    ["64:ff9b:1::7f00:1", /./, /./],
    ["2002:7f00:1::", /6to4/, /6to4/],
    ["2001::1", /teredo/, /teredo/],
    ["2001:db8::1", /reserved/, /reserved/],
    ["::127.0.0.1", /reserved/, /reserved/],
    ["::8.8.8.8", /reserved/, /reserved/],
    ["0:0:0:0:0:0:8.8.8.8%lo", /reserved/, /reserved/],
    ["::ffff:8.8.8.8.8", /not an IP/, /not an IP/],
    ["::ffff:999.1.1.1", /not an IP/, /not an IP/],
    ["::ffff:0:127.0.0.1", /./, /./],
    ["100::1", /./, /./],
    ["fec0::1", /./, /./],
    ["4000::1", /reserved/, /reserved/],
    ["not an address", /not an IP/, /not an IP/],
    ["", /not an IP/, /not an IP/],
  ])("judges %s", (address, publicOnly, withPrivate) => {
    for (const [allowPrivate, reason] of [
      [false, publicOnly],
      [true, withPrivate],
    ] as const) {
      const said = refusedAddress(address, allowPrivate);
      if (reason === undefined) expect(said).toBeUndefined();
      else expect(said).toMatch(reason);
    }
  });

  test.each([
    "ftp://example.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://user:secret@example.com/",
    "https://user@example.com/",
    "http://",
    "http://exa mple.com/",
    "http://256.1.1.1/",
    "",
  ])("refuses the URL %j without repeating what may be secret", (url) => {
    const read = readUrl(url, undefined, true);
    expect(read).toBeInstanceOf(Fault);
    expect(read).toMatchObject({ outcome: "forbidden", detail: expect.not.stringMatching(/secret|passwd/) });
  });
});

/** Every way that the URL parser or the system would read as this IPv4 address, or that carries it inside IPv6. */
const encoded = fc
  .record({
    bytes: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)),
    parts: fc.integer({ min: 1, max: 4 }),
    radixes: fc.tuple(...Array.from({ length: 4 }, () => fc.constantFrom(8, 10, 16))),
    zeros: fc.nat(3),
    dot: fc.boolean(),
    disguise: fc.constantFrom("none", "wide", "percent", "mapped", "mapped-dotted", "nat64", "6to4", "compatible"),
  })
  .map((made) => ({ ...made, host: encode(made) }));

function encode(made: {
  readonly bytes: readonly [number, number, number, number];
  readonly parts: number;
  readonly radixes: readonly number[];
  readonly zeros: number;
  readonly dot: boolean;
  readonly disguise: string;
}): string {
  const [a, b, c, d] = made.bytes;
  const high = ((a << 8) | b).toString(16);
  const low = ((c << 8) | d).toString(16);
  switch (made.disguise) {
    case "mapped":
      return `[::ffff:${high}:${low}]`;
    case "mapped-dotted":
      return `[0:0:0:0:0:FFFF:${a}.${b}.${c}.${d}]`;
    case "nat64":
      return `[64:ff9b::${high}:${low}]`;
    case "6to4":
      return `[2002:${high}:${low}::1]`;
    case "compatible":
      return `[::${high}:${low}]`;
  }
  const whole = [a, b, c, d].slice(0, made.parts - 1);
  const rest = [a, b, c, d].slice(made.parts - 1).reduce((sum, byte) => sum * 256 + byte, 0);
  const text = [...whole, rest].map((part, index) => inRadix(part, made.radixes[index] ?? 10, made.zeros)).join(".");
  const dotted = made.dot ? `${text}.` : text;
  if (made.disguise === "wide")
    return dotted.replace(/[0-9]/g, (digit) => String.fromCodePoint((digit.codePointAt(0) ?? 0) + 0xfee0));
  if (made.disguise === "percent")
    return dotted.replace(/[0-9]/g, (digit) => `%${(digit.codePointAt(0) ?? 0).toString(16)}`);
  return dotted;
}

function inRadix(value: number, radix: number, zeros: number): string {
  if (radix === 16) return `0x${"0".repeat(zeros)}${value.toString(16)}`;
  if (radix === 8) return `0${"0".repeat(zeros)}${value.toString(8)}`;
  return String(value);
}

describe("no way to write an address", () => {
  let secret: Served;
  let asked = 0;
  beforeAll(async () => {
    secret = await serveHttp((_request, response) => {
      asked++;
      response.end("secret");
    });
  });
  afterAll(() => secret.close());

  test("gets past the guard: what is refused plainly is refused in disguise", () => {
    fc.assert(
      fc.property(encoded, ({ bytes, disguise, host }) => {
        const plain = refusedAddress(bytes.join("."), false);
        const read = readUrl(`http://${host}/`, undefined, false);
        if (plain !== undefined) expect(read).toBeInstanceOf(Fault);
        else if (!["nat64", "6to4", "compatible"].includes(disguise)) expect(read).toBeInstanceOf(URL);
      }),
      { numRuns: 2000 },
    );
  });

  test("reaches a server on this machine", async () => {
    const loopback = encoded.map((made) => {
      const bytes: [number, number, number, number] = [127, 0, 0, 1];
      return encode({ ...made, bytes });
    });
    const prober = createProber();
    await fc.assert(
      fc.asyncProperty(loopback, async (host) => {
        const url = `http://${host}:${secret.port}/`;
        const session = prober.open(localRequest(url, { allowPrivate: false }));
        const sample = await session.sample();
        session.close();
        expect(sample).toMatchObject({ outcome: "forbidden", status: 0 });
      }),
      { numRuns: 300 },
    );
    expect(secret.connections()).toBe(0);
    // The same encodings do reach it where they may, so the property above has teeth.
    for (const host of ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:7f00:1]", "１２７.0.0.1"]) {
      const session = prober.open(localRequest(`http://${host}:${secret.port}/`));
      expect((await session.sample()).outcome).toBe("ok");
      session.close();
    }
    expect(asked).toBe(6);
  });
});
