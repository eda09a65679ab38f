/**
 * Who is signed in in this tab: a token, and which of its workspaces is looked at.
 *
 * The token lies in `sessionStorage`: it survives the reload that an answer is resumed after, it is gone with the tab,
 * and, unlike a cookie, no page but this one can make a browser send it. Refresh tokens are not kept at all: changing
 * one would mean to call the issuer, which this app's CSP forbids, and signing in anew is one click.
 */

import { useSyncExternalStore } from "react";
import { forgetAll, hasStrings, isString, keep, kept } from "./tab-storage";

export interface Session {
  /** A JWT or an API key. */
  token: string;
  /** The workspace that was chosen; absent: the caller's oldest. */
  workspaceId?: string;
}

export interface SignedOut {
  /** Why, where that wasn't the user's own wish. */
  reason: string | null;
}

let session: Session | null = kept("session", isSession);
let signedOut: SignedOut = { reason: null };
const listeners = new Set<() => void>();

export function currentSession(): Session | null {
  return session;
}

export function signIn(token: string): void {
  // Who comes back after a token has expired comes back to the workspace that was open; an API key is of one only.
  const workspaceId = token.startsWith("hw_") ? null : kept("workspace", isString);
  change(workspaceId === null ? { token } : { token, workspaceId });
}

/** Look at another workspace; null: the caller's oldest. */
export function chooseWorkspace(workspaceId: string | null): void {
  if (!session) return;
  keep("workspace", workspaceId);
  const { token } = session;
  change(workspaceId === null ? { token } : { token, workspaceId });
}

/** End the session that `token` belongs to, because it was refused; a later one isn't touched by a late refusal. */
export function expire(token: string, reason: string): void {
  if (session?.token === token) change(null, { reason });
}

/** Say at the sign-in page why signing in didn't work. */
export function refuse(reason: string): void {
  change(null, { reason });
}

/** Sign out: with the reload, nothing of the user's stays in this tab. */
export function signOut(): void {
  forgetAll();
  window.location.replace("/");
}

export function useSession(): Session | null {
  return useSyncExternalStore(subscribe, () => session);
}

export function useSignedOut(): SignedOut {
  return useSyncExternalStore(subscribe, () => signedOut);
}

function change(next: Session | null, why: SignedOut = { reason: null }): void {
  session = next;
  signedOut = why;
  keep("session", next);
  for (const listener of listeners) listener();
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}

function isSession(value: unknown): value is Session {
  return hasStrings(value, ["token"]) && (!("workspaceId" in value) || hasStrings(value, ["workspaceId"]));
}
