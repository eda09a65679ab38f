/** Errors for requests that no function answered: it is unreachable, or another server responded in its place. */

import type { Env } from "../env";
import { ProblemError, unavailable } from "../http/problem";
import { REQUEST_ID } from "../http/request-id";
import type { Service } from "../routes";

const RETRY_AFTER_S = 5;
const CHECK = "It may have done what you asked: check before you try again.";
const RETRY = "Try again in a few seconds. If this continues, contact your administrator with the request id.";

/** Media types of the functions' responses. Error pages of Cloud Run, Cloudflare or the function's server have others. */
const TYPES = /^(?:application\/json|application\/problem\+json|text\/event-stream)(?:;|$)/;

/** Whether a response is a function's. Functions don't redirect, and name the files that they return. */
export function isFunctionResponse({ status, headers }: Response): boolean {
  if (status === 204 || status === 304) return true;
  // Accepted notifications of the Model Context Protocol have no body, and so no type.
  if (status === 202 && headers.has(REQUEST_ID)) return true;
  if (status === 200 && headers.has("Content-Disposition")) return true;
  return !(status >= 300 && status < 400) && TYPES.test(headers.get("Content-Type") ?? "");
}

/** Make the error for a response that no function sent. Nothing of the response is in it but the status. */
export function foreignResponse(service: Service, status: number, env: Env): ProblemError {
  const refused = (title: string, detail: string) => new ProblemError({ status, title, detail });
  switch (status) {
    case 400:
      return refused("Bad request", `The server of the ${service} function rejects the request as malformed.`);
    case 401:
    case 403:
      return unavailable(
        `The ${service} function rejects the Worker's identity (${status}). Grant the Worker's service account ` +
          `roles/run.invoker on the service, and set ${urlName(service)} to the service's own URL.`,
        RETRY_AFTER_S,
      );
    case 413:
      return refused("Payload too large", `The body is larger than the ${service} function accepts. Send less.`);
    case 414:
      return refused("URL too long", `The URL is longer than the ${service} function accepts. Shorten the query.`);
    case 429:
      return unavailable(`All instances of the ${service} function are busy. ${RETRY}`, RETRY_AFTER_S);
    case 431:
      return refused("Headers too large", `The headers are larger than the ${service} function accepts.`);
    case 504:
    case 524:
      return timedOut(service);
  }
  if (status >= 520) return unreachable(service, env);
  if (status >= 500) {
    return unavailable(
      `The ${service} function failed before it could respond (${status}). Its instance may have crashed, run out of ` +
        `memory or failed to start; the reason is in its log. ${RETRY}`,
      RETRY_AFTER_S,
    );
  }
  return unavailable(
    `${urlName(service)} doesn't lead to the ${service} function: the response has status ${status}. Correct the URL, ` +
      "and check that the service's ingress setting is `all`.",
    RETRY_AFTER_S,
  );
}

/** Make the error for a connection that fails. */
export function unreachable(service: Service, env: Env): ProblemError {
  const advice =
    env.AUTH_MODE === "local"
      ? "If Headwater has just started, wait a few seconds and try again. Otherwise check the output of scripts/dev."
      : RETRY;
  return unavailable(`The ${service} function is not responding. ${advice}`, RETRY_AFTER_S);
}

/** Make the error for a connection that breaks in the middle of a response. */
export function brokenOff(service: Service): ProblemError {
  const detail = `The ${service} function broke the connection in the middle of its response. ${CHECK}`;
  return new ProblemError({ status: 502, title: "Incomplete response", detail });
}

function timedOut(service: Service): ProblemError {
  const detail = `The ${service} function did not respond in time. ${CHECK}`;
  return new ProblemError({ status: 504, title: "Timed out", detail });
}

function urlName(service: Service): string {
  return `${service.toUpperCase()}_URL`;
}
