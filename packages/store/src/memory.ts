import { type Condition, type Key, type Row, type Table, TableUnavailable } from "./table.ts";

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-items */
const MAX_ITEM_BYTES = 400 * 1024;

/** The table in memory, with the same conditions, order and refusals. Rows are copied, as a network would. */
export function createMemoryTable(): Table {
  const rows = new Map<string, Row>();
  const keyOf = ({ pk, sk }: Key) => `${pk.length} ${pk}${sk}`;
  return {
    async get(key) {
      const row = rows.get(keyOf(key));
      return row === undefined ? undefined : { ...row };
    },
    async put(row, condition) {
      checkRow(row);
      if (!holds(condition, rows.get(keyOf(row)))) return "refused";
      rows.set(keyOf(row), { ...row });
      return "written";
    },
    async query(pk) {
      return [...rows.values()].filter((row) => row.pk === pk).sort((a, b) => compareBytes(a.sk, b.sk));
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

/** DynamoDB sorts text by its UTF-8 bytes, JavaScript by UTF-16 units: they differ beyond U+D7FF. */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** What DynamoDB answers with a ValidationException, which the table on it throws as this too. */
function checkRow(row: Row): void {
  const refuse = (why: string) => new TableUnavailable(`the table cannot be used (ValidationException: ${why})`);
  if (row.pk === "" || row.sk === "") throw refuse("a key is empty");
  for (const value of [row.version, row.tick, row.nextActionAt, row.expiresAt])
    if (value !== undefined && !Number.isFinite(value)) throw refuse(`${row.pk} has ${value} where a number must be`);
  // Text is at most three bytes a unit, so most rows need no counting; keys and the names of attributes are below 1 KB.
  if (row.body.length > MAX_ITEM_BYTES / 4 && Buffer.byteLength(row.body) + 1024 > MAX_ITEM_BYTES)
    throw refuse(`${row.pk} ${row.sk} is larger than ${MAX_ITEM_BYTES} bytes`);
}
