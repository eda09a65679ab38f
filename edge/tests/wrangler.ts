/** Start `wrangler dev` on a free port, as `scripts/dev` does, in front of fake functions. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const EDGE = resolve(import.meta.dirname, "..");
const WRANGLER = join(EDGE, "node_modules/wrangler/bin/wrangler.js");
const SERVICES = ["CHAT_URL", "COLLECTION_URL", "EMBEDDING_URL"];
const START_TIMEOUT_MS = 45_000;
/** Turns off wrangler's requests to the internet and its files outside the state folder. */
const QUIET = {
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  // With the banner, wrangler looks up its newest version.
  WRANGLER_HIDE_BANNER: "true",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_WRITE_LOGS: "false",
};

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
  { variables = {}, secrets = {} }: { variables?: Record<string, string>; secrets?: Record<string, string> } = {},
): Promise<Wrangler> {
  const state = await mkdtemp(join(tmpdir(), "edge-"));
  const port = await freePort();
  const services = Object.fromEntries(SERVICES.map((name) => [name, functions]));
  const variableOptions = Object.entries({ ...services, ...variables }).map(
    ([name, value]) => `--var=${name}:${value}`,
  );
  const secretFile = join(state, "secrets.env");
  await writeFile(
    secretFile,
    Object.entries({ LOCAL_TOKEN, ...secrets })
      .map(([name, value]) => `${name}='${value}'\n`)
      .join(""),
  );
  const options = ["--ip=127.0.0.1", `--port=${port}`, "--inspector-port=0", "--show-interactive-dev-session=false"];
  const child = spawn(
    process.execPath,
    [
      WRANGLER,
      "dev",
      ...options,
      `--persist-to=${state}`,
      `--assets=${assets}`,
      `--env-file=${secretFile}`,
      ...variableOptions,
    ],
    {
      cwd: EDGE,
      env: { ...process.env, ...QUIET, XDG_CONFIG_HOME: state, WRANGLER_REGISTRY_PATH: join(state, "registry") },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
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
      throw new Error(`wrangler dev did not start:\n${output}`);
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
