/** Get a Google ID token with a service account key (JWT bearer grant, RFC 7523). */

import { importPKCS8, SignJWT } from "jose";
import type { Expiring } from "../cache/refreshing-value";
import { requestToken, parseIdToken, googleAuthError } from "./token-endpoint";

const ALGORITHM = "RS256";
/** Google's maximum. */
const ASSERTION_S = 3600;
const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/** The fields that the Worker reads of a key file, as `gcloud iam service-accounts keys create` writes it. */
export interface ServiceAccountKey {
  readonly client_email: string;
  readonly private_key: string;
  readonly private_key_id: string;
  readonly token_uri: string;
}

/** Parse a key file. Throws a 503 ProblemError if it isn't one. */
export function parseServiceAccountKey(json: string): ServiceAccountKey {
  try {
    const key = JSON.parse(json) as Partial<Record<keyof ServiceAccountKey, unknown>>;
    const { client_email, private_key, private_key_id, token_uri } = key;
    if ([client_email, private_key, private_key_id, token_uri].every((value) => typeof value === "string")) {
      return key as ServiceAccountKey;
    }
  } catch {
    // Falls through. The error is not passed on: it may contain parts of the key.
  }
  throw googleAuthError("GOOGLE_SERVICE_ACCOUNT_KEY isn't a service account key in JSON");
}

/** Fetch an ID token for `audience`. Throws a 503 ProblemError. */
export async function idTokenByKey(key: ServiceAccountKey, audience: string): Promise<Expiring<string>> {
  const body = new URLSearchParams({ grant_type: GRANT, assertion: await assertionOf(key, audience) });
  const response = await requestToken(key.token_uri, { method: "POST", body });
  return parseIdToken(response["id_token"], key.token_uri);
}

async function assertionOf(key: ServiceAccountKey, audience: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const assertion = new SignJWT({ target_audience: audience })
    .setProtectedHeader({ alg: ALGORITHM, typ: "JWT", kid: key.private_key_id })
    .setIssuer(key.client_email)
    .setSubject(key.client_email)
    .setAudience(key.token_uri)
    .setIssuedAt(now)
    .setExpirationTime(now + ASSERTION_S);
  try {
    return await assertion.sign(await importPKCS8(key.private_key, ALGORITHM));
  } catch (cause) {
    throw googleAuthError("the private key in GOOGLE_SERVICE_ACCOUNT_KEY can't be read", cause);
  }
}
