/** Leaves for the issuer, and takes what it sent back out of the URL before anything else can see it. */

import { keep, kept } from "../session/tab-storage";
import { currentSession, refuse, signIn } from "../session/session";
import { isAttempt, readReturn, signInUrl, type Attempt } from "./oauth";

/** Go to the issuer that `template` names; returns why not when that can't be. */
export function leave(template: string): string | null {
  const { origin, pathname, search } = window.location;
  const attempt: Attempt = {
    nonce: crypto.randomUUID(),
    state: crypto.randomUUID(),
    from: pathname + search,
    hasState: template.includes("{state}"),
  };
  const url = signInUrl(template, `${origin}/`, attempt);
  if (url === null) return "This installation's SIGN_IN_URL isn't the URL of a web page.";
  keep("attempt", attempt);
  window.location.assign(url);
  return null;
}

/** Called once, before the app is drawn: signs in with what an issuer sent back, and shows the page that was left. */
export function returnFromIssuer(): void {
  const attempt = kept("attempt", isAttempt);
  keep("attempt", null);
  const outcome = readReturn(new URL(window.location.href), attempt);
  if (outcome === null) return;
  window.history.replaceState(null, "", attempt?.from ?? window.location.pathname + window.location.search);
  if ("token" in outcome) signIn(outcome.token);
  // What nobody had asked for ends no session.
  else if (attempt || !currentSession()) refuse(outcome.reason);
}
