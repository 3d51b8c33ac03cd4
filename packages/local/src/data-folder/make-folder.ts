import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and what is missing above it, for this user only. Node's own `recursive` never ends where a file system
 * answers ENOENT to every mkdir, as /proc does.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeOne(path);
  } catch (error) {
    if (!hasCode(error, "ENOENT") || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await makeOne(path);
  }
}

async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    // EEXIST, or on a read-only file system EROFS: a folder that is there is what was wanted.
    const present = hasCode(error, "ENOENT") ? undefined : await stat(path).catch(() => undefined);
    if (present?.isDirectory() !== true) throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
