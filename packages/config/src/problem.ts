/** Something wrong with a config, said so that it can be put right without reading the code. Never holds a secret. */
export interface Problem {
  /** Where, as one would write it in code: `targets[0].rules.slow.window`; a variable's name for the environment. */
  readonly path: string;
  readonly found: string;
  readonly wants: string;
  readonly example: string;
}

/** A problem before anyone knows where it stands. */
export type Fault = Omit<Problem, "path">;

/** A value that was read, or what is wrong with it. */
export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Fault };

export type Path = readonly (string | number)[];

export function fault(value: unknown, wants: string, example: string): { readonly ok: false; readonly problem: Fault } {
  return { ok: false, problem: { found: describe(value), wants, example } };
}

const LONGEST_QUOTE = 80;
const MOST_KEYS = 6;

/** A value in a few words for people, without anything that may be a secret. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") return JSON.stringify(clip(redact(value)));
  if (typeof value === "function") return "a function";
  if (typeof value === "symbol") return "a symbol";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) {
    const keys = Object.keys(value);
    if (keys.length === 0) return "an empty object";
    return `an object with ${clip(keys.slice(0, MOST_KEYS).join(", "))}${keys.length > MOST_KEYS ? ", …" : ""}`;
  }
  return String(value);
}

function clip(text: string): string {
  return text.length <= LONGEST_QUOTE ? text : `${text.slice(0, LONGEST_QUOTE - 1)}…`;
}

/** What Slack's tokens and webhook addresses look like (https://docs.slack.dev/authentication/tokens). */
const SLACK_SECRET = /xox[a-z]-[\w-]{4,}|xapp-[\w-]{4,}|hooks\.slack\.com\/(?:services|workflows|triggers)\/\S+/i;

export function looksLikeSecret(text: string): boolean {
  return SLACK_SECRET.test(text);
}

/** Takes out user names and passwords of addresses, their queries, bearer tokens and what looks like a token. */
export function redact(text: string): string {
  return text
    .replace(new RegExp(SLACK_SECRET, "gi"), "…")
    .replace(/([a-z][a-z0-9+.-]*:[\\/]*|\/\/)[^\\/?#\s"]*@/gi, "$1…@")
    .replace(/(:\/\/[^\s?#"]*\?)[^\s#"]+/g, "$1…")
    .replace(/\b(bearer|basic)\s+\S+/gi, "$1 …");
}

/** `["targets", 0, "url"]` → `targets[0].url`; the whole config is `(config)`. */
export function pathText(path: Path): string {
  let text = "";
  for (const part of path)
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[A-Za-z_$][\w$]*$/.test(part)) text += text === "" ? part : `.${part}`;
    else text += `[${JSON.stringify(clip(redact(part)))}]`;
  return text === "" ? "(config)" : text;
}

/** All problems as plain aligned text, each with what was found, what is wanted and an example. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems
    .map(({ path, found, wants, example }) =>
      [path, `  found    ${found}`, `  wants    ${wants}`, `  example  ${example}`].join("\n"),
    )
    .join("\n\n");
}
