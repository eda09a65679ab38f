/** The headers of a request to a function: the client's, without those that only a trusted sender may set. */

import { REQUEST_ID } from "../http/request-id";

/** Headers that Google, a proxy or this Worker sets and the functions trust. Removed from clients' requests. */
const TRUSTED = [
  /^forwarded$/,
  /^x-forwarded-/,
  /^x-real-ip$/,
  /^x-serverless-authorization$/,
  /^x-cloudtasks-/,
  /^x-cloudscheduler/,
  /^x-appengine-/,
  /^x-goog-/,
  /^x-headwater-/,
];

/**
 * Copy a request's headers for a function. `Authorization` and `Origin` are kept; cookies, which nothing reads, and
 * trusted headers are removed; the forwarding headers and the request id are set.
 *
 * `googleIdToken`: the Worker's token for Cloud Run, null if the function needs none.
 */
export function upstreamHeaders(request: Request, requestId: string, googleIdToken: string | null): Headers {
  const headers = new Headers(request.headers);
  headers.delete("Cookie");
  for (const name of [...headers.keys()]) {
    if (TRUSTED.some((pattern) => pattern.test(name))) headers.delete(name);
  }
  const url = new URL(request.url);
  headers.set("X-Forwarded-Host", url.host);
  headers.set("X-Forwarded-Proto", url.protocol.slice(0, -1));
  const address = request.headers.get("CF-Connecting-IP");
  if (address !== null) headers.set("X-Forwarded-For", address);
  if (googleIdToken !== null) headers.set("X-Serverless-Authorization", `Bearer ${googleIdToken}`);
  headers.set(REQUEST_ID, requestId);
  return headers;
}
