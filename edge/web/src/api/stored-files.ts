/** Files in a conversation's file store. Calls throw a ProblemError, or the browser's TypeError without a connection. */

import { call, checked, readJson, send, withSignal } from "./call";
import type { FileChange, Preview, StoredFile } from "./types";

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

/** Make an address that shows a page without sign-in, for a frame. `version`: the current one if undefined. */
export async function createPreview(
  conversationId: string,
  path: string,
  version: number | undefined,
  signal?: AbortSignal,
): Promise<Preview> {
  const body = JSON.stringify({ path, ...(version !== undefined && { version }) });
  const headers = { "content-type": "application/json" };
  const url = `${filesPath(conversationId)}/preview`;
  const response = await checked(await call(url, { method: "POST", body, headers, ...withSignal(signal) }));
  return response.json() as Promise<Preview>;
}

/** Remove a file with all its versions. */
export async function removeStoredFile(conversationId: string, path: string): Promise<void> {
  await send("DELETE", `${filesPath(conversationId)}?${new URLSearchParams({ path }).toString()}`);
}

function filesPath(conversationId: string): string {
  return `/api/conversations/${encodeURIComponent(conversationId)}/files`;
}
