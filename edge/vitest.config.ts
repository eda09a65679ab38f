import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

const FAKES = ["upstream", "issuer", "google"].map((name) => `worker/testing/${name}.ts`);

export default defineConfig({
  test: {
    // A long limit and a second try, because other tests may use the machine at the same time.
    testTimeout: 30_000,
    retry: 1,
    projects: [
      {
        // In workerd, Cloudflare's runtime. All files share one instance; each test makes its own users and keys.
        plugins: [cloudflareTest({ wrangler: { configPath: "./wrangler.jsonc" } })],
        test: { name: "worker", isolate: false, include: ["worker/**/*.test.ts"], globalSetup: FAKES },
      },
      // Files share processes and what these have imported of node_modules: two thirds of the processor time. The app's
      // own modules are evaluated anew for each.
      {
        test: {
          name: "web",
          isolate: false,
          setupFiles: "web/src/testing/fresh-modules.ts",
          include: ["web/src/**/*.test.{ts,tsx}"],
          environment: "node",
        },
      },
      // Each file starts its own servers and browser, and closes them; what files import of node_modules is shared.
      {
        test: {
          name: "stack",
          isolate: false,
          include: ["tests/*.test.ts", "e2e/*.test.ts"],
          globalSetup: ["e2e/build-app.ts", "tests/build-worker.ts"],
          environment: "node",
          testTimeout: 120_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
