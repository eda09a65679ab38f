/**
 * A fake of token issuers. `PUT /NAME` publishes a key set, or makes it fail with `{"status": 500}` or drip with
 * `{"drips": true}`. `GET /NAME` returns
 * it to the Worker and counts the request; `GET /NAME/count` returns the count. Runs in Node.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { TestProject } from "vitest/node";
import { drip, json, listen, readBody, type TestServer } from "./fixtures";

interface Published {
  keys?: unknown[];
  status?: number;
  drips?: boolean;
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startIssuer();
  project.provide("issuer", server.url);
  return server.close;
}

export function startIssuer(): Promise<TestServer> {
  const published = new Map<string, Published>();
  const counts = new Map<string, number>();
  return listen((request, response) => serve(request, response, published, counts));
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  published: Map<string, Published>,
  counts: Map<string, number>,
): Promise<void> {
  const [, name = "", action] = (request.url ?? "").split("/");
  const count = counts.get(name) ?? 0;
  if (request.method === "PUT") {
    published.set(name, JSON.parse(await readBody(request)) as Published);
    json(response, 200, {});
  } else if (action === "count") {
    json(response, 200, { count });
  } else {
    counts.set(name, count + 1);
    const { status = 200, drips = false, ...set }: Published = published.get(name) ?? { status: 404 };
    if (drips) drip(response);
    else json(response, status, set);
  }
}
