/** What scripts can rely on. */
export const EXIT = {
  /** Done; for `status`: all is well. */
  ok: 0,
  /** The answer is no: a target is ill, the config has errors, a drill failed. */
  no: 1,
  /** The command line is wrong. */
  usage: 2,
  /** It could not be done: nothing runs there, a port or the folder cannot be had. */
  failed: 3,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An expected end of a command, with its words for people. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
  readonly code: ExitCode;

  constructor(code: ExitCode, message: string) {
    super(message);
    this.code = code;
  }
}
