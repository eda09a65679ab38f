/** What both ways to a Google ID token share: asking, and what is said when it fails. */

import { decodeJwt } from "jose";
import { REST_MS, type Fetched } from "../cache/refreshing-value";
import { unavailable, type Refusal } from "../http/problem";

const TIMEOUT_MS = 10_000;

/** Ask for a JSON object; throws a 503 Refusal for any answer but 200. */
export async function askGoogle(url: string, init: RequestInit): Promise<Record<string, unknown>> {
  const { host } = new URL(url);
  let response: Response;
  let answer: Record<string, unknown>;
  try {
    response = await fetch(url, { ...init, redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_MS) });
    answer = await response.json();
  } catch (cause) {
    throw noIdentity(`${host} can't be reached`, cause);
  }
  if (response.status !== 200) {
    const said = JSON.stringify({ error: answer["error"], description: answer["error_description"] });
    throw noIdentity(`${host} answered ${response.status}`, said);
  }
  return answer;
}

/** An ID token with the lifetime that it has itself; the two clocks need not agree. */
export function datedToken(token: unknown, url: string): Fetched<string> {
  if (typeof token === "string") {
    const { iat, exp } = decodeJwt(token);
    if (iat !== undefined && exp !== undefined) return { value: token, lifetimeMs: (exp - iat) * 1000 };
  }
  throw noIdentity(`${new URL(url).host} gave no ID token`);
}

/** The caller learns what is wrong but not why; whoever runs this finds that in the log. */
export function noIdentity(what: string, cause: unknown = what): Refusal {
  const advice = "Try again in some seconds; if it stays so, whoever runs this finds the reason in the Worker's log.";
  console.error(
    JSON.stringify({ severity: "ERROR", message: `No identity from Google: ${what}`, error: String(cause) }),
  );
  return unavailable(`Google doesn't vouch for the Worker: ${what}. ${advice}`, REST_MS / 1000, cause);
}
