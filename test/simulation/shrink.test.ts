import { describe, expect, it } from "vitest";
import { simulate } from "./run.ts";
import { runAblation } from "./run-ablation.ts";
import { onThreads } from "./run-pool.ts";
import { emptyTally, HAZARD_CLASSES, silentClasses, traceOf } from "./run-seeds.ts";
import { shrink } from "./shrink.ts";
import { storyOf } from "./story.ts";

async function said(...args: string[]) {
  const lines: string[] = [];
  const code = await simulate(args, { out: (text) => lines.push(text), progress: () => undefined });
  return { code, text: lines.join("\n") };
}

async function refusal(...args: string[]): Promise<string> {
  return said(...args).then(
    () => "nothing was refused",
    (error: unknown) => String(error),
  );
}

describe("a failing seed", () => {
  it.each(["no-cooldown", "no-dedupe"] as const)(
    "of a world with %s shrinks to a few hazards that break the same promise, and its story names it",
    async (ablation) => {
      const caught = await runAblation(ablation, { most: 60 });
      const shrunk = await shrink({ seed: caught.seed, ablation }, caught.property);
      if (shrunk === undefined) throw new Error(`seed ${caught.seed} broke nothing`);
      expect(shrunk.property).toBe(caught.property);
      expect(shrunk.spec.only.length).toBeLessThanOrEqual(10);
      expect(shrunk.from).toBeGreaterThan(shrunk.spec.only.length);
      const story = await storyOf(shrunk.spec, shrunk.property);
      expect(story).toContain(`Broken: ${shrunk.property}, `);
      for (const id of shrunk.spec.only) expect(story).toContain(`[${id}]`);
      expect(story.split("\n").length).toBeLessThan(75);
    },
    120_000,
  );

  it("replays from the flags that its shrunk run names, with the exit code of a broken promise", async () => {
    const found = await said("--ablation", "no-cooldown", "--json");
    const { shrunk } = JSON.parse(found.text);
    const again = await said(...shrunk.again.split(" -- ")[1].split(" "));
    expect(again.code).toBe(1);
    expect(again.text).toContain(`Broken: ${shrunk.property}, `);
    expect(again.text).toContain(shrunk.text);
  }, 120_000);

  it("is left alone where it breaks nothing", async () => {
    expect(await shrink({ seed: 1, faults: [] })).toBeUndefined();
  });
});

describe("a seed", () => {
  it("leaves the same trace to the last byte when it is played again, here and in a worker", async () => {
    const spec = { seed: 2, hours: 0.4 };
    const here = await traceOf(spec);
    expect(await traceOf(spec)).toBe(here);
    const there: string[] = [];
    await onThreads(2, [{ kind: "trace", spec }], (answer) => {
      if (answer.kind === "trace") there.push(answer.trace);
    });
    expect(there).toEqual([here]);
    expect(here.length).toBeGreaterThan(10_000);
  }, 60_000);
});

describe("npm run simulate", () => {
  it("tells what really went wrong by class, over any number of threads alike", async () => {
    const [one, two] = [
      await said("--seeds", "4", "--jobs", "1", "--json"),
      await said("--seeds", "4", "--jobs", "2", "--json"),
    ];
    const sums = (text: string) => ({ ...JSON.parse(text), seconds: 0, jobs: 0 });
    expect(sums(two.text)).toEqual(sums(one.text));
    expect(one.code).toBe(0);
    expect(JSON.parse(one.text).hazards.crash).toBeGreaterThan(0);
  }, 60_000);

  it("holds a class of which nothing ever happened in a thousand seeds to be a fault of the world", () => {
    const tally = { ...emptyTally(), seeds: 1_000 };
    expect(silentClasses(tally, {})).toEqual(HAZARD_CLASSES);
    expect(silentClasses({ ...tally, seeds: 999 }, {})).toEqual([]);
    expect(silentClasses(tally, { faults: ["crash"] })).toEqual(["crash"]);
    expect(silentClasses({ ...tally, hazards: { ...tally.hazards, crash: 1 } }, { faults: ["crash"] })).toEqual([]);
  });

  it.each([
    [["--faults", "nonsense"], /--faults wants classes .* got "nonsense".*\n {2}crash +a run/],
    [["--seeds", "none"], /--seeds wants a whole number from 1 .* got "none"/],
    [["--seeds", "0"], /--seeds wants a whole number from 1 .* got "0"/],
    [["--hours", "-1"], /--hours/],
    [["--hours", "99"], /--hours wants a number from 0.05 to 48.* got "99"/],
    [["--jobs", "65"], /--jobs wants a whole number from 1 to 64; got "65"/],
    [["--only", "crash:1"], /--only goes with --seed/],
    [["--seed", "1", "--only", "crash"], /--only wants hazards by class and number.* got "crash"/],
    [["--seed", "1", "--seeds", "5"], /--seed is one seed/],
    [["--ablation", "nothing"], /--ablation wants the name of one; got "nothing". There are: .*no-cooldown/],
    [["--ablations", "--hours", "1"], /leave out --hours/],
    [["--sedes", "1"], /Unknown option '--sedes'. There are: --seeds/],
    [["5"], /Unexpected argument '5'/],
  ])("refuses %j, naming the flag, what it got and what it wants", async (args, wanted) => {
    expect(await refusal(...args)).toMatch(/^WrongFlags/);
    expect(await refusal(...args)).toMatch(wanted);
  });
});
