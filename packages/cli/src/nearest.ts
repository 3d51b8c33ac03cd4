/** ` (did you mean api?)` for the one of `known` that is nearest to what was typed, or nothing where none is near. */
export function suggestion(typed: string, known: readonly string[]): string {
  const [best] = known
    .map((name) => ({ name, distance: distance(typed.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return best === undefined ? "" : ` (did you mean ${best.name}?)`;
}

const MOST_LISTED = 25;

/** The known names in a sentence; of very many, the first ones. */
export function listed(known: readonly string[]): string {
  if (known.length === 0) return "There are none";
  const more = known.length > MOST_LISTED ? `, and ${known.length - MOST_LISTED} more` : "";
  return `There are: ${known.slice(0, MOST_LISTED).join(", ")}${more}`;
}

/** Changes, additions, removals and swaps of neighbours between two words (Damerau, restricted). */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const at = (up: number, left: number) => rows[i - up]?.[j - left] ?? Number.POSITIVE_INFINITY;
      const change = at(1, 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(change, at(1, 0) + 1, (row[j - 1] ?? 0) + 1, swapped ? at(2, 2) + 1 : Number.POSITIVE_INFINITY),
      );
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}
