/**
 * A fake of Google's token endpoints. It checks requests as Google does: signature, audience, times.
 *
 * `PUT /NAME` configures an account: its public key and behaviour. `GET /NAME` returns the number of requests to each
 * endpoint. `POST /NAME/token` exchanges a service account's assertion, `/NAME/sts` a workload's assertion, and
 * `/NAME/iam/v1/…:generateIdToken` returns the workload's ID token. Runs in Node.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { importJWK, jwtVerify, SignJWT, type JWK, type JWTPayload } from "jose";
import type { TestProject } from "vitest/node";
import { json, listen, readBody, type TestServer } from "./fixtures";

export interface GoogleAccount {
  publicKey: JWK;
  /** The lifetime of ID tokens and access tokens. */
  lifetimeS: number;
  /** Fail every exchange with this status. */
  status?: number;
  provider?: string;
  issuer?: string;
}

export type GoogleCounts = Record<"token" | "sts" | "iam", number>;

interface AccountState extends GoogleAccount {
  counts: GoogleCounts;
}

const SECRET = new TextEncoder().encode("a secret that signs ID tokens, which no test verifies");

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startGoogle();
  project.provide("google", server.url);
  return server.close;
}

export async function startGoogle(): Promise<TestServer> {
  const accounts = new Map<string, AccountState>();
  const server: TestServer = await listen((request, response) => serve(request, response, accounts, () => server.url));
  return server;
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  accounts: Map<string, AccountState>,
  url: () => string,
): Promise<void> {
  const [, name = "", endpoint] = (request.url ?? "").split("/");
  const body = await readBody(request);
  const account = accounts.get(name);
  if (request.method === "PUT") {
    const counts = account?.counts ?? { token: 0, sts: 0, iam: 0 };
    accounts.set(name, { ...(JSON.parse(body) as GoogleAccount), counts });
    json(response, 200, {});
  } else if (!account) {
    json(response, 404, {});
  } else if (endpoint === undefined) {
    json(response, 200, account.counts);
  } else {
    account.counts[endpoint as keyof GoogleCounts]++;
    try {
      if (account.status) throw new Error("configured to fail");
      json(response, 200, await exchange(endpoint, body, account, { request, tokenUri: `${url()}/${name}/token` }));
    } catch (error) {
      json(response, account.status ?? 400, { error: "invalid_grant", error_description: String(error) });
    }
  }
}

async function exchange(
  endpoint: string,
  body: string,
  account: AccountState,
  { request, tokenUri }: { request: IncomingMessage; tokenUri: string },
): Promise<Record<string, unknown>> {
  const form = Object.fromEntries(new URLSearchParams(body));
  if (endpoint === "token") {
    expectEqual(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    const claims = await verifyAssertion(form["assertion"], account, tokenUri);
    expectEqual(claims.iss, claims.sub);
    return { id_token: await idToken(claims["target_audience"], claims.sub, account) };
  }
  if (endpoint === "sts") {
    expectEqual(form["audience"], `//iam.googleapis.com/${account.provider ?? ""}`);
    expectEqual(form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
    const audience = `https://iam.googleapis.com/${account.provider ?? ""}`;
    const claims = await verifyAssertion(form["subject_token"], account, audience);
    expectEqual(claims.iss, account.issuer);
    expectEqual(claims.sub, "headwater-worker");
    return { access_token: "federated", expires_in: account.lifetimeS, token_type: "Bearer" };
  }
  expectEqual(request.headers.authorization, "Bearer federated");
  const email = /serviceAccounts\/([^:]+):generateIdToken$/.exec(request.url ?? "")?.[1];
  const parameters = JSON.parse(body) as { audience: string; includeEmail: boolean };
  expectEqual(parameters.includeEmail, true);
  return { token: await idToken(parameters.audience, email, account) };
}

async function verifyAssertion(
  assertion: string | undefined,
  account: AccountState,
  audience: string,
): Promise<JWTPayload> {
  const key = await importJWK(account.publicKey, account.publicKey.alg);
  const { payload, protectedHeader } = await jwtVerify(assertion ?? "", key, {
    audience,
    requiredClaims: ["iat", "exp"],
    maxTokenAge: "1h",
  });
  expectEqual(protectedHeader.kid, account.publicKey.kid);
  return payload;
}

function idToken(audience: unknown, email: string | undefined, { lifetimeS }: AccountState): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ email, email_verified: true })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer("https://accounts.google.com")
    .setAudience(String(audience))
    .setIssuedAt(now)
    .setExpirationTime(now + lifetimeS)
    .setJti(crypto.randomUUID())
    .sign(SECRET);
}

function expectEqual(actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error(`${String(actual)} is not ${String(expected)}`);
}
