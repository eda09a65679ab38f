/** A user's JWT flows in, its `sub` flows out; by the same rules as in the functions, which check it again. */

import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from "jose";
import { given, listOf, type Env } from "../env";
import { unavailable } from "../http/problem";
import { KeysUnreachable, remoteKeys, REST_MS } from "./jwks";

const LEEWAY_S = 10;
const SHARED_SECRET = ["HS256"];
const PUBLISHED_KEYS = ["ES256", "RS256", "EdDSA"];
/** An HS256 key shorter than its hash can be guessed (RFC 7518, 3.2). */
const MIN_SECRET_BYTES = 32;

const PRINTABLE = /^(?:[^\p{C}\p{Z}]| ){1,255}$/u;
/** What the functions call callers of their own making. */
const RESERVED = /^(?:local|deployment|key:.*)$/;

/** A token that isn't good; the message may be shown. `expired` ones were good once. */
export class BadToken extends Error {
  constructor(
    message: string,
    readonly expired = false,
  ) {
    super(message);
  }
}

/** Return the subject; throws BadToken, or a 503 Refusal when nothing can be verified just now. */
export async function verifyToken(token: string, env: Env): Promise<string> {
  const rules = {
    issuer: required(env.AUTH_ISSUER, "AUTH_ISSUER"),
    audience: listOf(required(env.AUTH_AUDIENCE, "AUTH_AUDIENCE")),
    clockTolerance: LEEWAY_S,
    requiredClaims: ["exp", "sub"],
  };
  try {
    return subjectOf(await verify(token, rules, env));
  } catch (error) {
    throw translate(error);
  }
}

type Rules = Pick<
  Parameters<typeof jwtVerify>[2] & object,
  "issuer" | "audience" | "clockTolerance" | "requiredClaims"
>;

/** The token's `alg` chooses among what is configured; each kind of key takes its own algorithms and no others. */
async function verify(token: string, rules: Rules, env: Env): Promise<JWTPayload> {
  const alg = algorithmOf(token);
  if (env.AUTH_SECRET && SHARED_SECRET.includes(alg)) {
    const secret = new TextEncoder().encode(env.AUTH_SECRET);
    if (secret.length < MIN_SECRET_BYTES) throw misconfigured(`AUTH_SECRET is under ${MIN_SECRET_BYTES} bytes`);
    return (await jwtVerify(token, secret, { ...rules, algorithms: SHARED_SECRET })).payload;
  }
  if (env.AUTH_JWKS_URL && PUBLISHED_KEYS.includes(alg)) {
    const keys = remoteKeys(env.AUTH_JWKS_URL);
    return (await jwtVerify(token, keys, { ...rules, algorithms: PUBLISHED_KEYS })).payload;
  }
  required(given(env.AUTH_SECRET) ?? env.AUTH_JWKS_URL, "AUTH_JWKS_URL or AUTH_SECRET");
  throw new BadToken("The token is signed in a way that isn't accepted here.");
}

function algorithmOf(token: string): string {
  try {
    return decodeProtectedHeader(token).alg ?? "";
  } catch {
    throw new BadToken("That is no token.");
  }
}

function subjectOf({ sub }: JWTPayload): string {
  if (typeof sub !== "string" || sub === "") throw new BadToken("The token names no subject.");
  if (!PRINTABLE.test(sub) || RESERVED.test(sub))
    throw new BadToken("Nobody may be called what the token's `sub` says.");
  return sub;
}

/** Tell what is the token's fault from what is not. */
function translate(error: unknown): unknown {
  if (error instanceof KeysUnreachable || error instanceof errors.JWKSInvalid) {
    return unavailable("Tokens can't be verified: the issuer's keys can't be read. Try again.", REST_MS / 1000, error);
  }
  if (error instanceof errors.JWTExpired) return new BadToken("The token has expired.", true);
  if (error instanceof errors.JWTClaimValidationFailed) return new BadToken(CLAIMS[error.claim] ?? UNVERIFIED);
  if (error instanceof errors.JOSEError) return new BadToken(UNVERIFIED);
  return error;
}

const UNVERIFIED = "The token can't be verified.";
const CLAIMS: Record<string, string> = {
  iss: "The token is of another issuer.",
  aud: "The token is meant for something else.",
  nbf: "The token isn't valid yet.",
  exp: "The token doesn't say until when it is valid.",
  sub: "The token names no subject.",
};

function required(setting: string | undefined, name: string): string {
  if (!setting) throw misconfigured(`${name} is not set`);
  return setting;
}

function misconfigured(what: string): Error {
  return unavailable(`Nobody can sign in: the Worker's ${what}.`, 60);
}
