/** CORS: respond to preflight requests, and let pages of the origins in `CORS_ORIGINS` read responses. */

import { parseList, type Env } from "../env";
import { ProblemError } from "./problem";

const METHODS = "GET, POST, PUT, PATCH, DELETE";
const MAX_AGE_S = "7200";

/** Whether a request is a CORS preflight. */
export function isPreflight(request: Request): boolean {
  return request.method === "OPTIONS" && request.headers.has("Access-Control-Request-Method");
}

/**
 * Respond to a preflight. For other origins the CORS headers are missing, so the browser blocks the request.
 *
 * Every header is allowed: clients add headers of their own (`User-Agent`, `X-Stainless-*`), and those that the functions
 * don't read are not forwarded. The names are repeated, because `*` does not include `Authorization`.
 */
export function preflightResponse(request: Request, env: Env): Response {
  const headers = new Headers({ Vary: "Access-Control-Request-Headers" });
  if (isAllowed(request, env)) {
    headers.set("Access-Control-Allow-Methods", METHODS);
    headers.set("Access-Control-Allow-Headers", request.headers.get("Access-Control-Request-Headers") ?? "");
    headers.set("Access-Control-Max-Age", MAX_AGE_S);
  }
  return new Response(null, { status: 204, headers });
}

/** Add CORS headers to a response when the request's origin is allowed. */
export function setCorsHeaders(headers: Headers, request: Request, env: Env): void {
  if (!isAllowed(request, env)) return;
  headers.set("Access-Control-Allow-Origin", request.headers.get("Origin") ?? "");
  headers.set("Access-Control-Expose-Headers", "X-Request-Id, ETag, Retry-After, WWW-Authenticate");
  const vary = parseList(headers.get("Vary") ?? "");
  if (!vary.some((name) => name.toLowerCase() === "origin")) headers.set("Vary", [...vary, "Origin"].join(", "));
}

/** Refuse a page of another origin, unless `CORS_ORIGINS` has it: at `/mcp`, and for a WebSocket, which CORS is not for. */
export function checkOrigin(request: Request, env: Env): void {
  const { origin, pathname } = new URL(request.url);
  const from = request.headers.get("Origin");
  if (from === null || from === origin || isAllowed(request, env)) return;
  const detail = `Pages of ${from} may not use ${pathname}. Add the origin to CORS_ORIGINS to allow them.`;
  throw new ProblemError({ status: 403, title: "Forbidden", detail });
}

function isAllowed(request: Request, env: Env): boolean {
  return parseList(env.CORS_ORIGINS).includes(request.headers.get("Origin") ?? "");
}
