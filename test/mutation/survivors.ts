/** Reads Stryker's report and holds it against the list of harmless survivors. */

/** One change that was made, and whether a test noticed. */
export interface Mutant {
  readonly file: string;
  readonly line: number;
  /** The source's line where the change begins, without its indentation. */
  readonly source: string;
  readonly mutator: string;
  /** What stood there, and what was put in its place. */
  readonly original: string;
  readonly replacement: string;
  readonly caught: boolean;
}

/** A survivor that harms nobody. Found by its text, not its line number, so that it is looked at again when that changes. */
export interface Harmless {
  readonly file: string;
  readonly source: string;
  readonly mutator: string;
  readonly original: string;
  readonly replacement: string;
  readonly reason: string;
}

export interface Verdict {
  readonly rows: readonly { readonly file: string; readonly all: number; readonly caught: number }[];
  readonly unlisted: readonly Mutant[];
  /** Listed for a file of this run, and not among its survivors. */
  readonly needless: readonly Harmless[];
  readonly scorePct: number;
  readonly passed: boolean;
}

/** Both counted from 1. */
interface Place {
  readonly line: number;
  readonly column: number;
}

/** The part of the report that is read: the mutation testing elements' schema, version 2. */
interface Report {
  readonly files: Readonly<
    Record<
      string,
      {
        readonly source: string;
        readonly mutants: readonly {
          readonly mutatorName: string;
          readonly replacement?: string;
          readonly status: string;
          readonly location: { readonly start: Place; readonly end: Place };
        }[];
      }
    >
  >;
}

/** One that never ends is caught too: the tests would hang. So is one with which they cannot even be loaded. */
const CAUGHT = new Set(["Killed", "Timeout", "RuntimeError"]);
const LEFT = new Set(["Survived", "NoCoverage"]);

/**
 * The mutants of these files in a report, which may hold others from an earlier run. Throws for a status that says nothing about
 * the tests, and where there is no mutant.
 */
export function mutantsIn(report: string, wanted: readonly string[]): readonly Mutant[] {
  const { files }: Report = JSON.parse(report);
  const mutants = Object.entries(files).flatMap(([path, { source, mutants }]) => {
    const file = path.replace(/^src\//, "");
    if (!wanted.includes(file)) return [];
    const lines = source.split("\n");
    return mutants
      .filter(({ status }) => status !== "CompileError")
      .map(({ mutatorName, replacement = "", status, location }) => {
        if (!CAUGHT.has(status) && !LEFT.has(status)) throw new Error(`${path}: a mutant ended as ${status}`);
        const { line } = location.start;
        return {
          file,
          line,
          source: lines[line - 1]?.trim() ?? "",
          mutator: mutatorName,
          original: inOneLine(textBetween(lines, location.start, location.end)),
          replacement: inOneLine(replacement),
          caught: CAUGHT.has(status),
        };
      });
  });
  if (mutants.length === 0) throw new Error("the report holds no mutant: nothing was tested");
  return mutants;
}

function textBetween(lines: readonly string[], start: Place, end: Place): string {
  const whole = lines.slice(start.line - 1, end.line).join("\n");
  const after = (lines[end.line - 1]?.length ?? 0) - (end.column - 1);
  return whole.slice(start.column - 1, whole.length - after);
}

function inOneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}

export function compare(mutants: readonly Mutant[], harmless: readonly Harmless[], barPct: number): Verdict {
  const left = mutants.filter(({ caught }) => !caught);
  const files = [...new Set(mutants.map(({ file }) => file))].sort();
  const caught = mutants.length - left.length;
  const listed = new Set(harmless.map(keyOf));
  const found = new Set(left.map(keyOf));
  const unlisted = left.filter((mutant) => !listed.has(keyOf(mutant)));
  const needless = harmless.filter((entry) => files.includes(entry.file) && !found.has(keyOf(entry)));
  const scorePct = (100 * caught) / mutants.length;
  return {
    rows: [...files.map((file) => rowOf(file, mutants)), { file: "all", all: mutants.length, caught }],
    unlisted,
    needless,
    scorePct,
    passed: scorePct >= barPct && unlisted.length === 0 && needless.length === 0,
  };
}

function rowOf(file: string, mutants: readonly Mutant[]): Verdict["rows"][number] {
  const own = mutants.filter((mutant) => mutant.file === file);
  return { file, all: own.length, caught: own.filter((mutant) => mutant.caught).length };
}

function keyOf({ file, source, mutator, original, replacement }: Omit<Harmless, "reason">): string {
  return JSON.stringify([file, source, mutator, original, replacement]);
}
