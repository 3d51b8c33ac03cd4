import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Prometheus blackbox_exporter, running: https://github.com/prometheus/blackbox_exporter */
export interface Blackbox {
  /** Makes one probe; rejects unless it succeeded. */
  probe(url: string): Promise<void>;
  /** Processor time of the process so far, milliseconds. */
  cpuMs(): number;
  stop(): void;
}

const BINARIES = ["prometheus-blackbox-exporter", "blackbox_exporter"];

/**
 * Starts the installed exporter on one processor, verifying certificates as the prober does. `undefined` where none is
 * installed or this is not Linux, whose /proc says what a process used.
 */
export async function startBlackbox(authority: string): Promise<Blackbox | undefined> {
  if (process.platform !== "linux") return undefined;
  const folder = mkdtempSync(join(tmpdir(), "neuropilot-bench-"));
  writeFileSync(join(folder, "authority.pem"), authority);
  writeFileSync(
    join(folder, "blackbox.yml"),
    JSON.stringify({
      modules: {
        http_2xx: {
          prober: "http",
          timeout: "5s",
          http: { preferred_ip_protocol: "ip4", tls_config: { ca_file: join(folder, "authority.pem") } },
        },
      },
    }),
  );
  const port = await freePort();
  const child = await startFirst(BINARIES, [
    `--config.file=${join(folder, "blackbox.yml")}`,
    `--web.listen-address=127.0.0.1:${port}`,
    "--log.level=error",
  ]);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const stop = (): void => {
    agent.destroy();
    child?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  const pid = child?.pid;
  if (pid === undefined) {
    stop();
    return undefined;
  }
  const probe = async (url: string): Promise<void> => {
    const text = await read(`http://127.0.0.1:${port}/probe?module=http_2xx&target=${encodeURIComponent(url)}`, agent);
    if (!/^probe_success 1$/m.test(text)) throw new Error(`blackbox_exporter did not succeed with ${url}`);
  };
  await untilUp(`http://127.0.0.1:${port}/-/healthy`, agent, stop);
  return { probe, stop, cpuMs: () => cpuMsOf(pid) };
}

async function startFirst(binaries: readonly string[], flags: readonly string[]): Promise<ChildProcess | undefined> {
  for (const binary of binaries) {
    const child = spawn(binary, flags, { env: { ...process.env, GOMAXPROCS: "1" }, stdio: "ignore" });
    const started = await new Promise<boolean>((resolve) => {
      child.once("spawn", () => resolve(true));
      child.once("error", () => resolve(false));
    });
    if (started) return child;
  }
  return undefined;
}

async function untilUp(url: string, agent: Agent, stop: () => void): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      await read(url, agent);
      return;
    } catch (error) {
      if (Date.now() > deadline) {
        stop();
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function read(url: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = get(url, { agent, timeout: 10_000 }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.on("timeout", () => sent.destroy(new Error("timed out")));
  });
}

/** Nanoseconds on a processor, of all threads: the first field of each schedstat. Go keeps its threads, so none is missed. */
function cpuMsOf(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  const nanoseconds = readdirSync(tasks).map((task) =>
    Number(readFileSync(join(tasks, task, "schedstat"), "latin1").split(" ")[0]),
  );
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1e6;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
