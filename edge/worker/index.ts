/**
 * The Worker: authenticates and rate-limits API requests, and forwards them to the functions.
 *
 * The assets layer serves the pages of the web app without the Worker (`run_worker_first` in wrangler.jsonc). The Worker
 * has no product logic. It starts no function for unknown paths, unauthenticated or rate-limited callers, and cached
 * responses.
 */

import { fileResponse, openapiResponse } from "./assets/files";
import { robotsResponse } from "./assets/robots";
import { authenticate, Unauthorized, type Caller } from "./auth/authenticate";
import { foreignHost } from "./auth/loopback";
import { clientNetwork, limitAnonymous, limitCaller, limitSignIns, recordKeyStatus } from "./auth/rate-limits";
import { clientResponse } from "./auth/client-metadata";
import { metadataResponse, setMetadataUrl } from "./auth/resource-metadata";
import { findCached, invalidateDocument, storeResponse } from "./cache/response-cache";
import { envResponse, type Env } from "./env";
import { checkHeaders, checkUrl } from "./http/check-size";
import { checkOrigin, isPreflight, preflightResponse, setCorsHeaders } from "./http/cors";
import { notFound, ProblemError, problemResponse, type Problem } from "./http/problem";
import { REQUEST_ID, requestIdOf } from "./http/request-id";
import { setSecurityHeaders } from "./http/security-headers";
import { isDelivery, isMcp, isPreviewRead, isSharedRead, targetOf, type Service } from "./routes";
import { forward, type RequestContext } from "./upstream/forward";
import { forwardedHeaders } from "./upstream/request-headers";
import { openWebSocket } from "./websocket/upgrade";

/** Cloudflare rejects such requests itself; workerd alone does not. */
const INVALID_HOST: Problem = {
  status: 400,
  title: "Bad request",
  detail: "The Host header is not a valid host name. Send the name of this server.",
};

export default { fetch: handle } satisfies ExportedHandler<Env>;

async function handle(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  const requestId = requestIdOf(request.headers);
  if (!URL.canParse(request.url)) return problemResponse(INVALID_HOST, requestId);
  const inner = await respond(request, { env, ctx, requestId }).catch((error: unknown) =>
    problemResponse(toProblem(error, requestId), requestId),
  );
  if (inner.webSocket) return inner;
  const response = new Response(inner.body, inner);
  if (!response.headers.has(REQUEST_ID)) response.headers.set(REQUEST_ID, requestId);
  setMetadataUrl(response.headers, request);
  setSecurityHeaders(response.headers, request);
  setCorsHeaders(response.headers, request, env);
  return response;
}

async function respond(request: Request, context: RequestContext): Promise<Response> {
  const { env } = context;
  const { pathname } = new URL(request.url);
  const target = targetOf(pathname);
  if (target === "robots") return robotsResponse();
  if (target === "file") return fileResponse(request, env);
  if (target === "oauth") return metadataResponse(request, env);
  if (target === "client") return clientResponse(request, env);
  const foreign = env.AUTH_MODE === "local" ? foreignHost(request) : undefined;
  if (foreign !== undefined) throw localOnly(foreign);
  if (target === "none") throw notFound(pathname);
  if (isPreflight(request)) return preflightResponse(request, env);
  if (target === "env") return envResponse(env);
  if (target === "openapi") return openapiResponse(request, env);
  if (target === "websocket") {
    checkOrigin(request, env);
    return openWebSocket(request, (frame) => handle(frame, env, context.ctx));
  }
  return callFunction(target, request, context);
}

/** Check the request's size, authenticate, look in the cache, then forward to the function. */
async function callFunction(service: Service, request: Request, context: RequestContext): Promise<Response> {
  const { env, ctx } = context;
  checkUrl(new URL(request.url));
  if (isMcp(request)) checkOrigin(request, env);
  checkHeaders(forwardedHeaders(request));
  const caller = await admit(request, env);
  const cached = await findCached(request, caller);
  if (cached) return cached;
  const response = await forward(service, request, caller, context);
  recordKeyStatus(caller, response.status);
  await invalidateDocument(request, caller, response);
  return storeResponse(request, caller, response, ctx);
}

/** Authenticate a request and apply the rate limits. */
async function admit(request: Request, env: Env): Promise<Caller> {
  if (isDelivery(request) || isSharedRead(request) || isPreviewRead(request)) {
    await limitAnonymous(request, env);
    return { kind: "sender", id: clientNetwork(request) };
  }
  try {
    const caller = await authenticate(request, env);
    await limitCaller(request, caller, env);
    return caller;
  } catch (error) {
    if (error instanceof Unauthorized) await (error.isAttempt ? limitSignIns : limitAnonymous)(request, env);
    throw error;
  }
}

function localOnly(hostname: string): ProblemError {
  const detail = `AUTH_MODE=local serves this machine only, not ${hostname}. Open http://127.0.0.1 on the same port.`;
  return new ProblemError({ status: 403, title: "Forbidden", detail });
}

function toProblem(error: unknown, requestId: string): Problem {
  if (error instanceof ProblemError) return error.problem;
  const { stack } = error instanceof Error ? error : { stack: String(error) };
  console.error(
    JSON.stringify({ severity: "ERROR", message: "The Worker failed", request_id: requestId, error: stack }),
  );
  const detail = "The Worker failed. Try again. If this continues, contact your administrator with the request id.";
  return { status: 500, title: "Internal error", detail };
}
