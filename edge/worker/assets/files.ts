/** Files of the web app's build, and the 404 for paths that have none. */

import { parseList, type Env } from "../env";
import { notFound } from "../http/problem";

const OPENAPI_MAX_AGE_S = 300;

/** Get the file at the request's path. Without one: a plain-text 404 for a browser's navigation, else a 404 problem. */
export async function fileResponse(request: Request, env: Env): Promise<Response> {
  const file = await findFile(request, env);
  if (file) return file;
  if (acceptsHtml(request)) return notFoundPage(new URL(request.url));
  throw notFound(new URL(request.url).pathname);
}

/** Get the build's OpenAPI document. */
export async function openapiResponse(request: Request, env: Env): Promise<Response> {
  const file = await findFile(request, env);
  if (!file) throw notFound(new URL(request.url).pathname);
  const response = new Response(file.body, file);
  response.headers.set("Cache-Control", `public, max-age=${OPENAPI_MAX_AGE_S}`);
  return response;
}

/** Find a file of the build. For a missing one the assets layer returns the app's page: no file for the Worker is HTML. */
async function findFile(request: Request, env: Env): Promise<Response | undefined> {
  if (request.method !== "GET" && request.method !== "HEAD") return undefined;
  const response = await env.ASSETS.fetch(request);
  return response.headers.get("content-type")?.startsWith("text/html") ? undefined : response;
}

function acceptsHtml(request: Request): boolean {
  return parseList(request.headers.get("Accept") ?? "").some((type) => type.toLowerCase().startsWith("text/html"));
}

function notFoundPage({ origin, pathname }: URL): Response {
  const text = `404 Not found\n\nThere is no page at ${pathname}.\nOpen Headwater at ${origin}/\n`;
  return new Response(text, {
    status: 404,
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" },
  });
}
