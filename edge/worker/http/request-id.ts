/** The id that one request has in the browser, in the Worker's log and in the functions' logs. */

export const REQUEST_ID = "X-Request-Id";

const SENSIBLE = /^[\w.-]{8,64}$/;

/** Keep the caller's id if it is short and plain, or make one. */
export function requestIdOf(headers: Headers): string {
  const given = headers.get(REQUEST_ID);
  return given !== null && SENSIBLE.test(given) ? given : crypto.randomUUID();
}
