import type { Config } from "@neuropilot/config";
import type { Mode } from "./plan.ts";
import type { Look } from "./prober.ts";
import type { Service } from "./service.ts";
import { isHonest, isRefusal, type Request } from "./vendor.ts";
import type { Watch } from "./watch.ts";

/** A call that reached a vendor, with what was true when it went out. */
export interface Call {
  readonly at: number;
  readonly target: string;
  readonly site: string;
  readonly remedy: "restart" | "purge-cache";
  readonly attempt: string;
  /** What the vendor did with it, for people. */
  readonly answer: string;
  /** Provably nothing was done, and the vendor said so. */
  readonly refused: boolean;
  /** The vendor does the work, and says so in time. */
  readonly honest: boolean;
  /** How the attempt stood in the table when the call went out. */
  readonly standing: string;
  readonly callNotAfter: number;
  /** Vantages that had bad or slow samples shortly before, while their own network worked. */
  readonly vantagesThatSawIt: number;
  readonly mode: Mode;
  /** Since when healing was paused, if it was. */
  readonly pausedSince: number | undefined;
  readonly inMaintenance: boolean;
  /** Targets that were ill together when the call went out, where that is much of the fleet and has long been known. */
  readonly fleetIll: number;
}

/** What a call is made for was seen within this time. */
const SEEN_WITHIN_MS = 200_000;
/** What the table has said for so long, whoever is about to call has read. */
const FLEET_KNOWN_MS = 30_000;
const SKEW_MS = 2_000;
const SLOW_MS = 400;

/** What there is to know of a call at the moment at which it goes out. */
export interface Moment {
  readonly now: number;
  readonly config: Config;
  readonly services: ReadonlyMap<string, Service>;
  readonly looks: readonly Look[];
  readonly watch: Watch;
  readonly mode: Mode;
  readonly pausedSince: number | undefined;
}

/** Puts down a request to a vendor with all that can be said of it later. */
export function callAt(moment: Moment, request: Request): Call {
  const { service, attempt } = request.where;
  const [target = "", site = ""] = service.key.split("/");
  const held = moment.watch.itemOf(target).incident?.attempts.find(({ id }) => id === attempt);
  return {
    at: moment.now,
    target,
    site,
    remedy: request.remedy,
    attempt,
    answer: request.lie ?? "does it and says so",
    refused: isRefusal(request),
    honest: isHonest(request),
    standing: held?.state ?? "gone",
    callNotAfter: held?.callNotAfter ?? 0,
    vantagesThatSawIt: witnesses(moment, service.key),
    mode: moment.mode,
    pausedSince: moment.pausedSince,
    inMaintenance: isInMaintenance(moment, target),
    fleetIll: fleetIll(moment, service),
  };
}

function isInMaintenance({ config, now }: Moment, target: string): boolean {
  const windows = config.targets.find(({ id }) => id === target)?.maintenance ?? [];
  return windows.some((window) => "fromMs" in window && window.fromMs + SKEW_MS <= now && now < window.toMs - SKEW_MS);
}

function witnesses({ now, looks }: Moment, key: string): number {
  const found = new Set<string>();
  for (let index = looks.length - 1; index >= 0; index--) {
    const look = looks[index];
    // In the order in which they ended, and a look may have taken its time.
    if (look === undefined || look.trueAt <= now - 2 * SEEN_WITHIN_MS) break;
    if (look.trueAt <= now - SEEN_WITHIN_MS || look.key !== key || look.blind) continue;
    if (look.outcome !== "ok" || look.ttfbMs > SLOW_MS) found.add(look.vantage);
  }
  return found.size;
}

/** How many targets are down for the same reason as this one, where that is much of the fleet and has long been known. */
function fleetIll({ now, config, services, watch }: Moment, service: Service): number {
  const { minTargets, share } = config.fleetGuard;
  const known = watch.fleetIllSince(now);
  const group = service.faultAt(now)?.group;
  if (group === undefined || known === undefined || now - known < FLEET_KNOWN_MS) return 0;
  const ill = [...services.values()].filter((other) => other.faultAt(now)?.group === group).length;
  return ill >= minTargets && ill >= share * config.targets.length ? ill : 0;
}
