// Serve the built Worker and web app in the one container: workerd, configured by Miniflare, behind front.mjs.
//
//   SERVE_OPTIONS='{"port": 8080, "variables": {…}, "checks": {…}, "behindProxy": false}' node container/serve.mjs [FOLDER]
//
// container/build.mjs has built the Worker into FOLDER. SERVE_OPTIONS is JSON and no argument, since it has secrets: `variables` are
// the Worker's variables and secrets, `checks` the URLs of the parts that `GET /ready` requests.

import { join, resolve } from "node:path";
import { Log, LogLevel } from "miniflare";
import { createFront } from "./front.mjs";
import { runWorker } from "./run-worker.mjs";

const BUILT = resolve(process.argv[2] ?? join(import.meta.dirname, "built"));
const WEB_APP = join(import.meta.dirname, "..", "web", "dist");

/** @typedef {{ port: number, variables: Record<string, string>, checks: Record<string, string>, behindProxy: boolean }} Options */
/** @type {unknown} */
const given = JSON.parse(process.env["SERVE_OPTIONS"] ?? "");
const { port, variables, checks, behindProxy } = /** @type {Options} */ (given);
delete process.env["SERVE_OPTIONS"]; // workerd needs none of it

const miniflare = runWorker(
  { built: BUILT, assets: WEB_APP, variables },
  {
    host: "127.0.0.1",
    port: 0,
    logRequests: false,
    log: new Log(LogLevel.WARN),
    handleStructuredLogs: ({ level, message }) => {
      console.log(message.startsWith("{") ? message : JSON.stringify({ severity: severityOf(level), message }));
    },
  },
);
const worker = await miniflare.ready;
const front = createFront({ worker, checks: { ...checks, worker: new URL("/env", worker).href }, behindProxy });
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.removeAllListeners(signal); // Miniflare's would end workerd at once
  process.on(signal, () => {
    // Running requests finish; the supervisor ends those that take too long.
    front.close(() => void miniflare.dispose().finally(() => process.exit(0)));
  });
}
front.listen(port);

/** @param {string} level */
function severityOf(level) {
  return level === "error" ? "ERROR" : level === "warn" ? "WARNING" : "INFO";
}
