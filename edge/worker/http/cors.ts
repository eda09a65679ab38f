/** CORS: respond to preflight requests, and let pages of the origins in `CORS_ORIGINS` read responses. */

import { parseList, type Env } from "../env";

const ALLOWED = {
  "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
  "Access-Control-Allow-Headers":
    "Authorization, Content-Type, If-None-Match, Last-Event-ID, X-Request-Id, X-Workspace",
  "Access-Control-Max-Age": "7200",
};

/** Whether a request is a CORS preflight. */
export function isPreflight(request: Request): boolean {
  return request.method === "OPTIONS" && request.headers.has("Access-Control-Request-Method");
}

/** Respond to a preflight. For other origins the CORS headers are missing, so the browser blocks the request. */
export function preflightResponse(request: Request, env: Env): Response {
  const headers = isAllowed(request, env) ? ALLOWED : {};
  return new Response(null, { status: 204, headers });
}

/** Add CORS headers to a response when the request's origin is allowed. */
export function setCorsHeaders(headers: Headers, request: Request, env: Env): void {
  if (!isAllowed(request, env)) return;
  headers.set("Access-Control-Allow-Origin", request.headers.get("Origin") ?? "");
  headers.set("Access-Control-Expose-Headers", "X-Request-Id, ETag, Retry-After");
  const vary = parseList(headers.get("Vary") ?? "");
  if (!vary.some((name) => name.toLowerCase() === "origin")) headers.set("Vary", [...vary, "Origin"].join(", "));
}

function isAllowed(request: Request, env: Env): boolean {
  return parseList(env.CORS_ORIGINS).includes(request.headers.get("Origin") ?? "");
}
