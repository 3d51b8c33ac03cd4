import { beforeAll, describe, expect, it } from "vitest";
import { appendAudit } from "./audit.ts";
import { decide } from "./decide.ts";
import { type Explained, Retelling } from "./explain.ts";
import { fleet, sampleAt, targetConfig, windowAfter, worldOf } from "./fixture.ts";
import { type AuditEntry, type Incident, newTargetItem, type TargetItem } from "./item.ts";
import { readRecord } from "./record.ts";
import type { Policy } from "./scene.ts";

const START = 1_800_000_000_000;

/** A target that refuses for two minutes, decided about at each tick; paused from the second on. */
function outage(policy: Policy): { readonly item: TargetItem; readonly incident: Incident } {
  let item = newTargetItem("api", START);
  let window = windowAfter(undefined, "local", START, []);
  for (let tick = 0; tick < 4; tick++) {
    const at = START + tick * 60_000;
    const samples = Array.from({ length: 10 }, (_, index) => sampleAt(at + index * 5_000, "refused"));
    window = windowAfter(window, "local", at, samples);
    const now = at + 50_000;
    const world = worldOf([window], {
      control: { global: tick > 1 ? {} : { paused: { at, by: "ada", reason: "deploying" } }, target: {} },
    });
    item = decide(policy, item, world, { kind: "wake", at: now, cause: "tick" }, now).item;
  }
  const { incident } = item;
  if (incident === undefined) throw new Error("there is no incident");
  return { item, incident };
}

const config = fleet();
const policy: Policy = { config, target: targetConfig() };

function tell(entries: readonly AuditEntry[], incident: Incident, present?: Policy): readonly Explained[] {
  const retelling = new Retelling(incident, present);
  return entries.flatMap((entry) => retelling.hear({ place: entry.n, entry }));
}

const decisions = (story: readonly Explained[]) => story.flatMap((entry) => (entry.kind === "decision" ? [entry] : []));

/** The log with one record's content changed and the chain written anew, as only its owner can. */
function rewritten(entries: readonly AuditEntry[], change: (body: string) => string): readonly AuditEntry[] {
  let item = newTargetItem("api", START);
  for (const { at, body } of entries) item = appendAudit(item, at, change(body));
  return item.audit.pending;
}

describe("an incident told from its audit log", () => {
  let item: TargetItem;
  let incident: Incident;
  let entries: readonly AuditEntry[];
  beforeAll(() => {
    ({ item, incident } = outage(policy));
    entries = item.audit.pending;
  });

  it("begins with the policy, says what each vantage saw with its numbers, and why nothing was done and then something was", () => {
    const story = tell(entries, incident);
    expect(story[0]).toMatchObject({ kind: "policy", n: 1 });
    const [first, ...later] = decisions(story);
    expect(first?.health).toBe("down");
    expect(first?.seen).toEqual([
      { vantage: "local", site: "primary", view: "down", why: expect.stringMatching(/^\d+ failures in a row over/) },
    ]);
    expect(first?.because.join("\n")).toMatch(/paused: .*deploying/);
    expect(later.flatMap(({ because }) => because).join("\n")).toMatch(/claimed restart as att_api_1/);
  });

  it("makes every decision again, byte for byte, under the policy of that time and not of today", () => {
    const other: Policy = {
      config: fleet({ vantages: ["a", "b"] }),
      target: targetConfig({ budget: { max: 0, perMs: 1_000 } }),
    };
    const told = decisions(tell(entries, incident, other));
    expect(told.length).toBeGreaterThan(1);
    expect(told.map(({ comparison }) => comparison)).toEqual(told.map(() => ({ kind: "same" })));
  });

  it.each([
    ["a reason", (body: string) => body.replace("deploying", "sleeping "), /^the reasons now/],
    [
      "a time in the item",
      (body: string) => body.replace(/"streak":0,"tick":0/, '"streak":0,"tick":7'),
      /the reasons and the state are the same; these differ: recovery$/,
    ],
  ])("says that a decision comes out otherwise when the record differs in %s", (_, change, where) => {
    let done = false;
    const forged = rewritten(entries, (body) => {
      if (done || !body.startsWith('{"kind":"decision"')) return body;
      const after = change(body);
      done = after !== body;
      return after;
    });
    expect(done).toBe(true);
    const differing = decisions(tell(forged, incident)).filter(({ comparison }) => comparison.kind === "differs");
    expect(differing).toHaveLength(1);
    expect(differing[0]?.comparison).toMatchObject({ where: expect.stringMatching(where) });
  });

  it("compares what an earlier version recorded by its reasons, under the present policy", () => {
    const old = rewritten(
      entries.filter(({ body }) => !body.startsWith('{"kind":"policy"')),
      (body) => body.replace(/"policy":"[0-9a-f]+",/, "").replace(/,?"result":"[0-9a-f]+"/, ""),
    );
    const told = decisions(tell(old, incident, policy));
    expect(told.length).toBeGreaterThan(1);
    for (const { comparison } of told)
      expect(comparison).toMatchObject({ kind: "not-compared", why: expect.stringMatching(/earlier version/) });
    expect(decisions(tell(old, incident))[0]?.comparison).toMatchObject({ kind: "not-compared" });
  });

  it.each([
    ["no JSON", "{", /JSON/],
    ["an unknown kind", '{"kind":"later"}', /kind "later"/],
    ["a decision without a world", '{"kind":"decision","state":"inc_api_1"}', /./],
    ["a decision without an item", '{"kind":"decision","state":"inc_api_1","world":{"windows":[]}}', /undefined/],
    ["a policy without the target", '{"kind":"policy","config":{"targets":[]}}', /lacks this target/],
    ["a policy without a config", '{"kind":"policy"}', /undefined/],
    [
      "a policy of another digest",
      JSON.stringify({ kind: "policy", digest: "x", config: { ...config, targets: [targetConfig()] } }),
      /does not fit its digest/,
    ],
  ])("names an entry that is %s and goes on with the others", (_, body, problem) => {
    const middle = appendAudit({ ...item, audit: { ...item.audit, pending: [] } }, START, body).audit.pending;
    const story = tell([...middle, ...entries], incident);
    expect(story[0]).toMatchObject({ kind: "unreadable", problem: expect.stringMatching(problem) });
    expect(decisions(story).length).toBeGreaterThan(1);
  });

  it("names a row of the table that cannot be read", () => {
    expect(new Retelling(incident).hear({ place: 7, problem: "it is not JSON" })).toEqual([
      { kind: "unreadable", n: 7, problem: "it is not JSON" },
    ]);
  });

  const unreadAt = (at: number) => appendAudit(newTargetItem("api", 0), at, "{").audit.pending;

  it.each<[string, (openedAt: number) => number, number | undefined, boolean]>([
    ["ten minutes before it", (openedAt) => openedAt - 600_000, undefined, true],
    ["longer before it", (openedAt) => openedAt - 600_001, undefined, false],
    ["long after it opened, while it is open", (openedAt) => openedAt + 9e9, undefined, true],
    ["ten minutes after its end", () => START + 7_800_000, START + 7_200_000, true],
    ["longer after its end", () => START + 7_800_001, START + 7_200_000, false],
  ])("tells of an entry that cannot be read %s: %#", (_name, at, endedAt, told) => {
    const one: Incident = { ...incident, ...(endedAt === undefined ? {} : { endedAt }) };
    expect(tell(unreadAt(at(incident.openedAt)), one).length).toBe(told ? 1 : 0);
  });

  it("names what could not be read long ago where it may have been the policy of a decision", () => {
    const [first, ...rest] = entries;
    if (first === undefined) throw new Error("there is no entry");
    const [old] = unreadAt(START - 86_400_000);
    const story = tell([...(old === undefined ? [] : [old]), ...rest], incident);
    expect(story[0]).toMatchObject({ kind: "unreadable", n: 1 });
    expect(story.filter(({ kind }) => kind === "unreadable")).toHaveLength(1);
    expect(decisions(story)[0]?.comparison).toEqual({
      kind: "not-compared",
      why: "the policy that it was made under cannot be read",
    });
    expect(tell([...(old === undefined ? [] : [old]), ...entries], incident)[0]).toMatchObject({ kind: "policy" });
  });

  it("takes the present policy for one that is lost, where it is the same", () => {
    const [, ...rest] = entries;
    const now = decisions(tell(rest, incident, policy));
    expect(now.map(({ comparison }) => comparison)).toEqual(now.map(() => ({ kind: "same" })));
    const other = decisions(tell(rest, incident, { ...policy, config: fleet({ name: "another" }) }));
    expect(other.map(({ comparison, health }) => [comparison.kind, health])).toEqual(
      other.map(() => ["not-compared", undefined]),
    );
  });

  it("says of what one entry could not hold that it was not compared", () => {
    const abridged = rewritten(entries, (body) =>
      body.replace(/"result":"[0-9a-f]+"/, '"result":"other","abridged":true'),
    );
    for (const { comparison } of decisions(tell(abridged, incident)))
      expect(comparison).toEqual({
        kind: "not-compared",
        why: "there was too much to look at for one entry, which holds a part of it",
      });
  });

  it("says that what is asked for differs where every part of the item is the same", () => {
    const other = rewritten(entries, (body) => body.replace(/"result":"[0-9a-f]+"/, '"result":"other"'));
    expect(decisions(tell(other, incident))[0]?.comparison).toEqual({
      kind: "differs",
      where: "the reasons and the state are the same; what its outbox asks for differs",
    });
    const without = rewritten(other, (body) => body.replace(/"parts":\{[^}]*\},?/, ""));
    expect(decisions(tell(without, incident))[0]?.comparison).toMatchObject({
      where: expect.stringMatching(/these differ: .*outbox.*incident\.attempts/),
    });
  });

  it("tells nothing of another incident", () => {
    expect(tell(entries, { ...incident, id: "inc_api_2", attempts: [] })).toEqual([]);
  });
});

describe("a policy in the audit log", () => {
  it("stands there once, and again when it changes, with this target alone", () => {
    const { item } = outage({
      config: fleet({ targets: [targetConfig(), targetConfig({ id: "web" })] }),
      target: policy.target,
    });
    const policies = () =>
      current.audit.pending.flatMap(({ body }) => {
        const read = readRecord(body);
        return read.ok && read.record.kind === "policy" ? [read.record] : [];
      });
    let current = item;
    expect(policies()).toHaveLength(1);
    expect(policies()[0]?.config.targets.map(({ id }) => id)).toEqual(["api"]);
    const now = START + 10 * 60_000;
    const window = windowAfter(undefined, "local", now, [sampleAt(now, "ok")]);
    const changed = { ...policy, config: fleet({ name: "another" }) };
    const word = { kind: "operator", at: now, word: "acknowledge", by: "ada" } as const;
    current = decide(changed, item, worldOf([window]), word, now).item;
    expect(policies()).toHaveLength(2);
  });
});
