import { makeCheck, WAYS, type Way } from "./checks.ts";

/**
 * A process of its own for one way to check one URL, so that its processor time is its own. Told `{ checks }`, it makes so many,
 * one after another, and answers `{ cpuMs }`, the user and system time of the whole process meanwhile (getrusage).
 */
const [way, url, authority] = process.argv.slice(2);
const check = await makeCheck(asWay(way), url ?? "", authority ?? "");

process.on("message", async (message: { readonly checks: number }) => {
  const before = process.cpuUsage();
  for (let made = 0; made < message.checks; made++) await check();
  const { user, system } = process.cpuUsage(before);
  process.send?.({ cpuMs: (user + system) / 1000 });
});
process.on("disconnect", () => process.exit(0));
process.send?.({ ready: true });

function asWay(text: string | undefined): Way {
  const found = WAYS.find((one) => one === text);
  if (found === undefined) throw new Error(`no such way: ${text}`);
  return found;
}
