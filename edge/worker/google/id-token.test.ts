import { createExecutionContext } from "cloudflare:test";
import { decodeJwt } from "jose";
import { describe, expect, inject, it } from "vitest";
import type { Env } from "../env";
import { googleToken } from "./id-token";
import { Refusal } from "../http/problem";
import { Account } from "../testing/credentials";

const CHAT = "https://headwater-chat-1.a.run.app";
const COLLECTION = "https://headwater-collection-1.a.run.app";

const token = (variables: Record<string, string>, audience = CHAT): Promise<string | null> =>
  googleToken(audience, variables as unknown as Env, createExecutionContext());

async function refusal(variables: Record<string, string>): Promise<Refusal> {
  const error: unknown = await token(variables).catch((refused: unknown) => refused);
  expect(error).toBeInstanceOf(Refusal);
  return error as Refusal;
}

describe("by a service account's key", () => {
  it("one token an hour and function, whoever asks", async () => {
    const account = await Account.start(inject("google"));
    const variables = await account.byKey();
    const given = await Promise.all(Array.from({ length: 20 }, () => token(variables)));
    expect(new Set(given).size).toBe(1);
    expect(decodeJwt(given[0] ?? "")).toMatchObject({ aud: CHAT, email: Account.email });
    expect(decodeJwt((await token(variables, COLLECTION)) ?? "").aud).toBe(COLLECTION);
    expect(await account.counts()).toEqual({ token: 2, sts: 0, iam: 0 });
  });

  it("another one when its time is over", async () => {
    const account = await Account.start(inject("google"), { lifetimeS: 1 });
    const variables = await account.byKey();
    const first = await token(variables);
    await scheduler.wait(1100);
    expect(await token(variables)).not.toBe(first);
    expect(await account.counts()).toMatchObject({ token: 2 });
  });

  it("none with a key that Google doesn't know: 503, and Google is left alone", async () => {
    const known = await Account.start(inject("google"));
    const forged = await Account.start(inject("google"));
    const { GOOGLE_SERVICE_ACCOUNT_KEY: key = "" } = await forged.byKey();
    const variables = { GOOGLE_SERVICE_ACCOUNT_KEY: key.replace(forged.url, known.url) };
    for (let n = 0; n < 5; n++) {
      const { problem } = await refusal(variables);
      expect(problem).toMatchObject({ status: 503, headers: { "retry-after": "10" } });
      expect(problem.detail).toMatch(/answered 400.*the Worker's log/);
      expect(problem.detail).not.toContain("PRIVATE KEY");
    }
    expect(await known.counts()).toMatchObject({ token: 1 });
  });

  it.each(["{", "{}", '"key"', "null", JSON.stringify({ client_email: "a", private_key: "b" })])(
    "none with %s for a key",
    async (json) => {
      const { problem } = await refusal({ GOOGLE_SERVICE_ACCOUNT_KEY: json });
      expect(problem.detail).toContain("GOOGLE_SERVICE_ACCOUNT_KEY isn't a service account's key");
    },
  );

  it("none with a private key that is none", async () => {
    const key = { client_email: "a", private_key: "b", private_key_id: "c", token_uri: "http://127.0.0.1:9/" };
    const { problem } = await refusal({ GOOGLE_SERVICE_ACCOUNT_KEY: JSON.stringify(key) });
    expect(problem.detail).toContain("the private key in GOOGLE_SERVICE_ACCOUNT_KEY can't be read");
  });
});

describe("by workload identity federation", () => {
  it("one token a function, with one access token for all", async () => {
    const account = await Account.start(inject("google"));
    const variables = await account.byFederation();
    const [chat, again, collection] = await Promise.all([
      token(variables),
      token(variables),
      token(variables, COLLECTION),
    ]);
    expect(again).toBe(chat);
    expect(decodeJwt(chat ?? "")).toMatchObject({ aud: CHAT, email: Account.email });
    expect(decodeJwt(collection ?? "").aud).toBe(COLLECTION);
    expect(await account.counts()).toEqual({ token: 0, sts: 1, iam: 2 });
  });

  it("none when the provider has another issuer", async () => {
    const account = await Account.start(inject("google"), { issuer: "https://other.example.com" });
    expect((await refusal(await account.byFederation())).problem.detail).toContain("answered 400");
    expect(await account.counts()).toEqual({ token: 0, sts: 1, iam: 0 });
  });

  it.each(["GOOGLE_WORKLOAD_PROVIDER", "GOOGLE_WORKLOAD_ISSUER", "GOOGLE_SERVICE_ACCOUNT"])(
    "none without %s",
    async (name) => {
      const account = await Account.start(inject("google"));
      const { problem } = await refusal({ ...(await account.byFederation()), [name]: "" });
      expect(problem.detail).toContain(`${name} is not set`);
    },
  );

  it.each(["[", '{"kty":"RSA"}', '{"kty":"RSA","kid":"1"}', '{"kty":"oct","kid":"1","k":"AAAA"}'])(
    "none with %s for a key",
    async (json) => {
      const account = await Account.start(inject("google"));
      const { problem } = await refusal({ ...(await account.byFederation()), WORKLOAD_KEY: json });
      expect(problem.detail).toMatch(/WORKLOAD_KEY (isn't|can't)/);
    },
  );
});

it("is null where no credential is given", async () => {
  expect(await token({})).toBeNull();
});
