import * as z from "zod";
import type { DemoFault } from "./fault.ts";

/** What the controller tells the process; every command is answered by its number. */
export type Command =
  | { readonly kind: "break"; readonly n: number; readonly fault: DemoFault }
  | { readonly kind: "recover"; readonly n: number };

/** What arrives from the controller, before the fault in it is read. */
export const commandShape = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("break"), n: z.int(), fault: z.unknown() }),
  z.object({ kind: z.literal("recover"), n: z.int() }),
]);

const reportShape = z.discriminatedUnion("kind", [
  /** Listening, or ill in the way it was started with. */
  z.object({ kind: z.literal("ready"), port: z.int(), adminPort: z.int() }),
  /** It cannot start: the code is the system's, such as EADDRINUSE. */
  z.object({ kind: z.literal("failed"), code: z.string(), message: z.string() }),
  z.object({ kind: z.literal("done"), n: z.int() }),
  z.object({ kind: z.literal("refused"), n: z.int(), problem: z.string() }),
  /** The fault changed, by command or through the admin port, or used itself up. */
  z.object({ kind: z.literal("fault"), fault: z.nullable(z.unknown()), sticky: z.boolean() }),
]);

/** What the process tells its controller. */
export type Report = z.infer<typeof reportShape>;

/** Reads what the process sent; undefined for anything that is not a report. */
export function readReport(message: unknown): Report | undefined {
  const parsed = reportShape.safeParse(message);
  return parsed.success ? parsed.data : undefined;
}
