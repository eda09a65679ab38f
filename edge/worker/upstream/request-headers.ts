/** What a function sees of a browser's headers. */

import { REQUEST_ID } from "../http/request-id";

/**
 * Headers by which Google, a proxy or this Worker vouches for something. Nobody outside may set them:
 * functions and the platform believe them.
 */
const VOUCHING = [
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
 * Copy `request`'s headers for a function: `Origin` and `Authorization` stay, what vouches goes or is set anew.
 *
 * `googleToken` lets the Worker in, null where nothing guards the function. Nobody is known by a cookie, so none is sent.
 */
export function forwardedHeaders(request: Request, requestId: string, googleToken: string | null): Headers {
  const headers = new Headers(request.headers);
  headers.delete("Cookie");
  for (const name of [...headers.keys()]) {
    if (VOUCHING.some((pattern) => pattern.test(name))) headers.delete(name);
  }
  const url = new URL(request.url);
  headers.set("X-Forwarded-Host", url.host);
  headers.set("X-Forwarded-Proto", url.protocol.slice(0, -1));
  const address = request.headers.get("CF-Connecting-IP");
  if (address !== null) headers.set("X-Forwarded-For", address);
  if (googleToken !== null) headers.set("X-Serverless-Authorization", `Bearer ${googleToken}`);
  headers.set(REQUEST_ID, requestId);
  return headers;
}
