import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { isLocked, type Lock, takeLock } from "./lock.ts";
import { makeFolder } from "./make-folder.ts";

const LOCK_FILE = "lock";
const HOLDER_FILE = "holder.json";
const INSTANCE_FILE = "instance.json";
const PROBE_FILE = ".write-probe";
const PROBE_BYTES = 64 * 1024;

/** A folder that is ours until `release`, or until this process ends in whatever way. */
export interface DataFolder {
  /** Absolute. */
  readonly path: string;
  /** Says how this instance is reached, for `readInstance`; it stays readable after the instance has ended. */
  writeInstance(info: object): Promise<void>;
  release(): Promise<void>;
}

export type OpenedDataFolder =
  | { readonly ok: true; readonly folder: DataFolder }
  | { readonly ok: false; readonly problem: string };

export interface FoundInstance {
  /** What `writeInstance` was given last; undefined while an instance has only begun to start. */
  readonly info: unknown;
  /** Whether the process that wrote it still holds the folder; otherwise its addresses lead nowhere. */
  readonly alive: boolean;
}

interface Holder {
  readonly id: string;
  readonly pid: number;
  /** Epoch milliseconds. */
  readonly since: number;
}

/**
 * Makes the folder if it is missing, checks that it takes writes, and takes it for this process. The problem is for people:
 * it names the folder, what is wrong and what to do.
 */
export async function openDataFolder(path: string): Promise<OpenedDataFolder> {
  const absolute = resolve(path);
  let lock: Lock | undefined;
  try {
    await makeFolder(absolute);
    // Before the lock, whose own errors say less; so under a name that a second instance does not use.
    await probe(join(absolute, `${PROBE_FILE}.${process.pid}`));
    lock = await takeLock(join(absolute, LOCK_FILE));
    if (lock === undefined) return { ok: false, problem: await describeHolder(absolute) };
    const holder: Holder = { id: randomUUID(), pid: process.pid, since: Date.now() };
    await writeJson(join(absolute, HOLDER_FILE), holder);
    return { ok: true, folder: heldFolder(absolute, lock, holder) };
  } catch (error) {
    lock?.release();
    return { ok: false, problem: await describeFolderError(absolute, error) };
  }
}

/** The instance that runs in this folder, or ran last; undefined where none ever did. Takes nothing from a running one. */
export async function readInstance(path: string): Promise<FoundInstance | undefined> {
  const absolute = resolve(path);
  const holder = isHeld(absolute) ? holderOf(await readJson(join(absolute, HOLDER_FILE))) : undefined;
  const written = await readJson(join(absolute, INSTANCE_FILE));
  if (typeof written === "object" && written !== null && "holder" in written && "info" in written)
    return { info: written.info, alive: holder !== undefined && written.holder === holder.id };
  return holder === undefined ? undefined : { info: undefined, alive: true };
}

function heldFolder(path: string, lock: Lock, holder: Holder): DataFolder {
  let held = true;
  return {
    path,
    async writeInstance(info) {
      if (!held) throw new Error(`${path} was released; only its holder says how it is reached`);
      await writeJson(join(path, INSTANCE_FILE), { holder: holder.id, info });
    },
    async release() {
      if (!held) return;
      held = false;
      await rm(join(path, HOLDER_FILE), { force: true });
      lock.release();
    },
  };
}

/** A lock that cannot be read is not ours to judge: whoever opens the folder hears why. */
function isHeld(path: string): boolean {
  try {
    return isLocked(join(path, LOCK_FILE));
  } catch {
    return false;
  }
}

/** An empty file fits on a full disk; this one does not. */
async function probe(path: string): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    await file.writeFile(Buffer.alloc(PROBE_BYTES));
    await file.sync();
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

/** Readers see the old or the new, never half of it. */
async function writeJson(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(value, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    return undefined;
  }
}

function holderOf(value: unknown): Holder | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!("id" in value && "pid" in value && "since" in value)) return undefined;
  const { id, pid, since } = value;
  return typeof id === "string" && typeof pid === "number" && typeof since === "number"
    ? { id, pid, since }
    : undefined;
}

async function describeHolder(path: string): Promise<string> {
  const holder = holderOf(await readJson(join(path, HOLDER_FILE)));
  const other = "or give this one a folder of its own with --data.";
  if (holder === undefined) return `${path} is in use by another NeuroPilot. Stop that one, ${other}`;
  const since = new Date(holder.since).toISOString();
  if (!exists(holder.pid))
    return `${path} is in use by another NeuroPilot (process ${holder.pid} in another container or on another machine, since ${since}). Stop it there, ${other}`;
  const stop = process.platform === "win32" ? `taskkill /PID ${holder.pid}` : `kill ${holder.pid}`;
  return `${path} is in use by another NeuroPilot (process ${holder.pid}, since ${since}). Stop it with Ctrl-C in its terminal or \`${stop}\`, ${other}`;
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

async function describeFolderError(path: string, error: unknown): Promise<string> {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const text = error instanceof Error ? error.message : String(error);
  switch (code) {
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return `${path} cannot be written (${code}). Give this user the right to write there, or choose another folder with --data.`;
    case "ENOSPC":
    case "EDQUOT":
      return `the disk that holds ${path} is full. Free some space, or choose a folder on another disk with --data.`;
    case "ENOTDIR":
    case "EEXIST":
      return `${path} cannot be a folder, because ${await fileInTheWay(path)} is a file. Move it away, or choose another folder with --data.`;
    case "ENAMETOOLONG":
      return `${path} is too long a name for a folder. Choose a shorter one with --data.`;
    default:
      return `${path} cannot be used as the data folder (${text}). Choose another one with --data.`;
  }
}

async function fileInTheWay(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  const parent = resolve(path, "..");
  if (found !== undefined && !found.isDirectory()) return path;
  return parent === path ? path : fileInTheWay(parent);
}
