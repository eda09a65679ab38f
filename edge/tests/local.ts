/** Serve the built Worker on a free port, as `scripts/dev` does, in front of fake functions. */

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { inject } from "vitest";
import { freePort, startProcess, type ServerProcess } from "./server-process";

const SERVE = resolve(import.meta.dirname, "..", "scripts", "serve.mjs");

/** The token that the API requires, unless the variables set another AUTH_MODE. */
export const LOCAL_TOKEN = "the-token-of-the-user-of-this-machine";

/** Serve the files in the folder `assets`, and the API from the functions at the URL `functions`. */
export async function startLocal(
  assets: string,
  functions: string,
  variables: Record<string, string> = {},
): Promise<ServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), "edge-"));
  const port = await freePort();
  const all = { CHAT_URL: functions, COLLECTION_URL: functions, EMBEDDING_URL: functions, LOCAL_TOKEN, ...variables };
  const env = { ...process.env, TMPDIR: folder, WORKER_VARIABLES: JSON.stringify(all) };
  const command: [string, ...string[]] = [process.execPath, SERVE, port.toString(), inject("builtWorker"), assets];
  return startProcess(command, { port, folder, env });
}
