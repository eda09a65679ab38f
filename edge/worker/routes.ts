/** Who answers a path: the table that decides, and nothing else. Pure. */

export type Service = "chat" | "collection" | "embedding";
export type Target = Service | "env" | "openapi" | "assets" | "nobody";

const SERVICES: readonly (readonly [prefix: string, service: Service])[] = [
  ["/api/chat", "chat"],
  ["/api/conversations", "chat"],
  ["/api/search", "chat"],
  ["/api/embedding-models", "embedding"],
  ["/v1/embeddings", "embedding"],
  ["/api/sources", "collection"],
  ["/api/runs", "collection"],
  ["/api/documents", "collection"],
  ["/api/me", "collection"],
  ["/api/members", "collection"],
  ["/api/keys", "collection"],
];

/**
 * Find who answers `pathname`. Functions have routes for Cloud Tasks and Cloud Scheduler too (`/tasks/…`, `/cron/…`)
 * and for probes; they are not in the table, so nobody reaches them from outside.
 */
export function targetOf(pathname: string): Target {
  if (pathname === "/env") return "env";
  if (pathname === "/api/openapi.json") return "openapi";
  if (climbs(pathname)) return "nobody";
  if (pathname.startsWith("/assets/")) return "assets";
  const match = SERVICES.find(([prefix]) => pathname === prefix || pathname.startsWith(`${prefix}/`));
  return match ? match[1] : "nobody";
}

/** Tell whether an answer is asked for: how often that may be has a limit of its own, and it outlives its browser. */
export function isQuestion({ method, url }: Request): boolean {
  return method === "POST" && new URL(url).pathname === "/api/chat";
}

/**
 * Tell whether `pathname`, decoded once more, has steps upwards: a server behind this one may follow them to where
 * nobody from outside belongs. Encoded slashes alone are fine; ids may hold them.
 */
function climbs(pathname: string): boolean {
  try {
    return /(?:^|[/\\])\.{1,2}(?:[/\\]|$)/.test(decodeURIComponent(pathname));
  } catch {
    return true;
  }
}
