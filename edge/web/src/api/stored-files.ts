/** Files in a conversation's file store. Calls throw a ProblemError, or the browser's TypeError without a connection. */

import { call, checked, readJson, send } from "./call";
import type { FileChange, StoredFile } from "./types";

/** List the current files of a conversation by path, or all versions of one, latest first. */
export async function listStoredFiles(
  conversationId: string,
  path: string,
  signal?: AbortSignal,
): Promise<StoredFile[]> {
  const query = path === "" ? "" : `?${new URLSearchParams({ path }).toString()}`;
  return (await readJson<{ files: StoredFile[] }>(`${filesPath(conversationId)}${query}`, signal)).files;
}

/** Compare a version of a file with the one before it. */
export async function readChange(
  conversationId: string,
  path: string,
  version: number,
  signal?: AbortSignal,
): Promise<FileChange | null> {
  const query = new URLSearchParams({ path, after: String(version) }).toString();
  const url = `${filesPath(conversationId)}/changes?${query}`;
  return (await readJson<{ changes: FileChange[] }>(url, signal)).changes[0] ?? null;
}

/** Read the content of a version. */
export async function readContent(
  conversationId: string,
  path: string,
  version: number,
  signal?: AbortSignal,
): Promise<Blob> {
  const query = new URLSearchParams({ path, version: String(version) }).toString();
  return (await checked(await call(`${filesPath(conversationId)}/content?${query}`, signal ? { signal } : {}))).blob();
}

/** Remove a file with all its versions. */
export async function removeStoredFile(conversationId: string, path: string): Promise<void> {
  await send("DELETE", `${filesPath(conversationId)}?${new URLSearchParams({ path }).toString()}`);
}

function filesPath(conversationId: string): string {
  return `/api/conversations/${encodeURIComponent(conversationId)}/files`;
}
