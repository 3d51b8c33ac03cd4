import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { startTableServer } from "@neuropilot/local";
import { createDynamoTable } from "@neuropilot/store";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isAlive, MAIN, type Program, ROOT, run, start, temporaryFolder } from "./processes.ts";

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

/** Changes a row of the stopped instance's table, past everything that guards it. */
async function changeRow(pk: string, sk: string, change: (body: string) => string): Promise<void> {
  const server = await startTableServer({ folder: join(data, "table") });
  const client = new DynamoDBClient({
    endpoint: server.endpoint,
    region: "local",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  });
  try {
    const { info } = JSON.parse(readFileSync(join(data, "instance.json"), "utf8"));
    const table = createDynamoTable(client, info.tableName);
    const row = await table.get({ pk, sk });
    if (row === undefined) throw new Error(`there is no row ${pk} ${sk}`);
    await table.put({ ...row, body: change(row.body) }, { kind: "version-is", version: row.version });
  } finally {
    client.destroy();
    await server.close();
  }
}

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

  it("explains the incident: every decision is made again, byte for byte, and the audit log is whole", async () => {
    const explained = await run(process.execPath, [MAIN, "explain", "inc_inventory_1", "--data", data]);
    expect(explained.stdout).toMatch(/failures in a row over/);
    expect(explained.stdout).toMatch(/att_inventory_1 is calling/);
    expect(explained.stdout).toMatch(/healed on samples that began after \d\d:\d\d:\d\d.*: \d+ healthy observations/s);
    expect(explained.stdout).toMatch(/attempt: restart: the vendor accepted it/);
    expect(explained.stdout).toMatch(/slack was told: inventory is down: restarting it now/);
    expect(explained.stdout).toMatch(/\d+ decisions made again: all the same, byte for byte/);
    expect(explained.code).toBe(0);
    const report = await run(process.execPath, [MAIN, "explain", "inc_inventory_1", "--data", data, "--json"]);
    expect(JSON.parse(report.stdout)).toMatchObject({ differs: [], unreadable: [], auditLog: { whole: true } });
    const near = await run(process.execPath, [MAIN, "explain", "inc_inventory_l", "--data", data]);
    expect(near.code).toBe(2);
    expect(near.stderr).toMatch(/did you mean inc_inventory_1\?/);
  });

  it("reports how the remedy has done, with its denominator and interval", async () => {
    const report = await run(process.execPath, [MAIN, "report", "--data", data]);
    expect(report.code).toBe(0);
    expect(report.stdout).toMatch(/restart +down +1 +1 of 1 +21 to 100 %/);
    expect(report.stdout).toMatch(/1 healed by restart/);
    const empty = await run(process.execPath, [MAIN, "report", "--data", join(data, "none")]);
    expect(empty.code).toBe(3);
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

  it("names the entry of the audit log that a foreign hand has changed in the table", async () => {
    const verify = (...more: string[]) =>
      run(process.execPath, [MAIN, "audit", "verify", "inventory", "--data", data, "--json", ...more]);
    const before = await verify();
    expect(before.code).toBe(0);
    const [{ anchor }] = JSON.parse(before.stdout);
    expect((await verify("--expect", anchor)).code).toBe(0);
    await changeRow("AUDIT#inventory", "0000000003", (body) => body.replace("calling", "resting"));
    const after = await verify();
    expect(after.code).toBe(1);
    expect(JSON.parse(after.stdout)).toMatchObject([{ whole: false, damage: [{ entry: 3, kind: "changed" }] }]);
    const wrong = await verify("--expect", "3");
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/--expect got "3"/);
    const explained = await run(process.execPath, [MAIN, "explain", "inc_inventory_1", "--data", data]);
    expect(explained.code).toBe(1);
    expect(explained.stdout).toMatch(/audit log is broken/);
  });
});
