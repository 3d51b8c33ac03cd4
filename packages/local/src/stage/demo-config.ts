import type { ConfigInput } from "@neuropilot/config/define";
import { DEMO_IDS, type Stage } from "./stage.ts";

/** What `npm start` guards without a config: the demo, with the defaults' times scaled down so that one can watch. */
export function demoConfig(stage: Stage): ConfigInput {
  return {
    name: "demo",
    mode: "auto",
    interval: "5s",
    reconcileInterval: "5s",
    controls: { endpoints: [{ id: "cdn", url: stage.cloudflare.edgeUrl }], allowPrivate: true, timeout: "2s" },
    healing: { callNotAfter: "20s", callTimeout: "3s", clockSkew: "200ms", followPoll: "1s" },
    providers: {
      railway: { baseUrl: stage.railway.url },
      cloudflare: { baseUrl: stage.cloudflare.baseUrl },
      slack: { baseUrl: stage.slack.baseUrl, channel: DEMO_IDS.slackChannel },
    },
    targets: [
      {
        id: "inventory",
        sites: [
          {
            id: "primary",
            url: `${stage.service.url}/health`,
            railway: DEMO_IDS.railway,
            cloudflare: { zoneId: DEMO_IDS.zoneId, purge: { tags: ["items"] } },
          },
        ],
        timeout: "2s",
        allowPrivate: true,
        expect: { json: { pointer: "/status", equals: "ok" } },
        rules: {
          down: { hold: "5s", holdAlone: "10s", reprobe: "1s" },
          slow: { window: "30s" },
          failing: { window: "15s" },
          suspicion: { for: "30s" },
          inconclusive: { hold: "20s" },
        },
        remedies: {
          restart: { cooldown: "20s", warmUp: "2s", verify: "30s", follow: "20s" },
          "purge-cache": { cooldown: "20s", warmUp: "1s", verify: "30s", follow: "10s" },
        },
      },
    ],
  };
}
