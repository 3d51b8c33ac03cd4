import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  EventBridgeClient,
  PutEventsCommand,
  type PutEventsRequestEntry,
  TestEventPatternCommand,
} from "@aws-sdk/client-eventbridge";
import { createPublisher, operatorSaid, remediationRequested } from "@neuropilot/events";
import { type Bus, type BusEvent, startBus } from "@neuropilot/local";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "neuropilot-put-events-"));
let bus: Bus;
let client: EventBridgeClient;
let delivered: unknown[] = [];

beforeAll(async () => {
  bus = await startBus({
    journalFile: join(folder, "journal.jsonl"),
    busName: "neuropilot-test",
    account: "111122223333",
    region: "eu-central-1",
    log: () => undefined,
    onDeadLetter: () => undefined,
    rules: [
      {
        name: "all",
        pattern: { source: [{ exists: true }] },
        retries: 0,
        maxEventAgeSeconds: 60,
        timeoutMs: 5_000,
        async deliver(event) {
          delivered.push(event);
        },
      },
    ],
  });
  client = new EventBridgeClient({
    endpoint: bus.endpoint,
    region: "eu-central-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 1,
  });
});

beforeEach(() => {
  delivered = [];
});

afterAll(async () => {
  client.destroy();
  await bus.close();
  rmSync(folder, { recursive: true });
});

const good: PutEventsRequestEntry = {
  EventBusName: "neuropilot-test",
  Source: "neuropilot",
  DetailType: "health.observed",
  Detail: '{"site":"primary"}',
};

/** An entry of exactly this many bytes by the service's formula. */
function entryOf(bytes: number): PutEventsRequestEntry {
  const rest = "neuropilot".length + "health.observed".length + '{"p":""}'.length;
  return { ...good, Detail: JSON.stringify({ p: "x".repeat(bytes - rest) }) };
}

const put = (...entries: PutEventsRequestEntry[]) => client.send(new PutEventsCommand({ Entries: entries }));
/** The rule has no `input`, so what it was delivered are events; the type of `deliver` cannot say so. */
function events(): readonly BusEvent[] {
  return delivered as BusEvent[];
}

describe("an accepted event", () => {
  it("is delivered in EventBridge's envelope", async () => {
    const answer = await put({
      ...good,
      Time: new Date("2026-10-02T18:43:48.500Z"),
      Resources: ["arn:aws:x"],
    });
    await bus.idle();
    expect(answer.FailedEntryCount).toBe(0);
    expect(delivered).toEqual([
      {
        version: "0",
        id: answer.Entries?.[0]?.EventId,
        "detail-type": "health.observed",
        source: "neuropilot",
        account: "111122223333",
        time: "2026-10-02T18:43:48Z",
        region: "eu-central-1",
        resources: ["arn:aws:x"],
        detail: { site: "primary" },
      },
    ]);
  });

  it("has an id of its own and the time of the call if it names none", async () => {
    const before = Math.floor(Date.now() / 1000) * 1000;
    const answer = await put(good, good);
    await bus.idle();
    expect(new Set(answer.Entries?.map((entry) => entry.EventId)).size).toBe(2);
    for (const event of events()) {
      expect(event.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(Date.parse(event.time)).toBeGreaterThanOrEqual(before);
    }
  });

  it("may name the bus by its ARN", async () => {
    await put({ ...good, EventBusName: "arn:aws:events:eu-central-1:111122223333:event-bus/neuropilot-test" });
    await bus.idle();
    expect(delivered).toHaveLength(1);
  });

  it.each([["another-bus"], [undefined]])("for the bus %s has an id and reaches no rule, as at AWS", async (name) => {
    const answer = await put({ ...good, EventBusName: name });
    await bus.idle();
    expect(answer).toMatchObject({ FailedEntryCount: 0, Entries: [{ EventId: expect.any(String) }] });
    expect(delivered).toEqual([]);
  });
});

describe("an entry that is not valid", () => {
  it.each<[string, Partial<PutEventsRequestEntry>, string]>([
    ["has no source", { Source: undefined }, "InvalidArgument"],
    ["has an empty source", { Source: "" }, "InvalidArgument"],
    ["has no detail type", { DetailType: undefined }, "InvalidArgument"],
    ["has a detail type of 129 characters", { DetailType: "x".repeat(129) }, "InvalidArgument"],
    ["has no detail", { Detail: undefined }, "InvalidArgument"],
    ["pretends to come from AWS", { Source: "aws.ec2" }, "NotAuthorizedForSourceException"],
    ["has a detail that is not JSON", { Detail: "{" }, "MalformedDetail"],
    ["has a detail that is not an object", { Detail: "[1]" }, "MalformedDetail"],
    ["has a detail that is null", { Detail: "null" }, "MalformedDetail"],
    [
      "nests deeper than the service reads",
      { Detail: `{"a":${"[".repeat(1000)}${"]".repeat(1000)}}` },
      "MalformedDetail",
    ],
  ])("fails alone, with HTTP 200 and its code, when it %s", async (_name, change, code) => {
    const answer = await put(good, { ...good, ...change }, good);
    await bus.idle();
    expect(answer.$metadata.httpStatusCode).toBe(200);
    expect(answer.FailedEntryCount).toBe(1);
    expect(answer.Entries?.map((entry) => entry.ErrorCode)).toEqual([undefined, code, undefined]);
    expect(answer.Entries?.[1]).toMatchObject({ ErrorMessage: expect.stringMatching(/\w/) });
    expect(answer.Entries?.[1]?.EventId).toBeUndefined();
    expect(delivered).toHaveLength(2);
  });
});

describe("a call that is not valid", () => {
  it.each<[string, PutEventsRequestEntry[], RegExp]>([
    ["has no entries", [], /greater than or equal to 1/],
    ["has eleven entries", Array.from({ length: 11 }, () => good), /less than or equal to 10/],
    ["has a bus name with a space", [{ ...good, EventBusName: "a b" }], /entries.1.member.eventBusName/],
    ["is a byte over 256 KB", [entryOf(200_000), entryOf(62_145)], /Total size of the entries/],
    ["is 256 KB with a time, which counts 14 bytes", [{ ...entryOf(262_144), Time: new Date() }], /Total size/],
    ["is 256 KB with a resource", [{ ...entryOf(262_144), Resources: ["x"] }], /Total size/],
    [
      "is over 256 KB in UTF-8, not in characters",
      [{ ...good, Detail: JSON.stringify({ p: "ü".repeat(140_000) }) }],
      /Total size/,
    ],
  ])("is refused whole with ValidationException when it %s", async (_name, entries, message) => {
    await expect(put(...entries)).rejects.toMatchObject({
      name: "ValidationException",
      message: expect.stringMatching(message),
      $metadata: { httpStatusCode: 400 },
    });
    await bus.idle();
    expect(delivered).toEqual([]);
  });

  it("is not refused at 10 entries and exactly 256 KB", async () => {
    const entries = [entryOf(262_144 - 9 * 100), ...Array.from({ length: 9 }, () => entryOf(100))];
    expect(await put(...entries)).toMatchObject({ FailedEntryCount: 0 });
    await bus.idle();
    expect(delivered).toHaveLength(10);
  });
});

describe("the protocol", () => {
  const headers = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": "AWSEvents.PutEvents",
    authorization: "AWS4-HMAC-SHA256 Credential=test",
  };
  const body = JSON.stringify({ Entries: [good] });

  function send(change: Record<string, string>, text: string, method = "POST") {
    return new Promise<{ status: number | undefined; type: unknown }>((resolve, reject) => {
      const outgoing = request(
        bus.endpoint,
        { method, headers: { ...headers, ...change }, agent: false },
        (response) => {
          let answer = "";
          response.on("data", (chunk) => {
            answer += chunk;
          });
          response.on("end", () => {
            const parsed: { __type?: string } = JSON.parse(answer);
            resolve({ status: response.statusCode, type: parsed.__type });
          });
        },
      );
      outgoing.on("error", reject);
      outgoing.end(text);
    });
  }

  it("answers a well-formed request without the SDK as well", async () => {
    expect(await send({}, body)).toEqual({ status: 200, type: undefined });
    await bus.idle();
  });

  it.each<[string, Record<string, string>, string, number, string]>([
    ["an unknown operation", { "x-amz-target": "AWSEvents.PutRule" }, body, 400, "UnknownOperationException"],
    ["another content type", { "content-type": "text/plain" }, body, 400, "SerializationException"],
    ["no signature", { authorization: "" }, body, 403, "MissingAuthenticationTokenException"],
    ["a host name of somebody else", { host: "rebound.example" }, body, 403, "AccessDeniedException"],
    ["text that is not JSON", {}, "{", 400, "SerializationException"],
    ["JSON that is not an object", {}, "[]", 400, "SerializationException"],
    ["no entries at all", {}, "{}", 400, "ValidationException"],
    ["entries of the wrong type", {}, '{"Entries":[{"Detail":{}}]}', 400, "SerializationException"],
    ["a time that is no date", {}, '{"Entries":[{"Time":1e99}]}', 400, "SerializationException"],
    ["a body without end", {}, `{"x":"${"x".repeat(3_000_000)}"}`, 413, "RequestEntityTooLargeException"],
  ])("refuses %s", async (_name, change, text, status, type) => {
    expect(await send(change, text)).toEqual({ status, type });
  });

  it("refuses another method", async () => {
    expect(await send({}, "", "GET")).toEqual({ status: 400, type: "UnknownOperationException" });
  });
});

describe("TestEventPattern", () => {
  const event = {
    id: "1",
    account: "111122223333",
    source: "neuropilot",
    time: "2026-10-02T18:43:48Z",
    region: "eu-central-1",
    resources: [],
    "detail-type": "x",
    detail: { remedy: "restart" },
  };
  const ask = (pattern: string, text = JSON.stringify(event)) =>
    client.send(new TestEventPatternCommand({ EventPattern: pattern, Event: text }));

  it.each([
    ['{"detail":{"remedy":["restart"]}}', true],
    ['{"detail":{"remedy":["scale"]}}', false],
  ])("answers whether %s matches: %s", async (pattern, matches) => {
    expect((await ask(pattern)).Result).toBe(matches);
  });

  it.each([
    ["not JSON", "{", "Event pattern is not valid. Reason: Invalid JSON"],
    ["a bare value", '{"source":"x"}', 'Event pattern is not valid. Reason: "source" must be an object or an array'],
    [
      "an unknown operator",
      '{"source":[{"like":"x"}]}',
      "Event pattern is not valid. Reason: Unrecognized match type like",
    ],
  ])("refuses a pattern that is %s in EventBridge's words", async (_name, pattern, message) => {
    await expect(ask(pattern)).rejects.toMatchObject({ name: "InvalidEventPatternException", message });
  });

  it.each([
    ["a pattern of more than 4096 characters", JSON.stringify({ source: ["x".repeat(5000)] }), JSON.stringify(event)],
    ["an event that is not JSON", '{"source":["x"]}', "nothing"],
    ["an event without its mandatory fields", '{"source":["x"]}', '{"source":"x"}'],
  ])("refuses %s", async (_name, pattern, text) => {
    await expect(ask(pattern, text)).rejects.toMatchObject({ name: "ValidationException" });
  });
});

describe("the publisher that the functions use", () => {
  const base = { v: 1 as const, at: 1_800_000_000_000, target: "api", cause: "test", hops: 0 };
  const entry = (id: string) =>
    remediationRequested.entry({ ...base, id, attempt: "att_1", remedy: "restart", site: "primary" });

  it("gets every event through, in calls that keep the limits, and what arrives parses", async () => {
    const publish = createPublisher(client, "neuropilot-test");
    const outgoing = Array.from({ length: 23 }, (_, index) => entry(`evt_${index}`));
    expect(await publish(outgoing)).toEqual({ sent: 23, failed: [] });
    await bus.idle();
    const parsed = delivered.map((event) => remediationRequested.parse(event));
    expect(parsed.filter((each) => each.ok)).toHaveLength(23);
    expect(operatorSaid.parse(delivered[0])).toMatchObject({ ok: false });
  });

  it("reports the entry that stays refused and sends the others once", async () => {
    const publish = createPublisher(client, "neuropilot-test");
    const broken = { ...entry("evt_broken"), detail: "{" };
    const report = await publish([entry("evt_1"), broken, entry("evt_2")]);
    await bus.idle();
    expect(report).toEqual({ sent: 2, failed: [{ event: broken, reason: "MalformedDetail: Detail is malformed." }] });
    expect(delivered).toHaveLength(2);
  });
});
