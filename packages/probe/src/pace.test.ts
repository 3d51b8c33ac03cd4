import { expect, test } from "vitest";
import { Pace } from "./pace.ts";

/** Counts the event loop's turns until it is told to stop. */
function countTurns(): { turn: number; stop: () => void } {
  const counted = { turn: 0, stop: () => clearImmediate(timer) };
  const go = (): void => {
    counted.turn++;
    timer = setImmediate(go);
  };
  let timer = setImmediate(go);
  return counted;
}

test("work that is asked for at once begins in turns of its own, in order", async () => {
  const pace = new Pace();
  const turns = countTurns();
  try {
    const begun = await Promise.all(Array.from({ length: 20 }, () => pace.next().then(() => turns.turn)));
    expect(begun).toEqual(begun.toSorted((one, other) => one - other));
    expect(new Set(begun).size).toBe(20);
  } finally {
    turns.stop();
  }
});

test("work that comes while another waits, and after all has begun, gets its turn", async () => {
  const pace = new Pace();
  const order: string[] = [];
  const first = pace.next().then(() => order.push("first"));
  const nested = pace.next().then(async () => {
    order.push("second");
    await pace.next();
    order.push("third");
  });
  await Promise.all([first, nested]);
  await pace.next();
  expect(order).toEqual(["first", "second", "third"]);
});
