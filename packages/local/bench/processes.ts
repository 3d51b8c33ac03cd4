import { type ChildProcess, fork } from "node:child_process";

/** A child that answers each order with one message, in turn. */
export interface Child<Order, Answer> {
  ask(order: Order): Promise<Answer>;
  /** Tells it, and waits for its end for so many milliseconds; then it is killed. */
  end(order: Order | undefined, graceMs: number): Promise<void>;
}

const ANSWER_MS = 60_000;

/** Starts a child and resolves with its first message, which says that it is ready. Rejects when it ends before that. */
export async function startChild<Order extends object, Answer>(
  file: string,
  args: readonly string[],
  flags: readonly string[],
): Promise<{ child: Child<Order, Answer>; first: Answer }> {
  const started = fork(new URL(file, import.meta.url), args, { execArgv: [...process.execArgv, ...flags] });
  const first = await answerOf<Answer>(started, file);
  const child: Child<Order, Answer> = {
    ask(order) {
      const answer = answerOf<Answer>(started, file);
      started.send(order);
      return answer;
    },
    async end(order, graceMs) {
      if (started.exitCode !== null || started.signalCode !== null) return;
      const gone = new Promise((resolve) => started.once("exit", resolve));
      const timer = setTimeout(() => started.kill("SIGKILL"), graceMs);
      if (order !== undefined && started.connected) started.send(order);
      else started.kill("SIGKILL");
      await gone;
      clearTimeout(timer);
    },
  };
  return { child, first };
}

function answerOf<Answer>(child: ChildProcess, file: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      child.off("exit", exited);
      child.off("message", answered);
    };
    const exited = (code: number | null, signal: string | null): void => {
      done();
      reject(new Error(`${file} ended with ${code ?? signal}`));
    };
    const answered = (message: unknown): void => {
      done();
      // Our own child, from the same sources: it sends what messages.ts says.
      resolve(message as Answer);
    };
    const timer = setTimeout(() => {
      done();
      reject(new Error(`${file} did not answer within ${ANSWER_MS / 1000} s`));
    }, ANSWER_MS);
    child.once("exit", exited);
    child.once("message", answered);
  });
}
