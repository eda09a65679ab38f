#!/usr/bin/env node
// Serve the built Worker and the web app on this machine: workerd, configured by Miniflare.
//
//   WORKER_VARIABLES='{"AUTH_MODE": "local", …}' node scripts/serve.mjs PORT WORKER [ASSETS]
//
// container/build.mjs has built the Worker into the folder WORKER. WORKER_VARIABLES is JSON: the Worker's variables and
// secrets. They are not on the command line, which other users can read. The folder ASSETS replaces the built web app.

import { join, resolve } from "node:path";
import { Log, LogLevel } from "miniflare";
import { runWorker } from "../container/run-worker.mjs";

const [port = "", built = "", assets = join(import.meta.dirname, "../web/dist")] = process.argv.slice(2);
if (built === "") {
  console.error("usage: serve.mjs PORT WORKER [ASSETS]");
  process.exit(2);
}

/** @type {unknown} */
const variables = JSON.parse(process.env["WORKER_VARIABLES"] ?? "{}");
delete process.env["WORKER_VARIABLES"]; // workerd needs none of it
const miniflare = runWorker(
  { built: resolve(built), assets: resolve(assets), variables: /** @type {Record<string, string>} */ (variables) },
  { host: "127.0.0.1", port: Number(port), log: new Log(LogLevel.INFO, { prefix: "edge" }) },
);
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.removeAllListeners(signal); // Miniflare's would end workerd at once
  process.on(signal, () => {
    void miniflare.dispose().finally(() => process.exit(0));
  });
}
await miniflare.ready;
