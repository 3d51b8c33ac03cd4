import { type EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import type { OutgoingEvent } from "./envelope.ts";

/** PutEvents takes at most 10 entries and 256 KB a call: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html */
const MAX_ENTRIES = 10;
const MAX_BYTES = 256 * 1024;

export interface PublishReport {
  readonly sent: number;
  /** Entries that were still refused after the retries, with the bus's reason. Their requests stay in the outbox. */
  readonly failed: readonly { readonly event: OutgoingEvent; readonly reason: string }[];
}

/** Publishes events; a refused entry is a value, never silent. */
export type Publish = (events: readonly OutgoingEvent[]) => Promise<PublishReport>;

/**
 * A publisher on an EventBridge bus. The bus answers 200 with failed entries, so `FailedEntryCount` is checked and only the
 * failed ones are sent again, `tries` times in all. A call that fails as a whole counts as all of its entries failed.
 */
export function createPublisher(client: EventBridgeClient, busName: string, tries = 3): Publish {
  return async (events) => {
    let failed: { event: OutgoingEvent; reason: string }[] = [];
    let waiting = [...events];
    for (let round = 0; round < tries && waiting.length > 0; round++) {
      failed = [];
      for (const chunk of chunks(waiting)) failed.push(...(await putChunk(client, busName, chunk)));
      waiting = failed.map((failure) => failure.event);
    }
    return { sent: events.length - failed.length, failed };
  };
}

async function putChunk(client: EventBridgeClient, busName: string, chunk: readonly OutgoingEvent[]) {
  try {
    const answer = await client.send(
      new PutEventsCommand({
        Entries: chunk.map((event) => ({
          EventBusName: busName,
          Source: event.source,
          DetailType: event.detailType,
          Detail: event.detail,
        })),
      }),
    );
    if ((answer.FailedEntryCount ?? 0) === 0) return [];
    // Without one answer per entry nobody knows which failed: all count as failed, and doubles do no harm.
    if (answer.Entries?.length !== chunk.length)
      return chunk.map((event) => ({ event, reason: "the bus refused entries and did not say which" }));
    return chunk.flatMap((event, index) => {
      const code = answer.Entries?.[index]?.ErrorCode;
      return code === undefined ? [] : [{ event, reason: `${code}: ${answer.Entries?.[index]?.ErrorMessage ?? ""}` }];
    });
  } catch (error) {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return chunk.map((event) => ({ event, reason }));
  }
}

/** Splits by the limits of one PutEvents call, keeping the order. */
export function chunks(events: readonly OutgoingEvent[]): OutgoingEvent[][] {
  const result: OutgoingEvent[][] = [];
  let current: OutgoingEvent[] = [];
  let bytes = 0;
  for (const event of events) {
    const size =
      Buffer.byteLength(event.detail) + Buffer.byteLength(event.detailType) + Buffer.byteLength(event.source) + 14;
    if (current.length > 0 && (current.length >= MAX_ENTRIES || bytes + size > MAX_BYTES)) {
      result.push(current);
      current = [];
      bytes = 0;
    }
    current.push(event);
    bytes += size;
  }
  if (current.length > 0) result.push(current);
  return result;
}
