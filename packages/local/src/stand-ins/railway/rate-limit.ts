const HOUR_MS = 3_600_000;

export type Taken =
  | { readonly allowed: true; readonly headers: Readonly<Record<string, string>> }
  | { readonly allowed: false; readonly headers: Readonly<Record<string, string>>; readonly retryAfter: string };

/**
 * Requests an hour and a second in fixed windows, with the vendor's headers on every answer.
 * Vendor's page: https://docs.railway.com/integrations/api#rate-limits
 */
export function createRateLimit(limits: { readonly perHour: number; readonly perSecond: number }, clock = Date.now) {
  const hour = { startedAt: clock(), used: 0 };
  const second = { startedAt: clock(), used: 0 };
  return {
    take(): Taken {
      const now = clock();
      if (now - hour.startedAt >= HOUR_MS) Object.assign(hour, { startedAt: now, used: 0 });
      if (now - second.startedAt >= 1000) Object.assign(second, { startedAt: now, used: 0 });
      const hourEnds = hour.startedAt + HOUR_MS;
      const full =
        hour.used >= limits.perHour ? hourEnds : second.used >= limits.perSecond ? second.startedAt + 1000 : undefined;
      if (full === undefined) {
        hour.used += 1;
        second.used += 1;
      }
      const headers = {
        "x-ratelimit-limit": String(limits.perHour),
        "x-ratelimit-remaining": String(limits.perHour - hour.used),
        "x-ratelimit-reset": new Date(hourEnds).toISOString(),
      };
      return full === undefined
        ? { allowed: true, headers }
        : { allowed: false, headers, retryAfter: String(Math.max(1, Math.ceil((full - now) / 1000))) };
    },
  };
}
