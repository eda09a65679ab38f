/**
 * Cache the functions' responses in Cloudflare's cache, so that repeated reads start no function.
 *
 * A function allows it with `Cache-Control: private, max-age=…` (for this user in this workspace) or `public, …` (for
 * every authenticated user). The caller is authenticated before the cache is read. Only users' responses are cached, not
 * those for API keys: the Worker can't know whether a key has been revoked.
 */

import { sha256 } from "../auth/api-key";
import type { Caller } from "../auth/authenticate";
import { parseList } from "../env";

/** `Vary` headers that the cache supports: the first two by its keys; Worker and Cloudflare handle the others. */
const SUPPORTED_VARY = new Set(["authorization", "x-workspace", "origin", "accept-encoding"]);
/** The response's own Cache-Control, saved here because Cloudflare's cache rejects `private`. */
const ORIGINAL_CACHE_CONTROL = "X-Headwater-Cache-Control";
const STORED_AT = "X-Headwater-Stored-At";

/** The path of a document, or the start of an action's on it, such as `…/restore`. */
const DOCUMENT = /^\/api\/documents\/[^/]+/;

/** Whether a response is cached for one user in one workspace, or for all users. */
type Scope = "private" | "public";

/** Find a cached response for `caller`. */
export async function findCached(request: Request, caller: Caller): Promise<Response | undefined> {
  if (!isCacheable(request, caller) || parseCacheControl(request.headers).has("no-cache")) return undefined;
  const match = async (scope: Scope) => caches.default.match(await cacheKey(scope, request, caller));
  const [own, shared] = await Promise.all([match("private"), match("public")]);
  const cached = own ?? shared;
  return cached && cachedResponse(cached, request);
}

/** Store a function's response in the background if it may be cached. Returns the response. */
export function storeResponse(request: Request, caller: Caller, response: Response, ctx: ExecutionContext): Response {
  const policy = isCacheable(request, caller) && response.status === 200 ? cachePolicyOf(response.headers) : undefined;
  if (!policy || parseCacheControl(request.headers).has("no-store")) return response;
  // A streamed body would be held in memory while its client reads slowly.
  if (!response.headers.has("Content-Length")) return response;
  const copy = new Response(response.clone().body, response);
  copy.headers.set(ORIGINAL_CACHE_CONTROL, copy.headers.get("Cache-Control") ?? "");
  copy.headers.set("Cache-Control", `max-age=${policy.maxAgeS}`);
  copy.headers.set(STORED_AT, String(Date.now()));
  copy.headers.delete("X-Request-Id");
  const store = async (): Promise<void> => caches.default.put(await cacheKey(policy.scope, request, caller), copy);
  ctx.waitUntil(store());
  return response;
}

/** Remove the cached response of a document that `caller` has just changed, deleted or restored. */
export async function invalidateDocument(request: Request, caller: Caller, response: Response): Promise<void> {
  const url = new URL(request.url);
  const document = DOCUMENT.exec(url.pathname)?.[0];
  if (document === undefined || request.method === "GET" || request.method === "HEAD" || !response.ok) return;
  url.pathname = document;
  await caches.default.delete(await cacheKey("private", new Request(url, { headers: request.headers }), caller));
}

function isCacheable(request: Request, caller: Caller): boolean {
  return request.method === "GET" && caller.kind === "user";
}

/** For whom and how long a response with these headers may be cached; undefined if it must not be. */
export function cachePolicyOf(headers: Headers): { scope: Scope; maxAgeS: number } | undefined {
  const control = parseCacheControl(headers);
  const scope = control.has("private") ? "private" : control.has("public") ? "public" : undefined;
  const maxAge = (scope === "public" ? control.get("s-maxage") : undefined) ?? control.get("max-age") ?? "";
  const vary = lowerCaseList(headers.get("Vary"));
  const isForbidden = control.has("no-store") || control.has("no-cache");
  if (!scope || isForbidden || !/^[1-9]\d{0,8}$/.test(maxAge) || !vary.every((name) => SUPPORTED_VARY.has(name))) {
    return undefined;
  }
  // A response that varies by caller is private, even if it says `public`.
  const variesByCaller = vary.includes("authorization") || vary.includes("x-workspace");
  return { scope: variesByCaller ? "private" : scope, maxAgeS: Number(maxAge) };
}

/** The key is a hash of its JSON-encoded parts, so that no two sets of parts share one and clients can't request it. */
async function cacheKey(scope: Scope, request: Request, caller: Caller): Promise<Request> {
  const url = new URL(request.url);
  const owner = caller.kind === "user" && scope === "private" ? [caller.id, request.headers.get("X-Workspace")] : [];
  const name = await sha256(JSON.stringify([scope, url.pathname, url.search, owner]));
  return new Request(`${url.origin}/responses/${name}`);
}

/** The response with its original Cache-Control and its age, or a 304 if the client has it. */
function cachedResponse(cached: Response, request: Request): Response {
  const headers = new Headers(cached.headers);
  headers.set("Cache-Control", headers.get(ORIGINAL_CACHE_CONTROL) ?? "no-store");
  headers.set("Age", String(Math.max(0, Math.floor((Date.now() - Number(headers.get(STORED_AT))) / 1000))));
  headers.delete(ORIGINAL_CACHE_CONTROL);
  headers.delete(STORED_AT);
  if (etagMatches(headers.get("ETag"), request.headers.get("If-None-Match"))) {
    return new Response(null, { status: 304, headers });
  }
  return new Response(cached.body, { headers });
}

/** Compare an ETag with If-None-Match, weakly (RFC 9110, 13.1.2). */
function etagMatches(etag: string | null, ifNoneMatch: string | null): boolean {
  const opaque = (tag: string): string => tag.replace(/^w\//i, "");
  return etag !== null && parseList(ifNoneMatch ?? "").some((tag) => tag === "*" || opaque(tag) === opaque(etag));
}

function parseCacheControl(headers: Headers): Map<string, string> {
  const parts = lowerCaseList(headers.get("Cache-Control")).map((part) => part.split("=", 2));
  return new Map(parts.map(([name = "", value = ""]) => [name, value.replaceAll('"', "")]));
}

function lowerCaseList(header: string | null): string[] {
  return parseList(header ?? "").map((name) => name.toLowerCase());
}
