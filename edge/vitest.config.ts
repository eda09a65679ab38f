import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Other tests may keep the machine busy.
    testTimeout: 30_000,
    projects: [
      {
        // In workerd, the runtime that Cloudflare runs.
        plugins: [cloudflareTest({ wrangler: { configPath: "./wrangler.jsonc" } })],
        test: { name: "worker", include: ["worker/**/*.test.ts"], globalSetup: ["worker/testing/upstream.ts"] },
      },
      { test: { name: "web", include: ["web/src/**/*.test.{ts,tsx}"], environment: "node" } },
      {
        test: {
          name: "stack",
          include: ["tests/*.test.ts"],
          environment: "node",
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
