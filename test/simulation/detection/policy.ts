import type { Config, TargetConfig } from "@neuropilot/config";
import { formatProblems, resolveConfig } from "@neuropilot/config/define";

/** Rules in place of the defaults, for comparing them. */
export type RuleChange = { readonly [K in keyof TargetConfig["rules"]]?: Partial<TargetConfig["rules"][K]> };

const TARGET = {
  id: "api",
  url: "https://api.example.com/health",
  railway: { projectId: "prj", environmentId: "env", serviceId: "srv" },
  cloudflare: { zoneId: "023e105f4ecef8ad9ca31a8372d0c353" },
};

/** What a person gets who writes a target and nothing else, watched from so many vantages, in `auto`. */
export function defaultPolicy(vantages: readonly string[], change: RuleChange = {}): Config {
  const resolved = resolveConfig({ vantages: [...vantages], mode: "auto", targets: [TARGET] }, {});
  if (!resolved.ok) throw new Error(formatProblems(resolved.problems));
  const { config } = resolved;
  return {
    ...config,
    targets: config.targets.map((target) => ({ ...target, rules: changed(target.rules, change) })),
  };
}

function changed(rules: TargetConfig["rules"], change: RuleChange): TargetConfig["rules"] {
  return {
    ...rules,
    down: { ...rules.down, ...change.down },
    slow: { ...rules.slow, ...change.slow },
    failing: { ...rules.failing, ...change.failing },
    suspicion: { ...rules.suspicion, ...change.suspicion },
  };
}
