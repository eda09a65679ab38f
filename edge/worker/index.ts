/**
 * The edge: browsers' requests flow in, the functions' answers flow out.
 *
 * Files and pages of the web app are served by the assets layer before this runs (see `run_worker_first` in
 * wrangler.jsonc). The Worker holds no product logic.
 */

import { describe, type Env } from "./env";
import { forward } from "./forward";
import { isLoopback } from "./loopback";
import { problemResponse } from "./problem";
import { REQUEST_ID, requestIdOf } from "./request-id";
import { targetOf } from "./routes";

export default {
  async fetch(request, env, ctx) {
    const requestId = requestIdOf(request.headers);
    const response = await answer(request, env, ctx, requestId);
    if (response.headers.has(REQUEST_ID)) return response;
    const named = new Response(response.body, response);
    named.headers.set(REQUEST_ID, requestId);
    return named;
  },
} satisfies ExportedHandler<Env>;

function answer(request: Request, env: Env, ctx: ExecutionContext, requestId: string): Response | Promise<Response> {
  const { hostname, pathname } = new URL(request.url);
  if (env.AUTH_MODE === "local" && !isLoopback(hostname)) return notThisMachine(hostname, requestId);
  const target = targetOf(pathname);
  switch (target) {
    case "env":
      return describe(env);
    case "openapi":
      return openapi(request, env, requestId);
    case "nobody":
      return nothingHere(pathname, requestId);
    default:
      return forward(target, request, { env, ctx, requestId });
  }
}

/** The API's description is a file of the web app's build; where it was left out, the app's page comes instead. */
async function openapi(request: Request, env: Env, requestId: string): Promise<Response> {
  const file = await env.ASSETS.fetch(request);
  const isPage = file.headers.get("content-type")?.startsWith("text/html") ?? false;
  return isPage ? nothingHere("/api/openapi.json", requestId) : file;
}

function nothingHere(pathname: string, requestId: string): Response {
  const detail = `Nothing is at ${pathname}. The API is described at /api/openapi.json.`;
  return problemResponse({ status: 404, title: "Not found", detail }, requestId);
}

function notThisMachine(hostname: string, requestId: string): Response {
  const detail = `AUTH_MODE=local serves this machine only, not ${hostname}. Open http://127.0.0.1 with the same port.`;
  return problemResponse({ status: 403, title: "Forbidden", detail }, requestId);
}
