/** Every request of the app goes out here: with the token of who is signed in, and without one that was refused. */

import { currentSession, expire } from "../session/session";
import { parseProblem, ProblemError } from "./problem";
import type { Problem } from "./types";

/** `fetch`, as who is signed in. A token that is refused ends its session, which brings the sign-in page. */
export async function call(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
  const session = currentSession();
  if (!session) return fetch(input, init);
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${session.token}`);
  if (session.workspaceId !== undefined) headers.set("x-workspace", session.workspaceId);
  const response = await fetch(input, { ...init, headers });
  if (response.status === 401) expire(session.token, (await problemIn(response.clone())).detail);
  return response;
}

export async function readJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await checked(await call(path, given(signal)))).json() as Promise<T>;
}

/** Send a body, if there is one, as JSON. */
export async function send(method: string, path: string, body?: unknown): Promise<Response> {
  const content =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  return checked(await call(path, { method, ...content }));
}

/** Throw a ProblemError for anything but success. */
export async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  throw new ProblemError(await problemIn(response));
}

export function given(signal: AbortSignal | undefined): RequestInit {
  return signal ? { signal } : {};
}

async function problemIn(response: Response): Promise<Problem> {
  const fallback = {
    title: "Something went wrong",
    detail: `The answer was ${response.status} ${response.statusText}.`,
  };
  const retryAfterS = Number(response.headers.get("retry-after"));
  return {
    status: response.status,
    ...(parseProblem(await response.text()) ?? fallback),
    ...(retryAfterS > 0 && { retry_after_s: retryAfterS }),
  };
}
