/** Verify a user's JWT and return its subject, by the same rules as the functions, which verify it again. */

import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from "jose";
import { nonEmpty, parseList, type Env } from "../env";
import { unavailable } from "../http/problem";
import { JwksUnavailable, remoteJwks, BACKOFF_MS } from "./jwks";

const LEEWAY_S = 10;
const SHARED_SECRET = ["HS256"];
const PUBLISHED_KEYS = ["ES256", "RS256", "EdDSA"];
/** RFC 7518, 3.2: an HS256 key must be at least as long as the hash. */
const MIN_SECRET_BYTES = 32;

const PRINTABLE = /^(?:[^\p{C}\p{Z}]| ){1,255}$/u;
/** Subjects that the functions use for callers without a token. */
const RESERVED = /^(?:local|deployment|key:.*)$/;

/** An invalid token. The message is safe to show. */
export class InvalidToken extends Error {
  constructor(
    message: string,
    readonly expired = false,
  ) {
    super(message);
  }
}

/** Verify a token and return its subject. Throws InvalidToken, or a 503 ProblemError if tokens can't be verified now. */
export async function verifyToken(token: string, env: Env): Promise<string> {
  const rules = {
    issuer: required(env.AUTH_ISSUER, "AUTH_ISSUER"),
    audience: parseList(required(env.AUTH_AUDIENCE, "AUTH_AUDIENCE")),
    clockTolerance: LEEWAY_S,
    requiredClaims: ["exp", "sub"],
  };
  try {
    return subjectOf(await verify(token, rules, env));
  } catch (error) {
    throw toOwnError(error);
  }
}

type Rules = Pick<
  Parameters<typeof jwtVerify>[2] & object,
  "issuer" | "audience" | "clockTolerance" | "requiredClaims"
>;

/** Verify with the secret or the published keys, whichever the token's `alg` is for. Each accepts its own algorithms only. */
async function verify(token: string, rules: Rules, env: Env): Promise<JWTPayload> {
  const alg = algorithmOf(token);
  if (env.AUTH_SECRET && SHARED_SECRET.includes(alg)) {
    const secret = new TextEncoder().encode(env.AUTH_SECRET);
    if (secret.length < MIN_SECRET_BYTES) throw misconfigured(`AUTH_SECRET is under ${MIN_SECRET_BYTES} bytes`);
    return (await jwtVerify(token, secret, { ...rules, algorithms: SHARED_SECRET })).payload;
  }
  if (env.AUTH_JWKS_URL && PUBLISHED_KEYS.includes(alg)) {
    const keys = remoteJwks(env.AUTH_JWKS_URL);
    return (await jwtVerify(token, keys, { ...rules, algorithms: PUBLISHED_KEYS })).payload;
  }
  required(nonEmpty(env.AUTH_SECRET) ?? env.AUTH_JWKS_URL, "AUTH_JWKS_URL or AUTH_SECRET");
  throw new InvalidToken("The token's signing algorithm is not accepted.");
}

function algorithmOf(token: string): string {
  try {
    return decodeProtectedHeader(token).alg ?? "";
  } catch {
    throw new InvalidToken("This isn't a valid token.");
  }
}

function subjectOf({ sub }: JWTPayload): string {
  if (typeof sub !== "string" || sub === "") throw new InvalidToken("The token has no subject (`sub`).");
  if (!PRINTABLE.test(sub) || RESERVED.test(sub)) throw new InvalidToken("The token's subject (`sub`) is not allowed.");
  return sub;
}

/** Convert an error of `jose`: InvalidToken if the token is at fault, a 503 if the issuer's keys are unavailable. */
function toOwnError(error: unknown): unknown {
  if (error instanceof JwksUnavailable || error instanceof errors.JWKSInvalid) {
    return unavailable(
      "Tokens can't be verified now: the issuer's keys are unavailable. Try again in a few seconds.",
      BACKOFF_MS / 1000,
      error,
    );
  }
  if (error instanceof errors.JWTExpired) return new InvalidToken("The token has expired.", true);
  if (error instanceof errors.JWTClaimValidationFailed) return new InvalidToken(CLAIMS[error.claim] ?? UNVERIFIED);
  if (error instanceof errors.JOSEError) return new InvalidToken(UNVERIFIED);
  return error;
}

const UNVERIFIED = "The token could not be verified.";
const CLAIMS: Record<string, string> = {
  iss: "The token is from another issuer (`iss`).",
  aud: "The token is for another audience (`aud`).",
  nbf: "The token is not valid yet (`nbf`).",
  exp: "The token has no expiry (`exp`).",
  sub: "The token has no subject (`sub`).",
};

function required(setting: string | undefined, name: string): string {
  if (!setting) throw misconfigured(`${name} is not set`);
  return setting;
}

/** A 503. `problem` names the setting and what is wrong with it. */
export function misconfigured(problem: string): Error {
  return unavailable(`Sign-in is misconfigured: the Worker's ${problem}.`, 60);
}
