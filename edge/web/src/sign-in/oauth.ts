/** OAuth 2.0 implicit flow: build the authorization URL from a template, and read the response from the URL. Pure. */

import { hasStrings } from "../session/tab-storage";

/** A sign-in started in this tab. */
export interface Attempt {
  nonce: string;
  state: string;
  /** The path to return to. */
  from: string;
  /** Whether the authorization URL contains `state`, so that the response must too. */
  hasState: boolean;
}

export type Outcome = { token: string } | { reason: string };

/** Fill in a template such as `https://issuer/authorize?redirect_to={redirect}`; null if it isn't an http(s) URL. */
export function signInUrl(template: string, redirect: string, attempt: Attempt): string | null {
  const values: Record<string, string> = { redirect, nonce: attempt.nonce, state: attempt.state };
  const filled = template.replace(/\{(redirect|nonce|state)\}/g, (_, name: string) =>
    encodeURIComponent(values[name] ?? ""),
  );
  return URL.canParse(filled) && /^https?:$/.test(new URL(filled).protocol) ? filled : null;
}

/**
 * Read the response from the URL's fragment or, for some errors, its query (RFC 6749, 4.2.2).
 *
 * Returns null for a URL without a response. A token is accepted only if this tab started the sign-in: otherwise an
 * attacker's link could sign users in to the attacker's account and collect what they write there.
 */
export function readResponse(url: URL, attempt: Attempt | null): Outcome | null {
  const fragment = new URLSearchParams(url.hash.slice(1));
  const response = ["access_token", "id_token", "error"].some((name) => fragment.has(name))
    ? fragment
    : url.searchParams;
  const error = response.get("error_description") ?? response.get("error");
  if (response === url.searchParams && (attempt === null || error === null)) return null;
  // The text of an error from an unrequested response is not shown: it may come from an attacker's link.
  if (attempt === null) return { reason: "This sign-in was not started in this tab. Sign in again below." };
  if (error !== null) return { reason: `The identity provider rejected the sign-in: ${error}` };
  if (attempt.hasState && response.get("state") !== attempt.state) {
    return { reason: "The response belongs to a different sign-in. Sign in again below." };
  }
  const idToken = response.get("id_token");
  if (idToken !== null && claimsOf(idToken)?.["nonce"] !== attempt.nonce) {
    return { reason: "The ID token belongs to a different sign-in. Sign in again below." };
  }
  const token = [response.get("access_token"), idToken].find((candidate) => candidate && claimsOf(candidate));
  return token
    ? { token }
    : {
        reason: "The identity provider didn't return a JWT, so Headwater can't verify it. Contact your administrator.",
      };
}

export function isAttempt(value: unknown): value is Attempt {
  return hasStrings(value, ["nonce", "state", "from"]) && "hasState" in value;
}

/** Decode a JWT's claims without verifying them; null if `token` isn't a JWT. */
export function claimsOf(token: string): Record<string, unknown> | null {
  const [, payload, signature] = token.split(".");
  if (payload === undefined || signature === undefined) return null;
  try {
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const isObject = typeof claims === "object" && claims !== null && !Array.isArray(claims);
    return isObject ? (claims as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
