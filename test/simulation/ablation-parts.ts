import type { Config } from "@neuropilot/config";
import {
  type Attempt,
  type CallOutcome,
  type Cooldown,
  cooldownAfterClaim,
  freshMs,
  lostCallMs,
  type Sample,
  type SiteWindow,
  startVerifying,
  type TargetItem,
  withAttempt,
} from "@neuropilot/core";
import type { FunctionSpec } from "@neuropilot/functions/manifest";
import type { ChatProvider, RemedyProvider } from "@neuropilot/providers";
import type { State, Table } from "@neuropilot/store";
import { type Delivered, isRecord } from "./bus.ts";
import type { Engine } from "./engine.ts";
import { sample } from "./service.ts";
import type { Where } from "./vendor.ts";

/** One run of a function, for whoever replaces a part of what it works with. */
export interface RunOf {
  readonly spec: FunctionSpec;
  readonly engine: Engine;
  readonly config: Config;
  /** When the run began, epoch milliseconds, by the true clock. */
  readonly began: number;
}

/** What takes a protection away: each replaces a part of what the functions work with, in the simulator only. */
export interface Parts {
  readonly config?: (config: Config, run: RunOf) => Config;
  readonly table?: (table: Table) => Table;
  readonly state?: (state: State, run: RunOf) => State;
  readonly provider?: (provider: RemedyProvider<Where, Where>) => RemedyProvider<Where, Where>;
  readonly chat?: (chat: ChatProvider) => ChatProvider;
  readonly event?: (event: Delivered, now: number) => Delivered;
  readonly clock?: (clock: () => number, run: RunOf) => () => number;
  readonly channels?: (channels: readonly string[]) => readonly string[];
  readonly reconciles?: false;
}

export function isRemedy({ name }: FunctionSpec): boolean {
  return name === "restart" || name === "purge-cache";
}

interface Rewrite {
  /** The item as the run is shown it. */
  readonly seen?: (item: TargetItem) => TargetItem;
  /** The item as it is written, where the run wanted `after` and the table has `before`. */
  readonly written?: (after: TargetItem, before: TargetItem) => TargetItem;
}

export function rewriting(state: State, { seen = (item) => item, written = (after) => after }: Rewrite): State {
  return {
    ...state,
    readTarget: async (target, now) => seen(await state.readTarget(target, now)),
    updateTarget: async (target, now, reduce) => {
      const result = await state.updateTarget(target, now, (before) => {
        const after = reduce(seen(before));
        return after === undefined ? undefined : written(after, before);
      });
      return { ...result, item: seen(result.item) };
    },
  };
}

/** Attempts of the open incident, each with how it stood before. */
function changes(after: TargetItem, before: TargetItem): readonly { is: Attempt; was: Attempt | undefined }[] {
  const known = new Map(before.incident?.attempts.map((attempt) => [attempt.id, attempt]));
  return (after.incident?.attempts ?? []).map((is) => ({ is, was: known.get(is.id) }));
}

function newClaim(after: TargetItem, before: TargetItem): Attempt | undefined {
  return changes(after, before).find(({ is, was }) => is.state === "claimed" && was?.state !== "claimed")?.is;
}

function withCooldown(item: TargetItem, remedy: Attempt["remedy"], cooldown: Cooldown | undefined): TargetItem {
  const { [remedy]: _, ...others } = item.cooldowns;
  return { ...item, cooldowns: cooldown === undefined ? others : { ...others, [remedy]: cooldown } };
}

export function claimsWithoutCooldown(state: State): State {
  return rewriting(state, {
    written: (after, before) => {
      const claim = newClaim(after, before);
      return claim === undefined ? after : withCooldown(after, claim.remedy, before.cooldowns[claim.remedy]);
    },
  });
}

export function coolsAfterCall(state: State, { engine, config }: RunOf): State {
  return rewriting(state, {
    written: (after, before) => {
      const over = changes(after, before).find(
        ({ is, was }) => was?.state === "calling" && (is.state === "following" || is.state === "verifying"),
      )?.is;
      const target = config.targets.find(({ id }) => id === after.target);
      if (over === undefined || target === undefined) return after;
      const policy = target.remedies[over.remedy];
      const now = Math.floor(engine.now);
      return withCooldown(
        after,
        over.remedy,
        cooldownAfterClaim(config, policy, before.cooldowns[over.remedy], 0, now),
      );
    },
  });
}

/** Once this run has begun a call, it holds itself to be the caller for ever. */
export function withoutFence(state: State): State {
  let mine: { readonly id: string; readonly run: string } | undefined;
  return rewriting(state, {
    seen: (item) => {
      const attempt = item.incident?.attempts.find(({ id }) => id === mine?.id);
      if (attempt === undefined || mine === undefined || attempt.state === "calling") return item;
      const { verdict: _, endedAt: __, ...rest } = attempt;
      return withAttempt(item, { ...rest, state: "calling", run: mine.run });
    },
    written: (after, before) => {
      const begun = changes(after, before).find(
        ({ is, was }) => is.state === "calling" && was?.state === "claimed",
      )?.is;
      if (begun?.run !== undefined) mine = { id: begun.id, run: begun.run };
      return after;
    },
  });
}

export function withoutDeadline(state: State): State {
  const eachAttempt = (item: TargetItem, change: (attempt: Attempt) => Attempt): TargetItem =>
    item.incident === undefined
      ? item
      : { ...item, incident: { ...item.incident, attempts: item.incident.attempts.map(change) } };
  return rewriting(state, {
    seen: (item) =>
      eachAttempt(item, (attempt) =>
        attempt.callNotAfter === undefined ? attempt : { ...attempt, callNotAfter: Number.MAX_SAFE_INTEGER },
      ),
    written: (after, before) =>
      eachAttempt(after, (attempt) => {
        const was = before.incident?.attempts.find(({ id }) => id === attempt.id);
        return was?.callNotAfter === undefined ? attempt : { ...attempt, callNotAfter: was.callNotAfter };
      }),
  });
}

export function coolsForLess(state: State, { config }: RunOf): State {
  return rewriting(state, {
    written: (after, before) => {
      const claim = newClaim(after, before);
      const taken = claim === undefined ? undefined : after.cooldowns[claim.remedy];
      if (claim === undefined || taken === undefined) return after;
      return withCooldown(after, claim.remedy, { ...taken, until: taken.until - lostCallMs(config) });
    },
  });
}

export function forgetsCooldowns(state: State, { engine }: RunOf, afterMs: number): State {
  return rewriting(state, {
    seen: (item) => {
      const kept = Object.entries(item.cooldowns).filter(([, held]) => held.lastClaimAt > engine.now - afterMs);
      return { ...item, cooldowns: Object.fromEntries(kept) };
    },
  });
}

/** What a run publishes it still knows; the table does not. */
export function withoutOutbox(state: State): State {
  return {
    ...state,
    updateTarget: async (target, now, reduce) => {
      let wanted: TargetItem | undefined;
      const result = await state.updateTarget(target, now, (before) => {
        wanted = reduce(before);
        return wanted === undefined ? undefined : { ...wanted, outbox: {} };
      });
      return wanted === undefined ? result : { ...result, item: { ...result.item, outbox: wanted.outbox } };
    },
  };
}

export function asIfNew(event: Delivered, now: number): Delivered {
  const { detail } = event;
  return isRecord(detail) ? { ...event, detail: { ...detail, at: Math.floor(now) } } : event;
}

export function retriesUnknown(provider: RemedyProvider<Where, Where>): RemedyProvider<Where, Where> {
  return {
    ...provider,
    act: async (where, limits): Promise<CallOutcome> => {
      const outcome = await provider.act(where, limits);
      return outcome.kind === "unknown" ? { kind: "retry-later", afterMs: 1_000, detail: "it failed" } : outcome;
    },
  };
}

export function withoutBreaker(target: Config["targets"][number]): Config["targets"][number] {
  const endless = (rung: Config["targets"][number]["ladders"]["down"][number]) =>
    rung.remedy === "page" ? rung : { ...rung, times: 1_000 };
  const ladders = Object.entries(target.ladders).map(([kind, ladder]) => [kind, ladder.map(endless)]);
  const flat = <T extends { readonly cooldownMs: number }>(policy: T) => ({
    ...policy,
    cooldownCapMs: policy.cooldownMs,
  });
  const { restart, "purge-cache": purge } = target.remedies;
  return {
    ...target,
    ladders: { ...target.ladders, ...Object.fromEntries(ladders) },
    remedies: { ...target.remedies, restart: flat(restart), "purge-cache": flat(purge) },
  };
}

/** An attempt that another run is calling looks as if it waited to be taken up. */
export function takesOverCalls(state: State): State {
  let begun = false;
  return rewriting(state, {
    seen: (item) => {
      const calling = item.incident?.attempts.find((attempt) => attempt.state === "calling");
      return begun || calling === undefined ? item : withAttempt(item, { ...calling, state: "claimed" });
    },
    written: (after, before) => {
      begun ||= changes(after, before).some(({ is }) => is.state === "calling");
      return after;
    },
  });
}

export function givesUpCalls(state: State, { engine, config }: RunOf): State {
  let begun = false;
  const giveUp = (item: TargetItem): TargetItem | undefined => {
    const calling = item.incident?.attempts.find((attempt) => attempt.state === "calling");
    const target = config.targets.find(({ id }) => id === item.target);
    if (begun || calling === undefined || target === undefined) return undefined;
    const outcome = { kind: "unknown", why: "runner-lost", detail: "a second delivery came" } as const;
    return startVerifying(config, target, item, { ...calling, outcome }, Math.floor(engine.now));
  };
  return {
    ...state,
    readTarget: async (target, now) => {
      if (begun) return state.readTarget(target, now);
      return (await state.updateTarget(target, () => now, giveUp)).item;
    },
    updateTarget: (target, now, reduce) =>
      state.updateTarget(target, now, (before) => {
        const after = reduce(before);
        begun ||= after?.incident?.attempts.some((attempt) => attempt.state === "calling") ?? false;
        return after;
      }),
  };
}

export function overAtOnce(provider: RemedyProvider<Where, Where>): RemedyProvider<Where, Where> {
  return { ...provider, follow: async () => ({ kind: "over", detail: "accepted, so it is over" }) };
}

export function withoutWarmUp(config: Config): Config {
  const targets = config.targets.map((target) => {
    const { restart, "purge-cache": purge } = target.remedies;
    const remedies = {
      ...target.remedies,
      restart: { ...restart, warmUpMs: 0 },
      "purge-cache": { ...purge, warmUpMs: 0 },
    };
    return { ...target, remedies };
  });
  return { ...config, targets };
}

export function countsOldSamples(state: State): State {
  return rewriting(state, { seen: (item) => ({ ...item, evidenceFrom: 0 }) });
}

export function hearsIllnessInSilence(state: State, { engine, config }: RunOf): State {
  const now = () => Math.floor(engine.now);
  const isSilent = (site: SiteWindow) => (site.samples.at(-1)?.startedAt ?? 0) < now() - freshMs(config);
  return {
    ...state,
    readHeartbeats: async () => (await state.readHeartbeats()).map((beat) => ({ ...beat, at: now() })),
    readWindows: async (shards) =>
      (await state.readWindows(shards)).map((window) => {
        const sites = Object.entries(window.sites).map(([key, site]) =>
          isSilent(site)
            ? ([key, { ...site, tick: now(), samples: downSince(now()) }] as const)
            : ([key, site] as const),
        );
        return { ...window, sites: Object.fromEntries(sites) };
      }),
  };
}

function downSince(now: number): readonly Sample[] {
  return Array.from({ length: 24 }, (_, index) => sample(now - 120_000 + index * 5_000, "refused", 0, 0));
}

export function writesOver(table: Table): Table {
  return {
    ...table,
    put: async (row, condition) => {
      if (!row.pk.startsWith("TARGET#")) return table.put(row, condition);
      const present = await table.get(row);
      return table.put(
        { ...row, version: (present?.version ?? 0) + 1 },
        present === undefined ? { kind: "absent" } : { kind: "version-is", version: present.version },
      );
    },
  };
}

export function callsFirst(state: State): State {
  return {
    ...state,
    updateTarget: async (target, now, reduce) => {
      let skipped: TargetItem | undefined;
      const result = await state.updateTarget(target, now, (before) => {
        const after = reduce(before);
        const begins =
          after !== undefined &&
          changes(after, before).some(({ is, was }) => is.state === "calling" && was?.state === "claimed");
        if (!begins) return after;
        skipped = after;
        return undefined;
      });
      return skipped === undefined ? result : { item: skipped, written: true };
    },
  };
}

export function looksFresh(state: State, { engine }: RunOf): State {
  const now = () => Math.floor(engine.now);
  return {
    ...state,
    readHeartbeats: async () =>
      (await state.readHeartbeats()).map((beat) => ({
        ...beat,
        at: now(),
        controls: { ...beat.controls, answered: beat.controls.total },
      })),
    readWindows: async (shards) =>
      (await state.readWindows(shards)).map((window) => {
        const sites = Object.entries(window.sites).map(([key, site]) => {
          const shift = now() - (site.samples.at(-1)?.startedAt ?? now());
          const samples = site.samples.map((taken) => ({ ...taken, startedAt: taken.startedAt + shift }));
          return [key, { ...site, tick: site.tick + shift, samples }] as const;
        });
        return { ...window, sites: Object.fromEntries(sites) };
      }),
  };
}

/** The time at which a run began, for ever: it cannot know that it stood still. */
export function standingStill(clock: () => number): () => number {
  const began = clock();
  return () => began;
}

/** A channel in which nothing is ever found. */
export function findsNothing(chat: ChatProvider): ChatProvider {
  return { ...chat, find: async () => ({ kind: "absent" }) };
}

/** Everything may be done at any time. */
export function withFreeHands(target: Config["targets"][number]): Config["targets"][number] {
  const { restart, "purge-cache": purge } = target.remedies;
  const auto = { restart: { ...restart, mode: "auto" }, "purge-cache": { ...purge, mode: "auto" } } as const;
  return { ...target, maintenance: [], remedies: { ...target.remedies, ...auto } };
}

export function withoutBudgets(config: Config): Config {
  const targets = config.targets.map((target) => ({ ...target, budget: { ...target.budget, max: 1_000 } }));
  return { ...config, targets, fleetBudget: { ...config.fleetBudget, max: 1_000 } };
}
