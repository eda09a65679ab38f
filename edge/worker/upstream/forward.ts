/** One request flows in, goes to a function, and its answer flows back: unbuffered, and with nothing changed but headers. */

import type { Env } from "../env";
import { googleToken } from "../google/id-token";
import { forwardedHeaders } from "./request-headers";
import { keepReading } from "./keep-reading";
import { Refusal, unavailable } from "../http/problem";
import { isQuestion, type Service } from "../routes";

const RETRY_AFTER_S = 5;

/** What the Worker knows beside a request. */
export interface Context {
  readonly env: Env;
  readonly ctx: ExecutionContext;
  readonly requestId: string;
}

/** Ask `service`; throws a Refusal when it isn't there or doesn't let the request in. */
export async function forward(service: Service, request: Request, context: Context): Promise<Response> {
  const answer = answerOf(service, request, context);
  // When its browser goes, Cloudflare ends a request but for this; a question would be lost while the function wakes.
  if (isQuestion(request)) context.ctx.waitUntil(answer.catch(() => undefined));
  return answer;
}

async function answerOf(service: Service, request: Request, { env, ctx, requestId }: Context): Promise<Response> {
  const url = urlOf(service, request, env);
  const headers = forwardedHeaders(request, requestId, await googleToken(url.origin, env, ctx));
  const answer = await ask(url, request, headers);
  if (answer === null) throw notThere(service, env);
  if (isOfThePlatform(answer)) throw await keptOut(service, answer);
  const body: ReadableStream<Uint8Array> | null = answer.body;
  return body && isQuestion(request) ? new Response(keepReading(body, ctx), answer) : answer;
}

/** Send `request` on; null when nothing answers there. */
async function ask(url: URL, { method, body }: Request, headers: Headers): Promise<Response | null> {
  // A body means nothing in these (RFC 9110, 9.3.1), and fetch refuses to send one.
  const isBare = method === "GET" || method === "HEAD";
  if (isBare) headers.delete("Content-Length");
  try {
    return await fetch(url, { method, body: isBare ? null : body, headers, redirect: "manual" });
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

/** Functions answer errors as JSON; Cloud Run's own, when it lets nobody in or has no instance, are pages. */
function isOfThePlatform(answer: Response): boolean {
  return answer.status >= 400 && (answer.headers.get("Content-Type") ?? "").startsWith("text/html");
}

async function keptOut(service: Service, answer: Response): Promise<Error> {
  await answer.body?.cancel();
  const { status } = answer;
  const message = `Cloud Run answered ${status} instead of the ${service} function`;
  const reason = reasonFor(status);
  console.error(JSON.stringify({ severity: "ERROR", message, error: reason }));
  const detail = `${message}. ${reason}`;
  // This alone is the caller's own, and no better for being tried again.
  if (status === 413) return new Refusal({ status, title: "Payload too large", detail });
  return unavailable(detail, RETRY_AFTER_S);
}

/** What Cloud Run means by a page of its own (cloud.google.com/run/docs/troubleshooting), and what to do. */
function reasonFor(status: number): string {
  if (status === 401 || status === 403) {
    return "The Worker's service account needs roles/run.invoker on it, and the Worker's URL of it must be the service's own.";
  }
  if (status === 404) return "No service is at the Worker's URL of it, or its ingress doesn't let the Worker in.";
  if (status === 413) return "The request is larger than Cloud Run takes.";
  if (status === 429) return "It has no instance to spare; try again in some seconds.";
  if (status === 504) return "It wasn't done within the service's timeout.";
  if (status < 500) return "Cloud Run doesn't take such a request.";
  return "No instance of it answers; try again in some seconds. If it stays so, the service's log tells why.";
}

function notThere(service: Service, env: Env): Error {
  const advice =
    env.AUTH_MODE === "local"
      ? "If you have just started Headwater, wait a few seconds and try again; else look at what scripts/dev prints."
      : "Try again in a few seconds; if it stays so, tell whoever runs this installation the request id.";
  return unavailable(`The ${service} function does not answer. ${advice}`, RETRY_AFTER_S);
}
