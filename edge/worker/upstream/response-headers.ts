/** The headers of a function's response that clients get. */

import { pickHeaders } from "../http/pick-headers";

/** The headers that functions set. Others come from servers in between, and may name them. */
const RETURNED = [
  "Allow",
  "Cache-Control",
  "Content-Disposition",
  "Content-Type",
  "ETag",
  "Retry-After",
  "Vary",
  "WWW-Authenticate",
  "X-Accel-Buffering",
  "X-Request-Id",
  "X-Vercel-AI-UI-Message-Stream",
];

/** Pick the headers for the client. CORS and security headers are the Worker's own. */
export function returnedHeaders(headers: Headers): Headers {
  return pickHeaders(headers, RETURNED);
}
