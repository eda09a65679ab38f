/** Clients that disconnect: an answer goes on, other work ends. */

import { once } from "node:events";
import { request } from "node:http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { serveWorker, type ServedWorker } from "./served-worker";
import { LOCAL_TOKEN } from "./local";

let edge: ServedWorker;

beforeAll(async () => {
  edge = await serveWorker();
});

afterAll(() => edge.close());

it("completes an answer when the client disconnects before the function responds", async () => {
  await disconnect("/api/chat", "early");
  await expect.poll(() => progressOf("early"), { timeout: 10_000 }).toEqual({ sent: 5, finished: true });
});

it.each(["/api/sources", "/api/search", "/v1/embeddings"])(
  "closes the connection to the function when the client of %s disconnects",
  async (path) => {
    const name = path.slice(4);
    await disconnect(path, name);
    await expect.poll(() => progressOf(name), { timeout: 10_000 }).toEqual({ sent: 0, finished: false, closed: true });
  },
);

/** POST a path whose stream begins after a second, and disconnect when the function has the request. */
async function disconnect(path: string, name: string): Promise<void> {
  const query = `stream=${encodeURIComponent(name)}&late=1000&of=${encodeURIComponent(name)}`;
  const headers = { authorization: `Bearer ${LOCAL_TOKEN}` };
  const client = request(`${edge.url}${path}?${query}`, { method: "POST", headers }).end("{}");
  await expect.poll(() => edge.requestCount(name)).toBe(1);
  // A reset: on a plain end of the connection workerd still expects to send the response.
  client.socket?.resetAndDestroy();
  await once(client, "error");
}

function progressOf(name: string): Promise<unknown> {
  return edge.readUpstream(`/?stream=${encodeURIComponent(name)}`);
}
