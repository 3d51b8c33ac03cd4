import { seededRandom } from "./fault.ts";

export interface Item {
  readonly id: string;
  readonly name: string;
  readonly category: Category;
  readonly stock: number;
  /** At or below this many, it is time to order. */
  readonly reorderAt: number;
  readonly priceCents: number;
}

export const CATEGORIES = ["cables", "drives", "fans", "meters", "pumps", "valves"] as const;
export type Category = (typeof CATEGORIES)[number];

const VARIANTS = ["A10", "A25", "B40", "C12", "D80", "E05", "F33", "G60"] as const;
const NOUNS: Readonly<Record<Category, string>> = {
  cables: "Cable",
  drives: "Drive",
  fans: "Fan",
  meters: "Meter",
  pumps: "Pump",
  valves: "Valve",
};
const HISTORY_DAYS = 84;
/** Monday to Sunday: what a shop for professionals sells at the weekend. */
const WEEKDAY = [1.15, 1.1, 1.05, 1.1, 1.2, 0.6, 0.4] as const;

interface Stocked {
  readonly item: Item;
  readonly sales: readonly number[];
}

/** The stock and its sales: the same at every start, so that a restart loses nothing and tests can name figures. */
const stocked: ReadonlyMap<string, Stocked> = new Map(
  CATEGORIES.flatMap((category, c) => VARIANTS.map((variant, v) => stock(category, variant, c * VARIANTS.length + v))),
);

function stock(category: Category, variant: string, index: number): [string, Stocked] {
  const random = seededRandom(1_000 + index);
  const noun = NOUNS[category];
  const id = `${noun.toLowerCase()}-${variant.toLowerCase()}`;
  const base = 4 + random() * 30;
  const growth = (random() - 0.4) * 0.006;
  const sales = Array.from({ length: HISTORY_DAYS }, (_, day) => {
    const expected = base * (1 + growth * day) * (WEEKDAY[day % WEEKDAY.length] ?? 1);
    return Math.max(0, Math.round(expected + (random() - 0.5) * base * 0.35));
  });
  const reorderAt = Math.round(base * 5);
  const item: Item = {
    id,
    name: `${noun} ${variant}`,
    category,
    stock: Math.round(base * (2 + random() * 18)),
    reorderAt,
    priceCents: 495 + Math.floor(random() * 240) * 25,
  };
  return [id, { item, sales }];
}

export function findItem(id: string): Item | undefined {
  return stocked.get(id)?.item;
}

/** Units sold per day over the last twelve weeks, oldest first; undefined for an unknown item. */
export function salesOf(id: string): readonly number[] | undefined {
  return stocked.get(id)?.sales;
}

export const SORTS = ["name", "stock", "price"] as const;

export interface ItemQuery {
  readonly category?: Category | undefined;
  /** A part of the name, in any case. */
  readonly q?: string | undefined;
  readonly lowStock?: boolean | undefined;
  readonly sort: (typeof SORTS)[number];
  readonly offset: number;
  readonly limit: number;
}

export interface ItemPage {
  readonly items: readonly Item[];
  /** How many match in all, over every page. */
  readonly total: number;
  readonly offset: number;
  readonly limit: number;
  /** Where the next page starts; null on the last one. */
  readonly nextOffset: number | null;
}

export function listItems(query: ItemQuery): ItemPage {
  const { category, q, lowStock, sort, offset, limit } = query;
  const wanted = q?.toLowerCase();
  const matching = [...stocked.values()]
    .map(({ item }) => item)
    .filter((item) => category === undefined || item.category === category)
    .filter((item) => wanted === undefined || item.name.toLowerCase().includes(wanted))
    .filter((item) => lowStock === undefined || item.stock <= item.reorderAt === lowStock)
    .sort((a, b) => compare(sort, a, b) || (a.id < b.id ? -1 : 1));
  const items = matching.slice(offset, offset + limit);
  const next = offset + items.length;
  return { items, total: matching.length, offset, limit, nextOffset: next < matching.length ? next : null };
}

function compare(sort: ItemQuery["sort"], a: Item, b: Item): number {
  switch (sort) {
    case "name":
      return a.name === b.name ? 0 : a.name < b.name ? -1 : 1;
    case "stock":
      return a.stock - b.stock;
    case "price":
      return a.priceCents - b.priceCents;
  }
}
