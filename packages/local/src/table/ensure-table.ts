import { setTimeout as sleep } from "node:timers/promises";
import {
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  type KeySchemaElement,
  ResourceInUseException,
  ResourceNotFoundException,
  type TableDescription,
} from "@aws-sdk/client-dynamodb";
import { createTableInput } from "@neuropilot/store";
import { errorText, TableProblem } from "./table-problem.ts";

const FIRST_POLL_MS = 20;
const LAST_POLL_MS = 1_000;

/**
 * Creates the table unless it is there, and waits until it and its index can be used; at any DynamoDB endpoint, and also when
 * two do it at once. Throws `TableProblem`: the endpoint cannot be reached or refuses, the table has another shape, or it is
 * not active within `timeoutMs`.
 */
export async function ensureTable(
  client: DynamoDBClient,
  tableName: string,
  { timeoutMs = 60_000 }: { readonly timeoutMs?: number } = {},
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  if ((await describe(client, tableName)) === undefined) await create(client, tableName);
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(pollMs * 2, LAST_POLL_MS)) {
    const table = await describe(client, tableName);
    if (table !== undefined) {
      checkShape(table, tableName);
      if (isActive(table)) return;
    }
    if (Date.now() >= deadline)
      throw new TableProblem(
        "unreachable",
        `the table ${tableName} is still ${table?.TableStatus ?? "missing"} after ${timeoutMs / 1000} s. Start again in a minute; if it stays so, look at it where it is served.`,
      );
    await sleep(pollMs);
  }
}

async function describe(client: DynamoDBClient, tableName: string): Promise<TableDescription | undefined> {
  try {
    return (await client.send(new DescribeTableCommand({ TableName: tableName }))).Table;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined;
    throw await unreachable(client, tableName, error);
  }
}

async function create(client: DynamoDBClient, tableName: string): Promise<void> {
  try {
    await client.send(new CreateTableCommand(createTableInput(tableName)));
  } catch (error) {
    if (error instanceof ResourceInUseException) return;
    throw await unreachable(client, tableName, error);
  }
}

async function unreachable(client: DynamoDBClient, tableName: string, cause: unknown): Promise<TableProblem> {
  const endpoint = await client.config.endpoint?.();
  const where = endpoint === undefined ? "AWS" : `${endpoint.protocol}//${endpoint.hostname}:${endpoint.port ?? ""}`;
  return new TableProblem(
    "unreachable",
    `the table ${tableName} at ${where} cannot be used (${errorText(cause)}). Check the endpoint, the credentials, and that its server runs.`,
    { cause },
  );
}

function isActive(table: TableDescription): boolean {
  const indexes = table.GlobalSecondaryIndexes ?? [];
  return table.TableStatus === "ACTIVE" && indexes.every((index) => index.IndexStatus === "ACTIVE");
}

/** A table that somebody else made under this name would fail at the first read, far from here. */
function checkShape(table: TableDescription, tableName: string): void {
  const wanted = createTableInput(tableName);
  const differences = [
    ...(sameKeys(table.KeySchema, wanted.KeySchema) ? [] : [`its key is not ${keyText(wanted.KeySchema)}`]),
    ...(wanted.GlobalSecondaryIndexes ?? []).flatMap((index) => {
      const present = table.GlobalSecondaryIndexes?.find(({ IndexName }) => IndexName === index.IndexName);
      return sameKeys(present?.KeySchema, index.KeySchema)
        ? []
        : [`it has no index ${index.IndexName} over ${keyText(index.KeySchema)}`];
    }),
  ];
  if (differences.length === 0) return;
  throw new TableProblem(
    "table-differs",
    `the table ${tableName} is not one of ours: ${differences.join("; ")}. Choose another table name, or remove that table if nothing needs it.`,
  );
}

function sameKeys(
  one: readonly KeySchemaElement[] | undefined,
  other: readonly KeySchemaElement[] | undefined,
): boolean {
  return one !== undefined && other !== undefined && keyText(one) === keyText(other);
}

function keyText(keys: readonly KeySchemaElement[] | undefined): string {
  return (keys ?? [])
    .toSorted((a, b) => (a.KeyType ?? "").localeCompare(b.KeyType ?? ""))
    .map(({ AttributeName }) => AttributeName)
    .join(", ");
}
