import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { appendAudit, auditHash, auditStep, brokenLink } from "./audit.ts";
import { newTargetItem } from "./item.ts";

const NOW = 1_800_000_000_000;
const sha = (text: string) => createHash("sha256").update(text).digest("hex");
const three = ["a", "b", "c"].reduce((item, body) => appendAudit(item, NOW, body), newTargetItem("api", NOW));

describe("the audit log", () => {
  it("is a chain: each entry's hash covers the one before it, its number, its time and its body", () => {
    const [first, second] = three.audit.pending;
    expect(first).toEqual({ n: 1, at: NOW, previous: "", hash: sha(`\n1\n${NOW}\na`), body: "a" });
    expect(second).toEqual({
      n: 2,
      at: NOW,
      previous: first?.hash,
      hash: sha(`${first?.hash}\n2\n${NOW}\nb`),
      body: "b",
    });
    expect(three.audit).toMatchObject({ n: 3, head: three.audit.pending[2]?.hash });
    expect(auditHash("p", 4, 5, "x")).toBe(sha("p\n4\n5\nx"));
  });

  it("goes on from what was copied out already", () => {
    const copied = { ...three, audit: { ...three.audit, pending: [] } };
    expect(appendAudit(copied, NOW, "d").audit.pending).toMatchObject([{ n: 4, previous: three.audit.head }]);
  });

  it("holds the step of a remedy", () => {
    const item = auditStep(newTargetItem("api", NOW), {
      now: NOW,
      attempt: "att_api_1",
      state: "calling",
      run: "run_1",
    });
    expect(item.audit.pending.map(({ at, body }) => [at, JSON.parse(body)])).toEqual([
      [NOW, { kind: "step", now: NOW, attempt: "att_api_1", state: "calling", run: "run_1" }],
    ]);
  });

  const [a, b, c] = three.audit.pending;
  it.each([
    ["whole", [a, b, c], undefined],
    ["empty", [], undefined],
    ["without its first entry", [b, c], 2],
    ["without its second", [a, c], 3],
    ["reordered", [a, c, b], 3],
    ["with a changed body", [a, b && { ...b, body: "B" }, c], 2],
    ["with a changed time", [a && { ...a, at: 1 }, b, c], 1],
    ["with a changed hash", [a, b && { ...b, hash: "x" }, c], 2],
    ["with an entry of another chain", [a, b && { ...b, previous: "x", hash: auditHash("x", 2, NOW, "b") }, c], 2],
    ["with a changed number", [a, b && { ...b, n: 4, hash: auditHash(b.previous, 4, NOW, "b") }, c], 4],
  ])("%s is broken at: %s", (_name, entries, broken) => {
    expect(brokenLink(entries.filter((entry) => entry !== undefined))).toBe(broken);
  });
});
