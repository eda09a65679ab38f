/**
 * Get Google ID tokens by workload identity federation, for organisations that forbid service account keys.
 *
 * The Worker signs an assertion with a private JWK, whose public half is uploaded to the identity provider. Google
 * exchanges it for an access token, with which the Worker requests ID tokens of a service account.
 */

import { importJWK, SignJWT, type JWK } from "jose";
import type { Expiring } from "../cache/refreshing-value";
import { nonEmpty, type Env } from "../env";
import { requestToken, parseIdToken, googleAuthError } from "./token-endpoint";

/** The assertion's subject, mapped to `google.subject`, which may impersonate the service account. */
export const SUBJECT = "headwater-worker";
const STS_URL = "https://sts.googleapis.com/v1/token";
const IAM_CREDENTIALS_URL = "https://iamcredentials.googleapis.com";
const ASSERTION_S = 600;
const SCOPE = "https://www.googleapis.com/auth/cloud-platform";

export interface Workload {
  readonly jwk: JWK;
  readonly algorithm: "RS256" | "ES256";
  /** `projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`. */
  readonly provider: string;
  /** The provider's `--issuer-uri`. */
  readonly issuer: string;
  /** The e-mail address of the service account to impersonate. */
  readonly account: string;
  readonly stsUrl: string;
  readonly iamCredentialsUrl: string;
}

/** Read the settings for federation. Throws a 503 ProblemError that names a missing or invalid one. */
export function parseWorkload(key: string, env: Env): Workload {
  const jwk = parseJwk(key);
  return {
    jwk,
    algorithm: jwk.kty === "EC" ? "ES256" : "RS256",
    provider: required(env.GOOGLE_WORKLOAD_PROVIDER, "GOOGLE_WORKLOAD_PROVIDER"),
    issuer: required(env.GOOGLE_WORKLOAD_ISSUER, "GOOGLE_WORKLOAD_ISSUER"),
    account: required(env.GOOGLE_SERVICE_ACCOUNT, "GOOGLE_SERVICE_ACCOUNT"),
    stsUrl: nonEmpty(env.GOOGLE_STS_URL) ?? STS_URL,
    iamCredentialsUrl: nonEmpty(env.GOOGLE_IAM_CREDENTIALS_URL) ?? IAM_CREDENTIALS_URL,
  };
}

/** Exchange an assertion for a federated access token (RFC 8693). */
export async function federationAccessToken(workload: Workload): Promise<Expiring<string>> {
  const body = new URLSearchParams({
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    audience: `//iam.googleapis.com/${workload.provider}`,
    scope: SCOPE,
    requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    subject_token: await assertionOf(workload),
  });
  const response = await requestToken(workload.stsUrl, { method: "POST", body });
  const { access_token: value, expires_in: lifetimeS } = response;
  if (typeof value !== "string" || typeof lifetimeS !== "number") {
    throw googleAuthError(`${new URL(workload.stsUrl).host} returned no access token`);
  }
  return { value, lifetimeMs: lifetimeS * 1000 };
}

/** Request an ID token of the service account for `audience`. */
export async function idTokenByFederation(
  workload: Workload,
  accessToken: string,
  audience: string,
): Promise<Expiring<string>> {
  const url = `${workload.iamCredentialsUrl}/v1/projects/-/serviceAccounts/${workload.account}:generateIdToken`;
  const response = await requestToken(url, {
    method: "POST",
    headers: { authorization: `Bearer ${accessToken}`, "content-type": "application/json" },
    body: JSON.stringify({ audience, includeEmail: true }),
  });
  return parseIdToken(response["token"], url);
}

async function assertionOf({ jwk, algorithm, provider, issuer }: Workload): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const assertion = new SignJWT()
    .setProtectedHeader({ alg: algorithm, typ: "JWT", kid: jwk.kid ?? "" })
    .setIssuer(issuer)
    .setSubject(SUBJECT)
    .setAudience(`https://iam.googleapis.com/${provider}`)
    .setIssuedAt(now)
    .setExpirationTime(now + ASSERTION_S);
  try {
    return await assertion.sign(await importJWK(jwk, algorithm));
  } catch (cause) {
    throw googleAuthError("WORKLOAD_KEY can't sign; it must be a private RSA or P-256 key", cause);
  }
}

function parseJwk(json: string): JWK {
  try {
    const jwk = JSON.parse(json) as JWK;
    if (typeof jwk.kid === "string" && typeof jwk.kty === "string") return jwk;
  } catch {
    // Falls through. The error is not passed on: it may contain parts of the key.
  }
  throw googleAuthError("WORKLOAD_KEY isn't a private JWK with a kid");
}

function required(setting: string | undefined, name: string): string {
  if (!setting) throw googleAuthError(`${name} is not set`);
  return setting;
}
