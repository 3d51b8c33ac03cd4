import { createHmac, timingSafeEqual } from "node:crypto";

/** The account that the load test and the page sign in with. The demo guards nothing, so it is no secret. */
export const DEMO_ACCOUNT = { user: "demo", password: "demo" } as const;

const SESSION_SECONDS = 3_600;
const AUDIT_KEPT = 50;

const POLICIES = [
  {
    id: "pol_reorder",
    title: "Order again at or below the reorder point",
    owner: "purchasing",
    reviewedEveryDays: 90,
  },
  {
    id: "pol_forecast",
    title: "Forecasts are advice: a person places the order",
    owner: "planning",
    reviewedEveryDays: 180,
  },
  { id: "pol_access", title: "Sessions end after one hour", owner: "security", reviewedEveryDays: 365 },
  { id: "pol_retention", title: "The last 50 audit entries are kept", owner: "security", reviewedEveryDays: 365 },
] as const;

interface AuditEntry {
  readonly n: number;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly action: "service-started" | "signed-in" | "sign-in-refused";
  /** Shown to those who are signed in only. */
  readonly actor: string;
}

export interface Governance {
  /** Gives a token for the demo account, undefined for any other. Every try is in the audit. */
  signIn(user: string, password: string): { readonly token: string; readonly expiresInSeconds: number } | undefined;
  /** Policies and the latest audit entries, newest first; actors are null without a valid bearer token. */
  report(authorization: string | undefined): unknown;
}

/** `secret` signs the sessions: a new one at each start signs everybody out. `now` is epoch milliseconds. */
export function createGovernance(secret: Buffer, now: () => number): Governance {
  const audit: AuditEntry[] = [];
  let n = 0;
  const record = (action: AuditEntry["action"], actor: string): void => {
    audit.unshift({ n: n++, at: now(), action, actor });
    audit.length = Math.min(audit.length, AUDIT_KEPT);
  };
  const sign = (text: string): Buffer => createHmac("sha256", secret).update(text).digest();
  record("service-started", "system");
  return {
    signIn(user, password) {
      if (user !== DEMO_ACCOUNT.user || password !== DEMO_ACCOUNT.password) {
        record("sign-in-refused", "unknown");
        return undefined;
      }
      record("signed-in", user);
      const text = `${user}.${now() + SESSION_SECONDS * 1_000}`;
      return { token: `${text}.${sign(text).toString("base64url")}`, expiresInSeconds: SESSION_SECONDS };
    },
    report(authorization) {
      const signedIn = isValid(authorization, sign, now());
      return {
        policies: POLICIES,
        signedIn,
        audit: audit.map((entry) => ({ ...entry, actor: signedIn ? entry.actor : null })),
      };
    },
  };
}

function isValid(authorization: string | undefined, sign: (text: string) => Buffer, now: number): boolean {
  const [, text, until, signature] = /^Bearer ([^.]+\.(\d+))\.([\w-]+)$/.exec(authorization ?? "") ?? [];
  if (text === undefined || until === undefined || signature === undefined || Number(until) < now) return false;
  const given = Buffer.from(signature, "base64url");
  const wanted = sign(text);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
