/** Reject requests whose URL or headers are larger than the functions accept. */

import { MAX_HEADER_BYTES, MAX_URL_BYTES } from "../limits";
import { ProblemError } from "./problem";

/** Check the length of path and query. Throws a 414 ProblemError. */
export function checkUrl({ pathname, search }: URL): void {
  const length = pathname.length + search.length;
  if (length <= MAX_URL_BYTES) return;
  const advice = pathname === "/api/search" ? "Send a long text with POST /api/search." : "Shorten the query.";
  const detail = `Path and query have ${length} bytes; the limit is ${MAX_URL_BYTES}. ${advice}`;
  throw new ProblemError({ status: 414, title: "URL too long", detail });
}

/** Check the total size of the headers to forward. Throws a 431 ProblemError that names the largest. */
export function checkHeaders(headers: Headers): void {
  const sizes = [...headers].map(([name, value]) => ({ name, bytes: name.length + value.length + 4 }));
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total <= MAX_HEADER_BYTES) return;
  const largest = sizes.reduce((a, b) => (b.bytes > a.bytes ? b : a));
  const detail =
    `The headers have ${total} bytes; the limit is ${MAX_HEADER_BYTES}. ` +
    `The largest is ${largest.name} with ${largest.bytes}. Shorten it.`;
  throw new ProblemError({ status: 431, title: "Headers too large", detail });
}
