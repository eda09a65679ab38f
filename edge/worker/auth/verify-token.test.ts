import { base64url, exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT, type CryptoKey as JoseKey } from "jose";
import { beforeAll, describe, expect, inject, it } from "vitest";
import type { Env } from "../env";
import { Refusal } from "../http/problem";
import { claimsOf, Issuer } from "../testing/credentials";
import { BadToken, verifyToken } from "./verify-token";

const SECRET = "a secret of at least thirty-two bytes";
const NAME = "Nobody may be called what the token's `sub` says.";
const now = (): number => Math.floor(Date.now() / 1000);
let issuer: Issuer;

beforeAll(async () => {
  issuer = await Issuer.start(inject("issuer"));
});

const verify = (token: string, changes: Partial<Env> = {}): Promise<string> =>
  verifyToken(token, { ...issuer.variables, ...changes } as unknown as Env);

const symmetric = (secret: string, claims = claimsOf({ sub: "u1" })): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(secret));

describe("a token of the issuer", () => {
  it.each(["ES256", "RS256", "EdDSA"])("signed by %s is good", async (algorithm) => {
    const other = await Issuer.start(inject("issuer"), algorithm);
    expect(await verify(await other.token({ sub: "u1" }), { AUTH_JWKS_URL: other.url })).toBe("u1");
  });

  it("is good for any one of its audiences, ten seconds after its end and ten before its start", async () => {
    const token = await issuer.token({ sub: "u1", aud: ["x", "other"], exp: now() - 8, nbf: now() + 8 });
    expect(await verify(token)).toBe("u1");
  });

  it("signed with the shared secret is good where there is one", async () => {
    expect(await verify(await symmetric(SECRET), { AUTH_SECRET: SECRET })).toBe("u1");
    expect(await verify(await issuer.token({ sub: "u1" }), { AUTH_SECRET: SECRET })).toBe("u1");
  });
});

describe("no good is", () => {
  it.each([
    ["one that has expired", { exp: now() - 60 }, "The token has expired."],
    ["one without an end", { exp: undefined }, "The token doesn't say until when it is valid."],
    ["one that isn't valid yet", { nbf: now() + 60 }, "The token isn't valid yet."],
    ["another issuer's", { iss: "https://issuer.example/auth/v2" }, "The token is of another issuer."],
    ["one without an issuer", { iss: undefined }, "The token is of another issuer."],
    ["one for somebody else", { aud: "somebody-else" }, "The token is meant for something else."],
    ["one for nobody", { aud: undefined }, "The token is meant for something else."],
    ["one of nobody", { sub: undefined }, "The token names no subject."],
    ["one that calls itself the laptop's user", { sub: "local" }, NAME],
    ["one that calls itself an API key", { sub: "key:1" }, NAME],
    ["one with a name that can't be printed", { sub: "a\nb" }, NAME],
    ["one with a name without end", { sub: "a".repeat(256) }, NAME],
    ["one of an empty name", { sub: "" }, "The token names no subject."],
  ])("%s", async (_, claims, message) => {
    await expect(verify(await issuer.token(claims))).rejects.toThrow(
      new BadToken(message, message.includes("expired")),
    );
  });

  it("one signed with another key under the same name", async () => {
    const { privateKey } = await generateKeyPair("ES256");
    await expect(verify(await issuer.token({}, { key: privateKey }))).rejects.toThrow(BadToken);
  });

  it("one whose claims were changed after it was signed", async () => {
    const [header = "", , signature = ""] = (await issuer.token({ sub: "u1" })).split(".");
    const claims = base64url.encode(JSON.stringify(claimsOf({ sub: "u2" })));
    await expect(verify([header, claims, signature].join("."))).rejects.toThrow(BadToken);
  });

  it.each(["none", "None", "HS384", "PS256", "ES384", ""])("one with the algorithm %j", async (alg) => {
    const header = base64url.encode(JSON.stringify({ alg, kid: issuer.publicJwk.kid }));
    const token = `${header}.${base64url.encode(JSON.stringify(claimsOf()))}.`;
    await expect(verify(token, { AUTH_SECRET: SECRET })).rejects.toThrow(BadToken);
  });

  it("one that takes the issuer's public key for a shared secret", async () => {
    const key = (await importJWK(issuer.publicJwk, "ES256", { extractable: true })) as JoseKey;
    for (const secret of [await exportSPKI(key), JSON.stringify(issuer.publicJwk), issuer.publicJwk.x ?? ""]) {
      await expect(verify(await symmetric(secret))).rejects.toThrow(BadToken);
      await expect(verify(await symmetric(secret), { AUTH_SECRET: SECRET })).rejects.toThrow(BadToken);
    }
  });

  it("one that brings its own key along", async () => {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const jwk = await exportJWK(publicKey);
    const header = { jwk, jku: "https://evil.example/keys", kid: "mine" };
    await expect(verify(await issuer.token({}, { key: privateKey, header }))).rejects.toThrow(BadToken);
  });

  it("one that asks for something that isn't known here", async () => {
    const token = await new SignJWT(claimsOf())
      .setProtectedHeader({ alg: "ES256", kid: issuer.publicJwk.kid ?? "", crit: ["new"], new: 1 })
      .sign(issuer.privateKey, { crit: { new: true } });
    await expect(verify(token)).rejects.toThrow(BadToken);
  });

  it.each(["", "x", "a.b.c", "..", "e30.e30.e30", "é", "x".repeat(10_000), "bm9u.e30.", "e30.e30.e30.e30.e30"])(
    "%j",
    async (token) => {
      await expect(verify(token)).rejects.toThrow(BadToken);
    },
  );
});

describe("nobody can sign in, and is told whose fault it is,", () => {
  it.each([
    ["AUTH_ISSUER", { AUTH_ISSUER: "" }],
    ["AUTH_AUDIENCE", { AUTH_AUDIENCE: "" }],
    ["AUTH_JWKS_URL or AUTH_SECRET", { AUTH_JWKS_URL: "" }],
  ])("without %s", async (name, changes) => {
    await expect(verify(await issuer.token(), changes)).rejects.toThrow(`the Worker's ${name} is not set`);
  });

  it("with a shared secret that can be guessed", async () => {
    const refused = verify(await symmetric("short"), { AUTH_SECRET: "short" });
    await expect(refused).rejects.toThrow("AUTH_SECRET is under 32 bytes");
  });

  it("while the issuer gives no keys", async () => {
    const silent = await Issuer.start(inject("issuer"));
    await silent.publish({ status: 500 });
    const error: unknown = await verify(await silent.token(), { AUTH_JWKS_URL: silent.url }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Refusal);
    expect((error as Refusal).problem).toMatchObject({ status: 503, headers: { "retry-after": "10" } });
  });
});
