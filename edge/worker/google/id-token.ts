/**
 * Google ID tokens that authenticate the Worker to Cloud Run, by a service account key or workload identity federation.
 *
 * A token is valid for an hour. Each isolate fetches one an hour for each function.
 */

import { RefreshingValue, type Expiring } from "../cache/refreshing-value";
import { nonEmpty, type Env } from "../env";
import { federationAccessToken, idTokenByFederation, parseWorkload } from "./federation";
import { idTokenByKey, parseServiceAccountKey } from "./service-account-key";

const idTokens = new Map<string, RefreshingValue<string>>();
const accessTokens = new Map<string, RefreshingValue<string>>();

/** Return an ID token for `audience` (a function's URL); null if no credential is set. Throws a 503 ProblemError. */
export async function googleIdToken(audience: string, env: Env, ctx: ExecutionContext): Promise<string | null> {
  // A Worker that switched to federation still has the key's secret: the variables say which of them counts.
  const federates = nonEmpty(env.WORKLOAD_KEY) !== undefined && nonEmpty(env.GOOGLE_WORKLOAD_PROVIDER) !== undefined;
  const key = federates ? undefined : nonEmpty(env.GOOGLE_SERVICE_ACCOUNT_KEY);
  const credential = key ?? nonEmpty(env.WORKLOAD_KEY);
  if (credential === undefined) return null;
  const load = (fetchCtx: ExecutionContext): Promise<Expiring<string>> =>
    key === undefined
      ? byFederation(credential, audience, env, fetchCtx)
      : idTokenByKey(parseServiceAccountKey(key), audience);
  return refreshingValue(idTokens, `${audience} ${credential}`, load).get(ctx);
}

/** Get an ID token by federation. The access token it needs is shared by all audiences. */
async function byFederation(
  credential: string,
  audience: string,
  env: Env,
  ctx: ExecutionContext,
): Promise<Expiring<string>> {
  const workload = parseWorkload(credential, env);
  const accessToken = await refreshingValue(accessTokens, credential, () => federationAccessToken(workload)).get(ctx);
  return idTokenByFederation(workload, accessToken, audience);
}

function refreshingValue(
  cache: Map<string, RefreshingValue<string>>,
  key: string,
  load: (ctx: ExecutionContext) => Promise<Expiring<string>>,
): RefreshingValue<string> {
  let value = cache.get(key);
  if (!value) cache.set(key, (value = new RefreshingValue(load)));
  return value;
}
