import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

const STAND_INS = ["upstream", "issuer", "google"].map((name) => `worker/testing/${name}.ts`);

export default defineConfig({
  test: {
    // Other tests may keep the machine busy.
    testTimeout: 30_000,
    projects: [
      {
        // In workerd, the runtime that Cloudflare runs; one of it serves all files, as each makes users and keys of its own.
        plugins: [cloudflareTest({ wrangler: { configPath: "./wrangler.jsonc" } })],
        test: { name: "worker", isolate: false, include: ["worker/**/*.test.ts"], globalSetup: STAND_INS },
      },
      { test: { name: "web", include: ["web/src/**/*.test.{ts,tsx}"], environment: "node" } },
      {
        test: {
          name: "stack",
          include: ["tests/*.test.ts", "e2e/*.test.ts"],
          globalSetup: ["e2e/build-app.ts"],
          environment: "node",
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
