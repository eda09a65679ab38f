/**
 * A stand-in for the functions, on a real socket: it tells what it saw, and streams as slowly as a test wants.
 *
 * The query of a request says how it is answered: `stream=NAME` slowly, with `late=` after so many ms, `control=` and
 * `vary=` with those headers, `status=` with that status, `page` as Cloud Run itself does. Requests with `of=NAME` are
 * counted; `/counted?of=NAME` tells.
 * Started by vitest before the Worker's tests; its URL is provided to them as `upstream`. Runs in Node.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { TestProject } from "vitest/node";
import { json, listen, textOf, type Standing } from "./fixtures";

const EVENTS = 5;
const EVENT_EVERY_MS = 100;

/** How far the stream that was asked for under a name has come. */
interface Progress {
  sent: number;
  finished: boolean;
}

interface State {
  readonly streams: Map<string, Progress>;
  readonly counts: Map<string, number>;
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startUpstream();
  project.provide("upstream", server.url);
  return server.close;
}

export function startUpstream(): Promise<Standing> {
  const state: State = { streams: new Map(), counts: new Map() };
  return listen((request, response) => serve(request, response, state));
}

async function serve(request: IncomingMessage, response: ServerResponse, state: State): Promise<void> {
  const url = new URL(request.url ?? "/", "http://upstream");
  const asked = url.searchParams;
  const count = counted(url, state.counts);
  const name = asked.get("stream");
  if (url.pathname === "/counted") {
    json(response, 200, { count });
  } else if (name !== null && request.method === "POST") {
    await stream(response, name, { streams: state.streams, lateMs: Number(asked.get("late")) });
  } else if (name !== null) {
    json(response, 200, state.streams.get(name) ?? { sent: 0, finished: false });
  } else if (asked.has("cached")) {
    response.writeHead(304, { etag: '"1"', "x-request-id": "from-the-function" }).end();
  } else if (asked.has("page")) {
    response.writeHead(Number(asked.get("page")), { "content-type": "text/html; charset=UTF-8" }).end("<h1>Error</h1>");
  } else {
    for (const [header, value] of Object.entries({ "cache-control": asked.get("control"), vary: asked.get("vary") })) {
      if (value !== null) response.setHeader(header, value);
    }
    if (count > 0) response.setHeader("etag", `"${count.toString()}"`);
    const seen = { method: request.method, url: request.url, headers: request.headers, body: await textOf(request) };
    json(response, Number(asked.get("status") ?? "200"), { ...seen, count });
  }
}

function counted(url: URL, counts: Map<string, number>): number {
  const name = url.searchParams.get("of");
  if (name === null) return 0;
  const count = (counts.get(name) ?? 0) + (url.pathname === "/counted" ? 0 : 1);
  counts.set(name, count);
  return count;
}

async function stream(
  response: ServerResponse,
  name: string,
  { streams, lateMs }: { streams: Map<string, Progress>; lateMs: number },
): Promise<void> {
  const progress = { sent: 0, finished: false };
  streams.set(name, progress);
  let gone = false;
  response.on("close", () => (gone = !response.writableFinished));
  await new Promise((resolve) => setTimeout(resolve, lateMs));
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache, no-transform" });
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
