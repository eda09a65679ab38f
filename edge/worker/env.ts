/** What this installation's configuration gives the Worker, and the part of it that `GET /env` tells everybody. */

export interface Env {
  readonly ASSETS: Fetcher;
  readonly NAME: string;
  readonly VERSION: string;
  readonly AUTH_MODE: string;
  /** Base URLs of the functions, without a path. */
  readonly CHAT_URL: string;
  readonly COLLECTION_URL: string;
  readonly EMBEDDING_URL: string;
}

export function describe(env: Env): Response {
  const body = { name: env.NAME, version: env.VERSION, authMode: env.AUTH_MODE };
  return Response.json(body, { headers: { "cache-control": "no-store" } });
}
