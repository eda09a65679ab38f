/** Send API requests with the signed-in user's token, and turn error responses into ProblemErrors. */

import { currentSession, expire } from "../session/session";
import { parseProblem, ProblemError } from "./problem";
import type { Problem } from "./types";

/** `fetch` with the session's token and workspace. A 401 response ends the session, which shows the sign-in page. */
export async function call(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
  const session = currentSession();
  if (!session) return fetch(input, init);
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${session.token}`);
  if (session.workspaceId !== undefined) headers.set("x-workspace", session.workspaceId);
  const response = await fetch(input, { ...init, headers });
  if (response.status === 401) expire(session.token, (await readProblem(response.clone())).detail);
  return response;
}

/** GET a path and parse the JSON response. */
export async function readJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await checked(await call(path, withSignal(signal)))).json() as Promise<T>;
}

/** Send a request, with `body` as JSON if it is given. */
export async function send(method: string, path: string, body?: unknown): Promise<Response> {
  const content =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  return checked(await call(path, { method, ...content }));
}

/** Return a successful response; throw a ProblemError for any other. */
export async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  throw new ProblemError(await readProblem(response));
}

export function withSignal(signal: AbortSignal | undefined): RequestInit {
  return signal ? { signal } : {};
}

async function readProblem(response: Response): Promise<Problem> {
  const fallback = {
    title: "Something went wrong",
    detail: `The server responded with ${response.status} ${response.statusText}. Try again in a minute.`,
  };
  const retryAfterS = Number(response.headers.get("retry-after"));
  return {
    status: response.status,
    ...(parseProblem(await response.text()) ?? fallback),
    ...(retryAfterS > 0 && { retry_after_s: retryAfterS }),
  };
}
