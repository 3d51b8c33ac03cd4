import { auditHash } from "./audit.ts";
import type { AuditEntry } from "./item.ts";

/** One row of the audit log as it stands in the table: what it holds, at the place that its key names; 0 where it names none. */
export type AuditRow =
  | { readonly place: number; readonly entry: AuditEntry }
  | { readonly place: number; readonly problem: string };

/** Where the log ends, by what else is known of it: the target's item, or a note that somebody took elsewhere. */
export interface ChainEnd {
  readonly n: number;
  readonly hash: string;
}

export interface Damage {
  readonly kind: "changed" | "replaced" | "removed" | "cut-off" | "reordered" | "unreadable" | "extra" | "end";
  /** The entry that it is about, by its place in the log; 0 for a row that has none. */
  readonly n: number;
  readonly text: string;
}

interface Link {
  readonly n: number;
  readonly previous: string;
  readonly hash: string;
  /** The hash that its content has. */
  readonly computed: string;
  /** The hash that it would have at this place, and after the entry that stands before it. */
  readonly atPlace: string;
  readonly afterPrior: string;
}

type Read = { readonly link: Link } | { readonly problem: string };

/** Collects a target's audit log row by row, and then says what is wrong with it. Memory: a few hashes an entry. */
export class ChainCheck {
  readonly #rows = new Map<number, Read>();
  readonly #placeless: Damage[] = [];
  #prior = "";

  /** Rows in the order of their places. */
  add(row: AuditRow): void {
    if ("problem" in row) {
      if (row.place < 1) this.#placeless.push({ kind: "unreadable", n: 0, text: row.problem });
      else this.#rows.set(row.place, { problem: row.problem });
      return;
    }
    const { n, at, previous, hash, body } = row.entry;
    const link: Link = {
      n,
      previous,
      hash,
      computed: auditHash(previous, n, at, body),
      atPlace: auditHash(previous, row.place, at, body),
      afterPrior: auditHash(this.#prior, n, at, body),
    };
    this.#prior = hash;
    this.#rows.set(row.place, { link });
  }

  /** Everything that is wrong, by place; nothing if the log is whole up to this end. */
  damage(end: ChainEnd): readonly Damage[] {
    const found = [
      ...this.#placeless,
      ...this.#gaps(end),
      ...this.#reordered(),
      ...[...this.#rows].flatMap(([place, read]) =>
        place > end.n ? [extraEntry(place)] : this.#wrongWith(place, read, end),
      ),
    ];
    return found.sort((a, b) => a.n - b.n);
  }

  /** Whether an entry that somebody noted elsewhere still stands there. */
  holds({ n, hash }: ChainEnd): boolean {
    const link = this.#link(n);
    return link?.hash === hash && link.computed === hash;
  }

  #link(place: number): Link | undefined {
    const read = this.#rows.get(place);
    return read !== undefined && "link" in read ? read.link : undefined;
  }

  /** By the places that are there, for an end that was tampered with may be any number. */
  #gaps(end: ChainEnd): Damage[] {
    const found: Damage[] = [];
    let next = 1;
    for (const place of [...this.#rows.keys()].filter((row) => row <= end.n).sort((a, b) => a - b)) {
      if (place > next) found.push(gap(next, place - 1, end.n));
      next = place + 1;
    }
    return next <= end.n ? [...found, gap(next, end.n, end.n)] : found;
  }

  #isMoved(place: number, { n, hash, computed }: Link): boolean {
    return n !== place && hash === computed;
  }

  #reordered(): Damage[] {
    return [...this.#rows].flatMap(([place, read]): Damage[] => {
      if (!("link" in read) || !this.#isMoved(place, read.link)) return [];
      const { n } = read.link;
      const other = this.#link(n);
      if (other === undefined || other.n !== place || !this.#isMoved(n, other))
        return [{ kind: "reordered", n: place, text: `entry ${n} stands in its place` }];
      if (n < place) return [];
      return [{ kind: "reordered", n: place, text: `it and entry ${n} stand in each other's place` }];
    });
  }

  #wrongWith(place: number, read: Read, end: ChainEnd): Damage[] {
    if ("problem" in read) return [{ kind: "unreadable", n: place, text: read.problem }];
    const { link } = read;
    if (this.#isMoved(place, link)) return [];
    if (link.hash !== link.computed) return [{ kind: "changed", n: place, text: this.#whatChanged(place, link, end) }];
    return this.#fits(place, link, end);
  }

  #whatChanged(place: number, link: Link, end: ChainEnd): string {
    if (link.n !== place && link.atPlace === link.hash) return `its number was changed to ${link.n}`;
    if (link.afterPrior === link.hash) return "its link to the entry before it was changed";
    if (this.#vouchedFor(place, end) === link.computed) return "its hash was changed; what it says is as it was";
    return "what it says, or its time, was changed after it was written";
  }

  /** The hash of an entry, by the word of what comes after it. */
  #vouchedFor(place: number, end: ChainEnd): string | undefined {
    if (place === end.n) return end.hash;
    const next = this.#link(place + 1);
    return next?.n === place + 1 ? next.previous : undefined;
  }

  /** Its own hash fits, so it stands as somebody wrote it; whether it is the one that was there, its neighbours say. */
  #fits(place: number, link: Link, end: ChainEnd): Damage[] {
    const vouched = this.#vouchedFor(place, end);
    if (vouched === undefined || vouched === link.hash) return [];
    if (place === end.n)
      return [
        {
          kind: "end",
          n: place,
          text: "the target's item knows another last entry: this one, or the item, was replaced",
        },
      ];
    const next = this.#link(place + 1);
    // Who replaces an entry must replace all that follow: the first that its own follower vouches for was there before.
    const nextHolds =
      next !== undefined && next.hash === next.computed && this.#vouchedFor(place + 1, end) === next.hash;
    return nextHolds
      ? [{ kind: "replaced", n: place, text: "another one was written in its place, with a hash of its own" }]
      : next !== undefined && next.hash === next.computed
        ? [
            {
              kind: "replaced",
              n: place + 1,
              text: "another one was written in its place, which does not follow the one before",
            },
          ]
        : [];
  }
}

/** An entry after the one that should be the last. */
export function extraEntry(n: number): Damage {
  return { kind: "extra", n, text: "it stands after the last entry that the target's item knows of" };
}

function gap(from: number, to: number, end: number): Damage {
  const many = from === to ? "" : `, and all up to entry ${to}`;
  return to === end
    ? { kind: "cut-off", n: from, text: `it is missing${many}: the log was cut off, it should end with entry ${end}` }
    : { kind: "removed", n: from, text: `it is missing${many}` };
}
