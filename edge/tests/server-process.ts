/** Run a server of the Worker in a process of its own. */

import { spawn, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";

/** Long, because other tests may use the machine at the same time. */
const START_TIMEOUT_MS = 100_000;
const PAUSE_MS = 100;

export interface ServerProcess {
  url: string;
  port: number;
  /** End the process, and remove its folder. */
  close: () => Promise<void>;
}

/**
 * Start a server that listens on the port of 127.0.0.1, and wait until it serves the Worker. `folder` has its files.
 *
 * Throws with what the process printed if it ends, or does not answer in time.
 */
export async function startProcess(
  [program, ...args]: [string, ...string[]],
  { port, folder, ...options }: { port: number; folder: string } & Pick<SpawnOptions, "cwd" | "env">,
): Promise<ServerProcess> {
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
  const close = async (): Promise<void> => {
    const exited = once(child, "exit");
    if (child.exitCode === null && child.kill()) await exited;
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await isReady(url))) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
      await close();
      throw new Error(`${program} ${args.join(" ")} did not start:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return { url, port, close };
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/env`, { signal: AbortSignal.timeout(5000) })).ok;
  } catch {
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
