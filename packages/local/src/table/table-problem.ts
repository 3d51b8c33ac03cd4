import { describeListenError } from "../data-folder/listen-error.ts";

export type TableProblemReason =
  | "port"
  | "locked"
  | "disk-full"
  | "not-writable"
  | "not-a-folder"
  | "corrupt"
  | "unreachable"
  | "table-differs"
  | "unexpected";

/** The table cannot be used. The message is for people: what is wrong and what to do. */
export class TableProblem extends Error {
  override readonly name = "TableProblem";
  readonly reason: TableProblemReason;

  constructor(reason: TableProblemReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** What an error shows across a thread: the codes and messages of the error and of what caused it, one line. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? `${error.code}: ` : "";
  const own = `${code}${error.message}`;
  return error.cause === undefined ? own : `${own} (${errorText(error.cause)})`;
}

/**
 * Reads Node's error codes and LevelDB's texts, which carry the system's own words
 * (https://github.com/google/leveldb/blob/main/util/env_posix.cc).
 */
export function tableProblem(text: string, { folder, port }: { folder: string; port: number }): TableProblem {
  if (/EADDRINUSE|EADDRNOTAVAIL|listen EACCES/.test(text))
    return new TableProblem("port", describeListenError(text, port, "the table server"));
  if (/LEVEL_LOCKED|already held by process|lock .*(temporarily unavailable|being used)/i.test(text))
    return new TableProblem(
      "locked",
      `the table in ${folder} is in use by another process. Stop that one, or choose another folder with --data.`,
    );
  if (/ENOSPC|EDQUOT|no space left|quota exceeded|not enough space/i.test(text))
    return new TableProblem(
      "disk-full",
      `the disk that holds ${folder} is full. Free some space, or choose a folder on another disk with --data.`,
    );
  if (/ENOTDIR|EEXIST|not a directory/i.test(text))
    return new TableProblem(
      "not-a-folder",
      `${folder} cannot be a folder, because a file is in its way. Move that file, or choose another folder with --data.`,
    );
  if (/EACCES|EPERM|EROFS|permission denied|operation not permitted|read-only file system/i.test(text))
    return new TableProblem(
      "not-writable",
      `${folder} cannot be written. Give this user the right to write there, or choose another folder with --data.`,
    );
  if (/LEVEL_CORRUPTION|corruption/i.test(text))
    return new TableProblem(
      "corrupt",
      `the table in ${folder} is damaged (${text}). Move the folder away to start afresh; its history is lost then, what it watches is not.`,
    );
  return new TableProblem("unexpected", `the table in ${folder} failed: ${text}`);
}
