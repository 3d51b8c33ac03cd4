import type { ConfigInput } from "@neuropilot/config/define";
import { DEMO_IDS } from "../stage/stage.ts";

/** Times of a drill in milliseconds: the defaults, scaled down about thirty times. */
export const DRILL = {
  intervalMs: 2_000,
  holdMs: 3_000,
  restartTakesMs: 800,
  callTimeoutMs: 1_000,
  callNotAfterMs: 5_000,
  cooldownMs: 3_000,
  verifyMs: 12_000,
} as const;

const ms = (value: number) => `${value}ms`;

/** The config of an isolated instance: one vantage, so the longer hold of one that is alone counts. */
export function drillConfig(place: {
  readonly url: string;
  readonly railwayUrl: string;
  readonly cloudflareUrl: string;
  readonly slackUrl: string;
  readonly controls: readonly string[];
}): ConfigInput {
  return {
    name: "drill",
    mode: "auto",
    interval: ms(DRILL.intervalMs),
    reconcileInterval: "1s",
    controls: {
      endpoints: place.controls.map((url, index) => ({ id: `control-${index + 1}`, url })),
      allowPrivate: true,
      timeout: "700ms",
    },
    healing: {
      callNotAfter: ms(DRILL.callNotAfterMs),
      callTimeout: ms(DRILL.callTimeoutMs),
      clockSkew: "100ms",
      followPoll: "300ms",
    },
    providers: {
      railway: { baseUrl: place.railwayUrl },
      cloudflare: { baseUrl: place.cloudflareUrl },
      slack: { baseUrl: place.slackUrl, channel: DEMO_IDS.slackChannel },
    },
    targets: [
      {
        id: "shop",
        sites: [
          {
            id: "primary",
            url: place.url,
            railway: DEMO_IDS.railway,
            cloudflare: { zoneId: DEMO_IDS.zoneId, purge: { tags: ["items"], everything: true } },
          },
        ],
        timeout: "700ms",
        allowPrivate: true,
        rules: {
          down: { hold: "1500ms", holdAlone: ms(DRILL.holdMs), reprobe: "300ms" },
          slow: { threshold: "250ms", window: "20s" },
          failing: { window: "6s" },
          suspicion: { for: "30s" },
          inconclusive: { hold: "5s" },
        },
        remedies: {
          restart: { cooldown: ms(DRILL.cooldownMs), warmUp: "500ms", verify: ms(DRILL.verifyMs), follow: "8s" },
          "purge-cache": { cooldown: ms(DRILL.cooldownMs), warmUp: "300ms", verify: ms(DRILL.verifyMs), follow: "5s" },
        },
      },
    ],
  };
}
