import type { Config, TargetConfig } from "./resolved.ts";

/** The names of the probe's shards, `"0"` upwards; each holds at most `probe.shardSize` targets. */
export function shardsOf(config: Config): readonly string[] {
  const count = Math.max(1, Math.ceil(config.targets.length / config.probe.shardSize));
  return Array.from({ length: count }, (_, index) => String(index));
}

/** The targets of one shard, in the order of the config. */
export function targetsOfShard(config: Config, shard: string): readonly TargetConfig[] {
  const start = Number(shard) * config.probe.shardSize;
  return config.targets.slice(start, start + config.probe.shardSize);
}

/** The shard a target is in, or undefined if the config does not name it. */
export function shardOf(config: Config, targetId: string): string | undefined {
  const index = config.targets.findIndex((target) => target.id === targetId);
  return index < 0 ? undefined : String(Math.floor(index / config.probe.shardSize));
}
