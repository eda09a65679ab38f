/** Requests to Google's token endpoints, and the error when one fails. */

import { decodeJwt } from "jose";
import { BACKOFF_MS, type Expiring } from "../cache/refreshing-value";
import { unavailable, type ProblemError } from "../http/problem";

const TIMEOUT_MS = 10_000;

/** Fetch a JSON object. Throws a 503 ProblemError unless the status is 200. */
export async function requestToken(url: string, init: RequestInit): Promise<Record<string, unknown>> {
  const { host } = new URL(url);
  let response: Response;
  let body: Record<string, unknown>;
  try {
    response = await fetch(url, { ...init, redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_MS) });
    body = await response.json();
  } catch (cause) {
    throw googleAuthError(`${host} can't be reached`, cause);
  }
  if (response.status !== 200) {
    const reason = JSON.stringify({ error: body["error"], description: body["error_description"] });
    throw googleAuthError(`${host} returned ${response.status}`, reason);
  }
  return body;
}

/** Read an ID token's lifetime from its own claims, so that it does not depend on the Worker's clock. */
export function parseIdToken(token: unknown, url: string): Expiring<string> {
  if (typeof token === "string") {
    const { iat, exp } = decodeJwt(token);
    if (iat !== undefined && exp !== undefined) return { value: token, lifetimeMs: (exp - iat) * 1000 };
  }
  throw googleAuthError(`${new URL(url).host} returned no ID token`);
}

/** Log `cause`, which the client must not see, and make the 503 for `problem`. */
export function googleAuthError(problem: string, cause: unknown = problem): ProblemError {
  const advice =
    "Try again in a few seconds. If this continues, the administrator can find the reason in the Worker's log.";
  console.error(
    JSON.stringify({ severity: "ERROR", message: `No token from Google: ${problem}`, error: String(cause) }),
  );
  return unavailable(`The Worker can't get a token from Google: ${problem}. ${advice}`, BACKOFF_MS / 1000, cause);
}
