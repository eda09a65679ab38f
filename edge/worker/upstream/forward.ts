/** Forward a request to a function and stream its response back, changing only headers. */

import type { Env } from "../env";
import { googleIdToken } from "../google/id-token";
import { ProblemError, unavailable } from "../http/problem";
import { isQuestion, type Service } from "../routes";
import { keepReading } from "./keep-reading";
import { upstreamHeaders } from "./request-headers";

const RETRY_AFTER_S = 5;

/** The Worker's environment and the id of one request. */
export interface RequestContext {
  readonly env: Env;
  readonly ctx: ExecutionContext;
  readonly requestId: string;
}

/** Forward a request to `service`. Throws ProblemError if the function is unreachable or Cloud Run rejects the request. */
export async function forward(service: Service, request: Request, context: RequestContext): Promise<Response> {
  const response = send(service, request, context);
  // Without waitUntil, Cloudflare cancels the request on a disconnect, and a question is lost while the function starts.
  if (isQuestion(request)) context.ctx.waitUntil(response.catch(() => undefined));
  return response;
}

async function send(service: Service, request: Request, { env, ctx, requestId }: RequestContext): Promise<Response> {
  const url = urlOf(service, request, env);
  const headers = upstreamHeaders(request, requestId, await googleIdToken(url.origin, env, ctx));
  const response = await fetchOrNull(url, request, headers);
  if (response === null) throw unreachable(service, env);
  if (isPlatformError(response)) throw await platformError(service, response);
  const body: ReadableStream<Uint8Array> | null = response.body;
  return body && isQuestion(request) ? new Response(keepReading(body, ctx), response) : response;
}

/** Send the request to `url`; null if the server is unreachable. */
async function fetchOrNull(url: URL, { method, body }: Request, headers: Headers): Promise<Response | null> {
  // GET and HEAD have no meaningful body (RFC 9110, 9.3.1), and fetch rejects one.
  const hasNoBody = method === "GET" || method === "HEAD";
  if (hasNoBody) headers.delete("Content-Length");
  try {
    return await fetch(url, { method, body: hasNoBody ? null : body, headers, redirect: "manual" });
  } catch (error) {
    console.error(
      JSON.stringify({ severity: "ERROR", message: "Function unreachable", url: url.origin, error: String(error) }),
    );
    return null;
  }
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

/** Whether an error is Cloud Run's own: those are HTML pages, the functions' errors are JSON. */
function isPlatformError(response: Response): boolean {
  return response.status >= 400 && (response.headers.get("Content-Type") ?? "").startsWith("text/html");
}

async function platformError(service: Service, response: Response): Promise<Error> {
  await response.body?.cancel();
  const { status } = response;
  const message = `Cloud Run returned ${status} instead of the ${service} function`;
  const reason = reasonFor(status);
  console.error(JSON.stringify({ severity: "ERROR", message, error: reason }));
  const detail = `${message}. ${reason}`;
  // The client's error: retrying does not help.
  if (status === 413) return new ProblemError({ status, title: "Payload too large", detail });
  return unavailable(detail, RETRY_AFTER_S);
}

/** Explain a status of Cloud Run's own (cloud.google.com/run/docs/troubleshooting), and what to do. */
function reasonFor(status: number): string {
  if (status === 401 || status === 403) {
    return "Grant the Worker's service account roles/run.invoker on the service, and set the Worker's URL to the service's own.";
  }
  if (status === 404)
    return "The Worker's URL of the service is wrong, or the service's ingress setting blocks the Worker.";
  if (status === 413) return "The request exceeds Cloud Run's size limit.";
  if (status === 429) return "All instances are busy. Try again in a few seconds.";
  if (status === 504) return "The request exceeded the service's timeout.";
  if (status < 500) return "Cloud Run rejected the request.";
  return "No instance is responding. Try again in a few seconds. If this continues, check the service's log.";
}

function unreachable(service: Service, env: Env): Error {
  const advice =
    env.AUTH_MODE === "local"
      ? "If Headwater has just started, wait a few seconds and try again. Otherwise check the output of scripts/dev."
      : "Try again in a few seconds. If this continues, contact your administrator with the request id.";
  return unavailable(`The ${service} function is not responding. ${advice}`, RETRY_AFTER_S);
}
