/**
 * A stand-in for the functions, on a real socket: it tells what it saw, and streams as slowly as a test wants.
 *
 * Started by vitest before the Worker's tests; its URL is provided to them as `upstream`. Runs in Node.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestProject } from "vitest/node";

const EVENTS = 5;
const EVENT_EVERY_MS = 100;

/** How far the stream that was asked for under a name has come. */
interface Progress {
  sent: number;
  finished: boolean;
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startUpstream();
  project.provide("upstream", server.url);
  return server.close;
}

export async function startUpstream(): Promise<{ url: string; close: () => Promise<void> }> {
  const streams = new Map<string, Progress>();
  const server = createServer((request, response) => void serve(request, response, streams));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => {
        resolve();
      });
    });
  return { url: `http://127.0.0.1:${port.toString()}`, close };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  streams: Map<string, Progress>,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://upstream");
  const name = url.searchParams.get("stream");
  if (name !== null && request.method === "POST") {
    await stream(response, name, streams);
  } else if (name !== null) {
    json(response, streams.get(name) ?? { sent: 0, finished: false });
  } else if (url.searchParams.has("cached")) {
    response.writeHead(304, { etag: '"1"', "x-request-id": "from-the-function" }).end();
  } else {
    json(response, { method: request.method, url: request.url, headers: request.headers, body: await textOf(request) });
  }
}

async function stream(response: ServerResponse, name: string, streams: Map<string, Progress>): Promise<void> {
  const progress = { sent: 0, finished: false };
  streams.set(name, progress);
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache, no-transform" });
  let gone = false;
  response.on("close", () => (gone = !response.writableFinished));
  for (let n = 1; n <= EVENTS && !isTrue(gone); n++) {
    response.write(`id: ${n.toString()}\ndata: ${n.toString()}\n\n`);
    progress.sent = n;
    await new Promise((resolve) => setTimeout(resolve, EVENT_EVERY_MS));
  }
  progress.finished = !isTrue(gone);
  response.end();
}

/** Reads a flag that an event sets, which the compiler takes for a constant. */
function isTrue(flag: boolean): boolean {
  return flag;
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}
