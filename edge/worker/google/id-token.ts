/**
 * How a function's platform knows the Worker: a function's URL flows in, a Google ID token for it flows out.
 *
 * Cloud Run lets nobody in without. A token is good for an hour and is fetched once an hour, by function and isolate.
 */

import { given, type Env } from "../env";
import { federatedAccessToken, federatedIdToken, workloadOf } from "./federation";
import { keyedIdToken, serviceAccountKeyOf } from "./service-account-key";
import { Kept, type Fetched } from "../cache/refreshing-value";

const idTokens = new Map<string, Kept<string>>();
const accessTokens = new Map<string, Kept<string>>();

/** Return the token for `audience`, null where no credential is configured; throws a 503 Refusal when there is none. */
export async function googleToken(audience: string, env: Env, ctx: ExecutionContext): Promise<string | null> {
  const key = given(env.GOOGLE_SERVICE_ACCOUNT_KEY);
  const credential = key ?? given(env.WORKLOAD_KEY);
  if (credential === undefined) return null;
  const fetchIt = (own: ExecutionContext): Promise<Fetched<string>> =>
    key === undefined ? byFederation(credential, audience, env, own) : keyedIdToken(serviceAccountKeyOf(key), audience);
  return keptIn(idTokens, `${audience} ${credential}`, fetchIt).get(ctx);
}

/** One access token serves the ID tokens of all functions. */
async function byFederation(
  credential: string,
  audience: string,
  env: Env,
  ctx: ExecutionContext,
): Promise<Fetched<string>> {
  const workload = workloadOf(credential, env);
  const accessToken = await keptIn(accessTokens, credential, () => federatedAccessToken(workload)).get(ctx);
  return federatedIdToken(workload, accessToken, audience);
}

function keptIn(
  all: Map<string, Kept<string>>,
  name: string,
  fetchIt: (ctx: ExecutionContext) => Promise<Fetched<string>>,
): Kept<string> {
  let kept = all.get(name);
  if (!kept) all.set(name, (kept = new Kept(fetchIt)));
  return kept;
}
