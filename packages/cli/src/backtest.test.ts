import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type HistoryEntry, sampleEntry, writeLine } from "@neuropilot/backtest";
import type { Attempt, Incident } from "@neuropilot/core";
import { fleet, sampleAt } from "@neuropilot/core/fixture";
import type { OpenInstance } from "@neuropilot/local/instance";
import { createMemoryTable, createState } from "@neuropilot/store";
import { afterAll, describe, expect, it } from "vitest";
import { type BacktestCommand, backtest } from "./backtest.ts";
import { CommandFailed, type ExitCode } from "./exit-codes.ts";
import { instanceHistory } from "./history-source.ts";
import type { Terminal } from "./terminal.ts";

const folder = mkdtempSync(join(tmpdir(), "neuropilot-backtest-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NOON = Date.UTC(2026, 0, 1, 12);
const MINUTE = 60_000;
const VANTAGES = ["east", "north", "west"];

/** One outage of eight minutes, ten minutes after noon, and a blip of 48 s after it, within two hours. */
const HISTORY: HistoryEntry[] = Array.from({ length: 600 }, (_, index) => NOON + index * 12_000).flatMap((at) => {
  const bad = (from: number, minutes: number) => at >= NOON + from * MINUTE && at < NOON + (from + minutes) * MINUTE;
  const outcome = bad(10, 8) || bad(110, 0.8) ? "refused" : "ok";
  return VANTAGES.map((vantage) => sampleEntry("api", "primary", vantage, sampleAt(at, outcome)));
});

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const history = file("h.jsonl", HISTORY.map(writeLine).join("\n"));
const ids = { projectId: "p", environmentId: "e", serviceId: "s" };
const written = {
  vantages: VANTAGES,
  mode: "auto",
  targets: [{ id: "api", url: "https://api.example.com", railway: ids }],
};
const old = file("old.json", JSON.stringify(written));
const patient = file("new.json", JSON.stringify({ ...written, rules: { down: { hold: "2m" } } }));

interface Ran {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
}

async function run(change: Partial<BacktestCommand>): Promise<Ran> {
  let [out, err] = ["", ""];
  const terminal: Terminal = {
    out: (text) => {
      out += `${text}\n`;
    },
    err: (text) => {
      err += `${text}\n`;
    },
    paint: (_, text) => text,
    now: () => NOON + 120 * MINUTE,
  };
  const command: BacktestCommand = {
    config: patient,
    against: old,
    from: history,
    since: undefined,
    target: undefined,
    data: join(folder, "none"),
    json: false,
    tune: false,
    svg: undefined,
    seed: 1,
    aloneWithin: "5m",
    outage: "3m",
    restartTakes: "60s",
    environment: {},
    ...change,
  };
  try {
    return { code: await backtest(terminal, command), out, err };
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    return { code: error.code, out, err: err + error.message };
  }
}

describe("backtest", () => {
  it("shows both policies side by side and where they differ, within 110 columns", async () => {
    const { code, out } = await run({});
    expect(code).toBe(0);
    expect(out).toMatch(/truth +1 outage, 0 spells of errors, 0 slow spells; 0 calls really made/);
    expect(out).toMatch(/incidents +2 +1\n/);
    expect(out).toMatch(/recovered alone within 5 min +1 +0\n/);
    expect(out).toMatch(/outages missed +0 of 1 +0 of 1\n/);
    expect(out).toMatch(/2 differences\n2026-01-01 12:10:00Z {2}api\n {2}present {2}down at 12:10:36/);
    expect(out).toMatch(
      /2026-01-01 13:50:00Z {2}api\n {2}present {2}down at 13:50:36 .*alone 0 s later.*\n {2}new {6}no incident/,
    );
    expect(out).toContain("What this cannot know");
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(110);
  });

  it("says that nothing differs for the same policy twice", async () => {
    const { out } = await run({ config: old });
    expect(out).toContain("Both policies would have done the same, to the second.");
  });

  it("prints JSON of the documented shape, and the same from gzip", async () => {
    const { out } = await run({ json: true });
    const report: unknown = JSON.parse(out);
    expect(report).toMatchObject({
      history: {
        samples: 1800,
        from: "2026-01-01T12:00:00.000Z",
        everyMs: 12_000,
        targets: { api: 1800 },
        vantages: VANTAGES,
      },
      assumed: { aloneWithinMs: 300_000, outageMs: 180_000, restartTakesMs: 60_000 },
      truth: [{ target: "api", site: "primary", kind: "outage", from: "2026-01-01T12:10:00.000Z" }],
      present: {
        policy: "old.json",
        incidents: 2,
        aftermath: { alone: 1 },
        list: [{ kinds: ["down"] }, { kinds: ["down"] }],
      },
      new: { policy: "new.json", incidents: 1, missed: [] },
      differences: [{ target: "api" }, { target: "api", new: [] }],
    });
    expect((await run({ json: true, from: file("h.jsonl.gz", gzipSync(readFileSync(history))) })).out).toBe(out);
  });

  it("replays a policy that looks more often at the history's pace, and says so", async () => {
    const often = file("often.json", JSON.stringify({ ...written, interval: "5s" }));
    const { out } = await run({ config: often });
    expect(out).toContain("often.json looks every 5 s, the history only every 12 s: replayed at the history's pace");
    expect(out).toMatch(/incidents +2 +2\n/);
  });

  it("says what one of the policies has no eye for, and refuses where that is all", async () => {
    const other = { ...written, targets: [{ ...written.targets[0], id: "shop" }] };
    const both = { ...other, vantages: [...VANTAGES, "moon"], targets: [...written.targets, ...other.targets] };
    const [shop, more] = [file("shop.json", JSON.stringify(other)), file("more.json", JSON.stringify(both))];
    const ran = await run({ against: shop, config: more });
    expect(ran.out).toContain("shop.json has no api: nothing comes of what happened there");
    expect(ran.out).toContain("more.json watches from moon as well, which is silent in this history");
    const refused = await run({ config: shop });
    expect(refused).toMatchObject({ code: 3, out: "" });
    expect(refused.err).toMatch(/the history is of api; shop\.json has shop/);
  });

  it.each<[string, () => Partial<BacktestCommand>, ExitCode, RegExp]>([
    ["a file that there is not", () => ({ from: join(folder, "nope") }), 2, /there is no file/],
    ["a folder", () => ({ from: folder }), 3, /is no file/],
    ["an empty file", () => ({ from: file("empty", "") }), 3, /is empty/],
    ["only line ends", () => ({ from: file("blank", "\n\n") }), 3, /has no sample: there is nothing to replay/],
    ["a file of another kind", () => ({ from: file("bin", Buffer.from([1, 0, 2])) }), 3, /is no text/],
    [
      "gzip that was cut off",
      () => ({ from: file("cut.gz", gzipSync(readFileSync(history)).subarray(0, 900)) }),
      3,
      /cut\.gz cannot be read to its end/,
    ],
    [
      "a broken line",
      () => ({ from: file("bad", `${readFileSync(history, "utf8")}\n{"target":`) }),
      3,
      /bad:1801: it is not JSON/,
    ],
    [
      "a clock that goes back",
      () => ({ from: file("back", [...HISTORY, ...HISTORY.slice(0, 1)].map(writeLine).join("\n")) }),
      3,
      /back:1801: the clock goes back/,
    ],
    ["--since that is no duration", () => ({ since: "banana" }), 2, /--since: banana is no duration/],
    ["a range with nothing in it", () => ({ since: "1ms" }), 3, /1800 samples, all from before/],
    [
      "a target that the policy has not",
      () => ({ target: "apu" }),
      2,
      /no target is called "apu" \(did you mean api\?\)/,
    ],
    ["a policy with errors", () => ({ config: file("wrong.json", '{"targets":[{"id":"api"}]}') }), 1, /wrong\.json/],
    ["a policy that does not parse", () => ({ config: file("cut.json", '{"targets":') }), 1, /a syntax error/],
    [
      "a policy that has nothing in common with the history",
      () => ({
        config: file("o.json", JSON.stringify({ ...written, vantages: ["moon"] })),
        against: file("o.json", JSON.stringify({ ...written, vantages: ["moon"] })),
      }),
      3,
      /nothing in common/,
    ],
    ["a picture of nothing", () => ({ svg: join(folder, "x.svg") }), 2, /--tune/],
    ["a data folder in which nothing ran", () => ({ from: undefined }), 3, /nothing has run/],
  ])("%s is a clear error, with nothing on standard output", async (_, change, code, text) => {
    const ran = await run(change());
    expect(ran.err).toMatch(text);
    expect(ran).toMatchObject({ code, out: "" });
  });
});

describe("backtest --tune", () => {
  it("prints the front and a plot, and draws it, and writes nothing else", async () => {
    const before = readdirSync(folder);
    const { code, out } = await run({ tune: true, svg: join(folder, "front.svg"), since: "2h" });
    expect(code).toBe(0);
    expect(out).toMatch(/FALSE +MISSED +OUTAGE LEFT +ACTIONS +POLICY/);
    expect(out).toContain("Only 1 outage in 120 min: what fits it may not fit the next.");
    expect(out).toContain("P is the present policy, N the new one");
    expect(readFileSync(join(folder, "front.svg"), "utf8")).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect(readdirSync(folder)).toEqual([...before, "front.svg"].sort());
  });

  it("says plainly that a quiet history tells nothing", async () => {
    const quiet = HISTORY.filter((entry) => entry.kind === "sample" && entry.sample.outcome === "ok");
    const { out, code } = await run({ tune: true, from: file("quiet", quiet.map(writeLine).join("\n")) });
    expect(code).toBe(0);
    expect(out).toContain("0 outages in 120 min: nothing to tune.");
  });
});

describe("an instance's history", () => {
  it("comes with the calls that were really made, and of one target where one is named", async () => {
    const state = createState(createMemoryTable());
    const sites = { "api/primary": [sampleAt(NOON)], "shop/primary": [sampleAt(NOON + 1_000)] };
    await state.writeHistory({ vantage: "local", shard: "0", from: NOON, to: NOON + 5 * MINUTE, sites });
    const attempt = {
      id: "att_api_1",
      remedy: "restart" as const,
      site: "primary",
      mayHaveCalled: true,
      callStartedAt: NOON + 2_000,
    };
    await state.archiveIncident(closedIncident([attempt, { ...attempt, id: "att_api_2", mayHaveCalled: false }]));
    const instance: OpenInstance = {
      state,
      config: undefined,
      running: undefined,
      publish: undefined,
      close: async () => {},
    };
    const [target] = fleet().targets;
    const config = fleet({ targets: target === undefined ? [] : [target, { ...target, id: "shop" }] });
    const read = async (only: string | undefined) => {
      const found: string[] = [];
      for await (const chunk of await instanceHistory(instance, config, { from: 0, to: NOON + MINUTE, target: only }))
        if (chunk.kind === "entries") found.push(...chunk.entries.map(({ target, kind }) => `${target} ${kind}`));
      return found;
    };
    expect(await read(undefined)).toEqual(["api sample", "shop sample", "api call"]);
    expect(await read("shop")).toEqual(["shop sample"]);
  });
});

/** As the archive would give it; only what the history reads. */
function closedIncident(attempts: readonly Partial<Attempt>[]): Incident {
  const incident: Partial<Incident> = {
    id: "inc_api_1",
    target: "api",
    site: "primary",
    kind: "down",
    openedAt: NOON,
    endedAt: NOON + MINUTE,
  };
  return { ...incident, attempts, timeline: [], seq: 1 } as Incident;
}
