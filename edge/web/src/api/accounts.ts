/** The installation, the signed-in user, members, API keys and the audit log. */

import { call, checked, withSignal, readJson, send } from "./call";
import { ProblemError } from "./problem";
import type { ApiKey, AuditPage, CreatedApiKey, Me, Member, NewApiKey, Problem, Role } from "./types";

/** The public response of `GET /env`. */
export interface Installation {
  name: string;
  version: string;
  authMode: string;
  /** Template of the identity provider's authorization URL; absent or empty if only API keys can sign in. */
  signInUrl?: string | null;
}

const INVALID_KEY: Problem = {
  title: "Invalid API key or token",
  status: 401,
  detail: "This isn't a valid API key or token. Copy the whole text and try again.",
};

export async function readInstallation(signal?: AbortSignal): Promise<Installation> {
  return (await checked(await fetch("/env", withSignal(signal)))).json() as Promise<Installation>;
}

export function readMe(signal?: AbortSignal): Promise<Me> {
  return readJson("/api/me", signal);
}

/** Check a token with the API without signing in; throws a ProblemError if it is rejected. */
export async function checkToken(token: string): Promise<void> {
  // `fetch` throws a bare TypeError for characters that a header can't carry.
  if (!/^[!-~]+$/.test(token)) throw new ProblemError(INVALID_KEY);
  await checked(await fetch("/api/me", { headers: { authorization: `Bearer ${token}` } }));
}

/** Get all of the user's data in the workspace, as a JSON file. */
export async function exportData(): Promise<Blob> {
  return (await checked(await call("/api/me/data"))).blob();
}

/** Delete all of the user's data; with `leave`, their membership and API keys too. */
export async function deleteData(leave: boolean): Promise<void> {
  await send("DELETE", `/api/me/data?leave=${String(leave)}`);
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

/** Remove a member; with `deleteData`, all of their data too. */
export async function removeMember(subject: string, deleteData: boolean): Promise<void> {
  await send("DELETE", `${memberPath(subject)}${deleteData ? "?delete_data=true" : ""}`);
}

/** The route takes slashes of a subject as path separators, so they are not encoded. */
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

/** List the workspace's audit log, newest entries first. */
export function listAuditLog(after: string | null, signal?: AbortSignal): Promise<AuditPage> {
  const query = new URLSearchParams({ limit: "20", ...(after !== null && { after }) });
  return readJson(`/api/audit-log?${query.toString()}`, signal);
}
