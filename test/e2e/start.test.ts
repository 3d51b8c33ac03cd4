import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isAlive, type Program, ROOT, run, start, temporaryFolder } from "./processes.ts";

/** `npm start` as a newcomer types it. Times are loose here: the machine may be busy with other tests. */

const folder = temporaryFolder();
const data = join(folder.path, "data");
let demo: Program;
let firstOutputAt = 0;
let summaryAt = 0;

beforeAll(async () => {
  demo = start("npm", ["start", "--", "--data", data]);
  await demo.line(/watches 1 target/, 60_000);
  firstOutputAt = Date.now();
  await demo.line(/from the first bad sample/, 90_000);
  summaryAt = Date.now();
}, 160_000);

afterAll(async () => {
  demo.signal("SIGKILL");
  folder.remove();
});

describe("npm start without a config", () => {
  it("breaks a real service, diagnoses it, restarts it once, verifies and reports it, within 90 s of its first output", () => {
    const story = demo.lines.join("\n");
    const order = [
      /healthy: 200/,
      /breaks now/,
      /suspect: ECONNREFUSED/,
      /down/,
      /deploymentRestart accepted/,
      /restart: healed/,
      /healthy again/,
      /over after/,
    ];
    const places = order.map((pattern) => story.search(pattern));
    expect(
      places.every((place) => place >= 0),
      story,
    ).toBe(true);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
    expect(demo.lines.filter((line) => line.includes("deploymentRestart accepted"))).toHaveLength(1);
    expect(demo.lines.filter((line) => /slack +posted/.test(line))).toHaveLength(1);
    expect(summaryAt - firstOutputAt).toBeLessThan(90_000);
  });

  it("can be looked at from another terminal: status is healthy, the incident has its attempt and verdict", async () => {
    const status = await run("npm", ["run", "--silent", "neuropilot", "--", "status", "--data", data, "--json"]);
    expect(JSON.parse(status.stdout)).toMatchObject({
      running: true,
      targets: [{ id: "inventory", health: "healthy", incident: null }],
    });
    expect(status.code).toBe(0);
    const incidents = await run("npm", ["run", "--silent", "neuropilot", "--", "incidents", "--data", data, "--json"]);
    expect(JSON.parse(incidents.stdout)).toMatchObject([
      {
        target: "inventory",
        kind: "down",
        end: "healed",
        attempts: [{ remedy: "restart", verdict: "healed", called: true }],
      },
    ]);
  });

  it("refuses a second instance on the same data and says whose it is", async () => {
    const second = await run(process.execPath, [join(ROOT, "packages/cli/src/main.ts"), "up", "--data", data]);
    expect(second.code).toBe(3);
    expect(second.stderr).toContain(data);
    expect(second.stderr).toMatch(/process \d+|pid \d+/i);
  });

  it("ends with Ctrl-C, cleanly, and leaves no process behind", async () => {
    const pid = Number(/process (\d+) refuses/.exec(demo.lines.join("\n"))?.[1]);
    demo.signal("SIGINT");
    await demo.ended;
    expect(demo.lines.join("\n")).not.toMatch(/ at .*\.ts:\d+/);
    expect(isAlive(pid)).toBe(false);
    const status = await run(process.execPath, [
      join(ROOT, "packages/cli/src/main.ts"),
      "status",
      "--data",
      data,
      "--json",
    ]);
    expect(JSON.parse(status.stdout)).toMatchObject({ running: false });
  });
});
