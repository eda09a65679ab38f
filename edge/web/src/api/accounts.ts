/** Who may call: this installation's way to sign in, who is signed in, members and API keys. */

import { checked, given, readJson, send } from "./call";
import { ProblemError } from "./problem";
import type { ApiKey, CreatedApiKey, Me, Member, NewApiKey, Problem, Role } from "./types";

/** What `GET /env` tells everybody. */
export interface Installation {
  name: string;
  version: string;
  authMode: string;
  /** Where the browser is sent to sign in, a template; absent or empty: API keys only. */
  signInUrl?: string | null;
}

const NO_KEY: Problem = {
  title: "Not a key",
  detail:
    "A key is hw_ and 38 letters and digits. Lists of keys show only its beginning: paste it whole, as it was shown when it was made.",
};

export async function readInstallation(signal?: AbortSignal): Promise<Installation> {
  return (await checked(await fetch("/env", given(signal)))).json() as Promise<Installation>;
}

export function readMe(signal?: AbortSignal): Promise<Me> {
  return readJson("/api/me", signal);
}

/** Ask whether a token is good, without signing in with it; throws a ProblemError when it isn't. */
export async function checkToken(token: string): Promise<void> {
  // A header can't carry just anything, and `fetch` says no more than that.
  if (!/^[!-~]+$/.test(token)) throw new ProblemError(NO_KEY);
  await checked(await fetch("/api/me", { headers: { authorization: `Bearer ${token}` } }));
}

export async function listMembers(signal?: AbortSignal): Promise<Member[]> {
  return (await readJson<{ members: Member[] }>("/api/members", signal)).members;
}

export async function addMember(member: Pick<Member, "subject" | "role" | "name">): Promise<void> {
  await send("POST", "/api/members", member);
}

export async function changeRole(subject: string, role: Role): Promise<void> {
  await send("PATCH", memberPath(subject), { role });
}

export async function removeMember(subject: string): Promise<void> {
  await send("DELETE", memberPath(subject));
}

/** A subject's slashes are the path's own, as the API has it. */
function memberPath(subject: string): string {
  return `/api/members/${subject.split("/").map(encodeURIComponent).join("/")}`;
}

export async function listKeys(signal?: AbortSignal): Promise<ApiKey[]> {
  return (await readJson<{ keys: ApiKey[] }>("/api/keys", signal)).keys;
}

export async function createKey(key: NewApiKey): Promise<CreatedApiKey> {
  return (await send("POST", "/api/keys", key)).json() as Promise<CreatedApiKey>;
}

export async function revokeKey(id: string): Promise<void> {
  await send("DELETE", `/api/keys/${encodeURIComponent(id)}`);
}
