/** Test credentials: users' tokens, API keys, the Worker's Google credentials. Runs in Node and workerd. */

import { exportJWK, exportPKCS8, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from "jose";
import { checksumOf } from "../auth/api-key";
import type { GoogleAccount, GoogleCounts } from "./google";

export const ISSUER = "https://issuer.example/auth/v1";
export const AUDIENCE = "authenticated";

/** An issuer of users' tokens with one signing key, published at `url`. */
export class Issuer {
  private constructor(
    readonly url: string,
    readonly algorithm: string,
    public privateKey: CryptoKey,
    public publicJwk: JWK,
  ) {}

  /** Make an issuer and publish its key on the fake issuer server at `base`. */
  static async start(base: string, algorithm = "ES256"): Promise<Issuer> {
    const { privateKey, publicJwk } = await keyPair(algorithm);
    const issuer = new Issuer(`${base}/${crypto.randomUUID()}`, algorithm, privateKey, publicJwk);
    await issuer.publish({ keys: [publicJwk] });
    return issuer;
  }

  async publish(set: { keys?: JWK[]; status?: number; drips?: boolean }): Promise<void> {
    await fetch(this.url, { method: "PUT", body: JSON.stringify(set) });
  }

  /** Replace the signing key, without publishing the new one. */
  async rotate(): Promise<void> {
    Object.assign(this, await keyPair(this.algorithm));
  }

  /** Count the fetches of the published keys. */
  async fetchCount(): Promise<number> {
    const response = await fetch(`${this.url}/count`);
    return ((await response.json()) as { count: number }).count;
  }

  /** Sign a valid token with a test's changes. A claim that is undefined is left out. */
  token(changes: Record<string, unknown> = {}, { key = this.privateKey, header = {} } = {}): Promise<string> {
    const claims = claimsOf(changes);
    return new SignJWT(claims)
      .setProtectedHeader({ alg: this.algorithm, kid: this.publicJwk.kid ?? "", ...header })
      .sign(key);
  }

  /** The Worker's variables for this issuer. */
  get variables(): Record<string, string> {
    return { AUTH_MODE: "jwt", AUTH_ISSUER: ISSUER, AUTH_AUDIENCE: `other, ${AUDIENCE}`, AUTH_JWKS_URL: this.url };
  }
}

export function claimsOf(changes: Record<string, unknown> = {}): JWTPayload {
  const now = Math.floor(Date.now() / 1000);
  return { iss: ISSUER, aud: AUDIENCE, sub: `user-${crypto.randomUUID()}`, iat: now, exp: now + 600, ...changes };
}

/** Make a well-formed API key. */
export function apiKey(): string {
  const text = `hw_${crypto.randomUUID().replaceAll("-", "")}`;
  return text + checksumOf(text);
}

async function keyPair(algorithm: string): Promise<{ privateKey: CryptoKey; publicJwk: JWK }> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  const publicJwk = { ...(await exportJWK(publicKey)), kid: crypto.randomUUID(), alg: algorithm };
  return { privateKey, publicJwk };
}

/** A service account of the fake Google, with credentials for both ways to get tokens. */
export class ServiceAccount {
  static readonly provider = "projects/1/locations/global/workloadIdentityPools/headwater/providers/worker";
  static readonly email = "headwater-worker@p.iam.gserviceaccount.com";

  private constructor(
    readonly url: string,
    private readonly privateKey: CryptoKey,
    private readonly publicKey: JWK,
  ) {}

  static async start(base: string, behaviour: Partial<GoogleAccount> = {}): Promise<ServiceAccount> {
    const { privateKey, publicJwk } = await keyPair("RS256");
    const account = new ServiceAccount(`${base}/${crypto.randomUUID()}`, privateKey, publicJwk);
    await account.configure(behaviour);
    return account;
  }

  async configure(behaviour: Partial<GoogleAccount>): Promise<void> {
    const defaults = { lifetimeS: 3600, provider: ServiceAccount.provider, issuer: "https://hw.example.com" };
    const body = JSON.stringify({ publicKey: this.publicKey, ...defaults, ...behaviour });
    await fetch(this.url, { method: "PUT", body });
  }

  async counts(): Promise<GoogleCounts> {
    return (await fetch(this.url)).json() as Promise<GoogleCounts>;
  }

  /** The Worker's secret for a service account key. */
  async keyVariables(): Promise<Record<string, string>> {
    const key = {
      type: "service_account",
      client_email: ServiceAccount.email,
      private_key_id: this.publicKey.kid,
      private_key: await exportPKCS8(this.privateKey),
      token_uri: `${this.url}/token`,
    };
    return { GOOGLE_SERVICE_ACCOUNT_KEY: JSON.stringify(key) };
  }

  /** The Worker's variables and secret for workload identity federation. */
  async federationVariables(): Promise<Record<string, string>> {
    return {
      WORKLOAD_KEY: JSON.stringify({ ...(await exportJWK(this.privateKey)), kid: this.publicKey.kid }),
      GOOGLE_WORKLOAD_PROVIDER: ServiceAccount.provider,
      GOOGLE_WORKLOAD_ISSUER: "https://hw.example.com",
      GOOGLE_SERVICE_ACCOUNT: ServiceAccount.email,
      GOOGLE_STS_URL: `${this.url}/sts`,
      GOOGLE_IAM_CREDENTIALS_URL: `${this.url}/iam`,
    };
  }
}
