import { appendFile, rename, writeFile } from "node:fs/promises";
import type { Log } from "@neuropilot/loop";
import * as z from "zod";
import type { DeadLetter } from "./event.ts";
import { parseLine, readLines, writtenEvent } from "./journal.ts";

/** So many are kept, the newest; older ones have been logged. */
const KEEP = 1000;

export interface DeadLetters {
  all(): readonly DeadLetter[];
  /** Keeps it in any case; resolves to whether it is on disk too. */
  add(letter: DeadLetter): Promise<boolean>;
}

const letterLine = z.object({
  rule: z.string(),
  at: z.number(),
  reason: z.enum(["retries-exhausted", "too-old", "rule-is-gone"]),
  error: z.string(),
  tries: z.number(),
  event: writtenEvent,
});

/** Dead letters in a file of JSON lines that survives a restart. Throws what the file system throws while reading it. */
export async function openDeadLetters(file: string, log: Log): Promise<DeadLetters> {
  const lines = await readLines(file);
  const letters: DeadLetter[] = [];
  for (const line of lines.slice(-KEEP)) {
    const read = letterLine.safeParse(parseLine(line));
    if (read.success) letters.push(read.data);
    else log("warn", "bus.dead-letter-unreadable", { file });
  }
  if (lines.length > 2 * KEEP) {
    await writeFile(`${file}.new`, letters.map((letter) => `${JSON.stringify(letter)}\n`).join(""), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
  // A newline first, in case a crash or a full disk has left half a line; empty lines are skipped when read.
  let torn = lines.length > 0;
  let last: Promise<boolean> = Promise.resolve(true);
  const append = async (letter: DeadLetter): Promise<boolean> => {
    try {
      await appendFile(file, `${torn ? "\n" : ""}${JSON.stringify(letter)}\n`, { mode: 0o600 });
      torn = false;
      return true;
    } catch (error) {
      torn = true;
      log("error", "bus.dead-letter-not-written", { file, problem: String(error), event: letter.event.id });
      return false;
    }
  };
  return {
    all: () => letters,
    add(letter) {
      letters.push(letter);
      if (letters.length > KEEP) letters.shift();
      last = last.then(() => append(letter));
      return last;
    },
  };
}
