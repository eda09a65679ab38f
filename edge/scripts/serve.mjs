#!/usr/bin/env node
// Serve the Worker and the web app on this machine, as `wrangler dev` does, but without its debuggers and its explorer.
//
//   WORKER_VARIABLES='{"AUTH_MODE": "local", …}' node scripts/serve.mjs PORT STATE_FOLDER [ASSETS_FOLDER]
//
// `wrangler dev` always listens for debuggers on two more ports: any user of the machine can connect to them and read the
// Worker's secrets. WORKER_VARIABLES is JSON: the Worker's variables and secrets. They are not on the command line, which
// other users can read. ASSETS_FOLDER replaces the built web app.

import { join, resolve } from "node:path";

const [port = "", state = "", assets] = process.argv.slice(2);
if (state === "") {
  console.error("usage: serve.mjs PORT STATE_FOLDER [ASSETS_FOLDER]");
  process.exit(2);
}

Object.assign(process.env, {
  // No requests to the internet, no telemetry, no variables from .env files, and no files outside of the state folder.
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: "false",
  WRANGLER_HIDE_BANNER: "true",
  WRANGLER_REGISTRY_PATH: resolve(state, "registry"),
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_WRITE_LOGS: "false",
  XDG_CONFIG_HOME: resolve(state, "config"),
  // Pages under /cdn-cgi/ that show and change the Worker's state.
  X_LOCAL_EXPLORER: "false",
});
const { unstable_startWorker: startWorker } = await import("wrangler");

/** @type {unknown} */
const variables = JSON.parse(process.env["WORKER_VARIABLES"] ?? "{}");
const worker = await startWorker({
  config: join(import.meta.dirname, "..", "wrangler.jsonc"),
  bindings: Object.fromEntries(
    Object.entries(/** @type {Record<string, string>} */ (variables)).map(([name, value]) => [
      name,
      { type: "secret_text", value },
    ]),
  ),
  ...(assets !== undefined && { assets }),
  dev: {
    server: { hostname: "127.0.0.1", port: Number(port) },
    inspector: false,
    persist: resolve(state),
    watch: false,
    logLevel: "info",
  },
});
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    void worker.dispose().finally(() => process.exit(0));
  });
}
await worker.ready;
