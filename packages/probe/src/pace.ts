/**
 * Lets work begin one at a time, one in each turn of the event loop. Between two beginnings everything that has arrived is
 * seen, so an answer waits for about one piece of other work, however many checks are asked for at once: a bound on what is
 * begun and not on what is open, so that targets that hang hold up nobody, and one for the whole process, since it is the
 * process whose lateness makes others look slow.
 */
export class Pace {
  readonly #waiting: (() => void)[] = [];
  #turning = false;

  /** Resolves when it is this caller's turn; in order. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#turning) return;
      this.#turning = true;
      setImmediate(this.#turn);
    });
  }

  readonly #turn = (): void => {
    this.#waiting.shift()?.();
    if (this.#waiting.length > 0) setImmediate(this.#turn);
    else this.#turning = false;
  };
}
