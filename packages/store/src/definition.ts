import type { CreateTableCommandInput } from "@aws-sdk/client-dynamodb";
import { DUE_INDEX } from "./dynamo.ts";

export interface KeyAttribute {
  readonly name: string;
  readonly type: "S" | "N";
}

/** The table's shape; infrastructure and the local table server both read it. */
export const tableDefinition = {
  partitionKey: { name: "pk", type: "S" },
  sortKey: { name: "sk", type: "S" },
  /** Sparse: a row without `nextActionAt` is not in it. Its keys lead to the row; whoever acts reads that again. */
  dueIndex: {
    name: DUE_INDEX,
    partitionKey: { name: "duePartition", type: "S" },
    sortKey: { name: "nextActionAt", type: "N" },
    projection: "KEYS_ONLY",
  },
  /** Epoch seconds; collects garbage only. */
  timeToLive: "expiresAt",
} as const satisfies {
  partitionKey: KeyAttribute;
  sortKey: KeyAttribute;
  dueIndex: { name: string; partitionKey: KeyAttribute; sortKey: KeyAttribute; projection: "KEYS_ONLY" };
  timeToLive: string;
};

/**
 * The CreateTable request for this definition, paid per request:
 * https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html
 */
export function createTableInput(tableName: string): CreateTableCommandInput {
  const { partitionKey, sortKey, dueIndex } = tableDefinition;
  return {
    TableName: tableName,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [partitionKey, sortKey, dueIndex.partitionKey, dueIndex.sortKey].map(({ name, type }) => ({
      AttributeName: name,
      AttributeType: type,
    })),
    KeySchema: [
      { AttributeName: partitionKey.name, KeyType: "HASH" },
      { AttributeName: sortKey.name, KeyType: "RANGE" },
    ],
    GlobalSecondaryIndexes: [
      {
        IndexName: dueIndex.name,
        KeySchema: [
          { AttributeName: dueIndex.partitionKey.name, KeyType: "HASH" },
          { AttributeName: dueIndex.sortKey.name, KeyType: "RANGE" },
        ],
        Projection: { ProjectionType: dueIndex.projection },
      },
    ],
  };
}
