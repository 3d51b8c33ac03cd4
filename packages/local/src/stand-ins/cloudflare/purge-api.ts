import { z } from "zod";
import { jsonAnswer, type StandInAnswer, type StandInRequest } from "../server.ts";
import type { Purge } from "./cache.ts";

/**
 * The API's side of a purge, as strict as the vendor's: https://developers.cloudflare.com/api/resources/cache/methods/purge/
 * The vendor does not publish the codes of every refusal; those that are known from its users are used, and callers
 * must not rely on the others.
 */
export const API_PATH = "/client/v4";

const MAX_ITEMS = 100;
const items = z.array(z.string().min(1)).min(1).max(MAX_ITEMS);
const withoutScheme = z
  .array(
    z
      .string()
      .min(1)
      .regex(/^(?![a-z]+:\/\/)/i),
  )
  .min(1)
  .max(MAX_ITEMS);
const file = z.union([z.url(), z.strictObject({ url: z.url(), headers: z.record(z.string(), z.string()).optional() })]);

const KINDS = ["purge_everything", "files", "tags", "hosts", "prefixes"] as const;
const ONE_OF = 'Request must contain one of "purge_everything", "files", "tags", "hosts" or "prefixes"';

export type ReadPurge =
  | { readonly kind: "purge"; readonly selector: Purge }
  | { readonly kind: "refused"; readonly answer: StandInAnswer };

/** Reads a purge's body; anything the vendor would refuse is refused. */
export function readPurge(request: StandInRequest): ReadPurge {
  if (!/^application\/json\b/i.test(request.headers["content-type"] ?? ""))
    return refuse(400, 1012, "the body must be application/json");
  const body = parseObject(request.body);
  if (body === undefined) return refuse(400, 6007, "Malformed JSON in request body");
  const kinds = Object.keys(body);
  const kind = KINDS.find((candidate) => candidate === kinds[0]);
  if (kinds.length !== 1 || kind === undefined) return refuse(400, 1012, ONE_OF);
  const value = body[kind];
  if (kind === "purge_everything")
    return value === true ? { kind: "purge", selector: { kind: "everything" } } : refuse(400, 1012, ONE_OF);
  if (!Array.isArray(value)) return refuse(400, 1014, `"${kind}" must be an array`);
  if (value.length > MAX_ITEMS)
    return refuse(400, 1012, `"${kind}" may hold at most ${MAX_ITEMS} items, it holds ${value.length}`);
  if (kind === "files") {
    const files = z.array(file).min(1).safeParse(value);
    if (!files.success) return refuse(400, 1012, `"files" must be full URLs: ${z.prettifyError(files.error)}`);
    const urls = files.data.map((entry) => (typeof entry === "string" ? entry : entry.url));
    return { kind: "purge", selector: { kind: "files", items: urls } };
  }
  const parsed = (kind === "tags" ? items : withoutScheme).safeParse(value);
  if (!parsed.success) return refuse(400, 1012, `"${kind}" is not as it should be: ${z.prettifyError(parsed.error)}`);
  return { kind: "purge", selector: { kind, items: parsed.data } };
}

function refuse(status: number, code: number, message: string): ReadPurge {
  return { kind: "refused", answer: failure(status, code, message) };
}

/** Who may call, or the refusal. */
export function refusalOfToken(request: StandInRequest, token: string): StandInAnswer | undefined {
  const header = request.headers.authorization;
  if (header === undefined) return failure(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers");
  if (!/^Bearer [A-Za-z0-9_-]+$/.test(header)) return failure(400, 6003, "Invalid request headers");
  return header === `Bearer ${token}` ? undefined : failure(403, 9109, "Invalid access token");
}

export function failure(
  status: number,
  code: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): StandInAnswer {
  return jsonAnswer(status, { success: false, errors: [{ code, message }], messages: [], result: null }, headers);
}

export function accepted(id: string): StandInAnswer {
  return jsonAnswer(200, { success: true, errors: [], messages: [], result: { id } });
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** Requests within a rate, as a bucket that holds so many and fills steadily. */
export interface Bucket {
  /** Takes one and returns 0, or returns the whole seconds until there is one. */
  take(): number;
}

export function createBucket(rate: { readonly perMinute: number; readonly size: number }, now: () => number): Bucket {
  let tokens = rate.size;
  let at = now();
  const perMs = rate.perMinute / 60_000;
  return {
    take() {
      const time = now();
      tokens = Math.min(rate.size, tokens + (time - at) * perMs);
      at = time;
      if (tokens < 1) return Math.max(1, Math.ceil((1 - tokens) / perMs / 1_000));
      tokens -= 1;
      return 0;
    },
  };
}
