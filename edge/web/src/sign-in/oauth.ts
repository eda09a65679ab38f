/**
 * The way to the issuer and back. Pure.
 *
 * A template such as `https://issuer/authorize?redirect_to={redirect}` flows in, the URL to send the browser to flows
 * out; then the URL that it came back with flows in, and a token flows out, or why there is none.
 */

import { hasStrings } from "../session/tab-storage";

/** A sign-in that has begun in this tab. */
export interface Attempt {
  nonce: string;
  state: string;
  /** The page that was left for it. */
  from: string;
  /** Whether the issuer was given `state`, and so has to give it back. */
  hasState: boolean;
}

export type Outcome = { token: string } | { reason: string };

const ASIDE = "Sign in again with the button below.";

/** Fill in the template; null when it isn't the URL of a web page. */
export function signInUrl(template: string, redirect: string, attempt: Attempt): string | null {
  const values: Record<string, string> = { redirect, nonce: attempt.nonce, state: attempt.state };
  const filled = template.replace(/\{(redirect|nonce|state)\}/g, (_, name: string) =>
    encodeURIComponent(values[name] ?? ""),
  );
  return URL.canParse(filled) && /^https?:$/.test(new URL(filled).protocol) ? filled : null;
}

/**
 * Read what an issuer sent back in the fragment, or, when it refuses, in the query (RFC 6749, 4.2.2).
 *
 * Returns null for a URL that has nothing to do with signing in. A token is taken only when its sign-in began in this
 * tab: else a link could sign somebody in as somebody else, and have what they write.
 */
export function readReturn(url: URL, attempt: Attempt | null): Outcome | null {
  const fragment = new URLSearchParams(url.hash.slice(1));
  const answer = ["access_token", "id_token", "error"].some((name) => fragment.has(name)) ? fragment : url.searchParams;
  const error = answer.get("error_description") ?? answer.get("error");
  if (answer === url.searchParams && (attempt === null || error === null)) return null;
  // Anybody can write a link: what it says is no issuer's word.
  if (attempt === null) {
    const what = error === null ? "A token" : "A refusal";
    return { reason: `${what} came that nobody had asked for here, and was not taken. ${ASIDE}` };
  }
  if (error !== null) return { reason: `The issuer said: ${error}` };
  if (attempt.hasState && answer.get("state") !== attempt.state) {
    return { reason: `What came back belongs to another sign-in. ${ASIDE}` };
  }
  const idToken = answer.get("id_token");
  if (idToken !== null && claimsOf(idToken)?.["nonce"] !== attempt.nonce) {
    return { reason: `The ID token belongs to another sign-in. ${ASIDE}` };
  }
  const token = [answer.get("access_token"), idToken].find((candidate) => candidate && claimsOf(candidate));
  return token ? { token } : { reason: "What the issuer sent is not a JWT, which alone can be checked here." };
}

export function isAttempt(value: unknown): value is Attempt {
  return hasStrings(value, ["nonce", "state", "from"]) && "hasState" in value;
}

/** Read a JWT's claims, which nobody has checked; null when it isn't one. */
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
