import { appendFileSync, renameSync, statSync } from "node:fs";

const MOST_BYTES = 10 * 1024 * 1024;
const CHECK_EVERY = 500;

export interface LogFile {
  readonly path: string;
  write(line: string): void;
}

/**
 * Structured lines on disk, at most 20 MB: at 10 MB the file becomes `<path>.1`, which replaces the one before. A full or
 * read-only disk never stops healing: lines are lost, and that is said once.
 */
export function openLogFile(path: string, complain: (problem: string) => void): LogFile {
  let lines = 0;
  let complained = false;
  return {
    path,
    write(line) {
      try {
        if (lines++ % CHECK_EVERY === 0 && (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > MOST_BYTES)
          renameSync(path, `${path}.1`);
        appendFileSync(path, `${line}\n`);
        complained = false;
      } catch (error) {
        if (complained) return;
        complained = true;
        complain(
          `cannot write ${path}: ${error instanceof Error ? error.message : String(error)}; log lines are lost until it can`,
        );
      }
    },
  };
}
