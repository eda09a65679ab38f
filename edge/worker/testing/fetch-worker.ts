/** Send requests to the Worker inside workerd, and read its responses. */

import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env as bindings } from "cloudflare:workers";
import { expect, inject } from "vitest";
import type { Env } from "../env";
import worker from "../index";

export const LOCAL = "http://127.0.0.1:8787";
export const LOCAL_TOKEN = "the-token-of-the-user-of-this-machine";
/** The discard port, on which nothing listens. */
export const UNREACHABLE = "http://127.0.0.1:9";

/** The request that the fake functions received, as they echo it in their response. */
export interface EchoedRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string;
  count: number;
}

export type Init = RequestInit<IncomingRequestCfProperties>;

/** The bindings of wrangler.jsonc, with the fake functions' URLs and a test's changes. */
export function testEnv(changes: Partial<Env> = {}): Env {
  const upstream = inject("upstream");
  return {
    ...(bindings as unknown as Env),
    CHAT_URL: `${upstream}/`,
    COLLECTION_URL: upstream,
    EMBEDDING_URL: upstream,
    LOCAL_TOKEN,
    ...changes,
  };
}

/**
 * Send a request and wait for the Worker's background work, unless the response is a stream. In local mode, a request
 * without an Authorization header of its own has the local token. Each request has another address, unless `init` has
 * one: tests would reach each other's limits.
 */
export async function fetchWorker(path: string, init: Init = {}, changes?: Partial<Env>): Promise<Response> {
  const ctx = createExecutionContext();
  const env = testEnv(changes);
  const headers = new Headers(init.headers);
  if (env.AUTH_MODE === "local" && !headers.has("authorization")) headers.set("authorization", `Bearer ${LOCAL_TOKEN}`);
  if (!headers.has("cf-connecting-ip")) headers.set("cf-connecting-ip", randomAddress());
  const request = new Request<unknown, IncomingRequestCfProperties>(new URL(path, LOCAL), { ...init, headers });
  const response = await worker.fetch(request, env, ctx);
  if (response.headers.get("content-type") !== "text/event-stream") await waitOnExecutionContext(ctx);
  return response;
}

function randomAddress(): string {
  return ["10", ...crypto.getRandomValues(new Uint8Array(3))].join(".");
}

export function bearer(token: string, more: Record<string, string> = {}): Init {
  return { headers: { authorization: `Bearer ${token}`, ...more } };
}

/** Count the requests with `?of=NAME` that have reached the fake functions. */
export async function requestCount(name: string): Promise<number> {
  const response = await fetch(`${inject("upstream")}/counted?of=${name}`);
  return (await response.json<{ count: number }>()).count;
}

/** Read a problem response and check the fields that all of them have. */
export async function readProblem(response: Response): Promise<Record<string, unknown>> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = await response.json<Record<string, unknown>>();
  expect(problem).toMatchObject({ type: "about:blank", status: response.status });
  expect(problem["request_id"]).toBe(response.headers.get("x-request-id"));
  return problem;
}
