import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DataFolder, describeListenError, openDataFolder, readInstance } from "./index.ts";

let base = "";
const children: ChildProcess[] = [];
const opened: DataFolder[] = [];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "neuropilot-folder-"));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((folder) => folder.release()));
  await Promise.all(children.splice(0).map(killHard));
  rmSync(base, { recursive: true, force: true });
});

async function open(path: string): Promise<DataFolder> {
  const result = await openDataFolder(path);
  if (!result.ok) throw new Error(result.problem);
  opened.push(result.folder);
  return result.folder;
}

async function problemOf(path: string): Promise<string> {
  const result = await openDataFolder(path);
  if (!result.ok) return result.problem;
  await result.folder.release();
  throw new Error(`${path} was opened`);
}

/** A process that opens the folder, says what came of it, and holds it until it is killed. */
async function openElsewhere(path: string): Promise<{ pid: number; child: ChildProcess; said: string }> {
  const code = `
    const { openDataFolder } = await import(${JSON.stringify(new URL("./index.ts", import.meta.url).href)});
    const opened = await openDataFolder(${JSON.stringify(path)});
    if (opened.ok) await opened.folder.writeInstance({ tableEndpoint: "http://127.0.0.1:1" });
    console.log(opened.ok ? "mine" : opened.problem);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const [said] = await new Promise<string[]>((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", (line) => resolve([line]));
    child.once("exit", (exit) => reject(new Error(`the other process ended (${exit})`)));
  });
  return { pid: child.pid ?? 0, child, said: said ?? "" };
}

async function killHard(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

describe("the data folder", () => {
  test("is made with all that is above it", async () => {
    const folder = await open(join(base, "a/b/c"));
    expect(folder.path).toBe(join(base, "a/b/c"));
  });

  test("of several processes that start at once exactly one gets it, and the others are told who has it", async () => {
    const path = join(base, "data");
    const started = await Promise.all([1, 2, 3, 4].map(() => openElsewhere(path)));
    const winners = started.filter(({ said }) => said === "mine");
    expect(winners).toHaveLength(1);
    for (const { said } of started.filter((each) => each !== winners[0]))
      expect(said).toMatch(new RegExp(`in use by another NeuroPilot \\(process ${winners[0]?.pid}, since .*--data`));
  });

  test("a holder that is killed holds it no longer, and what it wrote is known to be stale", async () => {
    const path = join(base, "data");
    const other = await openElsewhere(path);
    expect(await readInstance(path)).toEqual({ info: { tableEndpoint: "http://127.0.0.1:1" }, alive: true });
    expect(await problemOf(path)).toContain(`\`kill ${other.pid}\``);
    await killHard(other.child);
    expect(await readInstance(path)).toEqual({ info: { tableEndpoint: "http://127.0.0.1:1" }, alive: false });
    await open(path);
  });

  test("a second opening in the same process is refused too, and does not take the first one's lock away", async () => {
    const path = join(base, "data");
    await open(path);
    expect(await problemOf(path)).toContain(`process ${process.pid}`);
    expect((await openElsewhere(path)).said).toContain(`process ${process.pid}`);
  });

  test("reading it while it is held, many times, never costs the holder its lock", async () => {
    const path = join(base, "data");
    const folder = await open(path);
    await folder.writeInstance({ n: 1 });
    const found = await Promise.all(Array.from({ length: 50 }, () => readInstance(path)));
    expect(found.every((each) => each?.alive === true)).toBe(true);
    expect((await openElsewhere(path)).said).toContain("in use");
  });

  test("what a former instance wrote stays readable and is never taken for the present holder's", async () => {
    const path = join(base, "data");
    expect(await readInstance(path)).toBeUndefined();
    const first = await open(path);
    expect(await readInstance(path)).toEqual({ info: undefined, alive: true });
    await first.writeInstance({ tableEndpoint: "http://127.0.0.1:2" });
    await first.release();
    await first.release();
    expect(await readInstance(path)).toEqual({ info: { tableEndpoint: "http://127.0.0.1:2" }, alive: false });
    const second = await open(path);
    expect(await readInstance(path)).toEqual({ info: { tableEndpoint: "http://127.0.0.1:2" }, alive: false });
    await second.writeInstance({ tableEndpoint: "http://127.0.0.1:3" });
    expect(await readInstance(path)).toEqual({ info: { tableEndpoint: "http://127.0.0.1:3" }, alive: true });
  });

  test("half a file says nothing rather than something wrong", async () => {
    const folder = await open(join(base, "data"));
    writeFileSync(join(folder.path, "instance.json"), '{"holder": "');
    expect(await readInstance(folder.path)).toEqual({ info: undefined, alive: true });
  });

  test("a file in its place, or above it, is named", async () => {
    const file = join(base, "file");
    writeFileSync(file, "");
    expect(await problemOf(file)).toContain(`${file} is a file`);
    expect(await problemOf(join(file, "below/it"))).toContain(`because ${file} is a file`);
  });

  // Root may write where the permissions say no; /proc refuses root as well.
  test.runIf(process.platform === "linux")("a place that takes no folders is named with the way out", async () => {
    expect(await problemOf("/proc/neuropilot")).toMatch(/^\/proc\/neuropilot cannot .*--data/);
  });

  test.runIf(process.platform !== "win32" && process.getuid?.() !== 0)(
    "a read-only folder is named with the fix",
    async () => {
      chmodSync(base, 0o500);
      expect(await problemOf(join(base, "data"))).toContain("Give this user the right to write there");
      chmodSync(base, 0o700);
    },
  );
});

describe("describeListenError", () => {
  test("a port that another program has is named with the way out", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const error = await new Promise((resolve) => createServer().once("error", resolve).listen(port, "127.0.0.1"));
    expect(describeListenError(error, port, "the status page")).toBe(
      `the status page cannot listen on port ${port}, because another program does. Stop that program, or choose another port with --port.`,
    );
    await new Promise((resolve) => taken.close(resolve));
  });

  test.each([
    ["listen EACCES: permission denied 127.0.0.1:80", 80, "Choose one from 1024 with --port"],
    ["listen EACCES: permission denied 127.0.0.1:8080", 8080, "the system keeps it"],
    ["listen EADDRNOTAVAIL", 8080, "127.0.0.1"],
    ["listen EMFILE", 8080, "EMFILE"],
  ])("%s on %i says what to do", (text, port, fix) => {
    expect(describeListenError(new Error(text), port, "the bus")).toContain(fix);
  });
});
