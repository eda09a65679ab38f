/** Serve the built Worker as the one container does. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { inject, vi } from "vitest";
import type { Workerd } from "./workerd";
import { freePort, LOCAL_TOKEN } from "./wrangler";

const SERVE = resolve(import.meta.dirname, "..", "container", "serve.mjs");

/** Start it with `AUTH_MODE=local`, or with the given variables, in front of the functions at the URL. */
export async function startContainer(
  functions: string,
  variables: Record<string, string> = {},
  changes: { checks?: Record<string, string>; behindProxy?: boolean } = {},
): Promise<Workerd> {
  const temporary = await mkdtemp(join(tmpdir(), "container-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const urls = { CHAT_URL: functions, COLLECTION_URL: functions, EMBEDDING_URL: functions };
  const all = { AUTH_MODE: "local", LOCAL_TOKEN, ...urls, ...variables };
  const child = spawn(process.execPath, [SERVE, inject("builtWorker")], {
    env: {
      ...process.env,
      TMPDIR: temporary,
      SERVE_OPTIONS: JSON.stringify({ port, variables: all, checks: {}, behindProxy: false, ...changes }),
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  await vi.waitFor(() => fetch(`${url}/env`), { timeout: 30_000, interval: 100 });
  const close = async (): Promise<void> => {
    const exited = once(child, "exit");
    if (child.kill()) await exited;
    await rm(temporary, { recursive: true });
  };
  return { url, port, close };
}
