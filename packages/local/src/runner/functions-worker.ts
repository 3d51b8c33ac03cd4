import { parentPort } from "node:worker_threads";
import type { Answer, Completion, Invocation, Question } from "./messages.ts";

/** The thread that holds the functions: imports a handler on its first event, as Lambda would, and answers each once. */

type Handler = (event: unknown, context: Readonly<Record<string, unknown>>) => Promise<unknown>;

const handlers = new Map<string, Promise<Handler>>();

/** Every handler takes an event and a context, as Lambda calls it; the manifest lists only such files. */
async function load(file: string): Promise<Handler> {
  const module: unknown = await import(`@neuropilot/functions/${file}`);
  if (typeof module === "object" && module !== null && "handler" in module && typeof module.handler === "function")
    return module.handler as Handler;
  throw new Error(`functions/${file}.ts exports no handler`);
}

async function invoke({ id, file, name, event, deadline }: Invocation): Promise<Completion> {
  try {
    const loaded = handlers.get(file) ?? load(file);
    handlers.set(file, loaded);
    const handler = await loaded;
    const context = {
      functionName: name,
      awsRequestId: `local-${id}`,
      getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    };
    return { kind: "done", id, ok: true, result: await handler(event, context) };
  } catch (error) {
    return {
      kind: "done",
      id,
      ok: false,
      reason: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
    };
  }
}

const port = parentPort;
if (port === null) throw new Error("functions-worker runs as a worker thread only");
const say = (answer: Answer) => port.postMessage(answer);
port.on("message", (question: Question) => {
  if (question.kind === "alive?") say({ kind: "alive" });
  else
    invoke(question)
      .then(say)
      // A result that cannot be sent, as Lambda would refuse one that is no JSON.
      .catch((error: unknown) => say({ kind: "done", id: question.id, ok: false, reason: String(error) }));
});
