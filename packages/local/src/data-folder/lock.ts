import { closeSync, existsSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

const ATTEMPTS = 12;
const PAUSE_MS = 30;
/** https://www.sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

/** A database that nobody refers to is collected, and its locks end with it; the process's hold must not depend on that. */
const held = new Set<DatabaseSync>();

export interface Lock {
  release(): void;
}

/**
 * An exclusive lock on a file, or undefined while another process (or this one) has it. The operating system holds it, by way
 * of SQLite's file locks (https://www.sqlite.org/lockingv3.html): it ends with its process however that ends, and of two that
 * ask at once one gets it. A file that is made and removed would do neither.
 */
export async function takeLock(path: string): Promise<Lock | undefined> {
  // SQLite's error for a file that cannot be made does not say why; this one does.
  if (!existsSync(path)) touch(path);
  for (let attempt = 1; ; attempt++) {
    const lock = tryLock(path);
    if (lock !== undefined) return lock;
    if (attempt === ATTEMPTS) return undefined;
    // Somebody may only be looking whether it is held, or have been as quick as we were: uneven pauses part the two.
    await sleep(PAUSE_MS * (0.5 + Math.random()));
  }
}

/** Whether some process holds the lock; looking takes nothing from anybody. */
export function isLocked(path: string): boolean {
  if (!existsSync(path)) return false;
  const database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
  try {
    database.prepare("SELECT count(*) FROM sqlite_master").get();
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    throw error;
  } finally {
    database.close();
  }
}

function tryLock(path: string): Lock | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec("BEGIN EXCLUSIVE");
    held.add(database);
    return {
      release() {
        if (held.delete(database)) database.close();
      },
    };
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
}

/** `wx`: a file that is there is not even opened, because closing it would end this process's locks on it. */
function touch(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
}
