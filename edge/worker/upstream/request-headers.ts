/** The headers of a request to a function: the client's that functions read, and the Worker's own. */

import { pickHeaders } from "../http/pick-headers";
import { REQUEST_ID } from "../http/request-id";
import { TRACEPARENT, traceparentOf } from "../http/traceparent";

/**
 * The client's headers that are forwarded: those that the functions read (a test compares them), and two for their logs.
 *
 * All others are dropped: those that only Google, a proxy or this Worker may set (`X-CloudTasks-*`, `X-Forwarded-*`,
 * `X-Serverless-Authorization`), those of the connection (`Connection`, `Transfer-Encoding`, `Upgrade`), and cookies.
 */
const FORWARDED = [
  "Accept",
  "Authorization",
  "Content-Type",
  "If-None-Match",
  "Last-Event-ID",
  "Mcp-Method",
  "Mcp-Name",
  "Mcp-Protocol-Version",
  "Origin",
  "User-Agent",
  "Webhook-Id",
  "Webhook-Signature",
  "Webhook-Timestamp",
  "X-GitHub-Event",
  "X-Gitea-Event",
  "X-Gitlab-Token",
  "X-Hub-Signature-256",
  "X-Workspace",
];

/** Pick the client's headers that are forwarded. */
export function forwardedHeaders(request: Request): Headers {
  return pickHeaders(request.headers, FORWARDED);
}

/**
 * Make the headers of a request to a function.
 *
 * `googleIdToken`: the Worker's token for Cloud Run, null if the function needs none.
 */
export function upstreamHeaders(request: Request, requestId: string, googleIdToken: string | null): Headers {
  const headers = forwardedHeaders(request);
  const url = new URL(request.url);
  headers.set("X-Forwarded-Host", url.host);
  headers.set("X-Forwarded-Proto", url.protocol.slice(0, -1));
  const address = request.headers.get("CF-Connecting-IP");
  if (address !== null) headers.set("X-Forwarded-For", address);
  if (googleIdToken !== null) headers.set("X-Serverless-Authorization", `Bearer ${googleIdToken}`);
  headers.set(REQUEST_ID, requestId);
  headers.set(TRACEPARENT, traceparentOf(request.headers));
  return headers;
}
