// Build the Worker for the one container: bundle it as `wrangler deploy` does, and resolve wrangler.jsonc to the options of
// Miniflare. The image's build runs this; the container then needs neither wrangler nor the sources.
//
//   node container/build.mjs [FOLDER]

import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const edge = join(import.meta.dirname, "..");
const folder = resolve(process.argv[2] ?? join(import.meta.dirname, "built"));
Object.assign(process.env, {
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
  WRANGLER_WRITE_LOGS: "false",
});

const wrangler = join(edge, "node_modules", "wrangler", "bin", "wrangler.js");
const bundle = [wrangler, "deploy", "--dry-run", "--outdir", folder];
const { status } = spawnSync(process.execPath, bundle, { cwd: edge, stdio: ["ignore", "inherit", "inherit"] });
if (status !== 0) process.exit(status ?? 1);

const { unstable_getMiniflareWorkerOptions: getOptions, unstable_readConfig: readConfig } = await import("wrangler");
const file = join(edge, "wrangler.jsonc");
const { compatibilityDate, compatibilityFlags, ratelimits, assets } = getOptions(file).workerOptions;
// Its options have also what is in .env and .dev.vars, secrets perhaps.
/** @type {unknown} */
const config = readConfig({ config: file });
const { vars: bindings } = /** @type {{ vars: Record<string, string> }} */ (config);
mkdirSync(folder, { recursive: true });
writeFileSync(
  join(folder, "options.json"),
  JSON.stringify({ name: "headwater", compatibilityDate, compatibilityFlags, bindings, ratelimits, assets }, null, 2),
);
