import { describe, expect, it } from "vitest";
import { claimsOf, readResponse, signInUrl, type Attempt } from "./oauth";

const ATTEMPT: Attempt = { nonce: "n 1", state: "s1", from: "/sources", hasState: false };
const HOME = "https://docs.example.com/";

function jwt(claims: Record<string, unknown>): string {
  const part = (value: unknown): string =>
    btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(value))))
      .replace(/\+/g, "-")
      .replace(/\//g, "_")
      .replace(/=/g, "");
  return `${part({ alg: "ES256" })}.${part(claims)}.c2ln`;
}

function back(parameters: Record<string, string>, attempt: Attempt | null = ATTEMPT): ReturnType<typeof readResponse> {
  return readResponse(new URL(`${HOME}#${new URLSearchParams(parameters)}`), attempt);
}

describe("signInUrl", () => {
  it("fills in the template with encoded values", () => {
    const template = "https://issuer.example.com/authorize?to={redirect}&n={nonce}&s={state}&again={nonce}";
    expect(signInUrl(template, HOME, ATTEMPT)).toBe(
      "https://issuer.example.com/authorize?to=https%3A%2F%2Fdocs.example.com%2F&n=n%201&s=s1&again=n%201",
    );
  });

  it.each(["javascript:alert(1)", "authorize?to={redirect}", "data:text/html,x"])("rejects %s", (template) => {
    expect(signInUrl(template, HOME, ATTEMPT)).toBeNull();
  });
});

describe("readResponse", () => {
  const token = jwt({ sub: "ada" });

  it.each(["", "#main", "?start=1&end=2", "?error=x", "#state=s1"])("returns null for %j", (rest) => {
    expect(readResponse(new URL(HOME + rest), null)).toBeNull();
  });

  it("returns an access token that is a JWT", () => {
    expect(back({ access_token: token, refresh_token: "r", expires_in: "3600" })).toEqual({ token });
  });

  it("returns an ID token with the right nonce", () => {
    const idToken = jwt({ sub: "ada", nonce: ATTEMPT.nonce });
    expect(back({ id_token: idToken })).toEqual({ token: idToken });
    expect(back({ id_token: idToken, access_token: "ya29.opaque" })).toEqual({ token: idToken });
  });

  it.each([{ nonce: "another" }, {}])("rejects an ID token with %j", (claims) => {
    expect(back({ id_token: jwt(claims) })).toEqual({
      reason: expect.stringMatching(/belongs to a different sign-in/) as unknown,
    });
    expect(back({ id_token: jwt(claims), access_token: token })).toHaveProperty("reason");
  });

  it("rejects a response that this tab did not request", () => {
    for (const answer of [
      { access_token: token },
      { error: "Call 555" },
      { error: "x", error_description: "Call 555" },
    ]) {
      const outcome = back(answer, null);
      expect(outcome).toEqual({ reason: expect.stringMatching(/not started in this tab/) as unknown });
      expect(JSON.stringify(outcome)).not.toContain("555");
    }
  });

  it("requires the state that was sent", () => {
    const attempt = { ...ATTEMPT, hasState: true };
    expect(back({ access_token: token, state: "s1" }, attempt)).toEqual({ token });
    expect(back({ access_token: token, state: "s2" }, attempt)).toHaveProperty("reason");
    expect(back({ access_token: token }, attempt)).toHaveProperty("reason");
  });

  it("returns the error from the fragment or the query", () => {
    const expected = { reason: "The identity provider rejected the sign-in: No access for you" };
    expect(back({ error: "access_denied", error_description: "No access for you" })).toEqual(expected);
    expect(readResponse(new URL(`${HOME}?error=x&error_description=No+access+for+you`), ATTEMPT)).toEqual(expected);
    expect(back({ error: "access_denied" })).toEqual({
      reason: "The identity provider rejected the sign-in: access_denied",
    });
  });

  it("rejects an opaque token", () => {
    expect(back({ access_token: "ya29.opaque" })).toEqual({
      reason: expect.stringMatching(/didn't return a JWT/) as unknown,
    });
  });
});

describe("claimsOf", () => {
  it("decodes non-ASCII claims", () => {
    expect(claimsOf(jwt({ name: "Žofia 👋" }))).toEqual({ name: "Žofia 👋" });
  });

  it.each(["", "a.b", "a.%.c", "a.bnVsbA.c", "a.W10.c", "a.eyJ.c"])("returns null for %j", (text) => {
    expect(claimsOf(text)).toBeNull();
  });
});
