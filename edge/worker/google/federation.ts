/**
 * Workload identity federation, for organisations that forbid service accounts' keys: a private JWK flows in, an access
 * token and with it ID tokens flow out. Google has the public half, uploaded with the identity provider.
 */

import { importJWK, SignJWT, type JWK } from "jose";
import { given, type Env } from "../env";
import { askGoogle, datedToken, noIdentity } from "./token-endpoint";
import type { Fetched } from "../cache/refreshing-value";

/** Who the assertion speaks for; what is mapped to `google.subject` and may act as the service account. */
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
  /** The e-mail address of the service account that it acts as. */
  readonly account: string;
  readonly stsUrl: string;
  readonly iamCredentialsUrl: string;
}

/** Put together what federation needs; throws a 503 Refusal that names what is missing. */
export function workloadOf(key: string, env: Env): Workload {
  const jwk = jwkOf(key);
  return {
    jwk,
    algorithm: jwk.kty === "EC" ? "ES256" : "RS256",
    provider: required(env.GOOGLE_WORKLOAD_PROVIDER, "GOOGLE_WORKLOAD_PROVIDER"),
    issuer: required(env.GOOGLE_WORKLOAD_ISSUER, "GOOGLE_WORKLOAD_ISSUER"),
    account: required(env.GOOGLE_SERVICE_ACCOUNT, "GOOGLE_SERVICE_ACCOUNT"),
    stsUrl: given(env.GOOGLE_STS_URL) ?? STS_URL,
    iamCredentialsUrl: given(env.GOOGLE_IAM_CREDENTIALS_URL) ?? IAM_CREDENTIALS_URL,
  };
}

/** Exchange an assertion for an access token of the pool (RFC 8693). */
export async function federatedAccessToken(workload: Workload): Promise<Fetched<string>> {
  const body = new URLSearchParams({
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    audience: `//iam.googleapis.com/${workload.provider}`,
    scope: SCOPE,
    requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    subject_token: await assertionOf(workload),
  });
  const answer = await askGoogle(workload.stsUrl, { method: "POST", body });
  const { access_token: value, expires_in: lifetimeS } = answer;
  if (typeof value !== "string" || typeof lifetimeS !== "number") {
    throw noIdentity(`${new URL(workload.stsUrl).host} gave no access token`);
  }
  return { value, lifetimeMs: lifetimeS * 1000 };
}

/** Have the service account vouch for the Worker towards `audience`. */
export async function federatedIdToken(
  workload: Workload,
  accessToken: string,
  audience: string,
): Promise<Fetched<string>> {
  const url = `${workload.iamCredentialsUrl}/v1/projects/-/serviceAccounts/${workload.account}:generateIdToken`;
  const answer = await askGoogle(url, {
    method: "POST",
    headers: { authorization: `Bearer ${accessToken}`, "content-type": "application/json" },
    body: JSON.stringify({ audience, includeEmail: true }),
  });
  return datedToken(answer["token"], url);
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
    throw noIdentity("WORKLOAD_KEY can't sign; it must be a private RSA or P-256 key", cause);
  }
}

function jwkOf(json: string): JWK {
  try {
    const jwk = JSON.parse(json) as JWK;
    if (typeof jwk.kid === "string" && typeof jwk.kty === "string") return jwk;
  } catch {
    // Falls through: what can't be parsed is no key either, and must not be shown.
  }
  throw noIdentity("WORKLOAD_KEY isn't a private JWK with a kid");
}

function required(setting: string | undefined, name: string): string {
  if (!setting) throw noIdentity(`${name} is not set`);
  return setting;
}
