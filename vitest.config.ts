import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["packages/**/src/**/*.test.ts", "functions/*.test.ts", "stacks/*.test.ts", "test/**/*.test.ts"],
    exclude: ["**/node_modules/**"],
    // Processes, not threads: some tests start servers, change directories and take signals.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    restoreMocks: true,
    unstubEnvs: true,
    // A test file without tests is a mistake, an empty repository is one too.
    passWithNoTests: false,
  },
});
