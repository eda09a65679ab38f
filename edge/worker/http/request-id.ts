/** Request ids: the same in the response, the Worker's log and the functions' logs. */

export const REQUEST_ID = "X-Request-Id";

const VALID = /^[\w.-]{8,64}$/;

/** Return the client's request id if it is well-formed, or a new UUID. */
export function requestIdOf(headers: Headers): string {
  const id = headers.get(REQUEST_ID);
  return id !== null && VALID.test(id) ? id : crypto.randomUUID();
}
