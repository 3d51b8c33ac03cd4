import type { Path } from "./problem.ts";

/** The places of values that were refused. What such a value was meant to be is not known, so nothing is compared with it. */
export interface Refused {
  readonly add: (path: Path) => void;
  /** Whether a refused value stands at this place, around it or within it. */
  readonly touches: (path: Path) => boolean;
}

export function createRefused(): Refused {
  const places = new Set<string>();
  const around = new Set<string>();
  return {
    add: (path) => {
      places.add(JSON.stringify(path));
      for (let length = 0; length <= path.length; length++) around.add(JSON.stringify(path.slice(0, length)));
    },
    touches: (path) =>
      around.has(JSON.stringify(path)) || path.some((_, index) => places.has(JSON.stringify(path.slice(0, index)))),
  };
}
