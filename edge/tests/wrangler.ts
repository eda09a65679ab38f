/** Serve the Worker on a free port, as `scripts/dev` does, in front of fake functions. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const SERVE = resolve(import.meta.dirname, "..", "scripts", "serve.mjs");
const START_TIMEOUT_MS = 45_000;

/** The token that the API requires, unless the variables set another AUTH_MODE. */
export const LOCAL_TOKEN = "the-token-of-the-user-of-this-machine";

export interface Wrangler {
  url: string;
  close: () => Promise<void>;
}

/** Serve the files in the folder `assets`, and the API from the functions at the URL `functions`. */
export async function startWrangler(
  assets: string,
  functions: string,
  variables: Record<string, string> = {},
): Promise<Wrangler> {
  const state = await mkdtemp(join(tmpdir(), "edge-"));
  const port = await freePort();
  const all = { CHAT_URL: functions, COLLECTION_URL: functions, EMBEDDING_URL: functions, LOCAL_TOKEN, ...variables };
  const child = spawn(process.execPath, [SERVE, port.toString(), state, assets], {
    env: { ...process.env, WORKER_VARIABLES: JSON.stringify(all) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
  const close = async (): Promise<void> => {
    const exited = once(child, "exit");
    if (child.exitCode === null && child.kill("SIGTERM")) await exited;
    await rm(state, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await isReady(url))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await close();
      throw new Error(`The Worker did not start:\n${output}`);
    }
  }
  return { url, close };
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/env`, { signal: AbortSignal.timeout(1000) })).ok;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return false;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
