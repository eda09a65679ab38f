/** Answer the requests of a conversation in tests, and remember them. */

import { afterEach, vi } from "vitest";
import type { Message } from "../api/types";

export const requests: string[] = [];
export const bodies: unknown[] = [];

/** Return the responses in turn. */
export function respondWith(...responses: Response[]): void {
  vi.stubGlobal("fetch", (path: string, { method = "GET", body }: RequestInit) => {
    requests.push(`${method} ${path}`);
    if (typeof body === "string") bodies.push(JSON.parse(body));
    const response = responses.shift();
    return response ? Promise.resolve(response) : Promise.reject(new TypeError("Failed to fetch"));
  });
}

export function stream(...parts: unknown[]): Response {
  const events = [...parts.map((part) => JSON.stringify(part)), "[DONE]"];
  return new Response(events.map((event) => `data: ${event}\n\n`).join(""));
}

export function stored(...messages: Message[]): Response {
  return Response.json({ id: "c1", title: "Why?", messages });
}

export function noAnswerInProgress(): Response {
  return new Response(null, { status: 204 });
}

afterEach(() => {
  requests.length = 0;
  bodies.length = 0;
  vi.unstubAllGlobals();
});
