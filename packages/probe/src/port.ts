import type { TargetConfig } from "@neuropilot/config";
import type { Sample } from "@neuropilot/core";

/** What to look at: one site's URL with its target's request, expectations and limits. */
export type ProbeRequest = Pick<
  TargetConfig,
  "method" | "headers" | "timeoutMs" | "redirects" | "allowPrivate" | "bodyCapBytes" | "expect"
> & { readonly url: string };

/** A connection kept between the samples of one tick. Always `close` it. */
export interface ProbeSession {
  /** Takes one sample; never throws and never retries. The first is on a fresh connection, later ones reuse it where the server allows. */
  sample(signal?: AbortSignal): Promise<Sample>;
  close(): void;
}

/** The prober as its users see it. */
export interface Prober {
  open(request: ProbeRequest): ProbeSession;
}
