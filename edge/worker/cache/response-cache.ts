/**
 * Answers that a function allows to be kept: one flows in, and out again to whoever may have it, without waking anything.
 *
 * A function says so with `Cache-Control: private, max-age=…` (this user's, in this workspace) or `public, …` (anybody's
 * who may ask). Who is calling has been verified before anything here runs. Only users' answers are kept: of an API key
 * the Worker doesn't know whether it has been revoked since.
 */

import { sha256 } from "../auth/api-key";
import { listOf } from "../env";
import type { Caller } from "../auth/authenticate";

/** Answers may differ by these; one that differs by anything else isn't kept. Of the last two the Worker takes care. */
const KNOWN_TO_VARY = new Set(["authorization", "x-workspace", "origin", "accept-encoding"]);
/** The answer's own Cache-Control, put aside: Cloudflare's cache keeps nothing that calls itself private. */
const OWN_CONTROL = "X-Headwater-Cache-Control";
const KEPT_AT = "X-Headwater-Kept-At";

/** A document, at the beginning of its own path and of those that say what to do with it, such as `…/restore`. */
const DOCUMENT = /^\/api\/documents\/[^/]+/;

/** Whose an answer is. */
type Scope = "private" | "public";

/** Find an answer that may be given to `caller` now. */
export async function findAnswer(request: Request, caller: Caller): Promise<Response | undefined> {
  if (!mayBeKept(request, caller) || controlOf(request.headers).has("no-cache")) return undefined;
  const look = async (scope: Scope) => caches.default.match(await keyOf(scope, request, caller));
  const [own, shared] = await Promise.all([look("private"), look("public")]);
  const kept = own ?? shared;
  return kept && restored(kept, request);
}

/** Keep a function's answer if it allows that; returns the answer to give. */
export function keepAnswer(request: Request, caller: Caller, answer: Response, ctx: ExecutionContext): Response {
  const keeping = mayBeKept(request, caller) && answer.status === 200 ? keepingOf(answer.headers) : undefined;
  if (!keeping || controlOf(request.headers).has("no-store")) return answer;
  const copy = new Response(answer.clone().body, answer);
  copy.headers.set(OWN_CONTROL, copy.headers.get("Cache-Control") ?? "");
  copy.headers.set("Cache-Control", `max-age=${keeping.maxAgeS}`);
  copy.headers.set(KEPT_AT, String(Date.now()));
  copy.headers.delete("X-Request-Id");
  for (const name of [...copy.headers.keys()]) if (name.startsWith("access-control-")) copy.headers.delete(name);
  const keep = async (): Promise<void> => caches.default.put(await keyOf(keeping.scope, request, caller), copy);
  ctx.waitUntil(keep());
  return answer;
}

/** Forget what `caller` has read of a document that it has now changed, removed or restored. */
export async function forgetAnswer(request: Request, caller: Caller, answer: Response): Promise<void> {
  const url = new URL(request.url);
  const document = DOCUMENT.exec(url.pathname)?.[0];
  if (document === undefined || request.method === "GET" || request.method === "HEAD" || !answer.ok) return;
  url.pathname = document;
  await caches.default.delete(await keyOf("private", new Request(url, { headers: request.headers }), caller));
}

function mayBeKept(request: Request, caller: Caller): boolean {
  return request.method === "GET" && caller.kind === "user" && !request.headers.has("Range");
}

/** How long an answer with these headers may be kept and for whom; undefined for not at all. */
export function keepingOf(headers: Headers): { scope: Scope; maxAgeS: number } | undefined {
  const control = controlOf(headers);
  const scope = control.has("private") ? "private" : control.has("public") ? "public" : undefined;
  const maxAge = (scope === "public" ? control.get("s-maxage") : undefined) ?? control.get("max-age") ?? "";
  const vary = namesIn(headers.get("Vary"));
  const isForbidden = control.has("no-store") || control.has("no-cache") || headers.has("Set-Cookie");
  if (!scope || isForbidden || !/^[1-9]\d{0,8}$/.test(maxAge) || !vary.every((name) => KNOWN_TO_VARY.has(name))) {
    return undefined;
  }
  // What differs by who asks is nobody else's, whatever else it says.
  const isOnes = vary.includes("authorization") || vary.includes("x-workspace");
  return { scope: isOnes ? "private" : scope, maxAgeS: Number(maxAge) };
}

/** A hash, so that no part of it can be made to look like another, and nothing but this Worker can name it. */
async function keyOf(scope: Scope, request: Request, caller: Caller): Promise<Request> {
  const url = new URL(request.url);
  const whose = caller.kind === "user" && scope === "private" ? [caller.id, request.headers.get("X-Workspace")] : [];
  const name = await sha256(JSON.stringify([scope, url.pathname, url.search, whose]));
  return new Request(`${url.origin}/answers/${name}`);
}

/** The answer as the function gave it, only older; or 304 to a caller that has it. */
function restored(kept: Response, request: Request): Response {
  const headers = new Headers(kept.headers);
  headers.set("Cache-Control", headers.get(OWN_CONTROL) ?? "no-store");
  headers.set("Age", String(Math.max(0, Math.floor((Date.now() - Number(headers.get(KEPT_AT))) / 1000))));
  headers.delete(OWN_CONTROL);
  headers.delete(KEPT_AT);
  if (isKnown(headers.get("ETag"), request.headers.get("If-None-Match"))) {
    return new Response(null, { status: 304, headers });
  }
  return new Response(kept.body, { headers });
}

/** Compare weakly, as for If-None-Match (RFC 9110, 13.1.2). */
function isKnown(etag: string | null, known: string | null): boolean {
  const opaque = (tag: string): string => tag.replace(/^w\//i, "");
  return etag !== null && listOf(known ?? "").some((tag) => tag === "*" || opaque(tag) === opaque(etag));
}

function controlOf(headers: Headers): Map<string, string> {
  const parts = namesIn(headers.get("Cache-Control")).map((part) => part.split("=", 2));
  return new Map(parts.map(([name = "", value = ""]) => [name, value.replaceAll('"', "")]));
}

/** The parts of a header's list, in lower case. */
function namesIn(header: string | null): string[] {
  return listOf(header ?? "").map((name) => name.toLowerCase());
}
