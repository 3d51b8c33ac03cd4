import { Worker } from "node:worker_threads";
import { type Answer, type Job, work } from "./worker.ts";

/** Does jobs on so many threads, each in its turn; with one thread, here. `onAnswer` hears of each answer as it comes. */
export async function onThreads(
  threads: number,
  jobs: Iterable<Job>,
  onAnswer: (answer: Answer) => void,
): Promise<void> {
  const waiting = jobs[Symbol.iterator]();
  if (threads <= 1) {
    for (let next = waiting.next(); next.done !== true; next = waiting.next()) onAnswer(await work(next.value));
    return;
  }
  const running = Array.from({ length: threads }, () => drain(waiting, onAnswer));
  await Promise.all(running);
}

async function drain(jobs: Iterator<Job>, onAnswer: (answer: Answer) => void): Promise<void> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url));
  try {
    for (let next = jobs.next(); next.done !== true; next = jobs.next()) onAnswer(await ask(worker, next.value));
  } finally {
    await worker.terminate();
  }
}

function ask(worker: Worker, job: Job): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(error);
    worker.once("error", fail);
    worker.once("message", (answer: Answer) => {
      worker.off("error", fail);
      resolve(answer);
    });
    worker.postMessage(job);
  });
}
