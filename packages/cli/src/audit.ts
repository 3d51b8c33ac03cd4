import type { ChainEnd, Damage } from "@neuropilot/core";
import type { OpenInstance } from "@neuropilot/local/instance";
import { type CheckedLog, checkLog } from "./audit-log.ts";
import { CommandFailed, EXIT, type ExitCode } from "./exit-codes.ts";
import { listed, suggestion } from "./nearest.ts";
import { configOf, withInstance } from "./open.ts";
import { type Terminal, table } from "./terminal.ts";

/** The stable shape of `audit verify --json`: fields are added, never changed. */
export interface AuditReport {
  readonly target: string;
  readonly whole: boolean;
  readonly entries: number;
  /** `n:hash` of the last entry, to be written down elsewhere; null where there is none. */
  readonly anchor: string | null;
  readonly damage: readonly { readonly entry: number | null; readonly kind: string; readonly text: string }[];
}

/** Checks the audit log of one target or of all: which entries were changed, removed, replaced or put in another order. */
export async function verifyAudit(
  terminal: Terminal,
  options: {
    readonly data: string;
    readonly json: boolean;
    readonly target: string | undefined;
    readonly expect: string | undefined;
  },
): Promise<ExitCode> {
  const expected = options.expect === undefined ? undefined : readAnchor(options.expect);
  if (expected !== undefined && options.target === undefined)
    throw new CommandFailed(
      EXIT.usage,
      "--expect is about one target: name it, as in `audit verify api --expect 12:…`",
    );
  const reports = await withInstance(options.data, async (instance) => {
    const known = configOf(instance, options.data).targets.map(({ id }) => id);
    const targets = options.target === undefined ? known : [options.target];
    const all: AuditReport[] = [];
    for (const target of targets) all.push(await reportOn(instance, target, expected));
    const [only] = all;
    if (options.target !== undefined && !known.includes(options.target) && only?.entries === 0 && only.whole)
      throw new CommandFailed(
        EXIT.usage,
        `no target is called "${options.target}"${suggestion(options.target, known)}. ${listed(known)}`,
      );
    return all;
  });
  terminal.out(options.json ? JSON.stringify(reports, null, 2) : render(terminal, reports, expected));
  return reports.every(({ whole }) => whole) ? EXIT.ok : EXIT.no;
}

/** Reads `12:3f9a…`, as this command prints it. */
function readAnchor(text: string): ChainEnd {
  const match = /^(\d+):([0-9a-f]{64})$/.exec(text.trim());
  if (match?.[1] === undefined || match[2] === undefined)
    throw new CommandFailed(
      EXIT.usage,
      `--expect got "${text}"; it wants an entry's number and hash as \`audit verify\` prints them, such as 12:${"0".repeat(8)}… with all 64 digits`,
    );
  return { n: Number(match[1]), hash: match[2] };
}

async function reportOn(instance: OpenInstance, target: string, expected: ChainEnd | undefined): Promise<AuditReport> {
  let log: CheckedLog;
  try {
    log = await checkLog(instance.state, target);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { target, whole: false, entries: 0, anchor: null, damage: [{ entry: null, kind: "unreadable", text }] };
  }
  const { end, check } = log;
  const damage: AuditReport["damage"][number][] = log.damage.map(({ n, kind, text }) => ({
    entry: n === 0 ? null : n,
    kind,
    text,
  }));
  if (expected !== undefined && !check.holds(expected)) damage.push(notHeld(expected, end.n));
  const anchor = end.n === 0 ? null : `${end.n}:${end.hash}`;
  return { target, whole: damage.length === 0, entries: end.n, anchor, damage };
}

function notHeld({ n }: ChainEnd, last: number): { entry: number; kind: Damage["kind"]; text: string } {
  const text =
    n > last
      ? `it was noted, and the log ends with ${last}: the log was cut off or written anew, or this was noted of another log`
      : "it is not the one that was noted: the log was written anew, or this was noted of another log";
  return { entry: n, kind: n > last ? "cut-off" : "replaced", text };
}

function render(terminal: Terminal, reports: readonly AuditReport[], expected: ChainEnd | undefined): string {
  const rows = reports.map(({ target, whole, entries, anchor }) => [
    target,
    whole ? terminal.paint("good", "whole") : terminal.paint("bad", "broken"),
    entries === 0 ? "nothing is recorded yet" : `${entries} entries, the last ${anchor}`,
  ]);
  const damage = reports.flatMap(({ target, damage: found }) =>
    found.map(({ entry, text }) => `${target}: ${entry === null ? "" : `entry ${entry}: `}${text}`),
  );
  const hint = terminal.paint(
    "dim",
    "Whoever can rewrite a whole log leaves no break in it. Note a last entry elsewhere, and check it later:\n  neuropilot audit verify <target> --expect <entry>:<hash>",
  );
  // A log that could not be read at all has no last entry, and shows nothing of the one that was noted.
  const holds =
    expected !== undefined &&
    reports.every(({ anchor, damage: found }) => anchor !== null && found.every(({ entry }) => entry !== expected.n));
  const held = holds ? [`Entry ${expected.n} is the one that was noted.`] : [];
  return [table(rows), ...held, ...(damage.length === 0 ? [] : ["", ...damage]), "", hint].join("\n");
}
