/** How the Worker's tests ask it, inside workerd. */

import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env as bindings } from "cloudflare:workers";
import { expect, inject } from "vitest";
import type { Env } from "../env";
import worker from "../index";

export const LOCAL = "http://127.0.0.1:8787";
/** The discard port, where nothing listens. */
export const NOWHERE = "http://127.0.0.1:9";

export interface Seen {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string;
  count: number;
}

export type Init = RequestInit<IncomingRequestCfProperties>;

export function settings(changes: Partial<Env> = {}): Env {
  const upstream = inject("upstream");
  return {
    ...(bindings as unknown as Env),
    CHAT_URL: `${upstream}/`,
    COLLECTION_URL: upstream,
    EMBEDDING_URL: upstream,
    ...changes,
  };
}

/** Ask, and wait for what the Worker does beside its answer, except while that streams. */
export async function ask(path: string, init?: Init, changes?: Partial<Env>): Promise<Response> {
  const ctx = createExecutionContext();
  const request = new Request<unknown, IncomingRequestCfProperties>(new URL(path, LOCAL), init);
  const response = await worker.fetch(request, settings(changes), ctx);
  if (response.headers.get("content-type") !== "text/event-stream") await waitOnExecutionContext(ctx);
  return response;
}

export function bearer(token: string, more: Record<string, string> = {}): Init {
  return { headers: { authorization: `Bearer ${token}`, ...more } };
}

/** Whether a function was asked: how many requests it has had under a name (`?of=NAME`). */
export async function countOf(name: string): Promise<number> {
  const answer = await fetch(`${inject("upstream")}/counted?of=${name}`);
  return (await answer.json<{ count: number }>()).count;
}

export async function problemOf(response: Response): Promise<Record<string, unknown>> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = await response.json<Record<string, unknown>>();
  expect(problem).toMatchObject({ type: "about:blank", status: response.status });
  expect(problem["request_id"]).toBe(response.headers.get("x-request-id"));
  return problem;
}
