// Run the built Worker in workerd, configured by Miniflare, as the one container and scripts/serve.mjs do.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";

/**
 * Start the Worker that build.mjs has built into the folder `built`, with the web app of the folder `assets`. Miniflare
 * restarts workerd on the same port when it crashes.
 *
 * @param {{ built: string, assets: string, variables: Record<string, string> }} worker variables: those of the Worker, and its secrets
 * @param {import("miniflare").V4SharedOptions} options
 */
export function runWorker({ built, assets, variables }, options) {
  /** @type {unknown} */
  const parsed = JSON.parse(readFileSync(join(built, "options.json"), "utf8"));
  const worker = /** @type {import("miniflare").V4WorkerOptions} */ (parsed);
  return new Miniflare(
    convertV4MiniflareOptions({
      ...options,
      cf: false, // no request to Cloudflare for a description of the client
      workers: [
        {
          ...worker,
          modules: [{ type: "ESModule", path: join(built, "index.js") }],
          modulesRoot: built,
          bindings: { ...worker.bindings, ...variables },
          assets: { ...worker.assets, directory: assets },
        },
      ],
    }),
  );
}
