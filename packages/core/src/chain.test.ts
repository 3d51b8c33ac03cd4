import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { appendAudit, auditHash } from "./audit.ts";
import { type AuditRow, ChainCheck, type ChainEnd, type Damage } from "./chain.ts";
import { type AuditEntry, newTargetItem } from "./item.ts";

const COUNT = 6;

function written(count = COUNT): { entries: readonly AuditEntry[]; end: ChainEnd } {
  let item = newTargetItem("api", 0);
  for (let n = 1; n <= count; n++) item = appendAudit(item, 1_000 + n, `{"kind":"step","n":${n}}`);
  return { entries: item.audit.pending, end: { n: item.audit.n, hash: item.audit.head } };
}

function check(rows: readonly AuditRow[], end = written().end): readonly Damage[] {
  const chain = new ChainCheck();
  for (const row of rows) chain.add(row);
  return chain.damage(end);
}

const rowsOf = (entries: readonly AuditEntry[]): AuditRow[] => entries.map((entry) => ({ place: entry.n, entry }));
const whole = (): AuditRow[] => rowsOf(written().entries);
const brief = (found: readonly Damage[]) => found.map(({ n, kind }) => `${n} ${kind}`);

function changed(place: number, change: (entry: AuditEntry) => Partial<AuditEntry>): AuditRow[] {
  return whole().map((row) =>
    row.place === place && "entry" in row ? { place, entry: { ...row.entry, ...change(row.entry) } } : row,
  );
}

/** Written anew with a hash that fits what it says. */
function replaced(place: number): AuditRow[] {
  return changed(place, ({ previous, n, at }) => ({ body: "{}", hash: auditHash(previous, n, at, "{}") }));
}

describe("the check of an audit log", () => {
  it("finds nothing in a log that is as it was written", () => {
    expect(check(whole())).toEqual([]);
    expect(check([], { n: 0, hash: "" })).toEqual([]);
  });

  it.each([1, 3, COUNT])("names entry %i and what was done to it", (place) => {
    const last = place === COUNT;
    expect(brief(check(changed(place, () => ({ body: "{}" }))))).toEqual([`${place} changed`]);
    expect(brief(check(changed(place, ({ at }) => ({ at: at + 1 }))))).toEqual([`${place} changed`]);
    expect(check(changed(place, () => ({ hash: "0".repeat(64) })))).toEqual([
      { kind: "changed", n: place, text: "its hash was changed; what it says is as it was" },
    ]);
    expect(check(changed(place, () => ({ n: 99 })))).toEqual([
      { kind: "changed", n: place, text: "its number was changed to 99" },
    ]);
    expect(check(changed(place, () => ({ previous: "f".repeat(64) })))).toEqual([
      { kind: "changed", n: place, text: "its link to the entry before it was changed" },
    ]);
    expect(brief(check(replaced(place)))).toEqual([`${place} ${last ? "end" : "replaced"}`]);
    expect(brief(check(whole().filter((row) => row.place !== place)))).toEqual([
      `${place} ${last ? "cut-off" : "removed"}`,
    ]);
    const unreadable = whole().map((row) => (row.place === place ? { place, problem: "it is not JSON" } : row));
    expect(check(unreadable)).toEqual([{ kind: "unreadable", n: place, text: "it is not JSON" }]);
  });

  it("says how much is missing at the end, and that it is the end", () => {
    expect(check(whole().slice(0, 3))).toEqual([
      {
        kind: "cut-off",
        n: 4,
        text: "it is missing, and all up to entry 6: the log was cut off, it should end with entry 6",
      },
    ]);
  });

  it("names both entries that stand in each other's place", () => {
    const rows = whole().map((row): AuditRow => {
      const other = row.place === 2 ? 5 : row.place === 5 ? 2 : row.place;
      return { ...row, place: other };
    });
    rows.sort((a, b) => a.place - b.place);
    expect(check(rows)).toEqual([{ kind: "reordered", n: 2, text: "it and entry 5 stand in each other's place" }]);
  });

  it("names an entry that stands where another was, and one that was added after the end", () => {
    const [first] = written().entries;
    const copied = whole().map(
      (row): AuditRow => (row.place === 4 && first !== undefined ? { place: 4, entry: first } : row),
    );
    expect(brief(check(copied))).toEqual(["4 reordered"]);
    const { entries } = written(COUNT + 1);
    expect(brief(check(rowsOf(entries)))).toEqual([`${COUNT + 1} extra`]);
  });

  it("finds one entry that does not follow the one before it, though its own hash fits", () => {
    // Its follower was written anew as well, so the rewriting began here.
    const rows = whole();
    const [, second, third, fourth] = rows.flatMap((row) => ("entry" in row ? [row.entry] : []));
    if (second === undefined || third === undefined || fourth === undefined) throw new Error("the log is too short");
    const forged = { ...third, body: "{}", hash: auditHash(third.previous, third.n, third.at, "{}") };
    const next = { ...fourth, previous: forged.hash, hash: auditHash(forged.hash, fourth.n, fourth.at, fourth.body) };
    const damaged = rows.map((row): AuditRow => {
      if (row.place === 3) return { place: 3, entry: forged };
      return row.place === 4 ? { place: 4, entry: next } : row;
    });
    expect(brief(check(damaged))).toEqual(["4 replaced"]);
  });

  it("knows a log that was written anew as a whole only by an entry that was noted elsewhere", () => {
    const { entries, end } = written();
    const noted = { n: 4, hash: entries[3]?.hash ?? "" };
    const forgery = written(COUNT + 2);
    const chain = new ChainCheck();
    let item = newTargetItem("api", 0);
    for (let n = 1; n <= COUNT; n++) item = appendAudit(item, 5_000 + n, "{}");
    for (const row of rowsOf(item.audit.pending)) chain.add(row);
    expect(chain.damage({ n: item.audit.n, hash: item.audit.head })).toEqual([]);
    expect(chain.holds(noted)).toBe(false);
    const own = new ChainCheck();
    for (const row of rowsOf(forgery.entries)) own.add(row);
    expect(own.holds(noted)).toBe(true);
    expect(own.holds({ n: 40, hash: end.hash })).toBe(false);
  });

  it("names an entry whatever single character or number of it is changed, and no other", () => {
    const entry = fc.integer({ min: 1, max: COUNT });
    const fields = fc.constantFrom("body" as const, "hash" as const, "previous" as const);
    fc.assert(
      fc.property(entry, fields, fc.nat(), (place, field, at) => {
        const rows = changed(place, (one) => {
          const text = one[field];
          const index = at % Math.max(1, text.length);
          return { [field]: `${text.slice(0, index)}~${text.slice(index + 1)}` };
        });
        expect(brief(check(rows))).toEqual([`${place} changed`]);
      }),
    );
    const numbers = fc.constantFrom("n" as const, "at" as const);
    fc.assert(
      fc.property(
        entry,
        numbers,
        fc.oneof(fc.integer({ min: -COUNT, max: COUNT }), fc.double()),
        (place, field, by) => {
          const rows = changed(place, (one) => ({ [field]: one[field] + by }));
          const row = rows[place - 1];
          const same =
            row !== undefined && "entry" in row && row.entry[field] === written().entries[place - 1]?.[field];
          expect(brief(check(rows))).toEqual(same ? [] : [`${place} changed`]);
        },
      ),
    );
  });

  it("names rows that have no place at all, each, and goes on", () => {
    const stray = (problem: string): AuditRow => ({ place: 0, problem });
    expect(check([stray("x"), ...whole(), stray("y")])).toEqual([
      { kind: "unreadable", n: 0, text: "x" },
      { kind: "unreadable", n: 0, text: "y" },
    ]);
  });

  it("says what is missing up to an end that may be any number, at once", () => {
    const hash = "f".repeat(64);
    expect(brief(check(whole(), { n: 2 ** 40, hash }))).toEqual([`${COUNT + 1} cut-off`]);
    expect(brief(check([], { n: 2 ** 40, hash }))).toEqual(["1 cut-off"]);
    const holes = whole().filter(({ place }) => place !== 2 && place !== 3 && place !== 5);
    expect(check(holes)).toEqual([
      { kind: "removed", n: 2, text: "it is missing, and all up to entry 3" },
      { kind: "removed", n: 5, text: "it is missing" },
    ]);
  });

  it("names every entry that is missing and none that is there, whichever they are", () => {
    const { end } = written(12);
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { minLength: 1 }), (missing) => {
        const rows = rowsOf(written(12).entries).filter(({ place }) => !missing.includes(place));
        const found = check(rows, end);
        expect(found.every(({ kind }) => kind === "removed" || kind === "cut-off")).toBe(true);
        expect(found.every(({ n }) => missing.includes(n))).toBe(true);
        const starts = missing.filter((n) => !missing.includes(n - 1));
        expect(found.map(({ n }) => n)).toEqual(starts.sort((a, b) => a - b));
      }),
    );
  });
});
