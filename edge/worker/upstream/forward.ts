/** Forward a request to a function, once its body has arrived, and stream the response back. */

import { callerKey, type Caller } from "../auth/authenticate";
import { limitMcpQuestion } from "../auth/rate-limits";
import type { Env } from "../env";
import { googleIdToken } from "../google/id-token";
import type { ProblemError } from "../http/problem";
import { readBody, type WholeBody } from "../http/read-body";
import { bodyLimits } from "../limits";
import { isMcp, isStoredQuestion, type Service } from "../routes";
import { foreignResponse, isFunctionResponse, unreachable } from "./failures";
import { keepReading } from "./keep-reading";
import { upstreamHeaders } from "./request-headers";
import { readSmallBody } from "./response-body";
import { returnedHeaders } from "./response-headers";

/** The Worker's environment and the id of one request. */
export interface RequestContext {
  readonly env: Env;
  readonly ctx: ExecutionContext;
  readonly requestId: string;
}

/** Forward a `caller`'s request to `service`. Throws ProblemError if the body is rejected or no function responds. */
export async function forward(
  service: Service,
  request: Request,
  caller: Caller,
  context: RequestContext,
): Promise<Response> {
  const body = await readBody(request, callerKey(caller), bodyLimits(request));
  const response = countAndSend(service, request, caller, body, context).finally(() => {
    body.release();
  });
  // Without waitUntil, Cloudflare cancels the request on a disconnect, and a question is lost while the function starts.
  if (isStoredQuestion(request)) context.ctx.waitUntil(response.catch(() => undefined));
  return response;
}

async function countAndSend(
  service: Service,
  request: Request,
  caller: Caller,
  body: WholeBody,
  context: RequestContext,
): Promise<Response> {
  if (isMcp(request)) await limitMcpQuestion(request, body.text(), caller, context.env);
  return send(service, request, body.content(), context);
}

async function send(
  service: Service,
  request: Request,
  body: BodyInit | null,
  { env, ctx, requestId }: RequestContext,
): Promise<Response> {
  const url = urlOf(service, request, env);
  const headers = upstreamHeaders(request, requestId, await googleIdToken(url.origin, env, ctx));
  const response = await fetchOrNull(url, { method: request.method, body, headers, redirect: "manual" });
  if (response === null) throw unreachable(service, env);
  if (!isFunctionResponse(response)) throw await rejectForeign(service, response, env);
  return toResponse(await readSmallBody(response, service), response, isStoredQuestion(request) ? ctx : null);
}

/** Make the client's response. With a context, a streamed body is read to its end there. */
function toResponse(
  body: ArrayBuffer | ReadableStream<Uint8Array> | null,
  { status, headers }: Response,
  readToEnd: ExecutionContext | null,
): Response {
  const response = new Response(body instanceof ReadableStream && readToEnd ? keepReading(body, readToEnd) : body, {
    status,
    headers: returnedHeaders(headers),
  });
  // The cache stores only responses of known length.
  if (body instanceof ArrayBuffer) response.headers.set("Content-Length", String(body.byteLength));
  return response;
}

/** Send a request; null if the server is unreachable or breaks the connection before it responds. */
async function fetchOrNull(url: URL, init: RequestInit): Promise<Response | null> {
  try {
    return await fetch(url, init);
  } catch (error) {
    log("Function unreachable", { url: url.origin, error: String(error) });
    return null;
  }
}

/** Log a response that isn't the function's, and make the error for it. */
async function rejectForeign(service: Service, response: Response, env: Env): Promise<ProblemError> {
  const { status, headers } = response;
  log("Not the function's response", {
    service,
    status,
    type: headers.get("Content-Type"),
    server: headers.get("Server"),
  });
  await response.body?.cancel();
  return foreignResponse(service, status, env);
}

function log(message: string, fields: Record<string, unknown>): void {
  console.error(JSON.stringify({ severity: "ERROR", message, ...fields }));
}

function urlOf(service: Service, request: Request, env: Env): URL {
  const bases = { chat: env.CHAT_URL, collection: env.COLLECTION_URL, embedding: env.EMBEDDING_URL };
  const { pathname, search } = new URL(request.url);
  // Not `new URL(pathname, base)`: a path that begins with `//` would replace the host.
  const url = new URL(bases[service]);
  url.pathname = pathname;
  url.search = search;
  return url;
}
