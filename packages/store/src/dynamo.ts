import {
  type AttributeValue,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandInput,
} from "@aws-sdk/client-dynamodb";
import { type Condition, type Key, type KeyRange, type Row, type Table, TableUnavailable } from "./table.ts";

/** The index that reconcile reads: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-indexes-general-sparse-indexes.html */
export const DUE_INDEX = "due";
const DUE_PARTITION = "DUE";

/** The table on DynamoDB or a server that speaks its protocol. */
export function createDynamoTable(client: DynamoDBClient, tableName: string): Table {
  return {
    async get(key) {
      const answer = await reach(() =>
        client.send(new GetItemCommand({ TableName: tableName, Key: keyOf(key), ConsistentRead: true })),
      );
      return answer.Item === undefined ? undefined : rowOf(answer.Item);
    },
    async put(row, condition) {
      try {
        await reach(() =>
          client.send(new PutItemCommand({ TableName: tableName, Item: itemOf(row), ...conditionOf(condition) })),
        );
        return "written";
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return "refused";
        throw error;
      }
    },
    async query(pk) {
      const rows: Row[] = [];
      let from: Record<string, AttributeValue> | undefined;
      do {
        const start = from;
        const answer = await reach(() =>
          client.send(
            new QueryCommand({
              TableName: tableName,
              ConsistentRead: true,
              KeyConditionExpression: "pk = :pk",
              ExpressionAttributeValues: { ":pk": { S: pk } },
              ...(start === undefined ? {} : { ExclusiveStartKey: start }),
            }),
          ),
        );
        rows.push(...(answer.Items ?? []).map(rowOf));
        from = answer.LastEvaluatedKey;
      } while (from !== undefined);
      return rows;
    },
    async queryRange(pk, range) {
      // DynamoDB refuses a range that ends before it begins; there is nothing in it.
      if (Buffer.compare(Buffer.from(range.from), Buffer.from(range.to)) > 0) return { rows: [] };
      const answer = await reach(() => client.send(new QueryCommand(rangeInput(tableName, pk, range))));
      const next = answer.LastEvaluatedKey === undefined ? undefined : text(answer.LastEvaluatedKey, "sk");
      return { rows: (answer.Items ?? []).map(rowOf), ...(next === undefined ? {} : { next }) };
    },
    async remove(key) {
      await reach(() => client.send(new DeleteItemCommand({ TableName: tableName, Key: keyOf(key) })));
    },
    async due(now, limit) {
      const answer = await reach(() =>
        client.send(
          new QueryCommand({
            TableName: tableName,
            IndexName: DUE_INDEX,
            KeyConditionExpression: "duePartition = :due AND nextActionAt <= :now",
            ExpressionAttributeValues: { ":due": { S: DUE_PARTITION }, ":now": { N: String(now) } },
            Limit: limit,
          }),
        ),
      );
      return (answer.Items ?? []).map((item) => ({ pk: text(item, "pk"), sk: text(item, "sk") }));
    },
  };
}

/** One page: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html */
function rangeInput(tableName: string, pk: string, { from, to, limit, after }: KeyRange): QueryCommandInput {
  // A key is never empty, and DynamoDB refuses an empty one also where it is only compared with.
  const lower = from === "" ? undefined : { S: from };
  return {
    TableName: tableName,
    ConsistentRead: true,
    KeyConditionExpression: `pk = :pk AND ${lower === undefined ? "sk <= :to" : "sk BETWEEN :from AND :to"}`,
    ExpressionAttributeValues: {
      ":pk": { S: pk },
      ":to": { S: to },
      ...(lower === undefined ? {} : { ":from": lower }),
    },
    Limit: limit,
    ...(after === undefined ? {} : { ExclusiveStartKey: keyOf({ pk, sk: after }) }),
  };
}

async function reach<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) throw error;
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new TableUnavailable(`the table cannot be used (${reason})`, { cause: error });
  }
}

function conditionOf(condition: Condition): {
  ConditionExpression: string;
  ExpressionAttributeValues?: Record<string, AttributeValue>;
} {
  switch (condition.kind) {
    case "absent":
      return { ConditionExpression: "attribute_not_exists(pk)" };
    case "version-is":
      return {
        ConditionExpression: "version = :version",
        ExpressionAttributeValues: { ":version": { N: String(condition.version) } },
      };
  }
}

function keyOf({ pk, sk }: Key): Record<string, AttributeValue> {
  return { pk: { S: pk }, sk: { S: sk } };
}

function itemOf(row: Row): Record<string, AttributeValue> {
  return {
    ...keyOf(row),
    version: { N: String(row.version) },
    body: { S: row.body },
    ...(row.tick === undefined ? {} : { tick: { N: String(row.tick) } }),
    ...(row.expiresAt === undefined ? {} : { expiresAt: { N: String(row.expiresAt) } }),
    ...(row.nextActionAt === undefined
      ? {}
      : { nextActionAt: { N: String(row.nextActionAt) }, duePartition: { S: DUE_PARTITION } }),
  };
}

function rowOf(item: Record<string, AttributeValue>): Row {
  const tick = number(item, "tick");
  const nextActionAt = number(item, "nextActionAt");
  const expiresAt = number(item, "expiresAt");
  return {
    pk: text(item, "pk"),
    sk: text(item, "sk"),
    version: number(item, "version") ?? 0,
    body: text(item, "body"),
    ...(tick === undefined ? {} : { tick }),
    ...(nextActionAt === undefined ? {} : { nextActionAt }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

function text(item: Record<string, AttributeValue>, name: string): string {
  return item[name]?.S ?? "";
}

function number(item: Record<string, AttributeValue>, name: string): number | undefined {
  const value = item[name]?.N;
  return value === undefined ? undefined : Number(value);
}
