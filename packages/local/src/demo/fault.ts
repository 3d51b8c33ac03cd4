import * as z from "zod";

/** Longest delay that `slow` takes: longer than any probe waits, short enough that nothing waits for ever. */
const MAX_SLOW_MS = 600_000;
const MAX_LEAK_MB = 1_024;
const DEFAULT_LEAK_MB_PER_SECOND = 16;
/** Brings a fresh process above 85 % of the limit that /health names, and keeps it below the limit. */
const DEFAULT_LEAK_MAX_MB = 136;
const DEFAULT_SEED = 1;

const schemas = {
  refused: z.strictObject({ kind: z.literal("refused") }),
  hang: z.strictObject({ kind: z.literal("hang") }),
  "5xx": z.strictObject({ kind: z.literal("5xx"), status: z.exactOptional(z.int().min(500).max(599)) }),
  slow: z.strictObject({ kind: z.literal("slow"), ms: z.int().min(1).max(MAX_SLOW_MS) }),
  errors: z.strictObject({
    kind: z.literal("errors"),
    share: z.number().min(0).max(1),
    seed: z.exactOptional(z.int().min(0)),
  }),
  crash: z.strictObject({ kind: z.literal("crash") }),
  leak: z.strictObject({
    kind: z.literal("leak"),
    mbPerSecond: z.exactOptional(z.int().min(1).max(256)),
    maxMb: z.exactOptional(z.int().min(1).max(MAX_LEAK_MB)),
  }),
  blip: z.strictObject({ kind: z.literal("blip"), requests: z.int().min(1).max(1_000_000) }),
};

/** One way for the demo service to be ill. */
export type DemoFault = { [Kind in keyof typeof schemas]: z.infer<(typeof schemas)[Kind]> }[keyof typeof schemas];

const examples: Readonly<Record<DemoFault["kind"], DemoFault>> = {
  refused: { kind: "refused" },
  hang: { kind: "hang" },
  "5xx": { kind: "5xx", status: 503 },
  slow: { kind: "slow", ms: 800 },
  errors: { kind: "errors", share: 0.1, seed: 7 },
  crash: { kind: "crash" },
  leak: { kind: "leak", mbPerSecond: 16, maxMb: 136 },
  blip: { kind: "blip", requests: 1 },
};

export type ParsedFault =
  | { readonly ok: true; readonly fault: DemoFault }
  | { readonly ok: false; readonly problem: string };

/** Reads a fault from outside; a refusal names each field, what is wrong with it, and an example that works. */
export function parseFault(value: unknown): ParsedFault {
  const kind = typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
  if (!isKind(kind))
    return {
      ok: false,
      problem: `kind: found ${JSON.stringify(kind) ?? "nothing"}, wanted one of ${Object.keys(schemas).join(", ")}. Example: ${JSON.stringify(examples.slow)}`,
    };
  const parsed = schemas[kind].safeParse(value);
  if (parsed.success) return { ok: true, fault: parsed.data };
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "fault"}: ${issue.message}`);
  return { ok: false, problem: `${problems.join("; ")}. Example: ${JSON.stringify(examples[kind])}` };
}

function isKind(kind: unknown): kind is DemoFault["kind"] {
  return typeof kind === "string" && Object.hasOwn(schemas, kind);
}

/** The fault in a few words, for logs and for the story in the terminal. */
export function describeFault(fault: DemoFault): string {
  switch (fault.kind) {
    case "refused":
      return "refuses connections";
    case "hang":
      return "accepts and never answers";
    case "5xx":
      return `answers ${fault.status ?? 503} to everything`;
    case "slow":
      return `answers ${fault.ms} ms late`;
    case "errors":
      return `fails ${Number((fault.share * 100).toFixed(2))} % of requests`;
    case "crash":
      return "exits";
    case "leak":
      return `leaks ${leakRate(fault).mbPerSecond} MB a second, up to ${leakRate(fault).maxMb} MB`;
    case "blip":
      return fault.requests === 1 ? "fails the next request" : `fails the next ${fault.requests} requests`;
  }
}

export function leakRate(fault: Extract<DemoFault, { kind: "leak" }>): { mbPerSecond: number; maxMb: number } {
  return {
    mbPerSecond: fault.mbPerSecond ?? DEFAULT_LEAK_MB_PER_SECOND,
    maxMb: fault.maxMb ?? DEFAULT_LEAK_MAX_MB,
  };
}

/** What becomes of one request. */
export type RequestFate =
  | { readonly kind: "answer" }
  | { readonly kind: "late"; readonly ms: number }
  | { readonly kind: "fail"; readonly status: number }
  | { readonly kind: "hold" };

/** Says of each request in turn what becomes of it; `over` once the fault has used itself up. */
export interface Fates {
  next(): RequestFate;
  over(): boolean;
}

/** The fates of the requests that come while `fault` holds, the same ones for the same seed. */
export function fatesUnder(fault: DemoFault | undefined): Fates {
  const always = (fate: RequestFate): Fates => ({ next: () => fate, over: () => false });
  if (fault === undefined) return always({ kind: "answer" });
  switch (fault.kind) {
    case "refused":
    case "crash":
    case "hang":
      return always({ kind: "hold" });
    case "leak":
      return always({ kind: "answer" });
    case "5xx":
      return always({ kind: "fail", status: fault.status ?? 503 });
    case "slow":
      return always({ kind: "late", ms: fault.ms });
    case "errors": {
      const random = seededRandom(fault.seed ?? DEFAULT_SEED);
      const { share } = fault;
      return {
        next: () => (random() < share ? { kind: "fail", status: 500 } : { kind: "answer" }),
        over: () => false,
      };
    }
    case "blip": {
      let left = fault.requests;
      return {
        next: () => (left-- > 0 ? { kind: "fail", status: 500 } : { kind: "answer" }),
        over: () => left <= 0,
      };
    }
  }
}

/** A small random source with a seed (mulberry32, public domain): numbers from 0 up to, not including, 1. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
