import { join } from "node:path";
import * as events from "@neuropilot/events";
import { manifest } from "@neuropilot/functions/manifest";
import { describe, expect, it } from "vitest";
import { projectFiles, ROOT, read } from "./project.ts";

/** A handler parses, calls one use case and returns: 25 lines is what it should need, 45 with its imports is the end. */
const MAX_HANDLER_LINES = 45;

/** Events that no rule matches yet, and why that is no mistake. */
const NO_RULE_YET: Readonly<Record<string, string>> = {};

/** Remedies whose functions are still to come; the event's schema has their places already. */
const NO_FUNCTION_YET = ["scale", "failover", "rollback"];

const contracts = Object.values(events as Readonly<Record<string, unknown>>).flatMap((value) =>
  typeof value === "object" && value !== null && "pattern" in value && "name" in value ? [String(value.name)] : [],
);
const eventWakes = manifest.flatMap((spec) =>
  spec.wakes.flatMap((wake) => (wake.kind === "event" ? [{ spec, wake }] : [])),
);
const sources = projectFiles().filter((file) => /^functions\/[^/]+\.ts$/.test(file) && !file.endsWith(".test.ts"));

describe("the manifest", () => {
  it("names each function and each file once", () => {
    for (const names of [manifest.map((spec) => spec.name), manifest.map((spec) => spec.file)])
      expect(new Set(names).size).toBe(names.length);
  });

  it.each(manifest.map((spec) => [spec.name, spec] as const))(
    "%s has a file that exports its handler",
    async (_, spec) => {
      const loaded: unknown = await import(join(ROOT, "functions", `${spec.file}.ts`));
      expect(loaded).toMatchObject({ handler: expect.any(Function) });
    },
  );

  it("lists every file that exports a handler", () => {
    const handlers = sources.filter((file) => /^export const handler\b/m.test(read(file)));
    expect(handlers.toSorted()).toEqual(manifest.map((spec) => `functions/${spec.file}.ts`).toSorted());
  });

  it.each(manifest.map((spec) => `functions/${spec.file}.ts`))(`%s has at most ${MAX_HANDLER_LINES} lines`, (file) => {
    expect(read(file).trimEnd().split("\n").length).toBeLessThanOrEqual(MAX_HANDLER_LINES);
  });

  it.each(manifest.map((spec) => [spec.name, spec] as const))(
    "%s is woken by something, and its times fit together",
    (_, spec) => {
      expect(spec.wakes.length).toBeGreaterThan(0);
      expect(spec.timeoutSeconds).toBeLessThanOrEqual(900);
      expect(spec.maxEventAgeSeconds).toBeGreaterThanOrEqual(spec.timeoutSeconds);
    },
  );

  it("only remedies and alerts can read a vendor's token, and each token is read in one place", () => {
    const readers = new Map<string, string[]>();
    for (const spec of manifest)
      for (const secret of spec.secrets) readers.set(secret, [...(readers.get(secret) ?? []), spec.name]);
    for (const [secret, names] of readers) expect(names, secret).toHaveLength(1);
    for (const spec of manifest.filter((each) => each.secrets.length > 0))
      expect(spec.wakes.map((wake) => (wake.kind === "event" ? wake.event : wake.kind))).toEqual([
        expect.stringMatching(/^(remediation\.requested|incident\.changed)$/),
      ]);
  });

  it.each(manifest.map((spec) => [spec.name, spec] as const))(
    "%s reads no token that the manifest does not give it",
    (_, spec) => {
      const named = read(`functions/${spec.file}.ts`).match(/"[A-Z]+(?:_[A-Z]+)*_(?:TOKEN|URL|KEY|SECRET)"/g) ?? [];
      expect([...new Set(named.map((name) => name.slice(1, -1)))].toSorted()).toEqual([...spec.secrets].toSorted());
    },
  );
});

describe("events", () => {
  it("are found", () => {
    expect(contracts.length).toBeGreaterThanOrEqual(5);
    expect(new Set(contracts).size).toBe(contracts.length);
  });

  it.each(contracts)("%s wakes a function, or is known to wake none yet", (name) => {
    const woken = eventWakes.filter(({ wake }) => wake.event === name).map(({ spec }) => spec.name);
    if (name in NO_RULE_YET) expect(woken, `${name} has a rule now: take it off NO_RULE_YET`).toEqual([]);
    else expect(woken).not.toEqual([]);
  });

  it("that wake none yet exist", () => {
    expect(Object.keys(NO_RULE_YET).filter((name) => !contracts.includes(name))).toEqual([]);
  });

  it("are the only ones that rules match, by source and name", () => {
    for (const { spec, wake } of eventWakes) {
      expect(contracts, spec.name).toContain(wake.event);
      expect(wake.pattern).toMatchObject({ source: [events.SOURCE], "detail-type": [wake.event] });
    }
  });

  it("have a file named like them", () => {
    const wanted = contracts.map((name) => `packages/events/src/v1/${name.replace(".", "-")}.ts`);
    const found = projectFiles().filter(
      (file) => file.startsWith("packages/events/src/v1/") && !file.endsWith(".test.ts"),
    );
    expect(found.toSorted()).toEqual(wanted.toSorted());
  });

  it("a request for a remedy reaches the one function that does it", () => {
    const base = { v: 1, id: "evt_1", at: 1, target: "t", cause: "c", hops: 0, attempt: "att_1", site: "s" } as const;
    for (const remedy of ["restart", "purge-cache", "scale", "failover", "rollback"] as const) {
      const { detail } = events.remediationRequested.entry({ ...base, remedy });
      const woken = eventWakes
        .filter(({ wake }) => wake.event === events.remediationRequested.name)
        .filter(({ wake }) => matchesValues(wake.pattern.detail, JSON.parse(detail)))
        .map(({ spec }) => spec.name);
      expect(woken, remedy).toEqual(NO_FUNCTION_YET.includes(remedy) ? [] : [remedy]);
    }
  });
});

/** Whether every field of a pattern of plain values lists the field's value. */
function matchesValues(pattern: unknown, detail: unknown): boolean {
  return Object.entries(pattern ?? {}).every(
    ([field, values]) =>
      Array.isArray(values) &&
      typeof detail === "object" &&
      detail !== null &&
      values.includes(Reflect.get(detail, field)),
  );
}
