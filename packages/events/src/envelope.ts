import * as z from "zod/mini";

/** Where all our events come from. */
export const SOURCE = "neuropilot";
/** Events that have hopped more often than this within one attempt are refused: something matches its own output. */
export const MAX_HOPS = 3;

const id = z.string().check(z.minLength(1), z.maxLength(200));

/** What every event carries in `detail` besides its own data. */
export const envelopeShape = {
  v: z.literal(1),
  /** `evt_…`, unique per event, the same when an event is published again. */
  id,
  /** Epoch milliseconds when it was first published. */
  at: z.int(),
  target: id,
  /** The id of what led to it: a tick, an event, an attempt. */
  cause: z.string().check(z.maxLength(400)),
  hops: z.int().check(z.gte(0), z.lte(MAX_HOPS)),
};

/** An event as EventBridge delivers it: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html */
const delivered = z.object({
  id: z.string(),
  source: z.literal(SOURCE),
  "detail-type": z.string(),
  time: z.string(),
  detail: z.unknown(),
});

export interface EventContract<Detail> {
  readonly name: string;
  /** The rule pattern that matches it; narrower ones add to `detail`. */
  readonly pattern: { readonly source: readonly [typeof SOURCE]; readonly "detail-type": readonly [string] };
  /** One PutEvents entry, checked against the schema. Throws for a detail that does not fit: that is a bug. */
  entry(detail: Detail): OutgoingEvent;
  /** Reads what a rule delivered. */
  parse(event: unknown): ParsedEvent<Detail>;
}

export interface OutgoingEvent {
  readonly source: typeof SOURCE;
  readonly detailType: string;
  readonly detail: string;
}

export type ParsedEvent<Detail> =
  | { readonly ok: true; readonly detail: Detail; readonly deliveredId: string }
  | { readonly ok: false; readonly problem: string };

/** Binds a name to a schema; the type is inferred from it. */
export function defineEvent<Schema extends z.ZodMiniType>(
  name: string,
  schema: Schema,
): EventContract<z.infer<Schema>> {
  return {
    name,
    pattern: { source: [SOURCE], "detail-type": [name] },
    entry(detail) {
      return { source: SOURCE, detailType: name, detail: JSON.stringify(z.parse(schema, detail)) };
    },
    parse(event) {
      const outer = z.safeParse(delivered, event);
      if (!outer.success) return { ok: false, problem: z.prettifyError(outer.error) };
      if (outer.data["detail-type"] !== name)
        return { ok: false, problem: `detail-type is "${outer.data["detail-type"]}", this function handles "${name}"` };
      const inner = z.safeParse(schema, outer.data.detail);
      if (!inner.success) return { ok: false, problem: z.prettifyError(inner.error) };
      return { ok: true, detail: inner.data, deliveredId: outer.data.id };
    },
  };
}
