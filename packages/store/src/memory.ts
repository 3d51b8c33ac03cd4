import type { Condition, Key, Row, Table } from "./table.ts";

/** The table in memory, with the same conditions. Rows are copied, as a network would. */
export function createMemoryTable(): Table {
  const rows = new Map<string, Row>();
  const keyOf = ({ pk, sk }: Key) => `${pk}\n${sk}`;
  return {
    async get(key) {
      const row = rows.get(keyOf(key));
      return row === undefined ? undefined : { ...row };
    },
    async put(row, condition) {
      if (!holds(condition, rows.get(keyOf(row)))) return "refused";
      rows.set(keyOf(row), { ...row });
      return "written";
    },
    async query(pk) {
      return [...rows.values()].filter((row) => row.pk === pk).sort((a, b) => (a.sk < b.sk ? -1 : 1));
    },
    async due(now, limit) {
      return [...rows.values()]
        .filter((row) => row.nextActionAt !== undefined && row.nextActionAt <= now)
        .sort((a, b) => (a.nextActionAt ?? 0) - (b.nextActionAt ?? 0))
        .slice(0, limit)
        .map(({ pk, sk }) => ({ pk, sk }));
    },
  };
}

function holds(condition: Condition, present: Row | undefined): boolean {
  switch (condition.kind) {
    case "absent":
      return present === undefined;
    case "version-is":
      return present?.version === condition.version;
  }
}
