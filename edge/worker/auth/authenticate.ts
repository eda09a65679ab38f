/** Who is calling: a request flows in, a `Caller` flows out, or what to tell somebody who may not. */

import { isWellFormed, looksLikeApiKey, sha256 } from "./api-key";
import type { Env } from "../env";
import { Refusal, unavailable } from "../http/problem";
import { BadToken, verifyToken } from "./verify-token";

/**
 * `local`: this machine. `user`: a verified token's subject. `key`: an API key that looks right, by its SHA-256; only a
 * function can tell whether it is valid.
 */
export type Caller = { readonly kind: "local" } | { readonly kind: "user" | "key"; readonly id: string };

/** 401. `attempt` tells a try with a token that never was good from a visit without one, or with one that ran out. */
export class Unauthorized extends Refusal {
  constructor(
    detail: string,
    readonly attempt: boolean,
    parameters = "",
  ) {
    const headers = { "www-authenticate": `Bearer realm="Headwater"${parameters}` };
    super({ status: 401, title: "Unauthorized", detail, headers });
  }
}

/** Return who calls; throws Unauthorized, or a 503 Refusal when nobody can be told from anybody. */
export async function identify(request: Request, env: Env): Promise<Caller> {
  if (env.AUTH_MODE === "local") return { kind: "local" };
  if (env.AUTH_MODE !== "jwt") throw unavailable("Nobody can sign in: the Worker's AUTH_MODE is not known.", 60);
  const header = request.headers.get("Authorization");
  if (header === null) throw new Unauthorized("This needs a token or an API key: `Authorization: Bearer …`.", false);
  const token = /^Bearer +(\S+)$/i.exec(header)?.[1];
  if (token === undefined) throw invalid("The Authorization header isn't `Bearer …`.");
  return looksLikeApiKey(token) ? keyCaller(token) : userCaller(token, env);
}

async function keyCaller(key: string): Promise<Caller> {
  if (!isWellFormed(key)) throw invalid("That is no API key: it was cut short or mistyped. Copy it again.");
  return { kind: "key", id: await sha256(key) };
}

async function userCaller(token: string, env: Env): Promise<Caller> {
  try {
    return { kind: "user", id: await verifyToken(token, env) };
  } catch (error) {
    throw error instanceof BadToken ? invalid(`${error.message} Sign in again.`, !error.expired) : error;
  }
}

function invalid(detail: string, attempt = true): Unauthorized {
  return new Unauthorized(detail, attempt, ', error="invalid_token"');
}
