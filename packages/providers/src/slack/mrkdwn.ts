const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
/** Stands between "@" and a name, so that nobody is called by what a target answered. */
const WORD_JOINER = "\u2060";

/**
 * Makes foreign text harmless in Slack's mrkdwn: `&`, `<` and `>` become entities (so that no link, channel or user is named
 * by it), `@here` and its kin call nobody, backticks do not end our own code marks, and it stays on its line.
 * https://docs.slack.dev/messaging/formatting-message-text#escaping
 */
export function escapeMrkdwn(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .replace(/\p{Bidi_Control}/gu, "")
    .replace(/[&<>]/g, (character) => ENTITIES[character] ?? "")
    .replace(/@(?=here\b|channel\b|everyone\b|group\b)/gi, `@${WORD_JOINER}`)
    .replaceAll("`", "'");
}

/** Shortens text to at most `max` characters as Slack counts them, without cutting a character or an entity in half. */
export function clipMrkdwn(text: string, max: number): string {
  if (text.length <= max) return text;
  return `${text
    .slice(0, Math.max(max - 1, 0))
    .replace(/&[a-z]{0,3}$/, "")
    .replace(/[\uD800-\uDBFF]$/, "")}…`;
}

/**
 * Who is to be called, in Slack's own form, from how people write it: `@here`, `@channel`, `@everyone`, a member's or user
 * group's id, or the finished form. Anything else is shown and calls nobody.
 * https://docs.slack.dev/messaging/formatting-message-text#special-mentions
 */
export function mentionMrkdwn(mention: string): string {
  const text = mention.trim();
  if (/^<(@[UW][A-Z0-9]+|!subteam\^S[A-Z0-9]+|!(here|channel|everyone))(\|[^<>]*)?>$/.test(text)) return text;
  const special = /^[@!]?(here|channel|everyone)$/.exec(text)?.[1];
  if (special !== undefined) return `<!${special}>`;
  const id = /^@?([UWS][A-Z0-9]{5,})$/.exec(text)?.[1];
  if (id === undefined) return escapeMrkdwn(text);
  return id.startsWith("S") ? `<!subteam^${id}>` : `<@${id}>`;
}
