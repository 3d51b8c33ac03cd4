import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The first failure ends a mutant's run, so what is quick goes first. */
class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const weight = ({ moduleId }: TestSpecification) =>
      moduleId.includes(".property.") ? 2 : /\/(decide|incident|night)\.test/.test(moduleId) ? 1 : 0;
    return files.toSorted((a, b) => weight(a) - weight(b) || (a.moduleId < b.moduleId ? -1 : 1));
  }
}

// biome-ignore lint/style/noDefaultExport: Vitest reads its config from there.
export default defineConfig({
  test: {
    include: ["src/**/*.test.ts"],
    setupFiles: [join(import.meta.dirname, "setup.ts")],
    // The mutant is chosen by a variable, so nothing need be loaded anew for each; pure code leaves nothing behind.
    pool: "threads",
    isolate: false,
    fileParallelism: false,
    watch: false,
    testTimeout: 20_000,
    sequence: { sequencer: QuickFirst },
  },
});
