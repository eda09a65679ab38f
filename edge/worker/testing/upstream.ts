/**
 * A fake of the functions on a real socket. It echoes requests as JSON, or streams slowly.
 *
 * Query parameters choose the response: `stream=NAME` streams, after `late=` ms; `control=` and `vary=` set headers;
 * `status=` sets the status; `cached` is a 304; `reply=` is a whole response as JSON (`FakeReply`). Requests with
 * `of=NAME` are counted, and `/counted?of=NAME` returns the count. Vitest starts it before the Worker's tests and provides
 * its URL as `upstream`. Runs in Node.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { TestProject } from "vitest/node";
import { json, listen, readBody, type TestServer } from "./fixtures";

const EVENTS = 5;
const EVENT_EVERY_MS = 100;

/** A response in full: `body`, repeated up to `length` bytes. It breaks off after `cutAfter` bytes. */
export interface FakeReply {
  status: number;
  headers?: Record<string, string>;
  body?: string;
  length?: number;
  cutAfter?: number;
}

/** The progress of a named stream. `closed` is set if the client closes the connection before its end. */
interface Progress {
  sent: number;
  finished: boolean;
  closed?: true;
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

export function startUpstream(): Promise<TestServer> {
  const state: State = { streams: new Map(), counts: new Map() };
  return listen((request, response) => serve(request, response, state));
}

async function serve(request: IncomingMessage, response: ServerResponse, state: State): Promise<void> {
  const url = new URL(request.url ?? "/", "http://upstream");
  const query = url.searchParams;
  const count = countRequest(url, state.counts);
  const name = query.get("stream");
  if (url.pathname === "/counted") {
    json(response, 200, { count });
  } else if (name !== null && request.method === "POST") {
    await stream(response, name, { streams: state.streams, lateMs: Number(query.get("late")) });
  } else if (name !== null) {
    json(response, 200, state.streams.get(name) ?? { sent: 0, finished: false });
  } else if (query.has("cached")) {
    response.writeHead(304, { etag: '"1"', "x-request-id": "from-the-function" }).end();
  } else if (query.has("reply")) {
    reply(response, JSON.parse(query.get("reply") ?? "") as FakeReply);
  } else {
    for (const [header, value] of Object.entries({ "cache-control": query.get("control"), vary: query.get("vary") })) {
      if (value !== null) response.setHeader(header, value);
    }
    if (count > 0) response.setHeader("etag", `"${count.toString()}"`);
    const echo = { method: request.method, url: request.url, headers: request.headers, body: await readBody(request) };
    json(response, Number(query.get("status") ?? "200"), { ...echo, count });
  }
}

function reply(response: ServerResponse, { status, headers, body = "", length, cutAfter }: FakeReply): void {
  const content = Buffer.alloc(length ?? Buffer.byteLength(body), body);
  response.writeHead(status, { "content-length": content.length, ...headers });
  response.flushHeaders();
  if (cutAfter === undefined) response.end(content);
  else response.write(content.subarray(0, cutAfter), () => response.destroy());
}

function countRequest(url: URL, counts: Map<string, number>): number {
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
  const progress: Progress = { sent: 0, finished: false };
  streams.set(name, progress);
  response.on("close", () => {
    if (!response.writableFinished) progress.closed = true;
  });
  await new Promise((resolve) => setTimeout(resolve, lateMs));
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache, no-transform" });
  for (let n = 1; n <= EVENTS && !progress.closed; n++) {
    response.write(`id: ${n.toString()}\ndata: ${n.toString()}\n\n`);
    progress.sent = n;
    await new Promise((resolve) => setTimeout(resolve, EVENT_EVERY_MS));
  }
  progress.finished = !progress.closed;
  response.end();
}
