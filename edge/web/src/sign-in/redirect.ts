/** Redirect to the identity provider to sign in, and process its response. */

import { load, store } from "../session/tab-storage";
import { currentSession, rejectSignIn, signIn } from "../session/session";
import { isAttempt, readResponse, signInUrl, type Attempt } from "./oauth";

/** Redirect to the URL made from `template`. Returns an error message if it is invalid. */
export function startSignIn(template: string): string | null {
  const { origin, pathname, search } = window.location;
  const attempt: Attempt = {
    nonce: crypto.randomUUID(),
    state: crypto.randomUUID(),
    from: pathname + search,
    hasState: template.includes("{state}"),
  };
  const url = signInUrl(template, `${origin}/`, attempt);
  if (url === null)
    return "Sign-in is misconfigured: SIGN_IN_URL must be an http or https URL. Contact your administrator.";
  store("attempt", attempt);
  window.location.assign(url);
  return null;
}

/**
 * Process the identity provider's response in the URL: remove it, sign in and return to the page the user came from.
 *
 * Called once before the app renders, so that no other code sees the token in the URL.
 */
export function finishSignIn(): void {
  const attempt = load("attempt", isAttempt);
  store("attempt", null);
  const outcome = readResponse(new URL(window.location.href), attempt);
  if (outcome === null) return;
  window.history.replaceState(null, "", attempt?.from ?? window.location.pathname + window.location.search);
  if ("token" in outcome) signIn(outcome.token);
  // A response that this tab didn't request must not end its session.
  else if (attempt || !currentSession()) rejectSignIn(outcome.reason);
}
