/**
 * Open a WebSocket at `GET /ws`.
 *
 * Browsers can't set headers there, so the token may be in a subprotocol: `headwater.token.TOKEN`, beside `headwater.v1`.
 * It is never in the URL, which servers log.
 */

import { pickHeaders } from "../http/pick-headers";
import { ProblemError } from "../http/problem";
import { Connection, type Handle } from "./connection";
import { InvalidFrame, parsePlace } from "./frames";

export const PROTOCOL = "headwater.v1";
const TOKEN_PREFIX = "headwater.token.";

/**
 * Authenticate an upgrade by a request to the chat function, and answer with the socket. With `?last_id=`, an answer is
 * resumed at once. Returns the function's response if it refuses the caller. Throws ProblemError.
 */
export async function openWebSocket(request: Request, handle: Handle): Promise<Response> {
  const url = new URL(request.url);
  if (request.method !== "GET" || request.headers.get("Upgrade")?.toLowerCase() !== "websocket") throw noUpgrade();
  const upgrade = withCaller(request, url.searchParams.get("workspace"));
  const lastId = checkLastId(url.searchParams.get("last_id"));
  const admission = await handle(new Request(new URL("/api/models", url), { headers: upgrade.headers }));
  if (!admission.ok) return admission;
  await admission.body?.cancel();
  const { 0: client, 1: server } = new WebSocketPair();
  const connection = new Connection(server, upgrade, handle);
  connection.start();
  if (lastId !== null) connection.receive(JSON.stringify({ id: "resume", type: "resume", data: { last_id: lastId } }));
  const headers = protocolsOf(request).includes(PROTOCOL) ? { "Sec-WebSocket-Protocol": PROTOCOL } : {};
  return new Response(null, { status: 101, webSocket: client, headers });
}

/** Put the token and the workspace of an upgrade where other requests have them. */
function withCaller(request: Request, workspace: string | null): Request {
  const headers = pickHeaders(request.headers, ["Authorization", "CF-Connecting-IP", "User-Agent", "X-Workspace"]);
  const token = protocolsOf(request).find((protocol) => protocol.startsWith(TOKEN_PREFIX));
  if (token !== undefined) headers.set("Authorization", `Bearer ${token.slice(TOKEN_PREFIX.length)}`);
  if (workspace !== null) headers.set("X-Workspace", workspace);
  return new Request(request.url, { headers });
}

function protocolsOf(request: Request): string[] {
  const header = request.headers.get("Sec-WebSocket-Protocol") ?? "";
  return header.split(",").map((protocol) => protocol.trim());
}

function checkLastId(lastId: string | null): string | null {
  try {
    if (lastId !== null) parsePlace("", lastId);
    return lastId;
  } catch (error) {
    if (!(error instanceof InvalidFrame)) throw error;
    throw new ProblemError(error.problem);
  }
}

function noUpgrade(): ProblemError {
  const detail = "This is a WebSocket. Connect with `ws:` or `wss:`, as docs/websocket.md describes.";
  return new ProblemError({ status: 426, title: "Upgrade required", detail, headers: { upgrade: "websocket" } });
}
