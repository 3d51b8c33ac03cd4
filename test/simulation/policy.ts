import type { Config, TargetConfig } from "@neuropilot/config";
import { LADDERS as DEFAULT_LADDERS, fleet, remedyPolicy, targetConfig } from "@neuropilot/core/fixture";

const RESTART = { remedy: "restart", times: 3 } as const;
const FAILOVER = { remedy: "failover", times: 1 } as const;
const PAGE = { remedy: "page", times: 1 } as const;

/** With a rung that this version has no function for. */
export const LADDERS: TargetConfig["ladders"] = { ...DEFAULT_LADDERS, slow: [RESTART, FAILOVER, PAGE] };

/** One target under the default rules, watched from so many vantages. */
export function policyOf(vantages: readonly string[], change: Partial<TargetConfig> = {}): Config {
  const remedies: TargetConfig["remedies"] = {
    restart: remedyPolicy(),
    "purge-cache": remedyPolicy({ warmUpMs: 10_000 }),
    scale: remedyPolicy(),
    failover: remedyPolicy(),
    rollback: remedyPolicy(),
  };
  return fleet({
    name: "simulation",
    vantages,
    controls: {
      endpoints: [
        { id: "one", url: "https://one.example.net" },
        { id: "two", url: "https://two.example.net" },
      ],
      allowPrivate: false,
      timeoutMs: 5_000,
    },
    targets: [targetConfig({ ladders: LADDERS, remedies, ...change })],
  });
}
