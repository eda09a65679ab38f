import { base64url, exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT, type CryptoKey as JoseKey } from "jose";
import { beforeAll, describe, expect, inject, it } from "vitest";
import type { Env } from "../env";
import { ProblemError } from "../http/problem";
import { claimsOf, Issuer } from "../testing/credentials";
import { InvalidToken, verifyToken } from "./verify-token";

const SECRET = "a secret of at least thirty-two bytes";
const NOT_ALLOWED = "The token's subject (`sub`) is not allowed.";
const now = (): number => Math.floor(Date.now() / 1000);
let issuer: Issuer;

beforeAll(async () => {
  issuer = await Issuer.start(inject("issuer"));
});

const verify = (token: string, changes: Partial<Env> = {}): Promise<string> =>
  verifyToken(token, { ...issuer.variables, ...changes } as unknown as Env);

const symmetric = (secret: string, claims = claimsOf({ sub: "u1" })): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(secret));

describe("verifyToken accepts a token", () => {
  it.each(["ES256", "RS256", "EdDSA"])("signed with %s", async (algorithm) => {
    const other = await Issuer.start(inject("issuer"), algorithm);
    expect(await verify(await other.token({ sub: "u1" }), { AUTH_JWKS_URL: other.url })).toBe("u1");
  });

  it("for several audiences, with ten seconds of leeway", async () => {
    const token = await issuer.token({ sub: "u1", aud: ["x", "other"], exp: now() - 8, nbf: now() + 8 });
    expect(await verify(token)).toBe("u1");
  });

  it("signed with the shared secret or a published key, when both are set", async () => {
    expect(await verify(await symmetric(SECRET), { AUTH_SECRET: SECRET })).toBe("u1");
    expect(await verify(await issuer.token({ sub: "u1" }), { AUTH_SECRET: SECRET })).toBe("u1");
  });
});

describe("verifyToken rejects a token", () => {
  it.each([
    ["that has expired", { exp: now() - 60 }, "The token has expired."],
    ["without an expiry", { exp: undefined }, "The token has no expiry (`exp`)."],
    ["that is not valid yet", { nbf: now() + 60 }, "The token is not valid yet (`nbf`)."],
    ["from another issuer", { iss: "https://issuer.example/auth/v2" }, "The token is from another issuer (`iss`)."],
    ["without an issuer", { iss: undefined }, "The token is from another issuer (`iss`)."],
    ["for another audience", { aud: "another-app" }, "The token is for another audience (`aud`)."],
    ["without an audience", { aud: undefined }, "The token is for another audience (`aud`)."],
    ["without a subject", { sub: undefined }, "The token has no subject (`sub`)."],
    ["with the local user's subject", { sub: "local" }, NOT_ALLOWED],
    ["with an API key's subject", { sub: "key:1" }, NOT_ALLOWED],
    ["with an unprintable subject", { sub: "a\nb" }, NOT_ALLOWED],
    ["with a too long subject", { sub: "a".repeat(256) }, NOT_ALLOWED],
    ["with an empty subject", { sub: "" }, "The token has no subject (`sub`)."],
  ])("%s", async (_, claims, message) => {
    await expect(verify(await issuer.token(claims))).rejects.toThrow(
      new InvalidToken(message, message.includes("expired")),
    );
  });

  it("signed with another key of the same id", async () => {
    const { privateKey } = await generateKeyPair("ES256");
    await expect(verify(await issuer.token({}, { key: privateKey }))).rejects.toThrow(InvalidToken);
  });

  it("whose claims were changed after signing", async () => {
    const [header = "", , signature = ""] = (await issuer.token({ sub: "u1" })).split(".");
    const claims = base64url.encode(JSON.stringify(claimsOf({ sub: "u2" })));
    await expect(verify([header, claims, signature].join("."))).rejects.toThrow(InvalidToken);
  });

  it.each(["none", "None", "HS384", "PS256", "ES384", ""])("with the algorithm %j", async (alg) => {
    const header = base64url.encode(JSON.stringify({ alg, kid: issuer.publicJwk.kid }));
    const token = `${header}.${base64url.encode(JSON.stringify(claimsOf()))}.`;
    await expect(verify(token, { AUTH_SECRET: SECRET })).rejects.toThrow(InvalidToken);
  });

  it("signed with the issuer's public key as a shared secret", async () => {
    const key = (await importJWK(issuer.publicJwk, "ES256", { extractable: true })) as JoseKey;
    for (const secret of [await exportSPKI(key), JSON.stringify(issuer.publicJwk), issuer.publicJwk.x ?? ""]) {
      await expect(verify(await symmetric(secret))).rejects.toThrow(InvalidToken);
      await expect(verify(await symmetric(secret), { AUTH_SECRET: SECRET })).rejects.toThrow(InvalidToken);
    }
  });

  it("that contains its own key", async () => {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const jwk = await exportJWK(publicKey);
    const header = { jwk, jku: "https://evil.example/keys", kid: "mine" };
    await expect(verify(await issuer.token({}, { key: privateKey, header }))).rejects.toThrow(InvalidToken);
  });

  it("with an unknown critical header", async () => {
    const token = await new SignJWT(claimsOf())
      .setProtectedHeader({ alg: "ES256", kid: issuer.publicJwk.kid ?? "", crit: ["new"], new: 1 })
      .sign(issuer.privateKey, { crit: { new: true } });
    await expect(verify(token)).rejects.toThrow(InvalidToken);
  });

  it.each(["", "x", "a.b.c", "..", "e30.e30.e30", "é", "x".repeat(10_000), "bm9u.e30.", "e30.e30.e30.e30.e30"])(
    "of the form %j",
    async (token) => {
      await expect(verify(token)).rejects.toThrow(InvalidToken);
    },
  );
});

describe("verifyToken throws a 503", () => {
  it.each([
    ["AUTH_ISSUER", { AUTH_ISSUER: "" }],
    ["AUTH_AUDIENCE", { AUTH_AUDIENCE: "" }],
    ["AUTH_JWKS_URL or AUTH_SECRET", { AUTH_JWKS_URL: "" }],
  ])("if %s is not set", async (name, changes) => {
    await expect(verify(await issuer.token(), changes)).rejects.toThrow(`the Worker's ${name} is not set`);
  });

  it("if the shared secret is too short", async () => {
    const verification = verify(await symmetric("short"), { AUTH_SECRET: "short" });
    await expect(verification).rejects.toThrow("AUTH_SECRET is under 32 bytes");
  });

  it("while the issuer's keys are unavailable", async () => {
    const failing = await Issuer.start(inject("issuer"));
    await failing.publish({ status: 500 });
    const error: unknown = await verify(await failing.token(), { AUTH_JWKS_URL: failing.url }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ProblemError);
    expect((error as ProblemError).problem).toMatchObject({ status: 503, headers: { "retry-after": "10" } });
  });
});
