import { createExecutionContext } from "cloudflare:test";
import { decodeJwt } from "jose";
import { describe, expect, inject, it } from "vitest";
import type { Env } from "../env";
import { ProblemError } from "../http/problem";
import { ServiceAccount } from "../testing/credentials";
import { googleIdToken } from "./id-token";

const CHAT = "https://headwater-chat-1.a.run.app";
const COLLECTION = "https://headwater-collection-1.a.run.app";

const token = (variables: Record<string, string>, audience = CHAT): Promise<string | null> =>
  googleIdToken(audience, variables as unknown as Env, createExecutionContext());

async function problemOf(variables: Record<string, string>): Promise<ProblemError> {
  const error: unknown = await token(variables).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ProblemError);
  return error as ProblemError;
}

describe("googleIdToken with a service account key", () => {
  it("fetches one token an hour for each function", async () => {
    const account = await ServiceAccount.start(inject("google"));
    const variables = await account.keyVariables();
    const tokens = await Promise.all(Array.from({ length: 20 }, () => token(variables)));
    expect(new Set(tokens).size).toBe(1);
    expect(decodeJwt(tokens[0] ?? "")).toMatchObject({ aud: CHAT, email: ServiceAccount.email });
    expect(decodeJwt((await token(variables, COLLECTION)) ?? "").aud).toBe(COLLECTION);
    expect(await account.counts()).toEqual({ token: 2, sts: 0, iam: 0 });
  });

  it("fetches another token when the first expires", async () => {
    const account = await ServiceAccount.start(inject("google"), { lifetimeS: 1 });
    const variables = await account.keyVariables();
    const first = await token(variables);
    await scheduler.wait(1100);
    expect(await token(variables)).not.toBe(first);
    expect(await account.counts()).toMatchObject({ token: 2 });
  });

  it("throws a 503 for an unknown key, and sends Google one request", async () => {
    const known = await ServiceAccount.start(inject("google"));
    const forged = await ServiceAccount.start(inject("google"));
    const { GOOGLE_SERVICE_ACCOUNT_KEY: key = "" } = await forged.keyVariables();
    const variables = { GOOGLE_SERVICE_ACCOUNT_KEY: key.replace(forged.url, known.url) };
    for (let n = 0; n < 5; n++) {
      const { problem } = await problemOf(variables);
      expect(problem).toMatchObject({ status: 503, headers: { "retry-after": "10" } });
      expect(problem.detail).toMatch(/returned 400.*the Worker's log/);
      expect(problem.detail).not.toContain("PRIVATE KEY");
    }
    expect(await known.counts()).toMatchObject({ token: 1 });
  });

  it.each(["{", "{}", '"key"', "null", JSON.stringify({ client_email: "a", private_key: "b" })])(
    "throws a 503 for the key %s",
    async (json) => {
      const { problem } = await problemOf({ GOOGLE_SERVICE_ACCOUNT_KEY: json });
      expect(problem.detail).toContain("GOOGLE_SERVICE_ACCOUNT_KEY isn't a service account key");
    },
  );

  it("throws a 503 for an unreadable private key", async () => {
    const key = { client_email: "a", private_key: "b", private_key_id: "c", token_uri: "http://127.0.0.1:9/" };
    const { problem } = await problemOf({ GOOGLE_SERVICE_ACCOUNT_KEY: JSON.stringify(key) });
    expect(problem.detail).toContain("the private key in GOOGLE_SERVICE_ACCOUNT_KEY can't be read");
  });
});

describe("googleIdToken with workload identity federation", () => {
  it("fetches one token for each function with one access token", async () => {
    const account = await ServiceAccount.start(inject("google"));
    const variables = await account.federationVariables();
    const [chat, again, collection] = await Promise.all([
      token(variables),
      token(variables),
      token(variables, COLLECTION),
    ]);
    expect(again).toBe(chat);
    expect(decodeJwt(chat ?? "")).toMatchObject({ aud: CHAT, email: ServiceAccount.email });
    expect(decodeJwt(collection ?? "").aud).toBe(COLLECTION);
    expect(await account.counts()).toEqual({ token: 0, sts: 1, iam: 2 });
  });

  it("is used by a Worker that also has a service account key", async () => {
    const account = await ServiceAccount.start(inject("google"));
    const both = { ...(await account.keyVariables()), ...(await account.federationVariables()) };
    expect(decodeJwt((await token(both)) ?? "").aud).toBe(CHAT);
    expect(await account.counts()).toEqual({ token: 0, sts: 1, iam: 1 });
    await token({ ...both, GOOGLE_WORKLOAD_PROVIDER: "" });
    expect(await account.counts()).toMatchObject({ token: 1 });
  });

  it("throws a 503 if the provider has another issuer", async () => {
    const account = await ServiceAccount.start(inject("google"), { issuer: "https://other.example.com" });
    expect((await problemOf(await account.federationVariables())).problem.detail).toContain("returned 400");
    expect(await account.counts()).toEqual({ token: 0, sts: 1, iam: 0 });
  });

  it.each(["GOOGLE_WORKLOAD_PROVIDER", "GOOGLE_WORKLOAD_ISSUER", "GOOGLE_SERVICE_ACCOUNT"])(
    "throws a 503 if %s is not set",
    async (name) => {
      const account = await ServiceAccount.start(inject("google"));
      const { problem } = await problemOf({ ...(await account.federationVariables()), [name]: "" });
      expect(problem.detail).toContain(`${name} is not set`);
    },
  );

  it.each(["[", '{"kty":"RSA"}', '{"kty":"RSA","kid":"1"}', '{"kty":"oct","kid":"1","k":"AAAA"}'])(
    "throws a 503 for the key %s",
    async (json) => {
      const account = await ServiceAccount.start(inject("google"));
      const { problem } = await problemOf({ ...(await account.federationVariables()), WORKLOAD_KEY: json });
      expect(problem.detail).toMatch(/WORKLOAD_KEY (isn't|can't)/);
    },
  );
});

it("googleIdToken is null without a credential", async () => {
  expect(await token({})).toBeNull();
});
