import { type ChildProcess, fork } from "node:child_process";
import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { cpus } from "node:os";
import { generate } from "selfsigned";
import { startBlackbox } from "./blackbox.ts";
import { WAYS, type Way } from "./checks.ts";

/**
 * Processor time per fresh check, ours beside Prometheus blackbox_exporter's and two other ways to do it in Node. Everything is
 * on 127.0.0.1 and bounded. The contenders take turns, many short rounds each, so that whatever else the machine is doing falls
 * on all of them alike; medians are compared. The bar: our HTTPS check at no more than 1.25 times the exporter's.
 *
 * The exporter's figure includes serving the scrape that asks for the probe, since it cannot probe without; ours includes the
 * judgement, the address guard and the phases.
 */
const ROUNDS = readCount("--rounds", 9);
const CHECKS = readCount("--checks", 300);
const WARM_UP = 300;
const BAR = 1.25;

interface Contender {
  readonly name: string;
  readonly scheme: "http" | "https";
  /** Processor milliseconds that so many checks took. */
  run(checks: number): Promise<number>;
  readonly perCheck: number[];
}

const stops: (() => void)[] = [];
try {
  await main();
} finally {
  for (const stop of stops) stop();
}

async function main(): Promise<void> {
  const { authority, key, cert } = await makeCertificates();
  const answer: RequestListener = (_request, response) => {
    response.setHeader("content-type", "application/json");
    response.end('{"status":"ok"}');
  };
  const urls = {
    http: `http://127.0.0.1:${await listen(createHttpServer(answer))}/health`,
    https: `https://127.0.0.1:${await listen(createHttpsServer({ key, cert }, answer))}/health`,
  };
  const contenders: Contender[] = [];
  const blackbox = await startBlackbox(authority);
  if (blackbox === undefined) {
    console.log("NOT COMPARED with blackbox_exporter: it is not installed here, or this is not Linux.");
    console.log("On Debian: apt-get install prometheus-blackbox-exporter\n");
  } else stops.push(blackbox.stop);
  for (const scheme of ["http", "https"] as const) {
    for (const way of WAYS) contenders.push(await startWay(way, scheme, urls[scheme], authority));
    if (blackbox === undefined) continue;
    const run = async (checks: number): Promise<number> => {
      const before = blackbox.cpuMs();
      for (let made = 0; made < checks; made++) await blackbox.probe(urls[scheme]);
      return blackbox.cpuMs() - before;
    };
    contenders.push({ name: "blackbox_exporter", scheme, run, perCheck: [] });
  }

  for (const contender of contenders) await contender.run(WARM_UP);
  for (let round = 0; round < ROUNDS; round++)
    for (const contender of contenders) contender.perCheck.push((await contender.run(CHECKS)) / CHECKS);

  console.log(`Processor milliseconds per fresh check, ${ROUNDS} rounds of ${CHECKS}, one at a time`);
  console.log(
    `Node ${process.versions.node}, OpenSSL ${process.versions.openssl}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}`,
  );
  console.log("ECDSA P-256 leaf under an authority that all of them verify\n");
  console.log(
    `${"".padEnd(20)}${"scheme".padEnd(9)}${"median".padStart(8)}${"least".padStart(8)}${"most".padStart(8)}`,
  );
  for (const { name, scheme, perCheck } of contenders) {
    const figures = [median(perCheck), Math.min(...perCheck), Math.max(...perCheck)];
    console.log(`${name.padEnd(20)}${scheme.padEnd(9)}${figures.map((one) => one.toFixed(3).padStart(8)).join("")}`);
  }
  console.log("");
  for (const scheme of ["http", "https"] as const) printRatio(contenders, scheme);
}

function printRatio(contenders: readonly Contender[], scheme: "http" | "https"): void {
  const ours = contenders.find((one) => one.name === "prober" && one.scheme === scheme);
  const theirs = contenders.find((one) => one.name === "blackbox_exporter" && one.scheme === scheme);
  if (ours === undefined || theirs === undefined) return;
  const ratio = median(ours.perCheck) / median(theirs.perCheck);
  const line = `${scheme.padEnd(6)}prober / blackbox_exporter = ${ratio.toFixed(2)}`;
  if (scheme === "http") {
    console.log(line);
    return;
  }
  const held = ratio <= BAR;
  console.log(`${line}   bar ${BAR}: ${held ? "held" : "NOT HELD"}`);
  if (!held) process.exitCode = 1;
}

async function startWay(way: Way, scheme: "http" | "https", url: string, authority: string): Promise<Contender> {
  const child = fork(new URL("./worker.ts", import.meta.url), [way, url, authority]);
  stops.push(() => child.kill("SIGKILL"));
  await answerOf(child);
  const run = async (checks: number): Promise<number> => {
    const answer = answerOf(child);
    child.send({ checks });
    const { cpuMs } = await answer;
    if (cpuMs === undefined) throw new Error(`${way} did not say what it used`);
    return cpuMs;
  };
  return { name: way, scheme, run, perCheck: [] };
}

function answerOf(child: ChildProcess): Promise<{ readonly cpuMs?: number }> {
  return new Promise((resolve, reject) => {
    const exited = (code: number | null): void => reject(new Error(`a worker ended with ${code}`));
    child.once("exit", exited);
    child.once("message", (message: { readonly cpuMs?: number }) => {
      child.off("exit", exited);
      resolve(message);
    });
  });
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  stops.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return address.port;
}

async function makeCertificates(): Promise<{ authority: string; key: string; cert: string }> {
  const common = { keyType: "ec" as const, curve: "P-256" as const, algorithm: "sha256" };
  const authority = await generate([{ name: "commonName", value: "Benchmark authority" }], {
    ...common,
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, digitalSignature: true, critical: true },
    ],
  });
  const leaf = await generate([{ name: "commonName", value: "localhost" }], {
    ...common,
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] },
    ],
  });
  return { authority: authority.cert, key: leaf.private, cert: leaf.cert };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

function readCount(flag: string, otherwise: number): number {
  const at = process.argv.indexOf(flag);
  if (at < 0) return otherwise;
  const count = Number(process.argv[at + 1]);
  if (!Number.isInteger(count) || count < 1 || count > 100_000)
    throw new Error(`${flag} wants a whole number from 1 to 100000, such as ${flag} ${otherwise}`);
  return count;
}
