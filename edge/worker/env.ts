/** The Worker's variables, secrets and bindings, and the response of `GET /env`. */

export interface Env {
  readonly ASSETS: Fetcher;
  readonly NAME: string;
  readonly VERSION: string;
  /** `local` (this machine only) or `jwt`. With any other value every API request is a 503. */
  readonly AUTH_MODE: string;
  /** Secret that every API request must send with `AUTH_MODE=local`. */
  readonly LOCAL_TOKEN?: string;
  /** Required claims of a user's token: `iss`, and at least one of these as `aud` (comma-separated). */
  readonly AUTH_ISSUER?: string;
  readonly AUTH_AUDIENCE?: string;
  /** What verifies a token's signature: published keys, a shared secret, or both. */
  readonly AUTH_JWKS_URL?: string;
  readonly AUTH_SECRET?: string;
  /** The issuer's sign-in page: a URL with `{redirect}` and, for OpenID Connect, `{nonce}`. */
  readonly SIGN_IN_URL?: string;
  /** Origins whose pages may call the API (comma-separated). The functions have the same setting. */
  readonly CORS_ORIGINS?: string;
  /** Base URLs of the functions, without a path. */
  readonly CHAT_URL: string;
  readonly COLLECTION_URL: string;
  readonly EMBEDDING_URL: string;

  /** How the Worker authenticates to Cloud Run: a service account's key (JSON) … */
  readonly GOOGLE_SERVICE_ACCOUNT_KEY?: string;
  /** … or workload identity federation: a private JWK, the provider and the service account to impersonate. */
  readonly WORKLOAD_KEY?: string;
  readonly GOOGLE_WORKLOAD_PROVIDER?: string;
  readonly GOOGLE_WORKLOAD_ISSUER?: string;
  readonly GOOGLE_SERVICE_ACCOUNT?: string;
  /** Google's endpoints, unless set. */
  readonly GOOGLE_STS_URL?: string;
  readonly GOOGLE_IAM_CREDENTIALS_URL?: string;

  /** Rate limits (wrangler.jsonc). A missing binding means no limit. */
  readonly REQUESTS?: RateLimit;
  readonly QUESTIONS?: RateLimit;
  readonly SIGN_INS?: RateLimit;
}

/** Respond to `GET /env`, which tells the web app how to sign in. Public. */
export function envResponse(env: Env): Response {
  const signInUrl = nonEmpty(env.SIGN_IN_URL) ?? null;
  const body = { name: env.NAME, version: env.VERSION, authMode: env.AUTH_MODE, signInUrl };
  return Response.json(body, { headers: { "cache-control": "no-store" } });
}

/** Treat an empty setting as unset. */
export function nonEmpty(setting: string | undefined): string | undefined {
  return setting === "" ? undefined : setting;
}

/** Parse a comma-separated list. */
export function parseList(setting: string | undefined): string[] {
  return (setting ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
