/** A binary heap: the item with the smallest key first. Adding and taking cost the logarithm of its size. */
export class Heap<T> {
  readonly #items: { readonly key: number; readonly item: T }[] = [];

  /** The smallest key; undefined when empty. */
  get first(): number | undefined {
    return this.#items[0]?.key;
  }

  add(key: number, item: T): void {
    const added = { key, item };
    let at = this.#items.push(added) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = this.#items[up];
      if (parent === undefined || parent.key <= key) break;
      this.#items[at] = parent;
      at = up;
    }
    this.#items[at] = added;
  }

  take(): T | undefined {
    const taken = this.#items[0];
    const last = this.#items.pop();
    if (taken === undefined || last === undefined) return undefined;
    if (this.#items.length > 0) this.#sink(last);
    return taken.item;
  }

  #sink(last: { readonly key: number; readonly item: T }): void {
    let at = 0;
    for (;;) {
      const left = this.#items[2 * at + 1];
      const right = this.#items[2 * at + 2];
      if (left === undefined) break;
      const rightIsLess = right !== undefined && right.key < left.key;
      const child = rightIsLess ? right : left;
      if (child.key >= last.key) break;
      this.#items[at] = child;
      at = 2 * at + (rightIsLess ? 2 : 1);
    }
    this.#items[at] = last;
  }
}
