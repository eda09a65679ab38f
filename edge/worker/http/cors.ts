/** Pages of other origins: which may call the API, told without waking a function. */

import { listOf, type Env } from "../env";

const ALLOWED = {
  "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
  "Access-Control-Allow-Headers":
    "Authorization, Content-Type, If-None-Match, Last-Event-ID, X-Request-Id, X-Workspace",
  "Access-Control-Max-Age": "7200",
};

/** Tell whether a browser asks what a page may ask. */
export function isPreflight(request: Request): boolean {
  return request.method === "OPTIONS" && request.headers.has("Access-Control-Request-Method");
}

/** The answer to that; from an origin that isn't allowed it lacks what the browser looks for. */
export function preflight(request: Request, env: Env): Response {
  const headers = isAllowed(request, env) ? ALLOWED : {};
  return new Response(null, { status: 204, headers });
}

/** Let a page of an allowed origin read an answer, whoever gave it. */
export function allowOrigin(headers: Headers, request: Request, env: Env): void {
  if (!isAllowed(request, env)) return;
  headers.set("Access-Control-Allow-Origin", request.headers.get("Origin") ?? "");
  headers.set("Access-Control-Expose-Headers", "X-Request-Id, ETag, Retry-After");
  const vary = listOf(headers.get("Vary") ?? "");
  if (!vary.some((name) => name.toLowerCase() === "origin")) headers.set("Vary", [...vary, "Origin"].join(", "));
}

function isAllowed(request: Request, env: Env): boolean {
  return listOf(env.CORS_ORIGINS).includes(request.headers.get("Origin") ?? "");
}
