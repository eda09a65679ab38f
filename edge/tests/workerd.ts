/** Run the Worker in workerd alone, without Miniflare's own Worker in front of it. */

import { copyFile, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import { freePort, startProcess, type ServerProcess } from "./server-process";
import { LOCAL_TOKEN } from "./local";

/** The runtime's program, which wrangler depends on. */
const WORKERD = (createRequire(import.meta.url)("workerd") as { default: string }).default;

/** Start the Worker with `AUTH_MODE=local`, or with the given variables, in front of the functions at the URL. */
export async function startWorkerd(functions: string, variables: Record<string, string> = {}): Promise<ServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), "workerd-"));
  const port = await freePort();
  const built = inject("builtWorker");
  await copyFile(join(built, "index.js"), join(folder, "index.js"));
  const options = JSON.parse(await readFile(join(built, "options.json"), "utf8")) as { compatibilityDate: string };
  const urls = { CHAT_URL: functions, COLLECTION_URL: functions, EMBEDDING_URL: functions };
  const config = configOf(port, options.compatibilityDate, {
    AUTH_MODE: "local",
    LOCAL_TOKEN,
    ...urls,
    ...variables,
  });
  await writeFile(join(folder, "config.capnp"), config);
  return startProcess([WORKERD, "serve", "config.capnp"], { port, folder, cwd: folder });
}

function configOf(port: number, date: string, variables: Record<string, string>): string {
  const bindings = Object.entries(variables).map(
    ([name, text]) => `(name = "${name}", text = ${JSON.stringify(text)})`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "edge", worker = .edge), (name = "internet", network = (allow = ["private"]))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "edge")]
);
const edge :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "index.js")],
  compatibilityDate = "${date}",
  bindings = [${bindings.join(", ")}]
);
`;
}
