import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isAlive, MAIN, type Program, ROOT, run, start, temporaryFolder } from "./processes.ts";

/**
 * The commands as a person or a script meets them: as processes, against one running instance in a folder with an awkward
 * name. It watches a service in this process that is healthy, in the mode observe.
 */

const folder = temporaryFolder();
const data = join(folder.path, "with spaces ü");
const config = join(folder.path, "neuropilot.config.ts");
const service = createServer((_, response) => response.end("ok"));
const control = createServer((_, response) => response.end("ok"));
let up: Program;

const neuropilot = (...args: string[]) => run(process.execPath, [MAIN, ...args]);
const here = (...args: string[]) => neuropilot(...args, "--data", data);

function urlOf(server: typeof service): string {
  // A TCP server that listens has this address.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

beforeAll(async () => {
  for (const server of [service, control]) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const controls = { endpoints: [{ id: "own", url: urlOf(control) }], allowPrivate: true, timeout: "2s" };
  const target = { id: "api", url: urlOf(service), allowPrivate: true, timeout: "2s" };
  // Away from the project, and importing from it all the same.
  writeFileSync(
    config,
    `import { defineConfig } from "@neuropilot/config/define";
     console.log("a config that prints");
     export default defineConfig(${JSON.stringify({ name: "shop", interval: "5s", controls, targets: [target] })});`,
  );
  up = start(process.execPath, [MAIN, "up", "--config", config, "--data", data, "--json"]);
  await up.line(/"view":"healthy"/, 60_000);
}, 90_000);

afterAll(async () => {
  up.signal("SIGKILL");
  await up.ended;
  for (const server of [service, control]) {
    server.closeAllConnections();
    server.close();
  }
  folder.remove();
});

describe("a wrong command line", () => {
  it.each([
    ["an unknown command", ["statsu"], /unknown command 'statsu'[\s\S]*Did you mean status\?/],
    ["an unknown flag", ["status", "--jsn"], /unknown option '--jsn'[\s\S]*Did you mean --json\?/],
    ["an unknown scenario", ["drill", "refusd"], /no scenario is called "refusd" \(did you mean refused\?\)/],
    ["a missing argument", ["approve"], /missing required argument 'id'/],
    ["one argument too many", ["up", "extra"], /too many arguments/],
    ["a port that is none", ["up", "--port", "65535"], /from 0 \(any free one\) to 65534/],
    ["an empty folder name", ["status", "--data", ""], /Name a folder/],
    ["an endpoint without a protocol", ["up", "--table-endpoint", "127.0.0.1:8000"], /http:\/\/127\.0\.0\.1:8000/],
    ["two configs", ["validate", "a.ts", "--config", "b.ts"], /name the config once/],
  ])("%s ends with 2, says what is right, and prints nothing on stdout", async (_, args, message) => {
    const { code, stdout, stderr } = await neuropilot(...args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  it("an unknown target or duration ends with 2, and the nearest one is named", async () => {
    const [target, duration] = await Promise.all([here("pause", "apu"), here("pause", "--for", "5")]);
    expect(target).toMatchObject({ code: 2, stdout: "" });
    expect(target.stderr).toContain('no target is called "apu" (did you mean api?). There are: api');
    expect(duration).toMatchObject({ code: 2, stdout: "" });
    expect(duration.stderr).toContain('"30s", "10m" or "2h"');
  });
});

describe("what cannot be had ends with 3 and says what to do", () => {
  it("a folder in which nothing has run", async () => {
    const { code, stdout, stderr } = await neuropilot("status", "--data", join(folder.path, "never"));
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
    expect(stderr).toMatch(/nothing has run in .*never yet: `neuropilot up --data .*` starts it/);
  });

  it("a second instance in the same folder", async () => {
    const { code, stderr } = await here("up", "--config", config);
    expect(stderr).toMatch(/is in use by another NeuroPilot \(process \d+, since .*--data/s);
    expect(code).toBe(3);
  });

  it("a port that another program has", async () => {
    const port = urlOf(service).match(/:(\d+)/)?.[1] ?? "";
    const other = ["up", "--config", config, "--data", join(folder.path, "other")];
    const { code, stderr } = await neuropilot(...other, "--port", port);
    expect(stderr).toContain(`cannot listen on port ${port}, because another program does`);
    expect(code).toBe(3);
  });

  it("a file where the folder should be", async () => {
    const { code, stderr } = await neuropilot("up", "--config", config, "--data", config);
    expect(stderr).toContain("is a file");
    expect(code).toBe(3);
  });
});

describe("validate", () => {
  it("prints JSON and nothing else, whatever the config prints, and ends with 0", async () => {
    const { code, stdout } = await neuropilot("validate", "--json", config);
    expect(JSON.parse(stdout)).toEqual({ valid: true, path: config, problems: [], notes: expect.any(Array) });
    expect(code).toBe(0);
  });

  it("prints every problem at once and ends with 1", async () => {
    const bad = join(folder.path, "bad.json");
    writeFileSync(bad, JSON.stringify({ interval: "often", targets: [{ id: "API prod", url: "api.example.com" }] }));
    const [json, text] = await Promise.all([neuropilot("validate", "--json", bad), neuropilot("validate", bad)]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      valid: false,
      problems: expect.arrayContaining(
        ["interval", "targets[0].id", "targets[0].url"].map((path) => ({
          path,
          found: expect.any(String),
          wants: expect.any(String),
          example: expect.any(String),
        })),
      ),
    });
    expect([json.code, text.code]).toEqual([1, 1]);
    expect(text.stderr).toMatch(/3 problems[\s\S]*interval\n {2}found {4}"often"\n {2}wants/);
  });

  it.each([
    ["throws.mjs", 'throw new Error("boom");', /boom/],
    ["syntax.ts", "export default {", /syntax error/],
    ["none.mjs", "export const a = 1;", /only the exports a/],
  ])("%s is a problem, not a stack trace", async (name, text, message) => {
    writeFileSync(join(folder.path, name), text);
    const { code, stderr } = await neuropilot("validate", join(folder.path, name));
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(1);
  });
});

describe("status", () => {
  it("has the documented shape and ends with 0 while all is well", async () => {
    const { code, stdout, stderr } = await here("status", "--json");
    expect(JSON.parse(stdout)).toEqual({
      name: "shop",
      running: true,
      startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      paused: null,
      vantages: [{ id: "local", lastTick: expect.any(String), controls: "1/1", sees: true }],
      targets: [
        {
          id: "api",
          site: "primary",
          url: urlOf(service),
          health: "healthy",
          why: expect.any(String),
          since: expect.any(String),
          lastSample: expect.any(String),
          latencyMs: expect.any(Number),
          views: { local: "healthy" },
          incident: null,
          attempt: null,
          paused: false,
          modes: { restart: "observe", "purge-cache": "observe" },
        },
      ],
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  it("is aligned, with relative and exact times, and has no colours in a pipe or with NO_COLOR", async () => {
    const { stdout } = await here("status");
    const lines = stdout.split("\n");
    const [titles = "", row = ""] = lines.slice(lines.findIndex((line) => line.startsWith("TARGET")));
    for (const [title, cell] of [
      ["SITE", "primary"],
      ["HEALTH", "healthy"],
      ["MODE", "observe"],
    ] as const)
      expect(row.indexOf(cell)).toBe(titles.indexOf(title));
    expect(stdout).toMatch(/running since .* ago \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ\)/);
    expect(stdout).not.toContain("\u001b");
    const never = await run(process.execPath, [MAIN, "status", "--data", data], { NO_COLOR: "1" });
    expect(never.stdout).not.toContain("\u001b");
  });

  it.runIf(process.platform !== "win32")("a reader that goes away is no error", async () => {
    const child = spawn(process.execPath, [MAIN, "status", "--data", data], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const [code] = await once(child, "close");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  it.runIf(process.platform === "linux")("an output that cannot be written ends with 3 and says so", () => {
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, [MAIN, "status", "--data", data], {
      stdio: ["ignore", full, "pipe"],
      encoding: "utf8",
    });
    expect(stderr).toBe("the output cannot be written: ENOSPC: no space left on device, write\n");
    expect(status).toBe(3);
  });
});

describe("incidents, approve, acknowledge", () => {
  it("without incidents the list is empty, and none can be named", async () => {
    const [list, one, approve] = await Promise.all([
      here("incidents", "--json"),
      here("incidents", "inc_x"),
      here("approve", "att_x"),
    ]);
    expect([JSON.parse(list.stdout), list.code]).toEqual([[], 0]);
    expect(one).toMatchObject({ code: 2, stdout: "", stderr: 'no incident is called "inc_x"; there are none\n' });
    expect(approve).toMatchObject({ code: 2, stdout: "" });
    expect(approve.stderr).toContain('"att_x" is neither an open incident nor an attempt in one');
  });
});

describe("report", () => {
  it("of what runs has the documented shape, and says so where nothing happened, with 0", async () => {
    const [json, text] = await Promise.all([here("report", "--json"), here("report", "--since", "7d")]);
    expect(JSON.parse(json.stdout)).toEqual({
      since: expect.stringMatching(/Z$/),
      targets: [expect.objectContaining({ target: "api", incidents: 0, detect: null, effects: [], shadow: [] })],
    });
    expect(json.code).toBe(0);
    expect(text).toMatchObject({ code: 0, stderr: "", stdout: "api  last 7d\n  no incident in the last 7d\n" });
  });

  it("with a wrong flag ends with 2 and says what is right; where nothing has run, with 3", async () => {
    const [since, target, never] = await Promise.all([
      here("report", "--since", "soon"),
      here("report", "--target", "apu"),
      neuropilot("report", "--data", join(folder.path, "never")),
    ]);
    expect([since.code, target.code, never.code]).toEqual([2, 2, 3]);
    expect(since.stderr).toContain("--since: soon is no duration. Write it as 30m, 12h or 14d");
    expect(target.stderr).toContain("did you mean api?");
    expect(never.stderr).toContain("nothing has run in");
  });
});

describe("pause and resume", () => {
  it("hold without a restart, are shown by status and told by the running instance", async () => {
    const paused = await here("pause", "--json", "--reason", " two\nlines ", "--by", "ann", "--for", "30m");
    expect(JSON.parse(paused.stdout)).toEqual({ paused: true, target: null, until: expect.any(String) });
    const status = await here("status", "--json");
    expect(JSON.parse(status.stdout)).toMatchObject({ paused: { by: "ann", reason: "two lines" } });
    await up.line(/healing is paused for every target by ann, until .*: two lines/, 10_000);

    const one = await here("pause", "api", "--json");
    expect(JSON.parse(one.stdout)).toEqual({ paused: true, target: "api", until: null });
    const resumed = await here("resume", "--json");
    expect(JSON.parse(resumed.stdout)).toEqual({ paused: false, target: null, wasPaused: true, stillPaused: ["api"] });
    const last = await here("resume", "api", "--json");
    expect(JSON.parse(last.stdout)).toEqual({ paused: false, target: "api", wasPaused: true, stillPaused: [] });
    await up.line(/healing goes on for api/, 10_000);
    const again = await here("resume", "--json");
    expect(JSON.parse(again.stdout)).toMatchObject({ wasPaused: false });
  });

  it("a pause that has run out counts as none", async () => {
    await here("pause", "--for", "1ms");
    const resumed = await here("resume", "--json");
    expect(JSON.parse(resumed.stdout)).toMatchObject({ wasPaused: false, stillPaused: [] });
  });
});

describe("the running instance", () => {
  it("prints nothing but JSON objects with --json, each with its time and event", () => {
    const objects = up.lines.filter((line) => line !== "a config that prints").map((line) => JSON.parse(line));
    expect(objects[0]).toMatchObject({
      event: "ready",
      tableEndpoint: expect.any(String),
      logFile: expect.any(String),
    });
    for (const object of objects) expect(object).toMatchObject({ at: expect.any(String), event: expect.any(String) });
  });

  it("killed hard is read as it was, can be paused, and goes on at the next start, paused", async () => {
    up.signal("SIGKILL");
    await up.ended;
    const after = await here("status", "--json");
    expect(JSON.parse(after.stdout)).toMatchObject({ running: false, targets: [{ id: "api" }] });
    expect(after.code).toBe(1);
    expect(await here("report")).toMatchObject({ code: 0, stdout: expect.stringMatching(/^api {2}last 30d\n/) });
    expect((await here("pause", "--reason", "while it was down")).code).toBe(0);
    expect(await here("approve", "att_x")).toMatchObject({ code: 3, stdout: "" });
    up = start(process.execPath, [MAIN, "up", "--config", config, "--data", data]);
    await up.line(/healing is paused for every target .*while it was down/, 30_000);
    await up.line(/healthy: 200/, 30_000);
  });

  it("ends at Ctrl-C with 0, also where several processes pass it on, and leaves nothing behind", async () => {
    const { pid = 0 } = up.child;
    up.signal("SIGINT");
    up.signal("SIGINT");
    expect(await up.ended).toEqual({ code: 0, signal: null });
    expect(up.lines.at(-1)).toMatch(/Ctrl-C: ends/);
    expect(isAlive(pid)).toBe(false);
    const { code, stdout } = await here("status");
    expect(stdout).toContain("not running: this is the last known state");
    expect(code).toBe(1);
  });

  it("ends with the process that opened a channel to it", async () => {
    const child = spawn(process.execPath, [MAIN, "up", "--config", config, "--data", data, "--json"], {
      stdio: ["ignore", "pipe", "ignore", "ipc"],
    });
    const ended = once(child, "exit");
    const { stdout } = child;
    if (stdout === null) throw new Error("it has no output to read");
    await once(stdout, "data");
    stdout.resume();
    child.disconnect();
    expect(await ended).toEqual([0, null]);
  });
});

describe("the launcher", () => {
  it.runIf(process.platform !== "win32")("ends by the signal that ended what it started, not with 0", async () => {
    const launcher = join(ROOT, "bin/node24.mjs");
    const script = join(folder.path, "killed.mjs");
    writeFileSync(script, 'process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000);');
    expect(await run(process.execPath, [launcher, script])).toMatchObject({ code: null, signal: "SIGTERM" });
  });
});

describe("--help", () => {
  it.each([
    "up",
    "validate",
    "status",
    "incidents",
    "report",
    "pause",
    "resume",
    "approve",
    "deny",
    "acknowledge",
    "drill",
  ])("%s has an example", async (command) => {
    const { code, stdout, stderr } = await neuropilot(command, "--help");
    expect(stdout).toMatch(new RegExp(`Examples?:\\n {2}\\$ (npm start|neuropilot ${command})`));
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });
});

describe("docs/commands.md", () => {
  it("names every command", async () => {
    const { stdout } = await neuropilot("--help");
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) \[options\]/gm)].map((match) => match[1]);
    const text = readFileSync(join(ROOT, "docs/commands.md"), "utf8");
    expect(commands.length).toBeGreaterThan(8);
    for (const command of commands) expect(text).toMatch(new RegExp(`^## .*(\`neuropilot |\`)${command}\\b`, "m"));
  });
});
