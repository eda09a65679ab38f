/**
 * The session of this tab: the user's token and the selected workspace.
 *
 * The token is kept in `sessionStorage`: it survives a reload, is deleted with the tab, and, unlike a cookie, is not sent
 * by requests from other sites. Refresh tokens are not stored: using one requires a request to the identity provider,
 * which this app's CSP forbids, and signing in again is one click.
 */

import { useSyncExternalStore } from "react";
import { clear, hasStrings, isString, load, store } from "./tab-storage";

export interface Session {
  /** A JWT or an API key. */
  token: string;
  /** The selected workspace; absent for the user's oldest one. */
  workspaceId?: string;
}

export interface SignedOut {
  /** Shown on the sign-in page; null if the user signed out. */
  reason: string | null;
}

let session: Session | null = load("session", isSession);
let signedOut: SignedOut = { reason: null };
const listeners = new Set<() => void>();

export function currentSession(): Session | null {
  return session;
}

export function signIn(token: string): void {
  // After a token has expired, signing in again returns to the same workspace. An API key belongs to one workspace.
  const workspaceId = token.startsWith("hw_") ? null : load("workspace", isString);
  change(workspaceId === null ? { token } : { token, workspaceId });
}

/** Switch to a workspace; null selects the user's oldest one. */
export function chooseWorkspace(workspaceId: string | null): void {
  if (!session) return;
  store("workspace", workspaceId);
  const { token } = session;
  change(workspaceId === null ? { token } : { token, workspaceId });
}

/** End the session because its token was rejected. Does nothing if another token has replaced it. */
export function expire(token: string, reason: string): void {
  if (session?.token === token) change(null, { reason });
}

/** End the session and show on the sign-in page why signing in failed. */
export function rejectSignIn(reason: string): void {
  change(null, { reason });
}

/** Sign out. Clears the tab's storage and reloads, so that no user data stays in memory. */
export function signOut(): void {
  clear();
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
  store("session", next);
  for (const listener of listeners) listener();
}

function subscribe(changed: () => void): () => void {
  listeners.add(changed);
  return () => listeners.delete(changed);
}

function isSession(value: unknown): value is Session {
  return hasStrings(value, ["token"]) && (!("workspaceId" in value) || hasStrings(value, ["workspaceId"]));
}
