import { defineConfig } from "vitest/config";

const EXCLUDE = ["**/node_modules/**"];

export default defineConfig({
  test: {
    // Processes, not threads: some tests start servers, change directories and take signals.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    restoreMocks: true,
    unstubEnvs: true,
    // A test file without tests is a mistake, an empty repository is one too.
    passWithNoTests: false,
    projects: [
      {
        extends: true,
        test: {
          name: "code",
          include: [
            "packages/**/src/**/*.test.ts",
            "functions/*.test.ts",
            "test/{architecture,conformance,contract,simulation}/**/*.test.ts",
            "test/mutation/*.test.ts",
          ],
          exclude: EXCLUDE,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          // After the others: what it starts looks at real time, and starves beside tests that keep both cores busy.
          name: "product",
          include: ["test/e2e/**/*.test.ts"],
          exclude: EXCLUDE,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
