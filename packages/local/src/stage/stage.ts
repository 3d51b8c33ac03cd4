import { randomBytes } from "node:crypto";
import { type DemoService, startDemoService } from "../demo/index.ts";
import { type CloudflareStandIn, startCloudflare } from "../stand-ins/cloudflare/index.ts";
import { type RailwayStandIn, startRailway } from "../stand-ins/railway/index.ts";
import { type SlackStandIn, startSlack } from "../stand-ins/slack/index.ts";

/** Ids as the vendors write them; nothing here is an account. */
export const DEMO_IDS = {
  railway: {
    projectId: "5b1a7c1e-9f4e-4f0e-8a53-2f6f4ed1c001",
    environmentId: "5b1a7c1e-9f4e-4f0e-8a53-2f6f4ed1c002",
    serviceId: "5b1a7c1e-9f4e-4f0e-8a53-2f6f4ed1c003",
  },
  /** The same over starts: a restart that was under way when the demo was killed can still be followed. */
  deploymentId: "5b1a7c1e-9f4e-4f0e-8a53-2f6f4ed1c004",
  zoneId: "023e105f4ecef8ad9ca31a8372d0c353",
  slackChannel: "C0DEMO0001",
} as const;

export interface Stage {
  readonly service: DemoService;
  readonly railway: RailwayStandIn;
  readonly cloudflare: CloudflareStandIn;
  readonly slack: SlackStandIn;
  /** Tokens for the runner, made for this stage alone. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** The demo service as a real process, behind stand-ins of Railway, Cloudflare and Slack on this machine. */
export async function startStage(options: {
  readonly restartTakesMs: number;
  readonly log?: (line: string) => void;
}): Promise<Stage> {
  const token = () => randomBytes(16).toString("hex");
  const tokens = { railway: token(), cloudflare: token(), slack: `xoxb-${token()}` };
  const close: (() => Promise<void>)[] = [];
  const log = options.log === undefined ? {} : { log: options.log };
  try {
    const service = await startDemoService({ port: 0, ...log });
    close.push(() => service.close());
    const railway = await startRailway({
      projectId: DEMO_IDS.railway.projectId,
      environmentId: DEMO_IDS.railway.environmentId,
      token: tokens.railway,
      tokenKind: "project",
      services: [
        {
          serviceId: DEMO_IDS.railway.serviceId,
          deploymentId: DEMO_IDS.deploymentId,
          restart: () => service.restart(),
        },
      ],
      restartTakesMs: options.restartTakesMs,
      ...log,
    });
    close.push(() => railway.close());
    const cloudflare = await startCloudflare({
      token: tokens.cloudflare,
      zones: [{ zoneId: DEMO_IDS.zoneId, origin: service.url, hosts: ["127.0.0.1"] }],
      ...log,
    });
    close.push(() => cloudflare.close());
    const slack = await startSlack({ token: tokens.slack, channel: DEMO_IDS.slackChannel, ...log });
    close.push(() => slack.close());
    return {
      service,
      railway,
      cloudflare,
      slack,
      environment: {
        RAILWAY_TOKEN: tokens.railway,
        RAILWAY_TOKEN_KIND: "project",
        CLOUDFLARE_API_TOKEN: tokens.cloudflare,
        SLACK_BOT_TOKEN: tokens.slack,
      },
      close: () => closeAll(close),
    };
  } catch (error) {
    await closeAll(close);
    throw error;
  }
}

async function closeAll(steps: (() => Promise<void>)[]): Promise<void> {
  for (const step of steps.splice(0).reverse()) await step().catch(() => undefined);
}
