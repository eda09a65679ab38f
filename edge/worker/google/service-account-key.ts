/** A service account's key flows in, an ID token from Google's token endpoint flows out (RFC 7523). */

import { importPKCS8, SignJWT } from "jose";
import { askGoogle, datedToken, noIdentity } from "./token-endpoint";
import type { Fetched } from "../cache/refreshing-value";

const ALGORITHM = "RS256";
/** The longest that Google takes. */
const ASSERTION_S = 3600;
const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/** What the Worker reads of the JSON that `gcloud iam service-accounts keys create` writes. */
export interface ServiceAccountKey {
  readonly client_email: string;
  readonly private_key: string;
  readonly private_key_id: string;
  readonly token_uri: string;
}

/** Throws a 503 Refusal for what isn't such a key. */
export function serviceAccountKeyOf(json: string): ServiceAccountKey {
  try {
    const key = JSON.parse(json) as Partial<Record<keyof ServiceAccountKey, unknown>>;
    const { client_email, private_key, private_key_id, token_uri } = key;
    if ([client_email, private_key, private_key_id, token_uri].every((value) => typeof value === "string")) {
      return key as ServiceAccountKey;
    }
  } catch {
    // Falls through: what can't be parsed is no key either, and must not be shown.
  }
  throw noIdentity("GOOGLE_SERVICE_ACCOUNT_KEY isn't a service account's key in JSON");
}

/** Fetch an ID token for `audience`; throws a 503 Refusal. */
export async function keyedIdToken(key: ServiceAccountKey, audience: string): Promise<Fetched<string>> {
  const body = new URLSearchParams({ grant_type: GRANT, assertion: await assertionOf(key, audience) });
  const answer = await askGoogle(key.token_uri, { method: "POST", body });
  return datedToken(answer["id_token"], key.token_uri);
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
    throw noIdentity("the private key in GOOGLE_SERVICE_ACCOUNT_KEY can't be read", cause);
  }
}
