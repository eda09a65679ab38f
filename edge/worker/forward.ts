/** One request flows in, goes to a function, and its answer flows back: unbuffered, and with nothing changed but headers. */

import type { Env } from "./env";
import { forwardedHeaders } from "./headers";
import { keepReading } from "./keep-reading";
import { problemResponse } from "./problem";
import type { Service } from "./routes";

const RETRY_AFTER_S = 5;

export async function forward(
  service: Service,
  request: Request,
  { env, ctx, requestId }: { env: Env; ctx: ExecutionContext; requestId: string },
): Promise<Response> {
  const answer = await ask(urlOf(service, request, env), request, requestId);
  if (answer === null) return unreachable(service, env, requestId);
  const body: ReadableStream<Uint8Array> | null = answer.body;
  return body && isQuestion(request) ? new Response(keepReading(body, ctx), answer) : answer;
}

/** Send `request` on; null when nothing answers there. */
async function ask(url: URL, request: Request, requestId: string): Promise<Response | null> {
  const { method, body } = request;
  try {
    return await fetch(url, { method, body, headers: forwardedHeaders(request, requestId), redirect: "manual" });
  } catch (error) {
    console.error(JSON.stringify({ severity: "ERROR", message: "No answer", url: url.origin, error: String(error) }));
    return null;
  }
}

function urlOf(service: Service, request: Request, env: Env): URL {
  const bases = { chat: env.CHAT_URL, collection: env.COLLECTION_URL, embedding: env.EMBEDDING_URL };
  const { pathname, search } = new URL(request.url);
  // Set part by part: a path that begins with two slashes, resolved as a reference, would name another host.
  const url = new URL(bases[service]);
  url.pathname = pathname;
  url.search = search;
  return url;
}

function isQuestion(request: Request): boolean {
  return request.method === "POST" && new URL(request.url).pathname === "/api/chat";
}

function unreachable(service: Service, env: Env, requestId: string): Response {
  const advice =
    env.AUTH_MODE === "local"
      ? "If you have just started Headwater, wait a few seconds and try again; else look at what scripts/dev prints."
      : "Try again in a few seconds; if it stays so, tell whoever runs this installation the request id.";
  return problemResponse(
    {
      status: 503,
      title: "Not reachable",
      detail: `The ${service} function does not answer. ${advice}`,
      headers: { "retry-after": String(RETRY_AFTER_S) },
    },
    requestId,
  );
}
