/** What this installation's configuration gives the Worker, and the part of it that `GET /env` tells everybody. */

export interface Env {
  readonly ASSETS: Fetcher;
  readonly NAME: string;
  readonly VERSION: string;
  /** `local` (this machine only) or `jwt`; the Worker serves nobody's API requests under anything else. */
  readonly AUTH_MODE: string;
  /** What a token must say (`iss`; one of these as `aud`, separated by commas), and what verifies it: either or both. */
  readonly AUTH_ISSUER?: string;
  readonly AUTH_AUDIENCE?: string;
  readonly AUTH_JWKS_URL?: string;
  readonly AUTH_SECRET?: string;
  /** Where the web app sends people to sign in: a URL with `{redirect}` and, for OpenID Connect, `{nonce}`. */
  readonly SIGN_IN_URL?: string;
  /** Origins whose pages may call the API, separated by commas; the functions have the same setting. */
  readonly CORS_ORIGINS?: string;
  /** Base URLs of the functions, without a path. */
  readonly CHAT_URL: string;
  readonly COLLECTION_URL: string;
  readonly EMBEDDING_URL: string;

  /** How Google knows the Worker: a service account's key (JSON) … */
  readonly GOOGLE_SERVICE_ACCOUNT_KEY?: string;
  /** … or workload identity federation: a private JWK, and the provider and the account it stands for. */
  readonly WORKLOAD_KEY?: string;
  readonly GOOGLE_WORKLOAD_PROVIDER?: string;
  readonly GOOGLE_WORKLOAD_ISSUER?: string;
  readonly GOOGLE_SERVICE_ACCOUNT?: string;
  /** Google's own unless they are given. */
  readonly GOOGLE_STS_URL?: string;
  readonly GOOGLE_IAM_CREDENTIALS_URL?: string;

  /** Limits (wrangler.jsonc); one that is not bound doesn't hold anybody up. */
  readonly REQUESTS?: RateLimit;
  readonly QUESTIONS?: RateLimit;
  readonly SIGN_INS?: RateLimit;
}

export function describe(env: Env): Response {
  const signInUrl = given(env.SIGN_IN_URL) ?? null;
  const body = { name: env.NAME, version: env.VERSION, authMode: env.AUTH_MODE, signInUrl };
  return Response.json(body, { headers: { "cache-control": "no-store" } });
}

/** An empty setting counts as unset. */
export function given(setting: string | undefined): string | undefined {
  return setting === "" ? undefined : setting;
}

/** Read a setting that holds several values, separated by commas. */
export function listOf(setting: string | undefined): string[] {
  return (setting ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
