/**
 * The edge: browsers' requests flow in, the functions' answers flow out.
 *
 * Pages of the web app are served by the assets layer before this runs (see `run_worker_first` in wrangler.jsonc). The
 * Worker holds no product logic. What it can refuse or answer itself wakes no function: paths that are nobody's, callers
 * who aren't anybody, those who ask too often, and what may be kept.
 */

import { findAnswer, forgetAnswer, keepAnswer } from "./cache/response-cache";
import { allowOrigin, isPreflight, preflight } from "./http/cors";
import { describe, type Env } from "./env";
import { forward, type Context } from "./upstream/forward";
import { identify, Unauthorized, type Caller } from "./auth/authenticate";
import { learn, limitAttempts, limitCaller, limitNobody } from "./auth/rate-limits";
import { isLoopback } from "./auth/loopback";
import { problemResponse, Refusal, type Problem } from "./http/problem";
import { REQUEST_ID, requestIdOf } from "./http/request-id";
import { targetOf, type Service } from "./routes";
import { secure } from "./http/security-headers";

const DESCRIPTION_MAX_AGE_S = 300;

export default {
  async fetch(request, env, ctx) {
    const requestId = requestIdOf(request.headers);
    const answered = await answer(request, { env, ctx, requestId }).catch((error: unknown) =>
      problemResponse(problemOf(error, requestId), requestId),
    );
    const response = new Response(answered.body, answered);
    if (!response.headers.has(REQUEST_ID)) response.headers.set(REQUEST_ID, requestId);
    secure(response.headers, new URL(request.url));
    allowOrigin(response.headers, request, env);
    return response;
  },
} satisfies ExportedHandler<Env>;

async function answer(request: Request, context: Context): Promise<Response> {
  const { env } = context;
  const { hostname, pathname } = new URL(request.url);
  const target = targetOf(pathname);
  if (target === "assets") return file(request, env);
  if (env.AUTH_MODE === "local" && !isLoopback(hostname)) throw notThisMachine(hostname);
  if (target === "nobody") throw nothingHere(pathname);
  if (isPreflight(request)) return preflight(request, env);
  if (target === "env") return describe(env);
  if (target === "openapi") return openapi(request, env);
  return askFunction(target, request, context);
}

/** Who is calling is settled before anything is looked up or woken. */
async function askFunction(service: Service, request: Request, context: Context): Promise<Response> {
  const { env, ctx } = context;
  const caller = await admit(request, env);
  const kept = await findAnswer(request, caller);
  if (kept) return kept;
  const fresh = await forward(service, request, context);
  learn(caller, fresh.status);
  await forgetAnswer(request, caller, fresh);
  return keepAnswer(request, caller, fresh, ctx);
}

async function admit(request: Request, env: Env): Promise<Caller> {
  try {
    const caller = await identify(request, env);
    await limitCaller(request, caller, env);
    return caller;
  } catch (error) {
    if (error instanceof Unauthorized) await (error.attempt ? limitAttempts : limitNobody)(request, env);
    throw error;
  }
}

/** A file of the web app's build. For one that it lacks, such as another version's, the assets layer has the app's page. */
async function file(request: Request, env: Env): Promise<Response> {
  const found = await env.ASSETS.fetch(request);
  if (found.headers.get("content-type")?.startsWith("text/html")) throw nothingHere(new URL(request.url).pathname);
  return found;
}

/** The API's description. */
async function openapi(request: Request, env: Env): Promise<Response> {
  const found = await file(request, env);
  const response = new Response(found.body, found);
  response.headers.set("Cache-Control", `public, max-age=${DESCRIPTION_MAX_AGE_S}`);
  return response;
}

function nothingHere(pathname: string): Refusal {
  const detail = `Nothing is at ${pathname}. The API is described at /api/openapi.json.`;
  return new Refusal({ status: 404, title: "Not found", detail });
}

function notThisMachine(hostname: string): Refusal {
  const detail = `AUTH_MODE=local serves this machine only, not ${hostname}. Open http://127.0.0.1 with the same port.`;
  return new Refusal({ status: 403, title: "Forbidden", detail });
}

function problemOf(error: unknown, requestId: string): Problem {
  if (error instanceof Refusal) return error.problem;
  const { stack } = error instanceof Error ? error : { stack: String(error) };
  console.error(
    JSON.stringify({ severity: "ERROR", message: "The Worker failed", request_id: requestId, error: stack }),
  );
  const detail = "The Worker failed. Tell whoever runs this installation the request id.";
  return { status: 500, title: "Internal error", detail };
}
