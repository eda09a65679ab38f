/** A client that disconnects, tested in workerd itself: `wrangler dev`'s proxy hides disconnects from the Worker. */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "vite";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { TestServer } from "../worker/testing/fixtures";
import { startUpstream } from "../worker/testing/upstream";
import { freePort, LOCAL_TOKEN } from "./wrangler";

const EDGE = resolve(import.meta.dirname, "..");
/** The runtime's program, which wrangler depends on. */
const WORKERD = (createRequire(import.meta.url)("workerd") as { default: string }).default;

let folder: string;
let upstream: TestServer;
let runtime: ChildProcess;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "workerd-"));
  upstream = await startUpstream();
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  await bundle();
  await writeFile(join(folder, "config.capnp"), configOf(port, await compatibilityDate()));
  runtime = spawn(WORKERD, ["serve", "config.capnp"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  await vi.waitFor(() => fetch(`${url}/env`), { timeout: 30_000, interval: 100 });
});

afterAll(async () => {
  const exited = once(runtime, "exit");
  if (runtime.kill()) await exited;
  await upstream.close();
  await rm(folder, { recursive: true });
});

it("completes an answer when the client disconnects before the function responds", async () => {
  const headers = { authorization: `Bearer ${LOCAL_TOKEN}` };
  const client = request(`${url}/api/chat?stream=early&late=1000&of=early`, { method: "POST", headers }).end("{}");
  await expect.poll(() => readUpstream("/counted?of=early")).toEqual({ count: 1 });
  // A reset: on a plain end of the connection workerd still expects to send the response.
  client.socket?.resetAndDestroy();
  await once(client, "error");
  await expect.poll(() => readUpstream("/?stream=early"), { timeout: 10_000 }).toEqual({ sent: 5, finished: true });
});

async function readUpstream(path: string): Promise<unknown> {
  return (await fetch(upstream.url + path)).json();
}

/** Bundle the Worker into one module, as wrangler does. */
async function bundle(): Promise<void> {
  await build({
    configFile: false,
    root: EDGE,
    logLevel: "error",
    ssr: { noExternal: true, target: "webworker" },
    build: { ssr: join(EDGE, "worker/index.ts"), outDir: folder },
  });
}

async function compatibilityDate(): Promise<string> {
  const config = await readFile(join(EDGE, "wrangler.jsonc"), "utf8");
  return /"compatibility_date": "([^"]+)"/.exec(config)?.[1] ?? "";
}

function configOf(port: number, date: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "edge", worker = .edge), (name = "internet", network = (allow = ["private"]))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "edge")]
);
const edge :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "index.js")],
  compatibilityDate = "${date}",
  bindings = [
    (name = "AUTH_MODE", text = "local"),
    (name = "LOCAL_TOKEN", text = "${LOCAL_TOKEN}"),
    (name = "CHAT_URL", text = "${upstream.url}"),
  ]
);
`;
}
