/**
 * The token of local mode, which `scripts/dev` puts into the link that it prints: `http://127.0.0.1:8787/#token=…`
 *
 * It is kept in `localStorage`, so that every tab of this origin has it. Pages on other ports are other origins and can't
 * read it; a cookie would be sent to them.
 */

const NAME = "headwater:local-token";

let linked: string | null = null;

/** Remove the token of a link from the URL. Called once before the app renders, so that it stays in no history. */
export function takeLinkedToken(): void {
  const { hash, pathname, search } = window.location;
  linked = tokenOf(hash);
  if (linked !== null) window.history.replaceState(null, "", pathname + search);
}

/** The token of the link with which this page was opened; null if there was none. */
export function linkedToken(): string | null {
  return linked;
}

/** Return the token in a link or in its fragment; null if there is none. Example: `#token=abc` gives `abc`. */
export function tokenOf(link: string): string | null {
  return new URLSearchParams(link.slice(link.indexOf("#") + 1)).get("token");
}

/** The token with which this origin was opened before; null if there is none, or storage is blocked. */
export function savedToken(): string | null {
  try {
    return localStorage.getItem(NAME);
  } catch {
    return null;
  }
}

export function saveToken(token: string): void {
  try {
    localStorage.setItem(NAME, token);
  } catch {
    // Storage is blocked or full: the token lasts as long as the tab.
  }
}
