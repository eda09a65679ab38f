/** The `traceparent` header (W3C Trace Context): joins a request's spans and log entries in all functions to one trace. */

export const TRACEPARENT = "traceparent";

const VALID = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Return the client's `traceparent` if it is a valid one of version 00, or that of a new, sampled trace. */
export function traceparentOf(headers: Headers): string {
  const given = headers.get(TRACEPARENT);
  return given !== null && VALID.test(given) ? given : `00-${randomHex(16)}-${randomHex(8)}-01`;
}

function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
