import { parentPort } from "node:worker_threads";
import type { Ablation } from "./ablations.ts";
import { type Caught, runAblation } from "./run-ablation.ts";
import { type RunSpec, runSeed, type SeedResult, traceOf } from "./run-seeds.ts";

/** What a worker can be asked for. */
export type Job =
  | { readonly kind: "seeds"; readonly from: number; readonly seeds: number; readonly spec: Omit<RunSpec, "seed"> }
  | { readonly kind: "ablation"; readonly ablation: Ablation; readonly from: number; readonly most: number }
  | { readonly kind: "trace"; readonly spec: RunSpec };

export type Answer =
  | { readonly kind: "seeds"; readonly results: readonly SeedResult[] }
  | { readonly kind: "ablation"; readonly caught: Caught }
  | { readonly kind: "trace"; readonly trace: string };

export async function work(job: Job): Promise<Answer> {
  switch (job.kind) {
    case "seeds": {
      const results: SeedResult[] = [];
      for (let seed = job.from; seed < job.from + job.seeds; seed++) results.push(await runSeed({ ...job.spec, seed }));
      return { kind: "seeds", results };
    }
    case "ablation":
      return { kind: "ablation", caught: await runAblation(job.ablation, { from: job.from, most: job.most }) };
    case "trace":
      return { kind: "trace", trace: await traceOf(job.spec) };
  }
}

// An error ends the worker, and whoever waits for its answer hears of it.
parentPort?.on("message", (job: Job) => {
  void work(job).then((answer) => parentPort?.postMessage(answer));
});
