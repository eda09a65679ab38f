/** The Worker in workerd or as the one container serves it, in front of a function that echoes and counts requests. */

import { startUpstream } from "../worker/testing/upstream";
import type { ServerProcess } from "./server-process";
import { startWorkerd } from "./workerd";

export interface ServedWorker {
  url: string;
  port: number;
  /** Read a page of the function, past the Worker. */
  readUpstream: (path: string) => Promise<unknown>;
  /** How many requests with the query `of=name` have reached the function. */
  requestCount: (name: string) => Promise<number>;
  close: () => Promise<void>;
}

/** `start`: what serves the Worker, in front of the function at a URL. */
export async function serveWorker(
  start: (functions: string) => Promise<ServerProcess> = startWorkerd,
): Promise<ServedWorker> {
  const upstream = await startUpstream();
  const edge = await start(upstream.url);
  const readUpstream = async (path: string): Promise<unknown> => (await fetch(upstream.url + path)).json();
  return {
    url: edge.url,
    port: edge.port,
    readUpstream,
    requestCount: async (name) => {
      const { count } = (await readUpstream(`/counted?of=${encodeURIComponent(name)}`)) as { count: number };
      return count;
    },
    close: async () => {
      await edge.close();
      await upstream.close();
    },
  };
}
