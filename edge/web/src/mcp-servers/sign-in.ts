/** Sign in to an MCP server: leave for its authorization server, and read with what the person comes back. */

import type { McpSignIn } from "../api/types";
import { isString, load, store } from "../session/tab-storage";

const STATE = "mcp-sign-in";

/** The address of the page that the person comes back to. */
export function callbackUrl(): string {
  return `${window.location.origin}/mcp-servers/callback`;
}

/** Leave for the authorization server. This tab remembers the state: only it can finish the sign-in. */
export function openSignIn({ authorization_url: url, state }: McpSignIn): void {
  store(STATE, state);
  window.location.assign(url);
}

/**
 * Return what to send to finish the sign-in, once; null if this tab has begun none, or another one.
 *
 * A page that makes someone open a callback with its own code would connect its own account otherwise.
 */
export function takeAnswer(answer: URLSearchParams): Record<string, string> | null {
  const expected = load(STATE, isString);
  store(STATE, null);
  const state = answer.get("state");
  if (state === null || state !== expected) return null;
  const sent: Record<string, string> = { state };
  for (const name of ["code", "iss", "error"]) {
    const value = answer.get(name);
    if (value !== null) sent[name] = value;
  }
  return sent;
}
