/** Authenticate a request by its bearer token or API key. */

import { nonEmpty, type Env } from "../env";
import { ProblemError } from "../http/problem";
import { isWellFormed, looksLikeApiKey, sha256 } from "./api-key";
import { InvalidToken, misconfigured, verifyToken } from "./verify-token";

/**
 * Who sent a request. `local`: the user of this machine. `user`: the subject of a verified token. `key`: the SHA-256 of a
 * well-formed API key; only a function can check whether it exists. `sender`: the network that sends a webhook's event or opens a share
 * link.
 */
export type Caller = { readonly kind: "local" } | { readonly kind: "user" | "key" | "sender"; readonly id: string };

/** True on a laptop and in the one container, whose data folders have different paths. */
const LOCAL_ADVICE = "Send the token in the file `token` of the data folder";

/** Identify a caller among all others, for what is counted by caller. */
export function callerKey(caller: Caller): string {
  return caller.kind === "local" ? "local" : `${caller.kind} ${caller.id}`;
}

/** A 401. `isAttempt` is false without a token or with an expired one; other failures count as sign-in attempts. */
export class Unauthorized extends ProblemError {
  constructor(
    detail: string,
    readonly isAttempt: boolean,
    parameters = "",
  ) {
    const headers = { "www-authenticate": `Bearer realm="Headwater"${parameters}` };
    super({ status: 401, title: "Unauthorized", detail, headers });
  }
}

/** Authenticate the caller. Throws Unauthorized, or a 503 ProblemError if sign-in is misconfigured or unavailable. */
export async function authenticate(request: Request, env: Env): Promise<Caller> {
  const isLocal = env.AUTH_MODE === "local";
  if (!isLocal && env.AUTH_MODE !== "jwt") throw misconfigured("AUTH_MODE must be `local` or `jwt`");
  const header = request.headers.get("Authorization");
  const advice = isLocal ? LOCAL_ADVICE : "Send a token or an API key";
  if (header === null) throw new Unauthorized(`${advice}: \`Authorization: Bearer …\`.`, false);
  const token = /^Bearer +(\S+)$/i.exec(header)?.[1];
  if (token === undefined) throw invalid("The Authorization header must have the form `Bearer …`.");
  if (isLocal) return authenticateLocal(token, env);
  return looksLikeApiKey(token) ? authenticateKey(token) : authenticateUser(token, env);
}

async function authenticateLocal(token: string, env: Env): Promise<Caller> {
  const expected = nonEmpty(env.LOCAL_TOKEN);
  if (expected === undefined) throw misconfigured("AUTH_MODE=local requires LOCAL_TOKEN");
  // Of hashes, so that the time of the comparison says nothing about the token or its length.
  if ((await sha256(token)) !== (await sha256(expected))) {
    throw invalid(`The token is not that of this installation. ${LOCAL_ADVICE}.`);
  }
  return { kind: "local" };
}

async function authenticateKey(key: string): Promise<Caller> {
  if (!isWellFormed(key)) throw invalid("This isn't a valid API key. Copy the whole key and try again.");
  return { kind: "key", id: await sha256(key) };
}

async function authenticateUser(token: string, env: Env): Promise<Caller> {
  try {
    return { kind: "user", id: await verifyToken(token, env) };
  } catch (error) {
    throw error instanceof InvalidToken ? invalid(`${error.message} Sign in again.`, !error.expired) : error;
  }
}

function invalid(detail: string, isAttempt = true): Unauthorized {
  return new Unauthorized(detail, isAttempt, ', error="invalid_token"');
}
