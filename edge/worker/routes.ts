/** The route table: which function, or which part of the Worker, responds to a path. Pure. */

/** Where clients of `/mcp` learn who issues its tokens (RFC 9728). */
export const METADATA_PATH = "/.well-known/oauth-protected-resource";

/** The metadata of Headwater as a client of MCP servers. Its address is the client's ID. */
export const CLIENT_PATH = "/mcp-servers/client.json";

export type Service = "chat" | "collection" | "embedding";
export type Target = Service | "env" | "openapi" | "robots" | "oauth" | "client" | "websocket" | "file" | "none";

const SERVICES: readonly (readonly [prefix: string, service: Service])[] = [
  ["/api/chat", "chat"],
  ["/api/conversations", "chat"],
  ["/api/previews", "chat"],
  ["/api/share-links", "chat"],
  ["/api/shared", "chat"],
  ["/api/feedback", "chat"],
  ["/api/models", "chat"],
  ["/api/usage", "chat"],
  ["/api/budgets", "chat"],
  ["/api/search", "chat"],
  ["/api/extract", "chat"],
  ["/api/extractions", "chat"],
  ["/api/standing-questions", "chat"],
  ["/api/prompts", "chat"],
  ["/api/agents", "chat"],
  ["/api/mcp-servers", "chat"],
  ["/mcp", "chat"],
  ["/api/embedding-models", "collection"],
  ["/v1/chat/completions", "chat"],
  ["/v1/responses", "chat"],
  ["/v1/models", "chat"],
  ["/v1/rerank", "chat"],
  ["/v1/embeddings", "embedding"],
  ["/api/sources", "collection"],
  ["/api/source-kinds", "collection"],
  ["/api/hooks", "collection"],
  ["/api/runs", "collection"],
  ["/api/documents", "collection"],
  ["/api/files", "collection"],
  ["/api/uploads", "collection"],
  ["/api/conversation-files", "collection"],
  ["/api/me", "collection"],
  ["/api/members", "collection"],
  ["/api/keys", "collection"],
  ["/api/audit-log", "collection"],
];

/** Paths of APIs: of the public ones, and of the functions' internal ones, which can't be reached from outside. */
const API = /^\/(?:api|v1|tasks|cron|heartbeat|ready|self-test)(?:\/|$)/;

/** Find the target of `pathname`. An unknown path of an API has none; any other path may be a file of the web app. */
export function targetOf(pathname: string): Target {
  if (pathname === "/env") return "env";
  if (pathname === "/api/openapi.json") return "openapi";
  if (pathname === "/ws") return "websocket";
  if (pathname === "/robots.txt") return "robots";
  if (pathname === METADATA_PATH || pathname === `${METADATA_PATH}/mcp`) return "oauth";
  if (pathname === CLIENT_PATH) return "client";
  if (isUnsafe(pathname)) return "none";
  const match = SERVICES.find(([prefix]) => pathname === prefix || pathname.startsWith(`${prefix}/`));
  if (match) return match[1];
  return API.test(pathname) ? "none" : "file";
}

const QUESTIONS = ["/api/chat", "/api/extract", "/v1/chat/completions", "/v1/responses"];

/** Whether a request asks a question. Questions have their own rate limit. */
export function isQuestion({ method, url }: Request): boolean {
  const { pathname } = new URL(url);
  return method === "POST" && (QUESTIONS.includes(pathname) || pathname.startsWith("/api/prompts/"));
}

/** Whether the path is that of the Model Context Protocol, whose messages only their body tells apart. */
export function isMcp({ method, url }: Request): boolean {
  return method === "POST" && new URL(url).pathname === "/mcp";
}

/** Whether a message of the Model Context Protocol asks a question. Invalid messages are left to the function. */
export function isMcpQuestion(body: string): boolean {
  let message: unknown;
  try {
    message = JSON.parse(body);
  } catch {
    return false;
  }
  const { method, params } = (message ?? {}) as { method?: unknown; params?: { name?: unknown } | null };
  return method === "tools/call" && params?.name === "ask";
}

/** Whether a request asks a question whose answer is stored, and completed after a disconnect. */
export function isStoredQuestion({ method, url }: Request): boolean {
  return method === "POST" && new URL(url).pathname === "/api/chat";
}

/** Whether a request delivers an event of a webhook. Its signature authenticates it, which the function verifies. */
export function isDelivery({ method, url }: Request): boolean {
  return method === "POST" && new URL(url).pathname.startsWith("/api/hooks/");
}

/** Whether a request opens a share link, whose token the function checks. */
export function isSharedRead({ method, url }: Request): boolean {
  return isRead(method) && /^\/api\/shared\/[^/]+$/.test(new URL(url).pathname);
}

/** Whether a request shows a preview, whose token in the query the function checks. Frames send no other credentials. */
export function isPreviewRead({ method, url }: Request): boolean {
  return isRead(method) && new URL(url).pathname === "/api/previews";
}

function isRead(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** Whether a request uploads a document, a file, a part of one or a message, which may be larger than other bodies. */
export function isUpload({ method, url }: Request): boolean {
  const { pathname } = new URL(url);
  return (method === "PUT" && UPLOAD.test(pathname)) || (method === "POST" && MAIL.test(pathname));
}

const MAIL = /^\/api\/hooks\/[^/]+\/mail$/;

const UPLOAD = /^\/api\/(?:sources\/[^/]+\/(?:documents|files)|uploads\/[^/]+\/parts\/\d+|conversation-files)$/;

/**
 * Whether `pathname`, once percent-decoded, has `.` or `..` segments, which a server behind the Worker might resolve to an
 * internal route, or control characters, which no id has. Encoded slashes alone are allowed: ids may contain them.
 */
function isUnsafe(pathname: string): boolean {
  try {
    return /(?:^|[/\\])\.{1,2}(?:[/\\]|$)|[\p{Cc}\u2028\u2029]/u.test(decodeURIComponent(pathname));
  } catch {
    return true;
  }
}
