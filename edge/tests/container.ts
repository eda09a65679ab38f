/** Serve the built Worker as the one container does. */

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { inject } from "vitest";
import { freePort, startProcess, type ServerProcess } from "./server-process";
import { LOCAL_TOKEN } from "./local";

const SERVE = resolve(import.meta.dirname, "..", "container", "serve.mjs");

/** Start it with `AUTH_MODE=local`, or with the given variables, in front of the functions at the URL. */
export async function startContainer(
  functions: string,
  variables: Record<string, string> = {},
  changes: { checks?: Record<string, string>; behindProxy?: boolean } = {},
): Promise<ServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), "container-"));
  const port = await freePort();
  const urls = { CHAT_URL: functions, COLLECTION_URL: functions, EMBEDDING_URL: functions };
  const all = { AUTH_MODE: "local", LOCAL_TOKEN, ...urls, ...variables };
  const options = { port, variables: all, checks: {}, behindProxy: false, ...changes };
  const env = { ...process.env, TMPDIR: folder, SERVE_OPTIONS: JSON.stringify(options) };
  return startProcess([process.execPath, SERVE, inject("builtWorker")], { port, folder, env });
}
